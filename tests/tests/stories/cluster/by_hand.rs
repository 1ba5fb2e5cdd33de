//! Three nodes as the guide starts them: each by its own command, with a secret and the address of any other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oarlock_client::{Client, RunStatus};

use super::three::{EVERYTHING, FIND_MAX, Three, places};
use super::whole::whole;
use super::work::Work;
use crate::node::{Node, Place, ended, port, until};

/// How long some hundred runs may take.
const FINISH_MAX: Duration = Duration::from_secs(120);
/// The library that shows a process another time of day; `make test` installs it.
const FAKETIME: &str = "libfaketimeMT.so.1";

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_moved_to_another_address_is_found_again() {
    let mut three = Three::start(places()).await;
    let work = Work::begin(&three.client(), three.each(), three.places[0].folder()).await;
    let moved = three.nodes.remove(2);
    assert!(moved.stop().success());
    let new = port();
    three.nodes.push(three.begin(2, new));
    let address = format!("127.0.0.1:{new}");
    until(FIND_MAX, "the others know where it is now", async || {
        let members = three.cluster().await.members;
        let found = members.iter().find(|member| member.name == "n3").expect("it is a member");
        found.peer_address.as_ref() == Some(&address) && found.unreachable.is_none()
    })
    .await;
    work.goes_on(20).await;
    whole(&three.client(), &three.each(), work).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_node_answers_any_request_and_all_answer_alike() {
    let three = Three::start(places()).await;
    let each = three.each();
    each[0].apply(hello("hello")).send().await.expect("the file is right");
    let mut runs = Vec::new();
    for number in 0..500 {
        let run = each[number % 3].workflow("hello").start().send().await.expect("it is taken");
        // At once, on the next node: it knows of it.
        let seen = each[(number + 1) % 3].run(&run.id).get().await.expect("it is known");
        assert_eq!(seen.id, run.id);
        runs.push(run.id);
    }
    until(FINISH_MAX, "every run is finished", async || {
        each[2].status().await.is_ok_and(|status| status.totals.unfinished_runs == 0)
    })
    .await;
    for run in runs.iter().step_by(30) {
        let mut answers = Vec::new();
        for node in &each {
            answers.push(node.run(run).get().await.expect("it is known"));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_becomes_three_and_five_and_one_again_under_load_and_no_request_fails() {
    let mut three = Three::start(vec![Place::new()]).await;
    let work = Work::begin(&three.client(), three.each(), three.places[0].folder()).await;
    for _ in 0..2 {
        three.join(EVERYTHING);
        three.join(EVERYTHING);
        three.settled().await;
        work.goes_on(20).await;
    }
    while three.nodes.len() > 1 {
        // It stays until the end, when nobody else votes.
        three.client().step_down(Some("n1")).await.expect("it votes");
        let name = format!("n{}", three.nodes.len());
        let gone = three.nodes.pop().expect("more than one");
        assert!(gone.stop().success());
        three.client().node(&name).remove(false).await.expect("the others are a majority");
        three.settled().await;
        work.goes_on(20).await;
    }
    whole(&three.client(), &three.each(), work).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_drains_gives_the_lead_away_and_does_not_get_it_back() {
    let three = Three::start(places()).await;
    let client = three.client();
    client.step_down(Some("n1")).await.expect("it may lead");
    client.node("n1").drain(Some("maintenance"), false).await.expect("the others can go on");
    // A node may hear a moment later than others who leads.
    let led_by_other_than = async |before: &str| {
        let mut found = String::new();
        until(FIND_MAX, "another node leads", async || {
            let cluster = client.cluster().await.expect("it answers");
            found = cluster.leader.filter(|_| cluster.sure).unwrap_or_default();
            !found.is_empty() && found != before
        })
        .await;
        found
    };
    let mut before = led_by_other_than("n1").await;
    for _ in 0..4 {
        client.step_down(None).await.expect("there is one other that may");
        let after = led_by_other_than(&before).await;
        assert!(after != "n1", "{before} handed over to a node that drains");
        before = after;
    }
    // Two of three away would be too many.
    let told = client.node("n2").drain(None, false).await.expect_err("n1 drains already");
    assert!(told.to_string().contains("n1 drains"), "{told}");
    let told = client.step_down(Some("n1")).await.expect_err("it drains");
    assert!(told.to_string().contains("drains"), "{told}");
    client.node("n1").undrain().await.expect("it is wanted again");
    until(FIND_MAX, "it may lead again", async || client.step_down(Some("n1")).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_gets_a_fair_part_of_the_roles() {
    let mut three = Three::start(places()).await;
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        three.client().apply(hello(name)).send().await.expect("the file is right");
        three.client().workflow(name).start().send().await.expect("it is taken");
    }
    three.join(EVERYTHING);
    // Eight roles, with that of the keeper: two for each of four nodes.
    until(FIND_MAX, "every node drives two", async || {
        let shares = shares(&three.client()).await;
        shares.len() == 4 && shares.values().all(|share| *share == 2)
    })
    .await;
    until(FIND_MAX, "each is driven by one, as the metrics say", async || {
        let active = active(&three.nodes).await;
        active.len() == 8 && active.values().all(|nodes| *nodes == 1)
    })
    .await;
    // Who goes in order leaves what it had to the others, and nobody waits for a silence.
    let gone = three.nodes.pop().expect("four nodes");
    assert!(gone.stop().success());
    let shares = shares(&three.client()).await;
    assert!(
        shares.len() == 3 && shares.values().all(|share| (2..=3).contains(share)),
        "{shares:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_worker_runs_wait_and_a_node_that_only_works_is_enough() {
    let mut three = Three::for_what(places(), "api,scheduler,voter").await;
    three.client().apply(hello("hello")).send().await.expect("the file is right");
    let run = three.client().workflow("hello").start().send().await.expect("it is taken");
    let (runs, _) = three.client().runs().take(10).await.expect("a list");
    assert!(runs.iter().any(|listed| listed.id == run.id && !listed.status.finished()));
    three.join("worker");
    let ended = ended(&three.client(), &run.id, FIND_MAX).await;
    assert_eq!(ended.status, RunStatus::Completed, "{ended:?}");
    assert_eq!(three.cluster().await.voters, 3, "it works and does not vote");
}

/// By how many nodes each role is driven, as their metrics say.
async fn active(nodes: &[Node]) -> BTreeMap<String, u32> {
    let mut active = BTreeMap::new();
    for node in nodes {
        let url = format!("{}/metrics", node.address());
        let text = reqwest::get(url).await.expect("an answer").text().await.expect("text");
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("oarlock_role_active{role=\"") else { continue };
            let (role, value) = rest.split_once("\"} ").expect("a label and a value");
            let value: u32 = value.parse().expect("0 or 1");
            *active.entry(role.to_owned()).or_insert(0) += value;
        }
    }
    active
}

/// How many roles each node drives.
async fn shares(client: &Client) -> BTreeMap<String, u32> {
    let (roles, _) = client.roles().take(100).await.expect("a list");
    let mut shares = BTreeMap::new();
    for node in roles.into_iter().filter_map(|role| role.node) {
        *shares.entry(node).or_insert(0) += 1;
    }
    shares
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ten_minutes_wrong_harms_nobody() {
    let Some(faketime) = faketime() else {
        println!("left out: libfaketime is not installed, and `make test` could not install it");
        return;
    };
    let mut places = places();
    let time = places[2].folder().join("time");
    tell(&time, "+0");
    let last = places.pop().expect("three places");
    let last = last
        .see("LD_PRELOAD", faketime.to_string_lossy())
        .see("FAKETIME_TIMESTAMP_FILE", time.to_string_lossy())
        .see("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .see("FAKETIME_NO_CACHE", "1");
    places.push(last);
    let three = Three::start(places).await;
    let work = Work::begin(&three.client(), three.each(), three.places[0].folder()).await;
    for (wrong, leads) in [("+600", false), ("-600", false), ("+600", true), ("-600", true)] {
        if leads {
            until(FIND_MAX, "the leader has heard that it may lead", async || {
                three.client().step_down(Some("n3")).await.is_ok()
            })
            .await;
        }
        tell(&time, wrong);
        until(FIND_MAX, "it notices, takes no writes and does not lead", async || {
            let raft = three.nodes[2].client().raft().await.expect("it answers");
            raft.read_only.is_some_and(|why| why.contains("clock")) && raft.standing != "leader"
        })
        .await;
        work.goes_on(20).await;
        let (runs, _) = three.client().runs().take(5).await.expect("a list");
        for run in runs {
            let started: jiff::Timestamp = run.created_at.parse().expect("a moment");
            let off = jiff::Timestamp::now().duration_since(started).abs();
            assert!(off < jiff::SignedDuration::from_mins(5), "the log's time went astray: {off}");
        }
        tell(&time, "+0");
        until(FIND_MAX, "it takes writes again", async || {
            let raft = three.nodes[2].client().raft().await.expect("it answers");
            raft.read_only.is_none()
        })
        .await;
        work.goes_on(5).await;
    }
    whole(&three.client(), &three.each(), work).await;
}

/// A workflow of one process.
fn hello(name: &str) -> String {
    format!("kind: workflow\nname: {name}\ntasks:\n  hello: {{run: echo hello}}\n")
}

/// Sets the clock of whoever reads this file, all at once.
fn tell(file: &Path, offset: &str) {
    let next = file.with_extension("next");
    std::fs::write(&next, offset).expect("the folder is there");
    std::fs::rename(next, file).expect("the folder is there");
}

fn faketime() -> Option<PathBuf> {
    let known = ["/usr/lib", "/usr/lib64"].into_iter().map(PathBuf::from);
    let below = known.clone().filter_map(|lib| std::fs::read_dir(lib).ok()).flatten().flatten();
    let all = below.map(|entry| entry.path()).chain(known);
    let mut libraries = all.map(|folder| folder.join("faketime").join(FAKETIME));
    libraries.find(|library| library.exists())
}
