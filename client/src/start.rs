//! Starting a run: once, however often it has to be sent.

use std::collections::BTreeMap;
use std::time::Duration;

use oarlock_proto::v1::{Run, StartRun};
use serde_json::{Map, Value};

use crate::endpoint::{Call, Repeat};
use crate::{Client, Error, new_run_id, path};

/// A start that has not been sent yet. Its run id is chosen here, so that sending it twice starts one run.
#[derive(Debug, Clone)]
#[must_use]
pub struct Start {
    client: Client,
    workflow: String,
    body: StartRun,
}

impl Start {
    pub(crate) fn new(client: &Client, workflow: &str) -> Start {
        let body = StartRun { run_id: Some(new_run_id()), ..StartRun::default() };
        Start { client: client.clone(), workflow: workflow.to_owned(), body }
    }

    /// All inputs at once, an object.
    pub fn inputs(mut self, inputs: Value) -> Start {
        self.body.input = Some(inputs);
        self
    }

    /// One input.
    pub fn input(mut self, name: impl Into<String>, value: impl Into<Value>) -> Start {
        let inputs = self.body.input.get_or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(inputs) = inputs {
            inputs.insert(name.into(), value.into());
        }
        self
    }

    /// The run's id, `run_…`, instead of a fresh one.
    pub fn run_id(mut self, id: impl Into<String>) -> Start {
        self.body.run_id = Some(id.into());
        self
    }

    /// A key of the caller: at most one unfinished run of the workflow has it.
    pub fn key(mut self, key: impl Into<String>) -> Start {
        self.body.key = Some(key.into());
        self
    }

    /// 0 low … 10 high.
    pub fn priority(mut self, priority: u8) -> Start {
        self.body.priority = Some(priority);
        self
    }

    /// A label beside those of the workflow.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Start {
        self.body.labels.insert(name.into(), value.into());
        self
    }

    /// Labels beside those of the workflow.
    pub fn labels(mut self, labels: BTreeMap<String, String>) -> Start {
        self.body.labels.extend(labels);
        self
    }

    /// Another version than the newest.
    pub fn version(mut self, version: u32) -> Start {
        self.body.version = Some(version);
        self
    }

    /// Not before this moment (RFC 3339).
    pub fn at(mut self, moment: impl Into<String>) -> Start {
        self.body.due_at = Some(moment.into());
        self
    }

    /// Not before so long from now: `"10m"`.
    pub fn delay(mut self, delay: impl Into<String>) -> Start {
        self.body.delay = Some(delay.into());
        self
    }

    /// What would be sent.
    #[must_use]
    pub fn body(&self) -> &StartRun {
        &self.body
    }

    /// Starts it. Repeating this very call, also after a crash, starts nothing more.
    pub async fn send(self) -> Result<Run, Error> {
        self.client.ask(self.call()).await
    }

    /// Starts it and waits for its end, at most so long; it comes back unfinished if that was too short.
    pub async fn send_and_wait(self, at_most: Duration) -> Result<Run, Error> {
        let call = self.call().query("wait", format!("{}ms", at_most.as_millis()));
        self.client.ask(call.timeout(at_most + Duration::from_secs(10))).await
    }

    fn call(&self) -> Call {
        let path = format!("/workflows/{}/runs", path::part(&self.workflow));
        Call::post(path, Repeat::Keyed).json(&self.body)
    }
}
