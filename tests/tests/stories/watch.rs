//! Watching: whoever follows a run sees every event once, in order, also when the node dies in between.

use std::time::Duration;

use crate::node::Place;

/// How long the whole of a watched run may take.
const RUN_MAX: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_watcher_goes_on_behind_the_last_event_over_a_restart() {
    let place = Place::new();
    let node = place.start();
    let client = place.client();
    let file = "kind: workflow\nname: chain\ntasks:\n  a: {sleep: 300ms}\n  b: {needs: [a], sleep: 300ms}\n  \
                c: {needs: [b], wait: {signal: go, timeout: 1h}}\n  d: {needs: [c], noop: {}}\n";
    client.apply(file).send().await.expect("the file is right");
    let run = client.workflow("chain").start().send().await.expect("it starts");

    let mut feed = client.run(&run.id).events(0);
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(_, kind)| kind != "task.waiting") || seen.len() < 10 {
        let next = tokio::time::timeout(RUN_MAX, feed.next()).await.expect("in time");
        let event = next.expect("the feed is there").expect("the run is not over");
        let again = event.kind == "task.waiting" && event.details.to_string().contains("go");
        seen.push((event.revision, event.kind));
        if again {
            break;
        }
    }
    node.kill();
    let node = place.start();
    client.run(&run.id).signal("go", None, None).await.expect("it arrives");
    while let Some(event) =
        tokio::time::timeout(RUN_MAX, feed.next()).await.expect("in time").expect("it comes back")
    {
        seen.push((event.revision, event.kind));
    }
    assert_eq!(seen.last().map(|(_, kind)| kind.as_str()), Some("run.completed"));

    let mut whole = Vec::new();
    let mut feed = node.client().run(&run.id).events(0);
    while let Some(event) = feed.next().await.expect("the feed is there") {
        whole.push((event.revision, event.kind));
    }
    assert_eq!(seen, whole);
    assert!(seen.windows(2).all(|two| two[0].0 < two[1].0), "revisions rise: {seen:?}");
}
