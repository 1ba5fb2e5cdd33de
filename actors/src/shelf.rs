//! Definitions, decoded once.
//!
//! A version of a definition never changes, so what was decoded (and, for the role, parsed) stays right for ever. The shelf keeps
//! the most recently used ones: a definition may be megabytes, and reading it for every attempt would be most of the work.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use oarlock_engine::catalog::{self, Definition};
use oarlock_engine::id::{Version, WorkflowId};
use oarlock_engine::store::View;

/// Definitions kept.
const SHELF_MAX: usize = 128;

/// The most recently used values by workflow and version.
pub(crate) struct Shelf<T> {
    books: Mutex<Books<T>>,
}

struct Books<T> {
    uses: u64,
    /// When each was last used, and the value.
    by_version: HashMap<(WorkflowId, Version), (u64, Arc<T>)>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Shelf { books: Mutex::new(Books { uses: 0, by_version: HashMap::new() }) }
    }
}

impl<T> Shelf<T> {
    /// The value of a version, made from its definition if it is not on the shelf. `None`: there is no such version.
    pub(crate) fn get(
        &self,
        view: &dyn View,
        workflow: WorkflowId,
        version: Version,
        make: impl FnOnce(Definition) -> T,
    ) -> Option<Arc<T>> {
        let key = (workflow, version);
        {
            let mut books = self.books.lock().expect("nothing panics while it holds the shelf");
            books.uses += 1;
            let now = books.uses;
            if let Some((used, value)) = books.by_version.get_mut(&key) {
                *used = now;
                return Some(Arc::clone(value));
            }
        }
        // Made outside the lock: two may make the same, and one of them is kept.
        let value = Arc::new(make(catalog::definition(view, workflow, version)?));
        let mut books = self.books.lock().expect("nothing panics while it holds the shelf");
        if books.by_version.len() >= SHELF_MAX {
            let oldest = books.by_version.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                books.by_version.remove(&oldest);
            }
        }
        let now = books.uses;
        books.by_version.insert(key, (now, Arc::clone(&value)));
        Some(value)
    }
}
