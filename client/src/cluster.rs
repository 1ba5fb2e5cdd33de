//! The machine itself: the cluster, its nodes and what they drive, workers, actors, settings, health.

use oarlock_proto::v1::{
    Actor, Cluster, Member, MemberStep, MoveRole, PinRole, RaftStatus, Readiness, Role, SetSetting,
    Setting, Status, StepDown, Worker,
};

use crate::endpoint::{Call, Repeat};
use crate::watch::Events;
use crate::{Client, Error, List, path};

/// One actor, by its path in the tree.
#[derive(Debug, Clone)]
pub struct ActorHandle {
    client: Client,
    id: String,
    node: Option<String>,
}

/// One node, by its name or its number.
#[derive(Debug, Clone)]
pub struct NodeHandle {
    client: Client,
    id: String,
}

/// One role, by its name or its number.
#[derive(Debug, Clone)]
pub struct RoleHandle {
    client: Client,
    id: String,
}

impl Client {
    /// Who takes part, who leads, and what last happened. A node without a majority answers too, and says so.
    pub async fn cluster(&self) -> Result<Cluster, Error> {
        self.ask(Call::get("/cluster")).await
    }

    /// Hands leadership to another voter; none: to the best one.
    pub async fn step_down(&self, to: Option<&str>) -> Result<Cluster, Error> {
        let body = StepDown { to: to.map(str::to_owned) };
        self.ask(Call::post("/cluster/step-down", Repeat::Once).json(&body)).await
    }

    /// Evens out who drives what.
    pub async fn rebalance(&self) -> Result<Cluster, Error> {
        self.ask(Call::post("/cluster/rebalance", Repeat::Safe)).await
    }

    /// How the node that answers sees the replicated log.
    pub async fn raft(&self) -> Result<RaftStatus, Error> {
        self.ask(Call::get("/raft")).await
    }

    /// One node: `n1`.
    #[must_use]
    pub fn node(&self, id: &str) -> NodeHandle {
        NodeHandle { client: self.clone(), id: id.to_owned() }
    }

    /// One role: `keeper-1-of-1`.
    #[must_use]
    pub fn role(&self, id: &str) -> RoleHandle {
        RoleHandle { client: self.clone(), id: id.to_owned() }
    }

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

    /// The supervision tree of any node.
    pub async fn actors_of(&self, node: &str) -> Result<Actor, Error> {
        self.ask(Call::get("/actors").query("node", node)).await
    }

    /// One actor: `supervisor/scheduler/dag-etl-1-of-1`.
    #[must_use]
    pub fn actor(&self, id: &str) -> ActorHandle {
        ActorHandle { client: self.clone(), id: id.to_owned(), node: None }
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
    /// Of this node, instead of the one that answers.
    #[must_use]
    pub fn of(mut self, node: impl Into<String>) -> ActorHandle {
        self.node = Some(node.into());
        self
    }

    fn there(&self, call: Call) -> Call {
        match &self.node {
            Some(node) => call.query("node", node),
            None => call,
        }
    }

    /// The actor, with those it supervises.
    pub async fn get(&self) -> Result<Actor, Error> {
        let call = Call::get(format!("/actors/{}", path::part(&self.id)));
        self.client.ask(self.there(call)).await
    }

    /// Ends it and starts it anew. What is true is in the log, so nothing is lost.
    pub async fn restart(&self) -> Result<(), Error> {
        let path = format!("/actors/{}/restart", path::part(&self.id));
        self.client.send(self.there(Call::post(path, Repeat::Once))).await.map(drop)
    }
}

impl NodeHandle {
    fn path(&self, rest: &str) -> String {
        format!("/nodes/{}{rest}", path::part(&self.id))
    }

    async fn tell(&self, rest: &str, body: &MemberStep) -> Result<Member, Error> {
        // Each of them says what is to be afterwards.
        self.client.ask(Call::post(self.path(rest), Repeat::Safe).json(body)).await
    }

    /// The node.
    pub async fn get(&self) -> Result<Member, Error> {
        self.client.ask(Call::get(self.path(""))).await
    }

    /// Lets it hand over its roles, finish what it runs, and take on nothing more. `force`: also if nobody can take over.
    pub async fn drain(&self, reason: Option<&str>, force: bool) -> Result<Member, Error> {
        let body = MemberStep { reason: reason.map(str::to_owned), force };
        self.tell("/drain", &body).await
    }

    /// Lets it take part again.
    pub async fn undrain(&self) -> Result<Member, Error> {
        self.client.ask(Call::post(self.path("/undrain"), Repeat::Safe)).await
    }

    /// Lets it vote, once it has caught up.
    pub async fn promote(&self) -> Result<Member, Error> {
        self.client.ask(Call::post(self.path("/promote"), Repeat::Safe)).await
    }

    /// Lets it keep its copy and vote no more.
    pub async fn demote(&self) -> Result<Member, Error> {
        self.client.ask(Call::post(self.path("/demote"), Repeat::Safe)).await
    }

    /// Takes it out for good. `force`: also while it is up.
    pub async fn remove(&self, force: bool) -> Result<Member, Error> {
        self.tell("/remove", &MemberStep { reason: None, force }).await
    }
}

impl RoleHandle {
    fn path(&self, rest: &str) -> String {
        format!("/roles/{}{rest}", path::part(&self.id))
    }

    /// The role.
    pub async fn get(&self) -> Result<Role, Error> {
        self.client.ask(Call::get(self.path(""))).await
    }

    /// Gives it to a node.
    pub async fn move_to(&self, node: &str, reason: Option<&str>) -> Result<Role, Error> {
        let body = MoveRole { node: node.to_owned(), reason: reason.map(str::to_owned) };
        self.client.ask(Call::post(self.path("/move"), Repeat::Safe).json(&body)).await
    }

    /// Gives it to a node for good; none: it stays where it is.
    pub async fn pin(&self, node: Option<&str>) -> Result<Role, Error> {
        let body = PinRole { node: node.map(str::to_owned) };
        self.client.ask(Call::post(self.path("/pin"), Repeat::Safe).json(&body)).await
    }

    /// Lets the plan say again where it is.
    pub async fn unpin(&self) -> Result<Role, Error> {
        self.client.ask(Call::post(self.path("/unpin"), Repeat::Safe)).await
    }
}
