//! One run: look at it, wait for it, tell it things.

use std::collections::BTreeMap;

use oarlock_proto::v1::{Reason, RetryRun, Run, RunResult, RunStatus, Signal, Tag, Task};
use serde_json::Value;

use crate::endpoint::{Call, Repeat};
use crate::watch::{Events, Log, ends_run};
use crate::{Client, Error, List, TaskHandle, path};

/// One run, by its id or its short name. Dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct RunHandle {
    client: Client,
    id: String,
}

impl Client {
    /// One run: `run_…` or `etl/1042`.
    #[must_use]
    pub fn run(&self, id: &str) -> RunHandle {
        RunHandle { client: self.clone(), id: id.to_owned() }
    }
}

impl RunHandle {
    fn path(&self, rest: &str) -> String {
        format!("/runs/{}{rest}", path::part(&self.id))
    }

    async fn tell(&self, rest: &str, repeat: Repeat, reason: &str) -> Result<Run, Error> {
        let body = Reason { reason: reason.to_owned() };
        self.client.ask(Call::post(self.path(rest), repeat).json(&body)).await
    }

    /// The run, in the full view: input, output, and its graph with the state of each node.
    pub async fn get(&self) -> Result<Run, Error> {
        self.client.ask(Call::get(self.path("")).query("view", "full")).await
    }

    /// What it came to, or where it stands.
    pub async fn result(&self) -> Result<RunResult, Error> {
        self.client.ask(Call::get(self.path("/result"))).await
    }

    /// Follows it to its end. A run that does not end well is an error.
    pub async fn wait(&self) -> Result<RunResult, Error> {
        let mut events = self.events(0).param("types", "run.*");
        loop {
            let result = self.result().await?;
            let run = result.name.clone();
            match result.status {
                RunStatus::Completed => return Ok(result),
                RunStatus::Failed => {
                    return Err(Error::RunFailed { run, failure: result.error.map(Box::new) });
                }
                RunStatus::Cancelled => return Err(Error::RunCancelled { run }),
                RunStatus::TimedOut => return Err(Error::RunTimedOut { run }),
                RunStatus::Queued
                | RunStatus::Running
                | RunStatus::Paused
                | RunStatus::Cancelling => {}
            }
            while let Some(event) = events.next().await? {
                if ends_run(&event) {
                    break;
                }
            }
        }
    }

    /// What happens to it, from behind this revision on (0: from its beginning), until it is over.
    #[must_use]
    pub fn events(&self, after: u64) -> Events {
        Events::new(&self.client, self.path("/events"), Some(after))
    }

    /// What its attempts printed, of one task or of all.
    pub async fn logs(&self, task: Option<&str>, attempt: Option<u32>) -> Result<Log, Error> {
        let task = task.map(|task| ("task", task.to_owned()));
        let attempt = attempt.map(|attempt| ("attempt", attempt.to_string()));
        self.logs_with(&task.into_iter().chain(attempt).collect::<Vec<_>>()).await
    }

    /// What its attempts printed, with any parameters that the log takes: `tail`, `since`, `follow`.
    pub async fn logs_with(&self, params: &[(&str, String)]) -> Result<Log, Error> {
        let mut call = Call::get(self.path("/logs"));
        for (name, value) in params {
            call = call.query(name, value.clone());
        }
        Log::open(&self.client, call).await
    }

    /// Everything that is known of it, one JSON object a line.
    pub async fn export(&self) -> Result<String, Error> {
        let response = self.client.send(Call::get(self.path("/export"))).await?;
        response.text().await.map_err(|fault| self.client.lost(self.client.addr(), fault))
    }

    /// Its tasks, in the order of the file; a fan-out has one for each item.
    pub fn tasks(&self) -> List<Task> {
        List::new(&self.client, self.path("/tasks"))
    }

    /// One of its tasks.
    #[must_use]
    pub fn task(&self, name: &str) -> TaskHandle {
        TaskHandle::new(&self.client, &self.id, name)
    }

    /// Ends it in an orderly way: what runs is told to stop, clean-up still runs.
    pub async fn cancel(&self, reason: &str) -> Result<Run, Error> {
        self.tell("/cancel", Repeat::Safe, reason).await
    }

    /// Ends it at once, without clean-up.
    pub async fn terminate(&self, reason: &str) -> Result<Run, Error> {
        self.tell("/terminate", Repeat::Safe, reason).await
    }

    /// Begins nothing new in it; what runs finishes.
    pub async fn pause(&self, reason: &str) -> Result<Run, Error> {
        self.tell("/pause", Repeat::Safe, reason).await
    }

    /// Goes on with it.
    pub async fn resume(&self) -> Result<Run, Error> {
        self.client.ask(Call::post(self.path("/resume"), Repeat::Safe)).await
    }

    /// Runs again what failed and what was left out because of it; or a task and everything behind it.
    pub async fn retry(&self, from: Option<&str>) -> Result<Run, Error> {
        let body = RetryRun { from: from.map(str::to_owned) };
        self.client.ask(Call::post(self.path("/retry"), Repeat::Once).json(&body)).await
    }

    /// Tells it something that a task of it waits for, or will wait for. A second one with the same id is dropped.
    pub async fn signal(
        &self,
        name: &str,
        payload: Option<Value>,
        id: Option<&str>,
    ) -> Result<(), Error> {
        let id = id.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned);
        let body = Signal { name: name.to_owned(), payload, id: Some(id) };
        let call = Call::post(self.path("/signal"), Repeat::Safe).json(&body);
        self.client.send(call).await.map(drop)
    }

    /// Sets labels of it; an empty value takes a label away.
    pub async fn tag(&self, labels: BTreeMap<String, String>) -> Result<Run, Error> {
        self.client.ask(Call::post(self.path("/tags"), Repeat::Safe).json(&Tag { labels })).await
    }

    /// Forgets it, with everything it printed. It must be finished.
    pub async fn delete(&self) -> Result<(), Error> {
        self.client.send(Call::delete(self.path(""))).await.map(drop)
    }
}
