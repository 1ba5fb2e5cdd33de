//! Nodes as the guide starts them: each by its own command, with a secret and the address of the first.

use std::time::Duration;

use oarlock_client::Client;
use oarlock_client::v1::Cluster;

use crate::node::{Node, Place, patient, port, until};

/// How long nodes may take to find each other, and to find that something is wrong.
pub(super) const FIND_MAX: Duration = Duration::from_secs(30);

/// Three nodes, and where their peers reach them.
pub(super) struct Three {
    pub(super) nodes: Vec<Node>,
    peers: Vec<u16>,
    pub(super) places: Vec<Place>,
    /// What they are for.
    roles: &'static str,
}

/// What nodes are for, if nothing is said.
pub(super) const EVERYTHING: &str = "api,scheduler,worker,voter";

impl Three {
    /// Founds a cluster at the first place, which the others join; they know each other by a secret.
    pub(super) async fn start(places: Vec<Place>) -> Three {
        Three::for_what(places, EVERYTHING).await
    }

    /// The same with nodes that are for these things only.
    pub(super) async fn for_what(places: Vec<Place>, roles: &'static str) -> Three {
        let peers = places.iter().map(|_| port()).collect();
        Three::at(places, peers, roles).await
    }

    /// The same with their peers at these ports.
    pub(super) async fn at(places: Vec<Place>, peers: Vec<u16>, roles: &'static str) -> Three {
        let places = places.into_iter().map(knowing).collect();
        let mut three = Three { nodes: Vec::new(), peers, places, roles };
        for at in 0..three.places.len() {
            let node = three.begin(at, three.peers[at]);
            three.nodes.push(node);
        }
        three.settled().await;
        three
    }

    /// Waits until as many vote as these nodes suffice for: an odd number.
    pub(super) async fn settled(&self) {
        let voters = u32::try_from((self.nodes.len() - 1) / 2 * 2 + 1).expect("a few nodes");
        let what = format!("{voters} of {} nodes vote", self.nodes.len());
        until(FIND_MAX, &what, async || self.cluster().await.voters == voters).await;
    }

    /// Starts the node at a place, with its peers at this port.
    pub(super) fn begin(&self, at: usize, peer: u16) -> Node {
        self.begin_for(at, peer, self.roles)
    }

    fn begin_for(&self, at: usize, peer: u16, roles: &str) -> Node {
        let (name, listen) = (format!("n{}", at + 1), format!("127.0.0.1:{peer}"));
        let mut words = vec!["--node", &name, "--peer-listen", &listen, "--roles", roles];
        let first = self.first();
        if at > 0 {
            words.extend(["--join", &first]);
        }
        self.places[at].start_with(&words)
    }

    /// Starts the node at a place again, where its peers know it.
    pub(super) fn again(&self, at: usize) -> Node {
        self.begin(at, self.peers[at])
    }

    /// Where the first node's peers reach it.
    pub(super) fn first(&self) -> String {
        format!("127.0.0.1:{}", self.peers[0])
    }

    /// Starts one more node, for these things.
    pub(super) fn join(&mut self, roles: &str) {
        self.places.push(knowing(Place::new()));
        self.peers.push(port());
        let at = self.places.len() - 1;
        self.nodes.push(self.begin_for(at, self.peers[at], roles));
    }

    /// The cluster as the first node sees it.
    pub(super) async fn cluster(&self) -> Cluster {
        self.nodes[0].client().cluster().await.expect("it answers")
    }

    pub(super) fn client(&self) -> Client {
        let all: Vec<&str> = self.nodes.iter().map(Node::address).collect();
        patient(&all.join(","))
    }

    pub(super) fn each(&self) -> Vec<Client> {
        self.nodes.iter().map(Node::client).collect()
    }
}

/// A place whose nodes know the secret.
pub(super) fn knowing(place: Place) -> Place {
    place.see("OARLOCK_PEER__SECRET", "three in one boat")
}

pub(super) fn places() -> Vec<Place> {
    (0..3).map(|_| Place::new()).collect()
}
