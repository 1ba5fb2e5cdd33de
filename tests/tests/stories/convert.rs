//! Coming from FlowCtl: its files become ours, and ours are accepted.

use std::path::PathBuf;

use oarlock_tests::house;

use crate::node::Place;

#[test]
fn flowctl_files_become_workflows_that_validate() {
    let place = Place::new();
    for file in files() {
        let path = file.to_string_lossy().into_owned();
        let converted = place.say(&["convert", "--from", "flowctl", &path]).expect(0);
        let ours = place.folder().join("ours.yaml");
        std::fs::write(&ours, &converted.out).expect("the folder can be written");
        place.say(&["validate", &ours.to_string_lossy()]).expect(0);
        for word in ["needs", "max_attempts", "backoff_factor"] {
            assert!(converted.out.contains(word), "{path} lost its {word}:\n{}", converted.out);
        }
    }
}

/// Our own example of such a file, and those in the folder that `OARLOCK_FLOWCTL_FILES` names.
fn files() -> Vec<PathBuf> {
    let mut files = vec![house::root().join("tests/fixtures/flowctl/harvest.yaml")];
    if let Some(folder) = std::env::var_os("OARLOCK_FLOWCTL_FILES") {
        let entries = std::fs::read_dir(folder).expect("OARLOCK_FLOWCTL_FILES names a folder");
        files.extend(entries.filter_map(Result::ok).map(|entry| entry.path()));
        files.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    }
    files
}
