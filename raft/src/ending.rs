//! A process that ends waits until its stores are closed.
//!
//! Stores are closed by threads of their own, some time after the last handle of a replica is dropped. RocksDB keeps its file
//! system and its thread pools in statics that the C library tears down when `main` returns; a store that is still being closed
//! then takes a lock that is gone, and a process that did everything right ends with SIGABRT. So the stores are counted, and the
//! end of the process waits for the last one. What was acknowledged is on the disk either way.

use std::sync::{Condvar, Mutex, Once, PoisonError};
use std::time::Duration;

/// How long the end may be delayed: a store that nobody has let go of will not be closed by waiting.
const WAIT_MAX: Duration = Duration::from_secs(5);

static OPEN: Mutex<usize> = Mutex::new(0);
static CLOSED: Condvar = Condvar::new();
static HOOK: Once = Once::new();

/// A store that is open, or something of RocksDB's that one needs. Hold it in the field after the store: it must be dropped later.
#[derive(Debug)]
pub(crate) struct Open(());

impl Open {
    /// Counts one more. Call it when RocksDB's statics exist, so that they outlive the wait.
    pub(crate) fn now() -> Open {
        HOOK.call_once(|| {
            if !shutdown_hooks::add_shutdown_hook(wait) {
                tracing::warn!("the end of this process will not wait for its stores");
            }
        });
        *OPEN.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Open(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        *OPEN.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        CLOSED.notify_all();
    }
}

extern "C" fn wait() {
    let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Late or not: the process ends.
    let _late = CLOSED.wait_timeout_while(open, WAIT_MAX, |open| *open > 0);
}
