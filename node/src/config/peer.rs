//! What a node is for, and how it takes part in a cluster: which settings belong together, and which are refused.
//!
//! A node with a secret has peers: it founds a cluster, or joins one if it was told where. A node without a secret is alone and
//! opens no port for others. The secret is the only thing that keeps strangers out, so it is never guessed, and nothing that
//! belongs to a cluster is silently left aside without it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, ToSocketAddrs};

use oarlock_engine::member::profile::{Duty, NoDuty, Profile};
use oarlock_raft::{NoTls, Peering, Secret, Tls};

use super::Loaded;
use crate::fault::{Exit, Fault};

/// A shorter secret could be guessed.
const SECRET_LETTERS_MIN: usize = 16;
/// Settings that say nothing to a node that is alone.
const WITH_PEERS: [&str; 8] = [
    "peer.listen",
    "peer.advertise",
    "peer.join",
    "peer.tls_cert",
    "peer.tls_key",
    "peer.tls_ca",
    "peer.voters_max",
    "peer.skew_ms_max",
];
/// Encryption wants all of these.
const TLS: [&str; 3] = ["peer.tls_cert", "peer.tls_key", "peer.tls_ca"];

/// What the node is for.
pub(super) fn profile(loaded: &Loaded) -> Result<Profile, Fault> {
    let mut duties = BTreeSet::new();
    for word in loaded.words("roles") {
        let duty = word.parse::<Duty>().map_err(|NoDuty(word)| {
            refused(loaded, "roles", &format!("`{word}` is nothing that a node can be for"))
                .help("roles are api, worker, scheduler and voter")
        })?;
        duties.insert(duty);
    }
    if duties.is_empty() {
        return Err(refused(loaded, "roles", "the node would be for nothing")
            .help("roles are api, worker, scheduler and voter; leave it out for all of them"));
    }
    let mut labels = BTreeMap::new();
    for word in loaded.words("labels") {
        match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                labels.insert(name.to_owned(), value.to_owned());
            }
            _ => {
                let what = format!("`{word}` is not name=value");
                return Err(refused(loaded, "labels", &what).help("for example: zone=a,disk=fast"));
            }
        }
    }
    let capacity = loaded.value("capacity").0.parse().unwrap_or(u32::MAX);
    Ok(Profile { duties, labels, capacity })
}

/// How it takes part in a cluster; none: it is alone.
pub(super) fn peering(loaded: &Loaded) -> Result<Option<Peering>, Fault> {
    let Some(secret) = secret(loaded)? else {
        return alone(loaded).map(|()| None);
    };
    let listen = listen(loaded)?;
    let mut peering = Peering::new(listen, secret);
    peering.tls = tls(loaded)?;
    peering.advertise = Some(loaded.value("peer.advertise").0).filter(|given| !given.is_empty());
    peering.join = loaded.words("peer.join");
    for (name, address) in peering
        .join
        .iter()
        .map(|address| ("peer.join", address))
        .chain(peering.advertise.iter().map(|address| ("peer.advertise", address)))
    {
        if !is_reachable(address) {
            let what = format!("`{address}` is no address of a node");
            return Err(refused(loaded, name, &what).help("host:port, for example 10.0.0.1:6271"));
        }
    }
    if listen.ip().is_unspecified() && peering.advertise.is_none() {
        let what = format!("{listen} is where to listen, and nowhere to be reached");
        return Err(refused(loaded, "peer.listen", &what)
            .help("say where peers reach this node: peer.advertise = \"HOST:PORT\""));
    }
    peering.votes = profile(loaded)?.is(Duty::Voter);
    if !peering.votes && peering.join.is_empty() {
        let what = "a node without the role `voter` cannot found a cluster";
        return Err(refused(loaded, "roles", what)
            .help("say which cluster it joins: --join HOST:PORT, the peer address of any node"));
    }
    peering.voters_max = match loaded.value("peer.voters_max").0.parse() {
        Ok(voters @ (1 | 3 | 5)) => voters,
        _ => {
            let what = "1, 3 or 5: an even number of voters survives no more than one fewer";
            return Err(refused(loaded, "peer.voters_max", what));
        }
    };
    peering.skew_ms_max = loaded.value("peer.skew_ms_max").0.parse().unwrap_or(u64::MAX);
    Ok(Some(peering))
}

/// The secret, from wherever it comes; none: the node is alone.
fn secret(loaded: &Loaded) -> Result<Option<Secret>, Fault> {
    let (given, file) = (loaded.value("peer.secret").0, loaded.value("peer.secret_file").0);
    let (name, secret) = match (given.as_str(), file.as_str()) {
        ("", "") => return Ok(None),
        (_, "") => ("peer.secret", given),
        ("", path) => {
            let read = std::fs::read_to_string(path).map_err(|fault| {
                refused(loaded, "peer.secret_file", &format!("cannot read {path}: {fault}"))
            })?;
            ("peer.secret_file", read.trim().to_owned())
        }
        _ => {
            let what = "the secret is given twice: peer.secret is set as well";
            return Err(refused(loaded, "peer.secret_file", what).help("take one of them away"));
        }
    };
    let letters = secret.chars().count();
    if letters < SECRET_LETTERS_MIN {
        let what = format!("a secret has at least {SECRET_LETTERS_MIN} letters, not {letters}");
        return Err(refused(loaded, name, &what)
            .help("make one with `openssl rand -hex 32`, the same for all nodes"));
    }
    Ok(Some(Secret::new(secret)))
}

/// With what connections to peers are encrypted; none: not at all.
fn tls(loaded: &Loaded) -> Result<Option<Tls>, Fault> {
    let all =
        "encryption between nodes wants all three of peer.tls_cert, peer.tls_key and peer.tls_ca";
    let given = TLS.map(|name| loaded.value(name).0);
    if given.iter().all(String::is_empty) {
        return Ok(None);
    }
    let mut files = Vec::new();
    for (name, path) in TLS.into_iter().zip(&given) {
        if path.is_empty() {
            return Err(refused(loaded, name, "it is missing").help(all));
        }
        files.push(
            std::fs::read(path)
                .map_err(|fault| refused(loaded, name, &format!("cannot read {path}: {fault}")))?,
        );
    }
    Tls::from_pem(&files[0], &files[1], &files[2]).map(Some).map_err(|wrong| {
        let at = match &wrong {
            NoTls::Certificate(_) => 0,
            NoTls::Key(_) => 1,
            NoTls::Authority(_) => 2,
        };
        refused(loaded, TLS[at], &format!("{}: {wrong}", given[at]))
    })
}

/// Refuses what only makes sense with others.
fn alone(loaded: &Loaded) -> Result<(), Fault> {
    if let Some(name) = WITH_PEERS.into_iter().find(|name| loaded.is_set(name)) {
        let what = "peers are let in by a secret, and none is set";
        return Err(refused(loaded, name, what).help(
            "set OARLOCK_PEER__SECRET or peer.secret_file, the same for all nodes of the cluster",
        ));
    }
    let all = profile(loaded)?;
    match Duty::ALL.into_iter().find(|duty| !all.is(*duty)) {
        Some(missing) => {
            let what = format!("a node that is alone must do everything; `{missing}` is missing");
            Err(refused(loaded, "roles", &what)
                .help("with a cluster to join: --join HOST:PORT and peer.secret_file"))
        }
        None => Ok(()),
    }
}

fn listen(loaded: &Loaded) -> Result<SocketAddr, Fault> {
    let text = loaded.value("peer.listen").0;
    let found = text.to_socket_addrs().map(|mut found| found.next());
    match found {
        Ok(Some(address)) => Ok(address),
        Ok(None) => Err(refused(loaded, "peer.listen", &format!("`{text}` is no address"))),
        Err(fault) => {
            let what = format!("`{text}` is no address: {fault}");
            Err(refused(loaded, "peer.listen", &what).help("host:port, for example 10.0.0.1:6271"))
        }
    }
}

/// Whether a text is `HOST:PORT`.
fn is_reachable(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

fn refused(loaded: &Loaded, name: &str, why: &str) -> Fault {
    let (_, origin) = loaded.value(name);
    Fault::new(Exit::Invalid, format!("{name} ({origin}): {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: (&str, &str) = ("OARLOCK_PEER__SECRET", "a secret of many letters");

    fn read(set: &[(&str, &str)]) -> Result<super::super::Config, Fault> {
        let mut loaded = Loaded::default();
        let set = set.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        loaded.environment(set).and_then(|()| loaded.config())
    }

    fn refusal(set: &[(&str, &str)]) -> String {
        read(set).expect_err("it is refused").what
    }

    #[test]
    fn without_a_secret_a_node_is_alone() {
        assert_eq!(read(&[]).expect("the defaults").peer.map(|peer| peer.listen), None);
        for name in ["OARLOCK_JOIN", "OARLOCK_PEER_LISTEN", "OARLOCK_PEER__ADVERTISE"] {
            let told = refusal(&[(name, "127.0.0.1:7000")]);
            assert!(told.contains("none is set"), "{told}");
        }
        assert!(refusal(&[("OARLOCK_ROLES", "api,worker")]).contains("`scheduler` is missing"));
    }

    #[test]
    fn a_node_that_joins_says_whom_it_asks_and_what_it_is_for() {
        let set =
            [SECRET, ("OARLOCK_JOIN", "10.0.0.1:6271,10.0.0.2:6271"), ("OARLOCK_ROLES", "worker")];
        let config = read(&set).expect("settings");
        let peer = config.peer.expect("it has peers");
        assert_eq!(peer.join, ["10.0.0.1:6271", "10.0.0.2:6271"]);
        assert!(!peer.votes && config.profile.is(Duty::Worker) && !config.profile.is(Duty::Api));
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_reason() {
        assert!(refusal(&[("OARLOCK_PEER__SECRET", "short")]).contains("at least 16 letters"));
        assert!(refusal(&[SECRET, ("OARLOCK_ROLES", "api")]).contains("cannot found a cluster"));
        assert!(refusal(&[SECRET, ("OARLOCK_ROLES", "boss")]).contains("nothing that a node"));
        assert!(refusal(&[SECRET, ("OARLOCK_JOIN", "n1")]).contains("no address of a node"));
        assert!(refusal(&[SECRET, ("OARLOCK_PEER_LISTEN", "0.0.0.0:1")]).contains("nowhere to be"));
        assert!(refusal(&[SECRET, ("OARLOCK_PEER__VOTERS_MAX", "4")]).contains("1, 3 or 5"));
        assert!(refusal(&[SECRET, ("OARLOCK_LABELS", "fast")]).contains("not name=value"));
    }

    #[test]
    fn encryption_wants_three_files_that_are_what_they_should_be() {
        let missing = refusal(&[SECRET, ("OARLOCK_PEER__TLS_KEY", "key.pem")]);
        assert!(missing.starts_with("peer.tls_cert") && missing.contains("missing"), "{missing}");
        let all = |file| {
            let set = |name| (name, file);
            let names = ["OARLOCK_PEER__TLS_CERT", "OARLOCK_PEER__TLS_KEY", "OARLOCK_PEER__TLS_CA"];
            refusal(&[&[SECRET], &names.map(set)[..]].concat())
        };
        let nowhere = all("/nowhere/cert.pem");
        assert!(nowhere.contains("cannot read /nowhere/cert.pem"), "{nowhere}");
        let empty = all("/dev/null");
        assert!(empty.contains("no certificate in PEM"), "{empty}");
    }

    #[test]
    fn the_secret_is_never_shown() {
        let mut loaded = Loaded::default();
        let set = [(SECRET.0.to_owned(), SECRET.1.to_owned())];
        loaded.environment(set.into_iter()).expect("a secret");
        assert_eq!(loaded.shown("peer.secret").0, "(set)");
        let config = loaded.config().expect("settings");
        assert!(!format!("{config:?}").contains("many letters"), "{config:?}");
    }
}
