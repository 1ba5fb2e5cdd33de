//! Much at once: a thousand starts, and a graph of fifty tasks, while whoever leads or drives them is killed.

use std::fmt::Write as _;
use std::time::Duration;

use oarlock_client::v1::AttemptStatus;
use oarlock_client::{Client, RunStatus};
use tokio::task::JoinSet;

use super::lab::Lab;
use super::whole::equal;
use crate::node::{ended, until};

/// Clients that start runs at once, and runs that each of them starts.
const CLIENTS: usize = 20;
const STARTS: usize = 50;
/// How long a run of fifty tasks may take, a kill included.
const RUN_MAX: Duration = Duration::from_secs(90);
/// Layers of the graph, and tasks in each.
const LAYERS: usize = 10;
const WIDTH: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_starts_outlive_the_leader_and_all_copies_are_equal() {
    let mut lab = Lab::of(3);
    let client = lab.client();
    let file = "kind: workflow\nname: nothing\ntasks:\n  only: {noop: {}}\n";
    client.apply(file).send().await.expect("the file is right");
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(start(client.clone()));
    }
    let runs = clients.join_all().await.concat();
    assert_eq!(runs.len(), CLIENTS * STARTS);
    let leader = lab.leader().await;
    lab.kill(&leader);
    let next = lab.settled(&lab.others(&leader)).await.leader.expect("somebody leads");
    let next = lab.only(&next);
    for run in &runs {
        next.run(run).get().await.unwrap_or_else(|fault| panic!("{run} is lost: {fault}"));
    }
    lab.start(&leader);
    equal(&lab.each()).await;
}

async fn start(client: Client) -> Vec<String> {
    let mut runs = Vec::new();
    for _ in 0..STARTS {
        let run = client.workflow("nothing").start().send().await;
        runs.push(run.expect("a patient client gets through").id);
    }
    runs
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_of_fifty_tasks_goes_on_elsewhere_when_its_driver_is_killed() {
    let mut lab = Lab::of(3);
    let client = lab.client();
    client.apply(layers()).send().await.expect("the file is right");
    let run = client.workflow("layers").start().send().await.expect("it is taken");
    until(RUN_MAX, "some of it is done", async || {
        let found = client.run(&run.id).get().await.expect("it is there");
        found.tasks_total - found.tasks_open >= 10
    })
    .await;
    let driver = lab.owner("layers", &lab.names()).await;
    lab.kill(&driver);
    let ended = ended(&client, &run.id, RUN_MAX).await;
    assert_eq!(ended.status, RunStatus::Completed, "{ended:?}");
    assert_ne!(lab.owner("layers", &lab.others(&driver)).await, driver);
    for (layer, place) in (0..LAYERS).flat_map(|layer| (0..WIDTH).map(move |place| (layer, place)))
    {
        let task = format!("t{layer}_{place}");
        let attempts = client.run(&run.id).task(&task).attempts().take(100).await;
        let (attempts, _) = attempts.expect("attempts");
        let accepted = attempts.iter().filter(|a| a.status == AttemptStatus::Completed).count();
        assert_eq!(accepted, 1, "{task}: {attempts:?}");
    }
}

/// Layers of processes, each of which waits for all of the layer before.
fn layers() -> String {
    let mut file = "kind: workflow\nname: layers\ntasks:\n".to_owned();
    let name = |layer: usize, place: usize| format!("t{layer}_{place}");
    for layer in 0..LAYERS {
        for place in 0..WIDTH {
            let task = name(layer, place);
            writeln!(file, "  {task}:\n    run: sleep 0.1").expect("a text takes all");
            if layer > 0 {
                let needs: Vec<String> = (0..WIDTH).map(|place| name(layer - 1, place)).collect();
                writeln!(file, "    needs: [{}]", needs.join(", ")).expect("a text takes all");
            }
        }
    }
    file
}
