//! Tables whose rows come and go: a copy in memory, for the only thread that writes them.
//!
//! What is ready, leased, due or asked is a queue: rows are put at one end and taken from the other. RocksDB keeps a mark for each
//! row that was taken until a compaction finds it, and whoever looks for the first row of a queue steps over all of them: after ten
//! thousand tasks each look costs milliseconds. So the thread that applies keeps the living rows of these few tables in an ordered
//! map, and the engine's looks at them end there. The database has them too and is the truth; the map is read from it at the start.
//!
//! It costs about 200 bytes for a task that is ready, leased or asleep; finished work costs nothing.

use std::collections::BTreeMap;
use std::ops::Bound;

use oarlock_engine::store::{Batch, Change, Row};
use rocksdb::{DB, Direction, IteratorMode, ReadOptions};

/// The engine's numbers of these tables: holders of and waiters for concurrency keys, questions, ready and leased tasks, timers.
const TABLES: [u8; 6] = [28, 29, 41, 52, 53, 62];

/// The living rows.
#[derive(Debug, Default)]
pub(crate) struct Hot {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Hot {
    /// Reads them from a state.
    pub(crate) fn load(db: &DB) -> Result<Hot, String> {
        let mut rows = BTreeMap::new();
        for table in TABLES {
            let mut options = ReadOptions::default();
            options.set_iterate_upper_bound([table + 1]);
            for row in db.iterator_opt(IteratorMode::From(&[table], Direction::Forward), options) {
                let (key, value) = row.map_err(rocksdb::Error::into_string)?;
                rows.insert(key.into_vec(), value.into_vec());
            }
        }
        Ok(Hot { rows })
    }

    /// Follows what was written.
    pub(crate) fn follow(&mut self, batch: &Batch) {
        for change in &batch.changes {
            match change {
                Change::Put(key, value) if is_hot(key) => {
                    self.rows.insert(key.clone(), value.clone());
                }
                Change::Delete(key) if is_hot(key) => {
                    self.rows.remove(key);
                }
                Change::DeleteRange(from, to) => {
                    if TABLES.iter().any(|table| *from < vec![table + 1] && *to > vec![*table]) {
                        self.rows.retain(|key, _| key < from || key >= to);
                    }
                }
                Change::Put(..) | Change::Delete(_) => {}
            }
        }
    }

    /// Whether a key is here or nowhere.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Option<Vec<u8>>> {
        is_hot(key).then(|| self.rows.get(key).cloned())
    }

    /// The rows of a range, if it lies in one of these tables.
    pub(crate) fn range<'a>(
        &'a self,
        from: &[u8],
        to: &[u8],
    ) -> Option<impl DoubleEndedIterator<Item = Row> + use<'a>> {
        let table = *from.first().filter(|table| TABLES.contains(table))?;
        if to > [table + 1].as_slice() {
            return None;
        }
        let to = to.max(from);
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        let found = self.rows.range::<[u8], _>(bounds);
        Some(found.map(|(key, value)| (key.clone(), value.clone())))
    }
}

fn is_hot(key: &[u8]) -> bool {
    key.first().is_some_and(|table| TABLES.contains(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_tables_that_are_meant() {
        let names: Vec<&str> = TABLES
            .iter()
            .filter_map(|number| {
                let all = oarlock_engine::store::schema::TABLES;
                all.iter().find(|(known, _)| known == number).map(|(_, name)| *name)
            })
            .collect();
        assert_eq!(names, ["LANE_HOLDER", "LANE_WAITER", "QUESTION", "READY", "LEASED", "TIMER"]);
    }

    #[test]
    fn rows_follow_what_is_written() {
        let mut hot = Hot::default();
        let put = |table: u8, row: u8| Change::Put(vec![table, row], vec![row]);
        let changes = vec![put(52, 1), put(52, 2), put(52, 3), put(20, 1), put(62, 1)];
        hot.follow(&Batch { changes });
        hot.follow(&Batch { changes: vec![Change::Delete(vec![52, 1])] });
        let keys = |hot: &Hot, from: &[u8], to: &[u8]| -> Vec<Vec<u8>> {
            hot.range(from, to).expect("a hot table").map(|(key, _)| key).collect()
        };
        assert_eq!(keys(&hot, &[52], &[53]), [[52, 2], [52, 3]]);
        assert_eq!(keys(&hot, &[52, 3], &[53]), [[52, 3]]);
        assert_eq!(hot.get(&[20, 1]), None);
        assert_eq!(hot.get(&[52, 1]), Some(None));
        assert!(hot.range(&[20], &[21]).is_none());
        assert!(hot.range(&[52], &[60]).is_none());
        hot.follow(&Batch { changes: vec![Change::DeleteRange(vec![50], vec![53])] });
        assert!(keys(&hot, &[52], &[53]).is_empty());
        assert_eq!(keys(&hot, &[62], &[63]).len(), 1);
    }
}
