//! `oarlock dev --watch DIR`: the definitions of a folder, applied at the start and whenever a file changes.
//!
//! The folder is looked at twice a second: that works on every file system, and an editor that writes a file in three steps is
//! seen once it is done. A file that is wrong is drawn with its faults and left out until it changes again; what is taken out of
//! the folder stays defined.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use oarlock_client::Client;
use oarlock_client::v1::Change;

use super::files;
use crate::ask::{Session, read_text};
use crate::fault::Fault;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What tells whether a file has changed.
type Stamp = (Option<SystemTime>, u64);

/// Applies what changes, for as long as the node lives; without a folder it does nothing.
pub(super) async fn follow(session: &Session, url: &str, folder: Option<&Path>) {
    let (Some(folder), Ok(client)) = (folder, Client::builder().addr(url).build()) else {
        return std::future::pending().await;
    };
    let mut seen: BTreeMap<String, Stamp> = BTreeMap::new();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        // A folder that is empty, or gone for a moment, has nothing that changed.
        let found = files::found(&[folder.to_string_lossy().into_owned()]).unwrap_or_default();
        for file in found {
            let Some(stamp) = stamp(&file) else { continue };
            if seen.insert(file.clone(), stamp) == Some(stamp) {
                continue;
            }
            if let Err(fault) = apply(session, &client, &file).await {
                fault.show(&session.out);
            }
        }
    }
}

fn stamp(file: &str) -> Option<Stamp> {
    let found = std::fs::metadata(file).ok()?;
    Some((found.modified().ok(), found.len()))
}

async fn apply(session: &Session, client: &Client, file: &str) -> Result<(), Fault> {
    let text = read_text(file)?;
    let sent = client.apply(text.clone()).send().await;
    let applied = sent.map_err(|error| files::located(session, file, &text, error))?;
    for item in applied.items {
        let what = match item.change {
            Change::Created => "created",
            Change::Updated => "changed",
            Change::Unchanged => continue,
        };
        session.out.note(&format!("{what}: {} version {}  ({file})", item.name, item.version));
    }
    Ok(())
}
