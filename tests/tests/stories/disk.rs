//! A full disk: the node turns read-only and says so, loses nothing, and takes writes again when there is room.
//!
//! The data directory is a small file system in memory, which only root may make; elsewhere the story says that it was left
//! out.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use oarlock_client::{Advice, Client, Error, RunStatus};

use crate::node::{Place, until};

const DISK_MIB: u64 = 512;
/// How long the node may take to notice that the disk is full, or is so no longer.
const NOTICE_MAX: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_full_disk_makes_the_node_read_only_until_there_is_room() {
    let Some(disk) = Disk::mount() else {
        println!("left out: this user may not mount a file system");
        return;
    };
    let place = Place::with_data(&disk.folder.path().join("data"));
    let node = place.start();
    let client = impatient(node.address());
    client
        .apply("kind: workflow\nname: small\ntasks: {one: {noop: {}}}\n")
        .send()
        .await
        .expect("the file is right");
    let mut acknowledged = Vec::new();
    for _ in 0..50 {
        acknowledged.push(client.workflow("small").start().send().await.expect("it starts").id);
    }

    let ballast = disk.fill();
    until(NOTICE_MAX, "the node says that it is read-only", async || {
        let status = client.status().await.expect("reads are answered");
        status.cluster.read_only.is_some()
    })
    .await;
    let refusal = client.workflow("small").start().send().await.expect_err("there is no room");
    assert!(matches!(refusal.advice(), Advice::Retry { .. }), "{refusal}");
    assert!(matches!(refusal, Error::Unavailable(_)), "{refusal}");
    let url = format!("{}/api/v1/workflows/small/runs", node.address());
    let answer =
        reqwest::Client::new().post(url).body("{}").header("content-type", "application/json");
    let answer = answer.send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 503);
    assert!(answer.headers().contains_key("retry-after"), "{:?}", answer.headers());
    let problem: serde_json::Value = answer.json().await.expect("JSON");
    assert_eq!(
        (problem["code"].as_str(), problem["retryable"].as_bool()),
        (Some("E0703"), Some(true))
    );
    let ready = reqwest::get(format!("{}/readyz", node.address())).await.expect("an answer");
    assert_eq!(ready.status().as_u16(), 503);
    assert!(ready.text().await.expect("text").contains("read-only"));
    assert!(!client.readiness().await.is_ok_and(|readiness| readiness.ready));
    for run in &acknowledged {
        client.run(run).get().await.expect("what was acknowledged can be read");
    }

    std::fs::remove_file(ballast).expect("room can be made");
    until(NOTICE_MAX, "writes are taken again", async || {
        match client.workflow("small").start().send().await {
            Ok(run) => {
                acknowledged.push(run.id);
                true
            }
            Err(_) => false,
        }
    })
    .await;
    node.kill();
    let node = place.start();
    let client = node.client();
    for run in &acknowledged {
        let result = client.run(run).wait().await.expect("it ends well");
        assert_eq!(result.status, RunStatus::Completed);
    }
    assert!(node.stop().success());
    let data = place.data().to_string_lossy().into_owned();
    place.say(&["doctor", "--data", &data]).expect(0);
}

/// One that does not try again by itself: the story wants to see the refusal.
fn impatient(address: &str) -> Client {
    Client::builder().addr(address).attempts_max(1).build().expect("the address is one")
}

/// A file system of its own, unmounted when the story is over.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn mount() -> Option<Disk> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let size = format!("size={DISK_MIB}m");
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "oarlock-story"])
            .arg(folder.path())
            .output();
        done.is_ok_and(|output| output.status.success()).then_some(Disk { folder })
    }

    /// Writes until nothing fits any more.
    fn fill(&self) -> PathBuf {
        let path = self.folder.path().join("ballast");
        let mut file = File::create(&path).expect("a file can be made");
        let zeros = vec![0; 1 << 16];
        while std::io::Write::write_all(&mut file, &zeros).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(self.folder.path());
    }
}

fn unmount(folder: &Path) {
    // Lazily: a node that is being killed may still have files open.
    drop(Command::new("umount").arg("--lazy").arg(folder).status());
}
