//! What needs a process of its own: killing it, and limiting what it may write.
//!
//! The test program starts itself again with one test and a directory in the environment; without the directory that test does
//! nothing.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oarlock_engine::access::Principal;
use oarlock_engine::blob::Payload;
use oarlock_engine::catalog::{self, Definition, OnFailure, Order, Rule, Step};
use oarlock_engine::id::Priority;
use oarlock_engine::task::retry::Retry;
use oarlock_engine::time::Span;
use oarlock_raft::{Accepted, ProposeError, Replica, check};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{empty, open, read, whole_feed, write};

const DIR: &str = "OARLOCK_TEST_DIR";

fn start(test: &str, dir: &Path) -> (Child, BufReader<ChildStdout>) {
    let program = std::env::current_exe().expect("a test program");
    let mut child = Command::new(program)
        .args(["--exact", &format!("child::{test}"), "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts itself");
    let said = child.stdout.take().expect("its output is ours");
    (child, BufReader::new(said))
}

fn directory() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

/// The child: writes rising numbers and says each one that was accepted.
#[tokio::test(flavor = "multi_thread")]
async fn writes_until_it_is_killed() {
    let Some(dir) = directory() else { return };
    let replica = open(&dir).await;
    let next = Arc::new(AtomicU64::new(read(&replica)));
    println!("begins {}", next.load(Ordering::Relaxed));
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed) + 1;
        write(&replica, number).await.expect("accepted");
        println!("accepted {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_nothing_that_it_accepted() {
    let dir = empty();
    let mut accepted = 0;
    for round in 1..=6u64 {
        let (mut child, mut said) = start("writes_until_it_is_killed", dir.path());
        let mut line = String::new();
        let upto = accepted + round * 37;
        while accepted < upto {
            line.clear();
            assert!(said.read_line(&mut line).expect("its output") > 0, "the child ended");
            // The harness says things too, on the same lines.
            if let Some((_, number)) = line.rsplit_once("begins ") {
                let number: u64 = number.trim().parse().expect("a number");
                assert!(
                    number >= accepted,
                    "round {round}: {accepted} was accepted, {number} is there"
                );
                accepted = number;
            }
            if let Some(number) = line.strip_prefix("accepted ") {
                accepted = number.trim().parse().expect("a number");
            }
        }
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }
    let report = check::offline(dir.path()).expect("it can be looked at");
    assert!(report.sound(), "{report:#?}");
    let replica = open(dir.path()).await;
    assert!(read(&replica) >= accepted);
    whole_feed(&replica, replica.revision()).await;
}

fn limit(bytes: Option<u64>) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum }).expect("below the maximum");
}

/// The child: meets a file-size limit, and goes on when it is lifted.
#[tokio::test(flavor = "multi_thread")]
async fn writes_against_a_limit() {
    let Some(dir) = directory() else { return };
    let replica = open(&dir).await;
    limit(Some(256 << 10));
    let (mut accepted, mut unknown) = (0, 0);
    for number in 1.. {
        match write(&replica, number).await {
            Ok(_) => accepted = number,
            Err(ProposeError::Unknown(why)) => {
                println!("unknown: {why}");
                unknown += 1;
            }
            Err(ProposeError::Unavailable(why)) => {
                assert!(why.contains("cannot be written"), "{why}");
                assert_eq!(replica.status().read_only, Some(why));
                break;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(accepted > 0);
    assert!(read(&replica) >= accepted, "reads go on");
    assert!(unknown <= 1);
    limit(None);
    let deadline = Instant::now() + Duration::from_secs(20);
    while write(&replica, 1_000_000).await.is_err() {
        assert!(Instant::now() < deadline, "it does not recover: {:?}", replica.status());
        tokio::task::yield_now().await;
    }
    assert_eq!(replica.status().read_only, None);
    assert_eq!(read(&replica), 1_000_000);
    whole_feed(&replica, replica.revision()).await;
    replica.close().await.expect("it stops");
    println!("recovered after {accepted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_makes_it_read_only_and_loses_nothing() {
    let dir = empty();
    let (mut child, said) = start("writes_against_a_limit", dir.path());
    let lines: Vec<String> = said.lines().map_while(Result::ok).collect();
    assert!(child.wait().expect("it ends").success(), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("recovered")), "{lines:#?}");
    let report = check::offline(dir.path()).expect("it can be looked at");
    assert!(report.sound(), "{report:#?}");
    let replica = open(dir.path()).await;
    assert_eq!(read(&replica), 1_000_000);
}

/// The child: lets go of its replicas without closing them, and returns at once.
#[tokio::test(flavor = "multi_thread")]
async fn leaves_without_closing() {
    let Some(dir) = directory() else { return };
    for number in 0..6 {
        let replica = open(&dir.join(number.to_string())).await;
        write(&replica, number).await.expect("accepted");
    }
}

#[test]
fn a_process_that_leaves_its_replicas_open_still_ends_soundly() {
    for round in 0..3 {
        let dir = empty();
        let (mut child, said) = start("leaves_without_closing", dir.path());
        let lines = said.lines().map_while(Result::ok);
        assert!(lines.count() > 0, "the child says how it went");
        let end = child.wait().expect("it ends");
        assert!(end.success(), "round {round}: the child ended with {end}");
    }
}

/// Defines a workflow that nobody defined before, with a source of 64 KiB: every one of them stays in the state.
async fn write_much(replica: &Replica, number: u64) -> Result<Accepted, ProposeError> {
    let step = Step {
        name: "one".to_owned(),
        needs: Vec::new(),
        rule: Rule::Succeeded,
        condition: None,
        each: None,
        order: Some(Order::Sleep { span: Span(1) }),
        template: Payload::EMPTY,
        queue: "default".to_owned(),
        priority: None,
        timeout: Span(1_000),
        retry: Retry {
            attempts_max: 1,
            initial: Span(0),
            cap: Span(0),
            factor_milli: 1_000,
            jitter: false,
            not_on: Vec::new(),
        },
        on_failure: OnFailure::Fail,
        handler: false,
    };
    let definition = Definition {
        name: format!("w{number}"),
        description: String::new(),
        steps: vec![step],
        inputs: Payload::EMPTY,
        outputs: Payload::EMPTY,
        timeout: None,
        priority: Priority::NORMAL,
        concurrency: None,
        labels: BTreeMap::new(),
        retention: None,
        source: Payload(vec![b'#'; 64 << 10]),
    };
    let by = Principal("user:test".to_owned());
    let define = catalog::Command::Define { definition: Box::new(definition), expected: None };
    replica.propose(by, None, define.into()).await
}

/// The child: its state is written out in files larger than the limit, its log never is.
#[tokio::test(flavor = "multi_thread")]
async fn writes_out_a_state_against_a_limit() {
    let Some(dir) = directory() else { return };
    let replica = open(&dir).await;
    limit(Some(24 << 20));
    let mut accepted = 0;
    for number in 1..=4_000 {
        match write_much(&replica, number).await {
            Ok(_) => accepted = number,
            Err(ProposeError::Unknown(why)) => println!("unknown: {why}"),
            Err(ProposeError::Unavailable(why)) => {
                assert!(why.contains("the state cannot be written"), "{why}");
                break;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(accepted > 100 && accepted < 4_000, "{accepted} were accepted");
    limit(None);
    let deadline = Instant::now() + Duration::from_secs(30);
    while write(&replica, 1_000_000).await.is_err() {
        assert!(Instant::now() < deadline, "it does not recover: {:?}", replica.status());
        tokio::task::yield_now().await;
    }
    assert_eq!(replica.status().read_only, None);
    assert_eq!(read(&replica), 1_000_000);
    whole_feed(&replica, replica.revision()).await;
    replica.close().await.expect("it stops");
    println!("recovered after {accepted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_met_a_full_disk_is_whole_again_when_there_is_room() {
    let dir = empty();
    let (mut child, said) = start("writes_out_a_state_against_a_limit", dir.path());
    let lines: Vec<String> = said.lines().map_while(Result::ok).collect();
    assert!(child.wait().expect("it ends").success(), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("recovered")), "{lines:#?}");
    let report = check::offline(dir.path()).expect("it can be looked at");
    assert!(report.sound(), "{report:#?}");
    let replica = open(dir.path()).await;
    assert_eq!(read(&replica), 1_000_000);
}
