//! How much a folder holds.

use std::path::Path;

/// Folders below folders that are looked into.
const DEPTH_MAX: usize = 4;

/// The bytes of all files in a folder, as they are now; files that go meanwhile count nothing.
pub(crate) fn bytes(folder: &Path) -> u64 {
    below(folder, DEPTH_MAX)
}

fn below(folder: &Path, depth: usize) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() && depth > 0 => below(&entry.path(), depth - 1),
        Ok(found) if found.is_file() => found.len(),
        Ok(_) | Err(_) => 0,
    });
    sizes.sum()
}
