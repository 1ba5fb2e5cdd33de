//! How a node with an empty directory becomes a member.
//!
//! It asks the addresses it was given, in turn; whoever is a member passes the question on to the leader, who writes the newcomer
//! into the log as a learner under a number that was never used before. Only then the directory belongs to that number: a node that
//! was wiped is a new node, whatever it was before, and votes only when it has caught up and the leader says so.

use std::io;
use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use oarlock_engine::id::NodeId;
use tokio_util::codec::Framed;

use super::hello::{self, Card, Purpose, Unmet};
use super::link::HELLO_WAIT;
use super::socket;
use super::wire::{self, Ask, Reply};
use crate::admin::Identity;
use crate::config::Peering;
use crate::fault::Fault;

/// How long one member may take to take it in.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// How long to go on asking.
const ASK_FOR: Duration = Duration::from_secs(60);
/// The pause between two rounds of asking.
const PAUSE: Duration = Duration::from_millis(300);

/// Asks to be taken in; returns who this node is from now on.
pub(crate) async fn join(peering: &Peering, address: &str) -> Result<Identity, Fault> {
    let card =
        Card { node: 0, cluster: 0, secret: peering.secret.clone(), tls: peering.tls.clone() };
    let begin = Instant::now();
    let mut told = String::new();
    loop {
        let (mut why, mut refused, mut unsure) = (String::new(), None, false);
        for member in peering.join.iter().filter(|member| *member != address) {
            match ask(&card, member, address).await {
                Ok(identity) => {
                    tracing::info!(node = %identity.node, member, "joined the cluster");
                    return Ok(identity);
                }
                Err(fault @ Fault::Refused(_)) => refused = Some(fault),
                Err(fault) => (why, unsure) = (format!("{member}: {fault}"), true),
            }
        }
        // What one of them refuses another may know better, but not when all say so.
        if let Some(refused) = refused {
            if !unsure {
                return Err(refused);
            }
            why = refused.to_string();
        }
        if why.is_empty() {
            "no address of another node is given".clone_into(&mut why);
        }
        if why != told {
            tracing::warn!(why, "cannot join yet, asking again");
            told.clone_from(&why);
        }
        if begin.elapsed() > ASK_FOR {
            return Err(Fault::Unavailable(format!(
                "cannot join the cluster: {why}. Are the nodes named in `join` running, and reachable from here?"
            )));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask(card: &Card, member: &str, address: &str) -> Result<Identity, Fault> {
    let wrong = |why: &dyn std::fmt::Display| Fault::Unavailable(why.to_string());
    let refused = |why: &dyn std::fmt::Display| Fault::Refused(format!("{member}: {why}"));
    let unmet = |why: io::Error| match why.kind() {
        // A certificate that is not believed, or TLS on one side only: asking again would not help.
        io::ErrorKind::Unsupported | io::ErrorKind::InvalidData => refused(&why),
        _ => wrong(&why),
    };
    let mut stream = socket::connect(member, card.tls.as_ref()).await.map_err(unmet)?;
    let greeting = hello::knock(&mut stream, card, 0, Purpose::Join);
    match tokio::time::timeout(HELLO_WAIT, greeting).await {
        Err(_) => return Err(wrong(&"it says nothing")),
        Ok(Err(Unmet::Refused(why))) => {
            return Err(Fault::Refused(format!("{member} refuses this node: {why}")));
        }
        Ok(Err(Unmet::Broken(why))) => return Err(unmet(why)),
        Ok(Err(why)) => return Err(wrong(&why)),
        Ok(Ok(_)) => {}
    }
    let mut frames = Framed::new(stream, wire::framing());
    let question = wire::encode(1, &Ask::Join { address: address.to_owned() });
    frames.send(question).await.map_err(|why| wrong(&why))?;
    let answer = match tokio::time::timeout(ANSWER_WAIT, frames.next()).await {
        Ok(Some(Ok(answer))) => answer,
        Ok(Some(Err(why))) => return Err(wrong(&why)),
        Ok(None) => return Err(wrong(&"it closed the connection")),
        Err(_) => return Err(wrong(&"it does not answer")),
    };
    match wire::decode::<Reply>(&answer).map_err(|why| wrong(&why))? {
        (_, Reply::Joined { node, cluster }) => {
            Ok(Identity { node: NodeId(node), cluster, joined: true })
        }
        (_, Reply::Refused(why)) => Err(Fault::Refused(why)),
        (_, Reply::NotLeader(_)) => Err(wrong(&"nobody leads there now")),
        (_, Reply::Failed(why)) => Err(wrong(&why)),
        _ => Err(wrong(&"it answered something else than was asked")),
    }
}
