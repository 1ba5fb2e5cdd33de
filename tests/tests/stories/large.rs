//! Size: ten thousand items, and a graph of a thousand tasks.

use std::fmt::Write;
use std::time::Duration;

use oarlock_client::{Client, RunStatus};
use serde_json::{Value, json};

use crate::node::{Place, ended};

/// How long each of the two may take on a small machine that does other things as well.
const RUN_MAX: Duration = Duration::from_secs(180);

#[tokio::test]
async fn each_over_ten_thousand_items_finishes() {
    let place = Place::new();
    let node = place.start();
    let client = node.client();
    let file = "kind: workflow\nname: wide\ninputs: {list: {type: array}}\ntasks:\n  one:\n    each: ${{ inputs.list }}\n    \
                max_parallel: 200\n    noop: {output: {square: \"${{ item * item }}\"}}\n  sum:\n    needs: [one]\n    \
                noop: {output: {count: \"${{ size(tasks.one.outputs) }}\", last: \"${{ tasks.one.outputs[9999].square }}\"}}\n\
                outputs: {count: \"${{ tasks.sum.output.count }}\", last: \"${{ tasks.sum.output.last }}\"}\n";
    client.apply(file).send().await.expect("the file is right");
    let list: Vec<u32> = (0..10_000).collect();
    let start = client.workflow("wide").start().input("list", json!(list));
    let run = start.send().await.expect("it starts");
    let output = finished(&client, &run.id).await;
    assert_eq!(output, json!({"count": 10_000, "last": 9999 * 9999}));
    let steps = client.run(&run.id).get().await.expect("the run is there").tasks;
    assert_eq!(steps.iter().map(|step| step.succeeded).collect::<Vec<_>>(), [10_000, 1]);
}

#[tokio::test]
async fn a_graph_of_a_thousand_tasks_finishes() {
    let place = Place::new();
    let node = place.start();
    let client = node.client();
    client.apply(lattice(20, 50)).send().await.expect("the file is right");
    let run = client.workflow("lattice").start().send().await.expect("it starts");
    let output = finished(&client, &run.id).await;
    assert_eq!(output, json!({"layers": 20}));
    let found = client.run(&run.id).get().await.expect("the run is there");
    assert_eq!((found.tasks_total, found.tasks_open), (1000, 0));
}

/// Layers of tasks, each of which needs two of the layer before and counts the layers above it.
fn lattice(layers: usize, width: usize) -> String {
    let mut file = String::from("kind: workflow\nname: lattice\ntasks:\n");
    for layer in 0..layers {
        for place in 0..width {
            write!(file, "  t{layer}_{place}: {{").expect("a string takes what is written");
            if layer == 0 {
                file.push_str("noop: {output: 1}}\n");
                continue;
            }
            let (above, left, right) = (layer - 1, place, (place + 1) % width);
            writeln!(
                file,
                "needs: [t{above}_{left}, t{above}_{right}], noop: {{output: \"${{{{ tasks.t{above}_{left}.output + 1 }}}}\"}}}}"
            )
            .expect("a string takes what is written");
        }
    }
    let last = layers - 1;
    file + &format!("outputs: {{layers: \"${{{{ tasks.t{last}_0.output }}}}\"}}\n")
}

async fn finished(client: &Client, run: &str) -> Value {
    let handle = client.run(run);
    ended(client, run, RUN_MAX).await;
    let result = handle.result().await.expect("the run is there");
    assert_eq!(result.status, RunStatus::Completed, "{:?}", result.error);
    result.output.expect("it has an output")
}
