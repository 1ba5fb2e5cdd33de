//! What the leader changes in the group by itself: pure, one step at a time.
//!
//! The group is brought to one, three or five voters, whichever its nodes suffice for: an even number costs a node more and
//! survives no more failures. A newcomer is a learner until it has caught up. A node that comes back at a member's address with an
//! empty directory is another node, and takes the place of the one that is gone.

use std::collections::BTreeSet;

/// A member as the policy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) node: u64,
    pub(crate) votes: bool,
    pub(crate) voter: bool,
    /// Whether it answers.
    pub(crate) there: bool,
    /// Whether its log is nearly the leader's.
    pub(crate) caught_up: bool,
    /// Its address in the log.
    pub(crate) address: String,
    /// The address it says it has.
    pub(crate) says: Option<String>,
    /// Taken in by this leader long ago, and never heard of since.
    pub(crate) stillborn: bool,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Promote(u64),
    Demote(u64),
    /// The second votes in the place of the first, which is gone for good.
    Replace(u64, u64),
    Forget(u64),
    Move(u64, String),
}

/// The next change, if one is due.
pub(crate) fn next(me: u64, members: &[Seen], voters_max: usize) -> Option<Step> {
    moved(members).or_else(|| gone(members)).or_else(|| count(me, members, voters_max))
}

fn moved(members: &[Seen]) -> Option<Step> {
    members.iter().find_map(|seen| {
        let says = seen.says.as_ref().filter(|says| **says != seen.address && !says.is_empty())?;
        Some(Step::Move(seen.node, says.clone()))
    })
}

/// Two members at one address: the older one is no more.
fn gone(members: &[Seen]) -> Option<Step> {
    for old in members.iter().filter(|old| !old.there) {
        if old.stillborn {
            return Some(Step::Forget(old.node));
        }
        let heir = members.iter().find(|new| {
            new.there
                && new.node > old.node
                && !old.address.is_empty()
                && new.address == old.address
        });
        let Some(heir) = heir else { continue };
        if !old.voter {
            return Some(Step::Forget(old.node));
        }
        if heir.voter {
            return Some(Step::Demote(old.node));
        }
        if heir.votes && heir.caught_up {
            return Some(Step::Replace(old.node, heir.node));
        }
    }
    None
}

fn count(me: u64, members: &[Seen], voters_max: usize) -> Option<Step> {
    let voters: BTreeSet<u64> =
        members.iter().filter(|seen| seen.voter).map(|seen| seen.node).collect();
    let ready = members.iter().filter(|seen| !seen.voter && seen.votes && seen.there);
    let ready: Vec<&Seen> = ready.filter(|seen| seen.caught_up).collect();
    let could = (voters.len() + ready.len()).min(voters_max);
    let aim = if could.is_multiple_of(2) { could.saturating_sub(1) } else { could };
    if voters.len() < aim {
        let all_there = members.iter().filter(|seen| seen.voter && seen.there).count();
        let majority = (all_there + 1) * 2 > voters.len() + 1;
        return ready.first().filter(|_| majority).map(|seen| Step::Promote(seen.node));
    }
    // Two voters where one would do, because the third was taken out: either alone would be stuck. Not while one is away: it is
    // needed to agree.
    if voters.len() > aim.max(1) && members.iter().all(|seen| !seen.voter || seen.there) {
        return voters.iter().rev().find(|node| **node != me).map(|node| Step::Demote(*node));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(node: u64, voter: bool) -> Seen {
        Seen {
            node,
            votes: true,
            voter,
            there: true,
            caught_up: true,
            address: format!("host{node}:1"),
            says: None,
            stillborn: false,
        }
    }

    fn group(voters: &[u64], learners: &[u64]) -> Vec<Seen> {
        let voters = voters.iter().map(|node| seen(*node, true));
        voters.chain(learners.iter().map(|node| seen(*node, false))).collect()
    }

    #[test]
    fn voters_are_one_three_or_five() {
        assert_eq!(next(1, &group(&[1], &[]), 5), None);
        assert_eq!(next(1, &group(&[1], &[2]), 5), None);
        assert_eq!(next(1, &group(&[1], &[2, 3]), 5), Some(Step::Promote(2)));
        assert_eq!(next(1, &group(&[1, 2], &[3]), 5), Some(Step::Promote(3)));
        assert_eq!(next(1, &group(&[1, 2, 3], &[4]), 5), None);
        assert_eq!(next(1, &group(&[1, 2, 3], &[4, 5]), 5), Some(Step::Promote(4)));
        assert_eq!(next(1, &group(&[1, 2, 3, 4, 5], &[6, 7]), 5), None);
        assert_eq!(next(1, &group(&[1, 2, 3], &[4, 5]), 3), None);
        assert_eq!(next(1, &group(&[1, 2], &[]), 5), Some(Step::Demote(2)));
        assert_eq!(next(2, &group(&[1, 2], &[]), 5), Some(Step::Demote(1)));
    }

    #[test]
    fn nobody_is_promoted_who_is_away_behind_or_unwilling() {
        for spoil in [
            |seen: &mut Seen| seen.there = false,
            |seen: &mut Seen| seen.caught_up = false,
            |seen: &mut Seen| seen.votes = false,
        ] {
            let mut members = group(&[1], &[2, 3]);
            spoil(&mut members[2]);
            assert_eq!(next(1, &members, 5), None);
        }
    }

    #[test]
    fn a_voter_that_is_away_is_neither_demoted_nor_counted_as_help() {
        let mut members = group(&[1, 2], &[]);
        members[1].there = false;
        assert_eq!(next(1, &members, 5), None);
        let mut members = group(&[1, 2, 3], &[4, 5]);
        members[1].there = false;
        members[2].there = false;
        assert_eq!(next(1, &members, 5), None);
    }

    #[test]
    fn who_comes_back_empty_takes_the_place_of_who_is_gone() {
        let mut members = group(&[1, 2, 3], &[4]);
        members[2].there = false;
        members[3].address = members[2].address.clone();
        assert_eq!(next(1, &members, 5), Some(Step::Replace(3, 4)));
        members[3].caught_up = false;
        assert_eq!(next(1, &members, 5), None);
        members[2].voter = false;
        assert_eq!(next(1, &members, 5), Some(Step::Forget(3)));
    }

    #[test]
    fn a_new_address_is_written_down_first() {
        let mut members = group(&[1], &[2, 3]);
        members[1].says = Some("elsewhere:1".to_owned());
        assert_eq!(next(1, &members, 5), Some(Step::Move(2, "elsewhere:1".to_owned())));
    }
}
