//! Workflows: apply files, look at definitions, hold back and let go.

use oarlock_proto::v1::{Applied, Graph, Workflow, WorkflowVersion};

use crate::endpoint::{Call, Repeat};
use crate::{Client, Error, List, Start, path};

/// One workflow, by name.
#[derive(Debug, Clone)]
pub struct WorkflowHandle {
    client: Client,
    name: String,
}

/// A file that has not been sent yet.
#[derive(Debug, Clone)]
#[must_use]
pub struct Apply {
    client: Client,
    text: String,
    dry_run: bool,
    if_match: Option<String>,
}

impl Client {
    /// Every workflow, by name.
    pub fn workflows(&self) -> List<Workflow> {
        List::new(self, "/workflows")
    }

    /// One workflow.
    #[must_use]
    pub fn workflow(&self, name: &str) -> WorkflowHandle {
        WorkflowHandle { client: self.clone(), name: name.to_owned() }
    }

    /// Creates or changes the definitions in the text of a file (YAML; several documents with `---`).
    pub fn apply(&self, text: impl Into<String>) -> Apply {
        Apply { client: self.clone(), text: text.into(), dry_run: false, if_match: None }
    }
}

impl Apply {
    /// Says what would change, and changes nothing.
    pub fn dry_run(mut self, dry_run: bool) -> Apply {
        self.dry_run = dry_run;
        self
    }

    /// Only if the definition is still the one with this ETag.
    pub fn if_match(mut self, etag: impl Into<String>) -> Apply {
        self.if_match = Some(etag.into());
        self
    }

    /// Sends it. An equal text changes nothing, so that it may be sent again.
    pub async fn send(self) -> Result<Applied, Error> {
        let mut call = Call::post("/workflows", Repeat::Keyed).text("application/yaml", &self.text);
        if self.dry_run {
            call = call.query("dry_run", "true");
        }
        if let Some(etag) = &self.if_match {
            call = call.if_match(etag);
        }
        self.client.ask(call).await
    }
}

impl WorkflowHandle {
    fn path(&self, rest: &str) -> String {
        format!("/workflows/{}{rest}", path::part(&self.name))
    }

    /// The newest version, in the full view.
    pub async fn get(&self) -> Result<Workflow, Error> {
        self.client.ask(Call::get(self.path("")).query("view", "full")).await
    }

    /// One version of it, in the full view.
    pub async fn version(&self, version: u32) -> Result<Workflow, Error> {
        let path = self.path(&format!("/versions/{version}"));
        self.client.ask(Call::get(path).query("view", "full")).await
    }

    /// Every version, newest first.
    pub fn versions(&self) -> List<WorkflowVersion> {
        List::new(&self.client, self.path("/versions"))
    }

    /// The workflow as a picture.
    pub async fn graph(&self) -> Result<Graph, Error> {
        self.client.ask(Call::get(self.path("/graph"))).await
    }

    /// Starts a run of it.
    pub fn start(&self) -> Start {
        Start::new(&self.client, &self.name)
    }

    /// Refuses starts from now on.
    pub async fn pause(&self) -> Result<Workflow, Error> {
        self.client.ask(Call::post(self.path("/pause"), Repeat::Safe)).await
    }

    /// Takes starts again.
    pub async fn resume(&self) -> Result<Workflow, Error> {
        self.client.ask(Call::post(self.path("/resume"), Repeat::Safe)).await
    }

    /// Forgets the definition. Its runs must be finished.
    pub async fn delete(&self) -> Result<(), Error> {
        self.client.send(Call::delete(self.path(""))).await.map(drop)
    }
}
