//! How many commands a second one replica takes, alone and in company: `cargo run --release -p oarlock-raft --example pace`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use oarlock_engine::access::Principal;
use oarlock_engine::id::NodeId;
use oarlock_engine::setting;
use oarlock_raft::{Config, Fault, Replica};

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let data = std::env::args().nth(1).map(PathBuf::from);
    let begin = Instant::now();
    let replica = Replica::open(Config::new(NodeId(1), data)).await?;
    report(&format!("ready in {:?}", begin.elapsed()));
    for flying in [1, 64, 1_024] {
        let begin = Instant::now();
        let tasks: Vec<_> =
            (0..flying).map(|_| tokio::spawn(drive(replica.clone(), begin))).collect();
        let mut took = Vec::new();
        for task in tasks {
            took.extend(task.await.unwrap_or_default());
        }
        took.sort_unstable();
        let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or_default();
        report(&format!(
            "{flying:>5} in flight: {:>8.0}/s  p50 {:?}  p99 {:?}",
            took.len() as f64 / begin.elapsed().as_secs_f64(),
            at(50),
            at(99)
        ));
    }
    replica.close().await
}

/// One caller: the next command as soon as the last is answered.
async fn drive(replica: Replica, begin: Instant) -> Vec<Duration> {
    let mut took = Vec::new();
    while begin.elapsed() < Duration::from_secs(3) {
        let sent = Instant::now();
        let value = took.len().to_string();
        let command = setting::Command::Set { name: setting::RETENTION_MS.to_owned(), value };
        let by = Principal("user:pace".to_owned());
        if replica.propose(by, None, command.into()).await.is_ok() {
            took.push(sent.elapsed());
        }
    }
    took
}

fn report(line: &str) {
    use std::io::Write as _;
    // Nobody to tell, if nobody listens.
    let _told = writeln!(std::io::stdout(), "{line}");
}
