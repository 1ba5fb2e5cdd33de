//! Dead letters: tasks that failed for good and wait for somebody.

use oarlock_proto::v1::{DeadLetter, DeadLetterGroup, DeadSelection, Selected};

use crate::endpoint::{Call, Repeat};
use crate::{Client, Error, List, path};

/// One dead letter, by its id, which is the task's.
#[derive(Debug, Clone)]
pub struct DeadLetterHandle {
    client: Client,
    id: String,
}

impl Client {
    /// Every dead letter, newest first.
    pub fn dead_letters(&self) -> List<DeadLetter> {
        List::new(self, "/dlq")
    }

    /// Dead letters by what their errors have in common.
    pub fn dead_letter_groups(&self) -> List<DeadLetterGroup> {
        List::new(self, "/dlq/groups")
    }

    /// One dead letter: `etl/1042/load`.
    #[must_use]
    pub fn dead_letter(&self, id: &str) -> DeadLetterHandle {
        DeadLetterHandle { client: self.clone(), id: id.to_owned() }
    }

    /// Gives those that are meant another set of attempts.
    pub async fn retry_dead_letters(&self, which: &DeadSelection) -> Result<Selected, Error> {
        self.ask(Call::post("/dlq/retry", Repeat::Once).json(which)).await
    }

    /// Gives those that are meant up.
    pub async fn discard_dead_letters(&self, which: &DeadSelection) -> Result<Selected, Error> {
        self.ask(Call::post("/dlq/discard", Repeat::Once).json(which)).await
    }
}

impl DeadLetterHandle {
    /// The dead letter, with what its task was given.
    pub async fn get(&self) -> Result<DeadLetter, Error> {
        self.client.ask(Call::get(format!("/dlq/{}", path::part(&self.id)))).await
    }
}
