//! Settings of the cluster: in the log like everything else, so they are the same for everybody and survive a kill.

use oarlock_client::Client;

use crate::node::Place;

#[tokio::test]
async fn a_setting_is_kept_over_a_kill_whoever_set_it() {
    let place = Place::new();
    let node = place.start();
    node.client().set_setting("retention_ms", "86400000").await.expect("over the API");
    node.say(&["settings", "set", "feed_retention_ms", "14d"]).expect(0);
    node.kill();

    let node = place.start();
    assert_eq!(value(&node.client(), "retention_ms").await, ("86400000".to_owned(), true));
    let said = node.say(&["settings", "get", "feed_retention_ms", "-o", "json"]).expect(0).json();
    assert_eq!((said["value"].as_str(), said["set"].as_bool()), (Some("1209600000"), Some(true)));
    node.say(&["settings", "set", "feed_retention_ms", "default"]).expect(0);
    let (now, set) = value(&node.client(), "feed_retention_ms").await;
    assert!(!set && now != "1209600000", "{now}");
    assert!(node.stop().success());

    let node = place.start();
    assert!(!value(&node.client(), "feed_retention_ms").await.1);
    let said = node.say(&["settings", "set", "retention_msec", "1"]).expect(3);
    assert!(said.err.contains("did you mean `retention_ms`"), "{}", said.err);
    node.say(&["settings", "set", "retention_ms", "soon"]).expect(2);
}

/// What a setting is, and whether somebody has set it.
async fn value(client: &Client, name: &str) -> (String, bool) {
    let (all, _) = client.settings().take(100).await.expect("a list");
    let found = all.into_iter().find(|setting| setting.name == name).expect("it is there");
    (found.value, found.set)
}
