//! A load of which a tenth crashes: afterwards the node has no more files open and no more processes than before.

use std::collections::BTreeSet;
use std::time::Duration;

use oarlock_client::{Client, RunStatus};

use crate::node::{Node, Place, ended, until};

const TASKS: u32 = 2000;
/// Every so many-th kills itself.
const CRASH: u32 = 10;
/// What a crashed task leaves running.
const MARK: &[u8] = b"sleep\x001017.25\0";
const RUN_MAX: Duration = Duration::from_secs(240);
const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_load_of_which_a_tenth_crashes_leaves_nothing_behind() {
    let place = Place::new();
    let node = place.start();
    let client = node.client();
    // The first round opens what stays open: files of the tables, connections, the watchman.
    round(&client, "warm", 100).await;
    let (files, processes) = (open_files(&node), family_of(node.pid()).len());

    round(&client, "many", TASKS).await;
    until(SOON, "no more files are open than before", async || {
        open_files(&node) <= files + files / 10 + 4
    })
    .await;
    until(SOON, "no more processes are there than before", async || {
        family_of(node.pid()).len() <= processes && strays() == 0
    })
    .await;
    let counts = client.queue("default").get().await.expect("it is there").counts;
    assert_eq!((counts.waiting, counts.active, counts.delayed), (0, 0, 0));
    let workers = client.workers().take(9).await.expect("a list").0;
    assert_eq!(workers.iter().map(|worker| worker.running).sum::<u32>(), 0);
    assert!(node.stop().success());
}

/// One run over so many items, of which a tenth crashes; each of those has started a process that would go on.
async fn round(client: &Client, name: &str, items: u32) {
    let crash = "case $N in *5) sleep 1017.25 & kill -9 $$ ;; *) exit 0 ;; esac";
    let file = format!(
        "kind: workflow\nname: {name}\ninputs: {{count: {{type: array}}}}\ntasks:\n  some:\n    each: ${{{{ inputs.count }}}}\n    \
         retry: 0\n    env: {{N: \"${{{{ item }}}}\"}}\n    run: {crash:?}\n"
    );
    client.apply(file).send().await.expect("the file is right");
    let count: Vec<u32> = (0..items).collect();
    let run = client.workflow(name).start().input("count", count).send().await.expect("it starts");
    let run = ended(client, &run.id, RUN_MAX).await;
    assert_eq!(run.status, RunStatus::Failed);
    let step = &run.tasks[0];
    assert_eq!((step.succeeded, step.failed), (items - items / CRASH, items / CRASH));
}

fn open_files(node: &Node) -> usize {
    let folder = format!("/proc/{}/fd", node.pid());
    std::fs::read_dir(folder).expect("the node lives").count()
}

/// Processes that a crashed task left running: they carry a mark of this story in their command line.
fn strays() -> usize {
    let Ok(all) = std::fs::read_dir("/proc") else { return 0 };
    let lines = all.filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines.filter(|line| line.starts_with(MARK)).count()
}

/// The processes below a process, however deep.
fn family_of(pid: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut open = vec![pid];
    while let Some(pid) = open.pop() {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for thread in threads.filter_map(Result::ok) {
            let children = std::fs::read_to_string(thread.path().join("children"));
            for child in children.unwrap_or_default().split_whitespace() {
                let child = child.parse().expect("a number");
                if found.insert(child) {
                    open.push(child);
                }
            }
        }
    }
    found
}
