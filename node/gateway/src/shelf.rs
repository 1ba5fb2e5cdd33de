//! Definitions, decoded once for each version and kept while they are used.
//!
//! A version never changes, so what is on the shelf is never wrong, only forgotten: when there are too many or they are too large,
//! the one that was not asked for the longest goes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use oarlock_engine::catalog::{self, Definition};
use oarlock_engine::id::{Version, WorkflowId};
use oarlock_engine::store::View;

use crate::limit::{SHELF_BYTES_MAX, SHELF_MAX};
use crate::start::binder::Binder;

/// A definition, and what the door has made of it.
#[derive(Debug)]
pub(crate) struct Book {
    definition: Definition,
    binder: OnceLock<Arc<Binder>>,
    weight: usize,
    used: AtomicU64,
}

impl std::ops::Deref for Book {
    type Target = Definition;

    fn deref(&self) -> &Definition {
        &self.definition
    }
}

impl Book {
    /// What binds a caller's inputs to this definition, made at the first start.
    pub(crate) fn binder(&self) -> &Arc<Binder> {
        self.binder.get_or_init(|| Arc::new(Binder::new(&self.definition)))
    }
}

/// The shelf.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    books: RwLock<HashMap<(WorkflowId, Version), Arc<Book>>>,
    clock: AtomicU64,
}

impl Shelf {
    /// A definition; none: there is no such version (any more).
    pub(crate) fn get(
        &self,
        view: &dyn View,
        workflow: WorkflowId,
        version: Version,
    ) -> Option<Arc<Book>> {
        let tick = self.clock.fetch_add(1, Ordering::Relaxed);
        let books = self.books.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(book) = books.get(&(workflow, version)) {
            book.used.store(tick, Ordering::Relaxed);
            return Some(Arc::clone(book));
        }
        drop(books);
        let definition = catalog::definition(view, workflow, version)?;
        let weight = definition.source.0.len() + 256 * definition.steps.len();
        let book = Arc::new(Book {
            definition,
            binder: OnceLock::new(),
            weight,
            used: AtomicU64::new(tick),
        });
        let mut books = self.books.write().unwrap_or_else(PoisonError::into_inner);
        books.insert((workflow, version), Arc::clone(&book));
        shrink(&mut books);
        Some(book)
    }
}

fn shrink(books: &mut HashMap<(WorkflowId, Version), Arc<Book>>) {
    let mut weight: usize = books.values().map(|book| book.weight).sum();
    while books.len() > 1 && (books.len() > SHELF_MAX || weight > SHELF_BYTES_MAX) {
        let oldest = books.iter().min_by_key(|(_, book)| book.used.load(Ordering::Relaxed));
        let Some((key, book)) = oldest.map(|(key, book)| (*key, book.weight)) else { return };
        books.remove(&key);
        weight = weight.saturating_sub(book);
    }
}
