//! Mailboxes, counted and coalesced.
//!
//! A mailbox of the actor library is unbounded, so nothing is sent that could pile up: work is bounded by slots, and a mere "look
//! again" is a [`Bell`], which is rung at most once until it is heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ractor::{ActorRef, Message};

use crate::status::Load;

/// The address of an actor, with the count of what waits there.
pub(crate) struct Post<M> {
    actor: ActorRef<M>,
    load: Arc<Load>,
}

impl<M> Clone for Post<M> {
    fn clone(&self) -> Self {
        Post { actor: self.actor.clone(), load: Arc::clone(&self.load) }
    }
}

impl<M: Message> Post<M> {
    /// Of this actor, counting into its card.
    pub(crate) fn new(actor: ActorRef<M>, load: Arc<Load>) -> Post<M> {
        Post { actor, load }
    }

    /// Sends a message. One to a dead actor is lost: its successor looks at the tables first.
    pub(crate) fn send(&self, message: M) {
        self.load.sent();
        if self.actor.send_message(message).is_err() {
            self.load.handled();
        }
    }
}

/// "Look again", rung any number of times and heard once.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: AtomicBool,
}

impl Bell {
    /// Rings it. True: it was silent, so a message must be sent.
    pub(crate) fn ring(&self) -> bool {
        !self.rung.swap(true, Ordering::AcqRel)
    }

    /// Heard: call this before looking, so that what happens while looking rings again.
    pub(crate) fn heard(&self) {
        self.rung.store(false, Ordering::Release);
    }
}
