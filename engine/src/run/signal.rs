//! A signal: to the task that has waited for it longest, or into the run's box.

use super::{Event, SIGNALS_MAX, get};
use crate::blob::{self, Payload, Slot};
use crate::catalog::shape;
use crate::dag::walk::Walk;
use crate::id::RunId;
use crate::reject::Rejection;
use crate::run::start::KEY_BYTES_MAX;
use crate::store::{Tx, schema};
use crate::task;

/// Delivers a signal.
pub(crate) fn signal(
    tx: &mut Tx<'_>,
    run: RunId,
    name: &str,
    payload: &Payload,
    dedup: &str,
) -> Result<(), Rejection> {
    let row = get(tx, run).ok_or(Rejection::NoRun(run))?;
    if !dedup.is_empty() && schema::SIGNAL_SEEN.has(tx, &(run, dedup.to_owned())) {
        return Ok(());
    }
    if row.state.finished() {
        return Err(Rejection::WrongRunState(row.state));
    }
    shape::name("signal", name)?;
    blob::check(payload)?;
    if dedup.len() > KEY_BYTES_MAX {
        return Err(Rejection::too_large("dedup", KEY_BYTES_MAX));
    }
    let (name, dedup) = (name.to_owned(), dedup.to_owned());
    let waiter = schema::SIGNAL_WAITER.under(tx, &(run, name.clone())).next();
    if let Some(((_, _, waiter), ())) = waiter {
        tx.emit(Event::Signalled { run, name, slot: None, dedup });
        let task = task::get(tx, waiter).expect("who waits for a signal is a task");
        let mut walk = Walk::new(tx);
        task::settle::succeed(&mut walk, &task, payload);
        walk.finish();
        return Ok(());
    }
    let max = SIGNALS_MAX as usize;
    if schema::SIGNAL.under(tx, &(run,)).take(max).count() == max {
        return Err(Rejection::too_large("signals", max));
    }
    let slot = row.signals;
    blob::keep(tx, run, Slot::Signal(slot), payload);
    tx.emit(Event::Signalled { run, name, slot: Some(slot), dedup });
    Ok(())
}
