//! A node that belongs to a throw-away cluster does not outlive it, however that ends.
//!
//! Two things hold it: the kernel kills it when its parent dies, which reaches a stopped process too; and it ends when its
//! standard input ends, which also works where the parent died before the first could be said.

use std::io::Read;

/// Ends this process as soon as its parent is gone.
pub(crate) fn put_on() {
    #[cfg(target_os = "linux")]
    if let Err(fault) =
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
    {
        tracing::debug!(%fault, "the kernel does not watch the parent");
    }
    std::thread::spawn(|| {
        let mut rest = [0; 64];
        let mut input = std::io::stdin().lock();
        while input.read(&mut rest).is_ok_and(|count| count > 0) {}
        // Like a kill: what was acknowledged is in the log, and nothing of this is to be kept.
        std::process::exit(137);
    });
}
