//! The first words on a connection: who is there, which language, and the proof that both belong to the cluster.
//!
//! ```text
//!   dialler ── Hello { versions, cluster, node, wanted, purpose, random } ──▶ listener
//!           ◀── Challenge { version, random }  or  Refused ────────────────
//!           ── proof over both ───────────────────────────────────────────▶
//!           ◀── Welcome { node, cluster, proof }  or  Refused ─────────────
//! ```
//!
//! Before the proof the listener says nothing of itself but which versions it speaks. Afterwards a refusal says why, and both
//! sides write it down. Nothing is read ahead: behind the welcome the stream belongs to whatever it was opened for.

use std::io;

use oarlock_engine::codec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::proof::{Proof, Side, holds, prove};
use super::tls::{self, Tls};
use crate::config::Secret;
use crate::fault::Fault;

/// What a conversation begins with.
const MAGIC: [u8; 8] = *b"oarpeer\n";
/// The oldest version of the protocol this build speaks.
pub(crate) const VERSION_OLDEST: u16 = 1;
/// The newest.
pub(crate) const VERSION_NEWEST: u16 = 1;
/// Nothing said here is longer.
const WORDS_BYTES_MAX: usize = 4_096;
/// The first two bytes of a greeting and of an alert in TLS: more than anything said here is long.
const TLS_BEGINS: [u16; 2] = [0x1603, 0x1503];

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// Calls between members.
    Raft,
    /// Handed to the actors as it is.
    Actors,
    /// A node that is no member yet asks to become one.
    Join,
}

/// Why a connection is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Refusal {
    /// There is no version both speak.
    #[error(
        "it speaks versions {oldest} to {newest} of the peer protocol, and this side others: run the same release on both"
    )]
    Version { oldest: u16, newest: u16 },
    /// The proof is wrong.
    #[error("the cluster secrets differ: give all nodes the same one")]
    Secret,
    /// The dialler belongs to another cluster.
    #[error("it belongs to cluster {0:032x}, and this node to another: check the address")]
    Cluster(u128),
    /// The dialler was a member once.
    #[error(
        "node {0} was removed from the cluster, and its number is not used again: empty its data directory and let it join anew"
    )]
    Removed(u64),
    /// Another node is there than the one that was wanted.
    #[error("node {0} lives at this address, not the one that was called")]
    Another(u64),
    /// The dialler says that it is this very node.
    #[error("it says that it is this node ({0}): two nodes run on copies of one data directory")]
    Myself(u64),
    /// Too many connections.
    #[error("too many connections are open")]
    Busy,
}

/// Who somebody says they are.
#[derive(Debug, Clone)]
pub(crate) struct Card {
    /// The node; 0 for one that has no number yet.
    pub(crate) node: u64,
    /// The cluster; 0 for a node that does not know it yet.
    pub(crate) cluster: u128,
    pub(crate) secret: Secret,
    /// With what its connections are encrypted, if they are.
    pub(crate) tls: Option<Tls>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Hello {
    magic: [u8; 8],
    oldest: u16,
    newest: u16,
    pub(crate) cluster: u128,
    pub(crate) node: u64,
    /// Who is called; 0 for whoever is there.
    pub(crate) wanted: u64,
    pub(crate) purpose: Purpose,
    random: u128,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Challenge {
    Prove { version: u16, random: u128 },
    Refused(Refusal),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Welcome {
    Come { node: u64, cluster: u128, proof: Proof },
    Refused(Refusal),
}

/// Why there is no conversation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unmet {
    #[error("{0}")]
    Broken(#[from] io::Error),
    #[error("refused: {0}")]
    Refused(Refusal),
    #[error("what listens there is no node of this cluster: {0}")]
    Stranger(&'static str),
}

/// Introduces oneself to a listener; returns the node and the cluster that answered.
pub(crate) async fn knock(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    card: &Card,
    wanted: u64,
    purpose: Purpose,
) -> Result<(u64, u128), Unmet> {
    let hello = Hello {
        magic: MAGIC,
        oldest: VERSION_OLDEST,
        newest: VERSION_NEWEST,
        cluster: card.cluster,
        node: card.node,
        wanted,
        purpose,
        random: random()?,
    };
    let mine = say(stream, &hello).await?;
    let (challenge, theirs) = hear::<Challenge>(stream).await.map_err(tls::explained)?;
    match challenge {
        Challenge::Prove { version, .. }
            if (VERSION_OLDEST..=VERSION_NEWEST).contains(&version) => {}
        Challenge::Prove { .. } => return Err(Unmet::Stranger("it chose a version of its own")),
        Challenge::Refused(why) => return Err(Unmet::Refused(why)),
    }
    say(stream, &prove(&card.secret, Side::Dialler, &[&mine, &theirs])).await?;
    let (welcome, _) = hear::<Welcome>(stream).await?;
    match welcome {
        Welcome::Refused(why) => Err(Unmet::Refused(why)),
        Welcome::Come { node, cluster, proof } => {
            let who = codec::encode(&(node, cluster));
            if !holds(&card.secret, Side::Listener, &[&mine, &theirs, &who], &proof) {
                return Err(Unmet::Stranger("it does not know the cluster secret"));
            }
            if card.cluster != 0 && cluster != card.cluster {
                return Err(Unmet::Refused(Refusal::Cluster(cluster)));
            }
            if wanted != 0 && node != wanted {
                return Err(Unmet::Refused(Refusal::Another(node)));
            }
            Ok((node, cluster))
        }
    }
}

/// Answers who knocks. `judge` says whether somebody who knows the secret may come in.
pub(crate) async fn answer(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    card: &Card,
    judge: impl Fn(&Hello) -> Result<(), Refusal>,
) -> Result<Hello, Unmet> {
    let (hello, theirs) = hear::<Hello>(stream).await?;
    if hello.magic != MAGIC {
        return Err(Unmet::Stranger("it speaks another protocol"));
    }
    let version = hello.newest.min(VERSION_NEWEST);
    if version < hello.oldest.max(VERSION_OLDEST) {
        let mine = Refusal::Version { oldest: VERSION_OLDEST, newest: VERSION_NEWEST };
        say(stream, &Challenge::Refused(mine)).await?;
        let (oldest, newest) = (hello.oldest, hello.newest);
        return Err(Unmet::Refused(Refusal::Version { oldest, newest }));
    }
    let mine = say(stream, &Challenge::Prove { version, random: random()? }).await?;
    let (proof, _) = hear::<Proof>(stream).await?;
    let fits = if holds(&card.secret, Side::Dialler, &[&theirs, &mine], &proof) {
        fits(card, &hello).and_then(|()| judge(&hello))
    } else {
        Err(Refusal::Secret)
    };
    if let Err(why) = fits {
        say(stream, &Welcome::Refused(why.clone())).await?;
        return Err(Unmet::Refused(why));
    }
    let (node, cluster) = (card.node, card.cluster);
    let who = codec::encode(&(node, cluster));
    let proof = prove(&card.secret, Side::Listener, &[&theirs, &mine, &who]);
    say(stream, &Welcome::Come { node, cluster, proof }).await?;
    Ok(hello)
}

fn fits(card: &Card, hello: &Hello) -> Result<(), Refusal> {
    let newcomer = hello.purpose == Purpose::Join && hello.cluster == 0;
    if hello.cluster != card.cluster && !newcomer {
        return Err(Refusal::Cluster(hello.cluster));
    }
    if hello.wanted != 0 && hello.wanted != card.node {
        return Err(Refusal::Another(card.node));
    }
    if hello.node == card.node {
        return Err(Refusal::Myself(card.node));
    }
    Ok(())
}

async fn say<T: Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    words: &T,
) -> io::Result<Vec<u8>> {
    let bytes = codec::encode(words);
    let length = u16::try_from(bytes.len()).map_err(|_| garbled("too long"))?;
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(&bytes);
    stream.write_all(&frame).await?;
    stream.flush().await?;
    Ok(bytes)
}

async fn hear<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<(T, Vec<u8>)> {
    let length = stream.read_u16().await?;
    if TLS_BEGINS.contains(&length) {
        let why = "it speaks TLS and this side does not: give all nodes peer.tls_cert, peer.tls_key and peer.tls_ca, or none";
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    let length = usize::from(length);
    if length > WORDS_BYTES_MAX {
        return Err(garbled("what it says is no greeting of a peer"));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    let words = codec::decode(&bytes).map_err(|why| garbled(&why.to_string()))?;
    Ok((words, bytes))
}

fn garbled(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

fn random() -> io::Result<u128> {
    crate::admin::random().map_err(|why: Fault| io::Error::other(why.to_string()))
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    fn card(node: u64, secret: &str) -> Card {
        Card { node, cluster: 7, secret: Secret::new(secret), tls: None }
    }

    async fn meet(
        dialler: Card,
        wanted: u64,
        listener: Card,
    ) -> (Result<(u64, u128), Unmet>, Result<Hello, Unmet>) {
        let bound = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = bound.local_addr().expect("an address");
        let there = tokio::spawn(async move {
            let (mut stream, _) = bound.accept().await.expect("somebody comes");
            answer(&mut stream, &listener, |_| Ok(())).await
        });
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let here = knock(&mut stream, &dialler, wanted, Purpose::Raft).await;
        (here, there.await.expect("no panic"))
    }

    #[tokio::test]
    async fn members_of_one_cluster_meet() {
        let (here, there) = meet(card(1, "s"), 2, card(2, "s")).await;
        assert_eq!(here.expect("welcome"), (2, 7));
        assert_eq!(there.expect("welcome").node, 1);
    }

    /// A dialler of another release, which speaks these versions: what the listener answers it, and what it makes of it itself.
    async fn foreign(oldest: u16, newest: u16) -> (Challenge, Result<Hello, Unmet>) {
        let bound = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = bound.local_addr().expect("an address");
        let there = tokio::spawn(async move {
            let (mut stream, _) = bound.accept().await.expect("somebody comes");
            answer(&mut stream, &card(2, "s"), |_| Ok(())).await
        });
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let (magic, purpose, random) = (MAGIC, Purpose::Raft, 5);
        let (cluster, node, wanted) = (7, 1, 2);
        let hello = Hello { magic, oldest, newest, cluster, node, wanted, purpose, random };
        say(&mut stream, &hello).await.expect("it is heard");
        let (challenge, _) = hear::<Challenge>(&mut stream).await.expect("it answers");
        drop(stream);
        (challenge, there.await.expect("no panic"))
    }

    #[tokio::test]
    async fn the_newest_version_that_both_speak_is_spoken() {
        let (challenge, _) = foreign(VERSION_OLDEST, VERSION_NEWEST + 7).await;
        assert!(matches!(challenge, Challenge::Prove { version: VERSION_NEWEST, .. }));
    }

    #[tokio::test]
    async fn releases_without_a_common_version_tell_each_other_what_they_speak() {
        let (first, last) = (VERSION_NEWEST + 1, VERSION_NEWEST + 3);
        let (challenge, heard) = foreign(first, last).await;
        let mine = Refusal::Version { oldest: VERSION_OLDEST, newest: VERSION_NEWEST };
        assert!(matches!(challenge, Challenge::Refused(told) if told == mine));
        let theirs = Refusal::Version { oldest: first, newest: last };
        assert!(matches!(heard, Err(Unmet::Refused(told)) if told == theirs));
    }

    #[tokio::test]
    async fn each_refusal_is_told_to_both() {
        let other = Card { cluster: 8, ..card(1, "s") };
        for (dialler, wanted, why) in [
            (card(1, "wrong"), 2, Refusal::Secret),
            (other, 2, Refusal::Cluster(8)),
            (card(1, "s"), 3, Refusal::Another(2)),
            (card(2, "s"), 2, Refusal::Myself(2)),
        ] {
            let (here, there) = meet(dialler, wanted, card(2, "s")).await;
            assert!(matches!(here, Err(Unmet::Refused(told)) if told == why), "{why}");
            assert!(matches!(there, Err(Unmet::Refused(told)) if told == why), "{why}");
        }
    }
}
