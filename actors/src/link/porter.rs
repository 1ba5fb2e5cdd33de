//! Takes what other nodes' actors send: the only actor of a node that can be reached from elsewhere.
//!
//! Its mailbox is bounded by what the others send, a few hints a second each and a few questions at once, and by the connection,
//! which ends at a message that is too large. Nothing is worked on here: a hint is noted, a question is answered from the board.

use std::sync::Arc;

use oarlock_engine::id::NodeId;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::line::Lines;
use crate::membership::vigil::Vigil;
use crate::metric;
use crate::status::Board;
use crate::supervisor;
use crate::wire::{self, Answer, Hint, Question, WireMsg};

/// The name of the porter of a node that calls itself so: unique in a process, however many nodes live in it.
pub(crate) fn name(peer: &str) -> String {
    format!("porter:{peer}")
}

/// What a porter needs.
pub(crate) struct Porter {
    pub(crate) node: NodeId,
    pub(crate) lines: Arc<Lines>,
    pub(crate) vigil: Arc<Vigil>,
    pub(crate) board: Arc<Board>,
}

impl Actor for Porter {
    type Msg = WireMsg;
    type State = ();
    type Arguments = ();

    async fn pre_start(
        &self,
        _myself: ActorRef<WireMsg>,
        (): (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _myself: ActorRef<WireMsg>,
        message: WireMsg,
        _state: &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match message {
            WireMsg::Hint(bytes) => self.on_hint(&bytes),
            WireMsg::Ask(bytes, reply) => {
                if let Some(answer) = wire::pack(&self.answer(&bytes)) {
                    // Who asked may have given up.
                    let _gone = reply.send(answer);
                }
            }
        }
        Ok(())
    }
}

impl Porter {
    fn on_hint(&self, bytes: &[u8]) {
        match wire::unpack::<Hint>(bytes) {
            Ok(Hint::Beat(beat)) if beat.node != self.node => {
                metric::hint("heard");
                self.lines.heard(beat.node);
                self.vigil.beat(&beat);
            }
            Ok(Hint::Goodbye { node, boot }) if node != self.node => {
                self.vigil.goodbye(node, boot);
            }
            Ok(_) => {}
            // A newer node's word, or noise: a hint that is not understood is a hint that was lost.
            Err(_) => metric::hint("garbled"),
        }
    }

    fn answer(&self, bytes: &[u8]) -> Answer {
        match wire::unpack::<Question>(bytes) {
            Ok(Question::Tree) => Answer::Tree(wire::shown(self.board.tree())),
            Ok(Question::Restart { id }) => {
                tracing::info!(actor = id, "an operator restarts an actor from another node");
                if supervisor::restart(&self.board, &id) { Answer::Done } else { Answer::NoActor }
            }
            Err(_) => Answer::Unknown,
        }
    }
}
