//! The unit that systemd gets: what it says is what the program takes, and a node that is killed goes on when it is started again.

use std::time::Duration;

use oarlock_client::RunStatus;

use crate::node::{Place, ended};

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/oarlock.service");
const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_node_that_its_unit_starts_again_after_a_kill_goes_on() {
    let unit = std::fs::read_to_string(UNIT).expect("the unit is there");
    let says = |name: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("the unit says nothing of {name}")).to_owned()
    };
    assert_eq!(says("Restart"), "always", "also a node that ended in order without being asked to");
    let place = Place::new();
    let settings = place.folder().join("oarlock.toml");
    std::fs::write(&settings, "drain = \"60s\"\n").expect("the folder can be written");
    let command = says("ExecStart")
        .replace("/etc/oarlock.toml", &settings.to_string_lossy())
        .replace("/var/lib/oarlock", &place.data().to_string_lossy());
    let words: Vec<&str> = command.split(' ').skip(1).collect();

    let node = place.start_as(&words);
    let file = "kind: workflow\nname: serve\ntasks:\n  first: {sleep: 1s}\n  then: {needs: [first], noop: {}}\n";
    node.client().apply(file).send().await.expect("the file is right");
    let run = node.client().workflow("serve").start().send().await.expect("it starts");
    node.kill();

    let node = place.start_as(&words);
    assert_eq!(ended(&node.client(), &run.id, SOON).await.status, RunStatus::Completed);
    assert!(node.stop().success(), "and stops in order when it is asked to");
}
