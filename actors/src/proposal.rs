//! Proposals that must not be lost: patience with a busy, an unwritable and a silent replica.
//!
//! Every command names what it is about and what it expects, so repeating it is harmless. What ends the patience is an answer,
//! or that nobody wants it any more.

use std::time::Duration;

use oarlock_engine::access::Principal;
use oarlock_engine::apply::Offer;
use oarlock_engine::command::Command;
use oarlock_engine::reject::Rejection;
use oarlock_raft::{Accepted, ProposeError, Replica};

/// The first pause after an answer that is none.
const PAUSE: Duration = Duration::from_millis(20);
/// No pause is longer.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How a proposal ended.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It was accepted.
    Accepted(Accepted),
    /// It was refused: another try would be, too.
    Refused(Rejection),
    /// Nobody wants it any more; whether it was applied is not known.
    Unwanted,
}

/// Proposes until there is an answer, as long as it is `wanted`. The offer is made anew for each try.
pub(crate) async fn patiently(
    replica: &Replica,
    by: &Principal,
    offer: impl Fn() -> Option<Offer>,
    command: Command,
    wanted: impl Fn() -> bool,
) -> Verdict {
    let mut pause = PAUSE;
    loop {
        let wait = match replica.propose(by.clone(), offer(), command.clone()).await {
            Ok(accepted) => return Verdict::Accepted(accepted),
            Err(ProposeError::Refused(why)) => return Verdict::Refused(why),
            Err(ProposeError::Busy { retry_after }) => retry_after.max(pause),
            Err(ProposeError::Unavailable(why) | ProposeError::Unknown(why)) => {
                tracing::debug!(%by, %why, "no answer to a proposal, asking again");
                pause
            }
        };
        if !wanted() {
            return Verdict::Unwanted;
        }
        crate::metric::proposal_repeated();
        tokio::time::sleep(wait.min(PAUSE_MAX)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
