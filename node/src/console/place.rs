//! Where a console is: whom it asks, what its prompt says, and what is said of it when somebody comes there.

use std::time::Duration;

use oarlock_client::Client;
use oarlock_client::v1::{Cluster, MemberState};

use super::desk::Desk;
use super::past;
use crate::ask::Address;
use crate::fault::{Exit, Fault};
use crate::output::Tint;

/// How long the cluster may take to say how it is, when a console begins.
const GREET_MAX: Duration = Duration::from_secs(3);

/// Where a console is.
pub(super) struct Place {
    /// Whom it asks.
    pub(super) address: Address,
    /// What the cluster is called, once it has said so.
    pub(super) cluster: Option<String>,
    /// The one node it talks to, if it is one.
    pub(super) node: Option<String>,
}

impl Desk {
    /// The prompt without its sign: where the words go; a star: they change nothing.
    pub(super) fn label(&self) -> String {
        let node = self.place.node.as_ref().map_or(String::new(), |node| format!("/{node}"));
        let star = if self.rules.read_only { "*" } else { "" };
        format!("oarlock({}{node}{star})", self.place_name())
    }

    fn place_name(&self) -> String {
        let Place { address, cluster, .. } = &self.place;
        let host = || {
            let first = address.addr.split(',').next().unwrap_or_default();
            first.split("://").last().unwrap_or_default().to_owned()
        };
        address.context.clone().or_else(|| cluster.clone()).unwrap_or_else(host)
    }

    /// Where this place's lines are kept.
    pub(super) fn past(&self) -> Option<std::path::PathBuf> {
        past::file(&self.place_name())
    }

    /// Says where this is and how it is there.
    pub(super) fn greet(&mut self) {
        let out = self.base.out();
        let title = out.paint(Tint::Strong.style(), "Oarlock console");
        let looking = |client: Client| async move {
            match tokio::time::timeout(GREET_MAX, client.cluster()).await {
                Ok(found) => Ok(found?),
                Err(_) => Err(Fault::new(Exit::Unreachable, "the cluster has not answered yet")),
            }
        };
        match self.client().and_then(|client| self.wait(looking(client))) {
            Ok(cluster) => {
                let only = if self.rules.read_only { " · only looks" } else { "" };
                out.note(&format!("{title} · {}{only}", state(&cluster)));
                self.place.cluster = Some(cluster.name);
            }
            Err(fault) => {
                out.note(&format!("{title} · {}", self.place.address.addr));
                self.explained(fault).show_here(&out);
            }
        }
        out.note("\\? help · Tab completes · Ctrl-D leaves · what deletes asks first");
    }
}

/// How the cluster is. A node that knows of no leader cannot say who is well.
fn state(cluster: &Cluster) -> String {
    let up = cluster.members.iter().filter(|member| member.state == MemberState::Up).count();
    let nodes = match (up, cluster.members.len()) {
        (_, all) if !cluster.sure => format!("{all} nodes as {} knew them", cluster.node),
        (1, 1) => "1 node healthy".to_owned(),
        (up, all) if up == all => format!("{all} nodes healthy"),
        (up, all) => format!("{up} of {all} nodes healthy"),
    };
    let leader = match &cluster.leader {
        Some(leader) if cluster.sure => format!("leader {leader}"),
        _ => "no leader".to_owned(),
    };
    format!("{} · {nodes} · {leader}", cluster.name)
}
