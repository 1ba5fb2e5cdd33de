//! One fault on its way through the history, and whom it has in hand.
//!
//! The line that begins it and the line that ends it have the same number, and each says whether the thing really happened and how
//! that is known. A fault that proves nothing is written down all the same: the guards count how many there were.

use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use super::chance::Chance;
use crate::world::World;
use crate::world::node::Node;

/// Nodes that nobody else may strike meanwhile.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) nodes: Vec<Arc<Node>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        for node in &self.nodes {
            node.leave();
        }
    }
}

impl Held {
    /// Takes as many of these as are wanted, in this order; none: there are not so many that are free and alive.
    pub(crate) fn take(from: Vec<Arc<Node>>, count: usize) -> Option<Held> {
        let mut held = Held { nodes: Vec::new() };
        for node in from {
            if held.nodes.len() < count && node.pid() != 0 && node.take() {
                held.nodes.push(node);
            }
        }
        (held.nodes.len() == count && count > 0).then_some(held)
    }

    /// Takes whoever is meant by a word: `leader`, `owner`, `minority`, `majority`, `all`, or anybody.
    pub(crate) async fn by(word: &str, world: &World, chance: &mut Chance) -> Option<Held> {
        let everybody = chance.shuffled(world.nodes.clone());
        let all = everybody.len();
        let named = match word {
            "leader" => Some(world.leader().await?.0),
            "owner" => Some(world.owner().await?),
            _ => None,
        };
        match (named, word) {
            (Some(name), _) => Held::take(vec![world.node(&name)?.clone()], 1),
            (None, "minority") => Held::take(everybody, (all - 1) / 2),
            (None, "majority") => Held::take(everybody, all / 2 + 1),
            (None, "all") => Held::take(everybody, all),
            (None, _) => Held::take(everybody, 1),
        }
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name().to_owned()).collect()
    }
}

/// A fault that has begun.
#[derive(Debug)]
#[must_use = "a fault wants its end"]
pub(crate) struct Fault<'a> {
    world: &'a World,
    id: u64,
    family: &'static str,
    kind: &'static str,
    targets: Vec<String>,
}

/// Whether something happened: how it is known, or why it is not.
pub(crate) type Proof = Result<String, String>;

impl<'a> Fault<'a> {
    /// Writes down that it has taken effect. `at`: when, if a proof took its time.
    pub(crate) fn begin(
        world: &'a World,
        (family, kind): (&'static str, &'static str),
        targets: Vec<String>,
        mut detail: Value,
        proof: &Proof,
        at: Option<u64>,
    ) -> Fault<'a> {
        let fault = Fault { world, id: world.number(), family, kind, targets };
        if let (Some(at), Value::Object(detail)) = (at, &mut detail) {
            detail.insert("at".to_owned(), json!(at));
        }
        world.say.harm(&fault.sentence(proof));
        fault.write("start", detail, proof);
        fault
    }

    /// Writes down that it is undone.
    pub(crate) fn end(self, detail: Value, proof: &Proof) {
        self.world.say.mend(&format!("  over: {}", self.sentence(proof)));
        self.write("stop", detail, proof);
    }

    fn sentence(&self, proof: &Proof) -> String {
        let (how, why) = match proof {
            Ok(why) => ("", why),
            Err(why) => ("not proven: ", why),
        };
        format!("{}-{} of {}: {how}{why}", self.family, self.kind, self.targets.join(", "))
    }

    fn write(&self, what: &str, detail: Value, proof: &Proof) {
        let value = json!({
            "id": self.id,
            "nemesis": self.family,
            "kind": self.kind,
            "targets": self.targets,
            "detail": detail,
            "proven": proof.is_ok(),
            "proof": match proof { Ok(why) | Err(why) => why },
            "planned": true,
        });
        self.world.recorder.nemesis(&format!("{what}-{}", self.family), value);
    }
}

/// A proof from a result.
pub(crate) fn proof<T>(done: &Result<T>, says: impl FnOnce(&T) -> String) -> Proof {
    done.as_ref().map(says).map_err(|why| format!("{why:#}"))
}
