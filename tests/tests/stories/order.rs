//! Who comes first: priorities, branches, versions.

use std::time::Duration;

use oarlock_client::v1::RunStep;
use oarlock_client::{RunStatus, TaskStatus};

use crate::node::{Place, ended, until};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_urgent_one_of_many_goes_first() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let diary = place.folder().join("diary");
    let shown = diary.display();
    let file = format!(
        "kind: workflow\nname: line\ninputs: {{who: {{type: string}}}}\ntasks:\n  one:\n    queue: narrow\n    \
         env: {{WHO: \"${{{{ inputs.who }}}}\"}}\n    run: echo $WHO >> {shown}\n"
    );
    client.apply(file).send().await.expect("the file is right");
    client.queue("narrow").set_limit(Some(1)).await.expect("a queue has a limit");
    client.queue("narrow").pause().await.expect("a queue can be paused");
    let mut runs = Vec::new();
    for (who, priority) in [("calm", 1); 10].into_iter().chain([("urgent", 10)]) {
        let start = client.workflow("line").start().input("who", who).priority(priority);
        runs.push(start.send().await.expect("it starts").id);
    }
    until(SOON, "all of them stand in line", async || {
        client.queue("narrow").get().await.expect("it is there").counts.waiting == 11
    })
    .await;
    client.queue("narrow").resume().await.expect("a queue goes on");
    for run in &runs {
        assert_eq!(ended(&client, run, SOON).await.status, RunStatus::Completed);
    }
    let text = std::fs::read_to_string(&diary).expect("the tasks wrote it");
    assert_eq!(text.lines().next(), Some("urgent"), "{text}");
    let counts = client.queue("narrow").get().await.expect("it is there").counts;
    assert_eq!((counts.waiting, counts.active, counts.completed), (0, 0, 11));
}

#[tokio::test]
async fn of_two_branches_one_is_taken_and_the_join_still_runs() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let file = "kind: workflow\nname: fork\ninputs: {left: {type: boolean}}\ntasks:\n  look: {noop: {output: 7}}\n  \
                left: {needs: [look], if: inputs.left && tasks.look.output == 7, noop: {}}\n  \
                right: {needs: [look], if: \"!inputs.left\", noop: {}}\n  \
                behind: {needs: [right], noop: {}}\n  join: {needs: [left, behind], noop: {}}\n";
    client.apply(file).send().await.expect("the file is right");
    let start = client.workflow("fork").start().input("left", true);
    let run = start.send().await.expect("it starts");
    let run = ended(&client, &run.id, SOON).await;
    assert_eq!(run.status, RunStatus::Completed, "{:?}", run.error);
    let of = |name: &str| {
        let found = run.tasks.iter().find(|step: &&RunStep| step.name == name);
        found.expect("the run shows its graph").status
    };
    let statuses = ["left", "right", "behind", "join"].map(of);
    let (done, skipped) = (TaskStatus::Completed, TaskStatus::Skipped);
    assert_eq!(statuses, [done, skipped, skipped, done]);
}

#[tokio::test]
async fn a_run_keeps_the_version_it_began_with() {
    let place = Place::new();
    let node = place.start_dev();
    let client = node.client();
    let file = |words: &str| {
        format!(
            "kind: workflow\nname: grows\ntasks:\n  hold: {{wait: {{signal: go, timeout: 1h}}}}\n  \
             say: {{needs: [hold], noop: {{output: {words}}}}}\noutputs: {{said: \"${{{{ tasks.say.output }}}}\"}}\n"
        )
    };
    client.apply(file("old")).send().await.expect("the file is right");
    let first = client.workflow("grows").start().send().await.expect("it starts");
    client.apply(file("new")).send().await.expect("the file is right");
    let second = client.workflow("grows").start().send().await.expect("it starts");
    for (run, version, word) in [(first, 1, "old"), (second, 2, "new")] {
        client.run(&run.id).signal("go", None, None).await.expect("it arrives");
        let run = ended(&client, &run.id, SOON).await;
        assert_eq!((run.status, run.version), (RunStatus::Completed, version));
        assert_eq!(run.output.expect("it has one")["said"], word);
    }
}
