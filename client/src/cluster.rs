//! The machine itself: nodes, roles, workers, actors, settings, health.

use oarlock_proto::v1::{Actor, Member, Readiness, Role, SetSetting, Setting, Status, Worker};

use crate::endpoint::{Call, Repeat};
use crate::watch::Events;
use crate::{Client, Error, List, path};

/// One actor, by its path in the tree.
#[derive(Debug, Clone)]
pub struct ActorHandle {
    client: Client,
    id: String,
}

impl Client {
    /// One screen of health.
    pub async fn status(&self) -> Result<Status, Error> {
        self.ask(Call::get("/status")).await
    }

    /// Whether the node can be sent work, and what is missing if not.
    pub async fn readiness(&self) -> Result<Readiness, Error> {
        self.ask(Call::get("/ready")).await
    }

    /// The nodes.
    pub fn nodes(&self) -> List<Member> {
        List::new(self, "/nodes")
    }

    /// What exactly one node drives at a time, and which.
    pub fn roles(&self) -> List<Role> {
        List::new(self, "/roles")
    }

    /// Who does the work.
    pub fn workers(&self) -> List<Worker> {
        List::new(self, "/workers")
    }

    /// One worker.
    pub async fn worker(&self, id: &str) -> Result<Worker, Error> {
        self.ask(Call::get(format!("/workers/{}", path::part(id)))).await
    }

    /// The supervision tree of the node that answers.
    pub async fn actors(&self) -> Result<Actor, Error> {
        self.ask(Call::get("/actors")).await
    }

    /// One actor: `supervisor/scheduler/dag-etl-1-of-1`.
    #[must_use]
    pub fn actor(&self, id: &str) -> ActorHandle {
        ActorHandle { client: self.clone(), id: id.to_owned() }
    }

    /// Settings of the cluster.
    pub fn settings(&self) -> List<Setting> {
        List::new(self, "/settings")
    }

    /// Sets one; an empty value brings the default back.
    pub async fn set_setting(&self, name: &str, value: &str) -> Result<Setting, Error> {
        let body = SetSetting { value: value.to_owned() };
        self.ask(Call::put(format!("/settings/{}", path::part(name))).json(&body)).await
    }

    /// What happens anywhere, from behind this revision on, or from now on. It never ends by itself.
    #[must_use]
    pub fn events(&self, after: Option<u64>) -> Events {
        Events::new(self, "/events".to_owned(), after)
    }
}

impl ActorHandle {
    /// The actor, with those it supervises.
    pub async fn get(&self) -> Result<Actor, Error> {
        self.client.ask(Call::get(format!("/actors/{}", path::part(&self.id)))).await
    }

    /// Ends it and starts it anew. What is true is in the log, so nothing is lost.
    pub async fn restart(&self) -> Result<(), Error> {
        let path = format!("/actors/{}/restart", path::part(&self.id));
        self.client.send(Call::post(path, Repeat::Once)).await.map(drop)
    }
}
