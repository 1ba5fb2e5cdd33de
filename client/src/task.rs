//! One task of a run: look at it, or settle it by hand.

use oarlock_proto::v1::{Attempt, CompleteTask, FailTask, Task};
use serde_json::Value;

use crate::endpoint::{Call, Repeat};
use crate::{Client, Error, List, path};

/// One task, by its run and its name.
#[derive(Debug, Clone)]
pub struct TaskHandle {
    client: Client,
    run: String,
    name: String,
}

impl Client {
    /// One task, by its whole id: `etl/1042/load`, `etl/1042/extract[3]`.
    #[must_use]
    pub fn task(&self, id: &str) -> TaskHandle {
        let (run, name) = path::of_task(id);
        TaskHandle::new(self, run, name)
    }
}

impl TaskHandle {
    pub(crate) fn new(client: &Client, run: &str, name: &str) -> TaskHandle {
        TaskHandle { client: client.clone(), run: run.to_owned(), name: name.to_owned() }
    }

    fn path(&self, rest: &str) -> String {
        format!("/runs/{}/tasks/{}{rest}", path::part(&self.run), path::part(&self.name))
    }

    /// The task, in the full view: what it was given, what it came to.
    pub async fn get(&self) -> Result<Task, Error> {
        self.client.ask(Call::get(self.path("")).query("view", "full")).await
    }

    /// Each try of it.
    pub fn attempts(&self) -> List<Attempt> {
        List::new(&self.client, self.path("/attempts"))
    }

    /// Completes it by hand.
    pub async fn complete(
        &self,
        output: Option<Value>,
        attempt: Option<u32>,
    ) -> Result<Task, Error> {
        let body = CompleteTask { output, attempt };
        self.client.ask(Call::post(self.path("/complete"), Repeat::Once).json(&body)).await
    }

    /// Fails it by hand.
    pub async fn fail(&self, failure: FailTask) -> Result<Task, Error> {
        self.client.ask(Call::post(self.path("/fail"), Repeat::Once).json(&failure)).await
    }
}
