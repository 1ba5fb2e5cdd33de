//! One question to the majority for all reads that wait.
//!
//! A read that must see everything acknowledged before it asks the replica for a barrier, and a barrier is a word with a majority.
//! Many reads at once need one word, not many: whoever arrives while one is under way waits for the *next* one, because only a
//! barrier that begins after a read has arrived vouches for it.
//!
//! ```text
//!   arrivals   a b c      d e          f
//!   rounds     [── a ──][─── b c ───][─ d e ─][─ f ─]
//! ```

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// How a round went: why not, in words, if it did not.
type Verdict = Result<(), String>;

/// The rounds of a node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rounds {
    line: Arc<Mutex<Line>>,
}

/// Who waits for the next round.
#[derive(Debug, Default)]
struct Line {
    waiting: Vec<oneshot::Sender<Verdict>>,
    under_way: bool,
}

impl Rounds {
    /// Waits for a round that begins after this call; `ask` makes one.
    pub(crate) async fn next<Asked>(&self, ask: impl Fn() -> Asked + Send + 'static) -> Verdict
    where
        Asked: Future<Output = Verdict> + Send + 'static,
    {
        let (call, called) = oneshot::channel();
        let first = {
            let mut line = self.lock();
            line.waiting.push(call);
            !std::mem::replace(&mut line.under_way, true)
        };
        if first {
            // Not in the caller's own task: it may go away, and others wait.
            let rounds = self.clone();
            tokio::spawn(async move { rounds.go_on(ask).await });
        }
        called.await.unwrap_or_else(|_| Err("the node is stopping".to_owned()))
    }

    /// Makes rounds until nobody waits.
    async fn go_on<Asked>(&self, ask: impl Fn() -> Asked)
    where
        Asked: Future<Output = Verdict>,
    {
        loop {
            let waiting = {
                let mut line = self.lock();
                line.under_way = !line.waiting.is_empty();
                std::mem::take(&mut line.waiting)
            };
            if waiting.is_empty() {
                return;
            }
            let verdict = ask().await;
            for call in waiting {
                // Whoever has gone away is not missed.
                let _ = call.send(verdict.clone());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    /// Rounds that end when they are let.
    #[derive(Clone)]
    struct Gate {
        begun: Arc<AtomicUsize>,
        let_through: Arc<Semaphore>,
    }

    impl Gate {
        fn ask(
            &self,
        ) -> impl Fn() -> futures::future::BoxFuture<'static, Verdict> + Send + 'static {
            let gate = self.clone();
            move || {
                let gate = gate.clone();
                Box::pin(async move {
                    gate.begun.fetch_add(1, Ordering::SeqCst);
                    gate.let_through.acquire().await.expect("it stays open").forget();
                    Ok(())
                })
            }
        }
    }

    #[tokio::test]
    async fn whoever_arrives_during_a_round_waits_for_the_next_one_together() {
        let gate = Gate { begun: Arc::default(), let_through: Arc::new(Semaphore::new(0)) };
        let rounds = Rounds::default();
        let go = |rounds: Rounds| {
            let ask = gate.ask();
            tokio::spawn(async move { rounds.next(ask).await })
        };
        let first = go(rounds.clone());
        while gate.begun.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let later: Vec<_> = (0..50).map(|_| go(rounds.clone())).collect();
        while rounds.lock().waiting.len() < later.len() {
            tokio::task::yield_now().await;
        }
        gate.let_through.add_permits(1);
        assert_eq!(first.await.expect("it ran"), Ok(()));
        assert!(later.iter().all(|waits| !waits.is_finished()), "one round is not enough");
        gate.let_through.add_permits(1);
        for waits in later {
            assert_eq!(waits.await.expect("it ran"), Ok(()));
        }
        assert_eq!(gate.begun.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_round_that_fails_is_told_to_all_who_waited() {
        let rounds = Rounds::default();
        let ask = || async { Err("no majority".to_owned()) };
        assert_eq!(rounds.next(ask).await, Err("no majority".to_owned()));
        assert_eq!(rounds.next(|| async { Ok(()) }).await, Ok(()));
    }
}
