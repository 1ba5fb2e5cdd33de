//! Proofs that somebody knows the cluster's secret, without saying it.
//!
//! A proof is a keyed hash (HMAC-SHA256) of everything both sides have said so far, with the role of who proves in front: a proof
//! cannot be played back in another conversation, where the other side has said another random number, nor be handed back to
//! whoever gave it.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::config::Secret;

/// A keyed hash.
pub(crate) type Proof = [u8; 32];

/// Which side proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Dialler,
    Listener,
}

/// The proof of one side over what was said.
pub(crate) fn prove(secret: &Secret, side: Side, said: &[&[u8]]) -> Proof {
    hash(secret, side, said).finalize().into_bytes().into()
}

/// Whether a proof is right; takes the same time whatever is wrong with it.
pub(crate) fn holds(secret: &Secret, side: Side, said: &[&[u8]], proof: &Proof) -> bool {
    hash(secret, side, said).verify_slice(proof).is_ok()
}

/// A number from 0 to 1 that differs from call to call and from process to process. Not for secrets.
pub(crate) fn jitter() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new().hash_one(std::time::Instant::now());
    f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

fn hash(secret: &Secret, side: Side, said: &[&[u8]]) -> Hmac<Sha256> {
    let mut hash: Hmac<Sha256> =
        Hmac::new_from_slice(secret.bytes()).expect("a key of any length will do");
    hash.update(match side {
        Side::Dialler => b"oarlock peer 1, dialler",
        Side::Listener => b"oarlock peer 1, listenr",
    });
    for piece in said {
        hash.update(&(piece.len() as u64).to_le_bytes());
        hash.update(piece);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_of_one_secret_one_side_and_one_conversation() {
        let (secret, other) = (Secret::new("open sesame"), Secret::new("open barley"));
        let said: [&[u8]; 2] = [b"hello", b"challenge"];
        let proof = prove(&secret, Side::Dialler, &said);
        assert!(holds(&secret, Side::Dialler, &said, &proof));
        assert!(!holds(&other, Side::Dialler, &said, &proof));
        assert!(!holds(&secret, Side::Listener, &said, &proof));
        assert!(!holds(&secret, Side::Dialler, &[b"hellochallenge"], &proof));
    }
}
