//! Filled in next.

use super::Command;
use crate::apply::Reply;
use crate::reject::Rejection;
use crate::store::Tx;

/// What a command comes to: events, or a refusal.
pub(crate) fn decide(_tx: &mut Tx<'_>, command: &Command) -> Result<Reply, Rejection> {
    todo!("{command:?}")
}
