//! Queues: where tasks wait for workers.

use oarlock_proto::v1::{Queue, QueueLimit};

use crate::endpoint::{Call, Repeat};
use crate::{Client, Error, List, path};

/// One queue, by name.
#[derive(Debug, Clone)]
pub struct QueueHandle {
    client: Client,
    name: String,
}

impl Client {
    /// Every queue.
    pub fn queues(&self) -> List<Queue> {
        List::new(self, "/queues")
    }

    /// One queue.
    #[must_use]
    pub fn queue(&self, name: &str) -> QueueHandle {
        QueueHandle { client: self.clone(), name: name.to_owned() }
    }
}

impl QueueHandle {
    fn path(&self, rest: &str) -> String {
        format!("/queues/{}{rest}", path::part(&self.name))
    }

    /// What stands in it.
    pub async fn get(&self) -> Result<Queue, Error> {
        self.client.ask(Call::get(self.path(""))).await
    }

    /// Hands nothing out of it from now on.
    pub async fn pause(&self) -> Result<Queue, Error> {
        self.client.ask(Call::post(self.path("/pause"), Repeat::Safe)).await
    }

    /// Hands out again.
    pub async fn resume(&self) -> Result<Queue, Error> {
        self.client.ask(Call::post(self.path("/resume"), Repeat::Safe)).await
    }

    /// At most so many of its tasks run at once, over the whole cluster; none: no limit.
    pub async fn set_limit(&self, concurrency: Option<u32>) -> Result<Queue, Error> {
        let body = QueueLimit { concurrency };
        self.client.ask(Call::put(self.path("/limit")).json(&body)).await
    }
}
