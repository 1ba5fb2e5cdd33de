//! The placement plan: which node drives which role. A problem goes in, changes come out, nothing else is looked at.
//!
//! A role stays where it is as long as its node may have it: moving it costs an epoch, and whatever its driver had in mind.
//! [`settle`] finds nodes only for roles that have none that may; [`level`] moves more, and only as far as it evens out the load.
//! Load is the weight of what a node drives in proportion to its capacity. Labels bind: without a node that has them a role is
//! vacant. A pin does not: while its node is away the role is driven elsewhere, and goes back when the load is levelled.
//!
//! The plan is arithmetic over whole numbers, so every replica makes the same one; among equals the lowest number counts.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use super::Wish;
use crate::id::{NodeId, RoleId};
use crate::member::profile::lacks;

/// A node that may drive roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Which.
    pub node: NodeId,
    /// How much it takes on in proportion to others; never 0.
    pub capacity: u32,
    /// What it is like.
    pub labels: BTreeMap<String, String>,
}

/// A role to be driven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Which.
    pub role: RoleId,
    /// Who drives it; it may be nobody who has a seat.
    pub holder: Option<NodeId>,
    /// Where it would rather be.
    pub wish: Wish,
}

/// What is to be planned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problem {
    /// Who may drive.
    pub seats: Vec<Seat>,
    /// What is to be driven.
    pub charges: Vec<Charge>,
}

/// A role changes hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Which role.
    pub role: RoleId,
    /// To whom; none: nobody may have it.
    pub node: Option<NodeId>,
}

impl Seat {
    /// Whether it has what the role wants.
    #[must_use]
    pub fn fits(&self, wish: &Wish) -> bool {
        lacks(&self.labels, &wish.labels).is_none()
    }
}

/// Finds a node for every role whose holder may not have it, the heaviest first.
#[must_use]
pub fn settle(problem: &Problem) -> Vec<Change> {
    let mut scale = Scale::new(problem);
    let mut homeless: Vec<&Charge> =
        problem.charges.iter().filter(|charge| !scale.housed(charge)).collect();
    homeless.sort_by_key(|charge| (Reverse(charge.wish.weight), charge.role));
    let mut changes = Vec::new();
    for charge in homeless {
        let pinned = charge.wish.pin.and_then(|node| scale.seat(node));
        let best = pinned.filter(|seat| seat.fits(&charge.wish)).or_else(|| scale.best(charge));
        let node = best.map(|seat| seat.node);
        if let Some(node) = node {
            scale.put(node, charge);
        }
        if node != charge.holder {
            changes.push(Change { role: charge.role, node });
        }
    }
    changes
}

/// Brings pinned roles home and evens out the load: from whoever has most to whoever would have least, until no single move
/// makes it more even. Roles whose holder may not have them are left to [`settle`].
#[must_use]
pub fn level(problem: &Problem) -> Vec<Change> {
    let mut scale = Scale::new(problem);
    let mut goals: BTreeMap<RoleId, NodeId> = BTreeMap::new();
    for (place, charge) in problem.charges.iter().enumerate() {
        let Some(holder) = charge.holder.filter(|_| scale.housed(charge)) else { continue };
        let home = charge.wish.pin.and_then(|node| scale.seat(node));
        let home = home.filter(|seat| seat.fits(&charge.wish) && holder != seat.node);
        if let Some(home) = home.map(|seat| seat.node) {
            scale.shift(place, holder, home);
            goals.insert(charge.role, home);
        }
    }
    while let Some((place, from, to)) = scale.gain() {
        scale.shift(place, from, to);
        goals.insert(problem.charges[place].role, to);
    }
    let moved = |charge: &Charge| goals.get(&charge.role).filter(|to| charge.holder != Some(**to));
    let changes = problem
        .charges
        .iter()
        .filter_map(|charge| moved(charge).map(|to| Change { role: charge.role, node: Some(*to) }));
    changes.collect()
}

/// The heaviest first, among equals the youngest: a charge by its weight and its place in the problem.
type Rank = (Reverse<u32>, Reverse<usize>);

/// Who drives what while the plan is made.
struct Scale<'p> {
    seats: BTreeMap<NodeId, &'p Seat>,
    load: BTreeMap<NodeId, u64>,
    charges: &'p [Charge],
    /// What each drives.
    drives: BTreeMap<NodeId, BTreeSet<Rank>>,
}

impl<'p> Scale<'p> {
    fn new(problem: &'p Problem) -> Self {
        let seats: BTreeMap<_, _> = problem.seats.iter().map(|seat| (seat.node, seat)).collect();
        let load = seats.keys().map(|node| (*node, 0)).collect();
        let drives = seats.keys().map(|node| (*node, BTreeSet::new())).collect();
        let mut scale = Scale { seats, load, charges: &problem.charges, drives };
        for (place, charge) in problem.charges.iter().enumerate() {
            if let Some(node) = charge.holder.filter(|_| scale.housed(charge)) {
                scale.put(node, charge);
                scale.drives.entry(node).or_default().insert(rank(charge, place));
            }
        }
        scale
    }

    fn seat(&self, node: NodeId) -> Option<&'p Seat> {
        self.seats.get(&node).copied()
    }

    /// Whether its holder may have it.
    fn housed(&self, charge: &Charge) -> bool {
        let holder = charge.holder.and_then(|node| self.seat(node));
        holder.is_some_and(|seat| seat.fits(&charge.wish))
    }

    fn put(&mut self, node: NodeId, charge: &Charge) {
        *self.load.entry(node).or_default() += u64::from(charge.wish.weight);
    }

    fn shift(&mut self, place: usize, from: NodeId, to: NodeId) {
        let charge = &self.charges[place];
        let rank = rank(charge, place);
        *self.load.entry(from).or_default() -= u64::from(charge.wish.weight);
        self.drives.entry(from).or_default().remove(&rank);
        self.put(to, charge);
        self.drives.entry(to).or_default().insert(rank);
    }

    /// The load of a node with so much more.
    fn share(&self, seat: &Seat, more: u32) -> Share {
        let load = self.load.get(&seat.node).copied().unwrap_or_default();
        Share { load: load + u64::from(more), capacity: u64::from(seat.capacity.max(1)) }
    }

    /// Whoever would have least with it.
    fn best(&self, charge: &Charge) -> Option<&'p Seat> {
        let seats = self.seats.values().filter(|seat| seat.fits(&charge.wish)).copied();
        seats.min_by_key(|seat| (self.share(seat, charge.wish.weight), seat.node))
    }

    /// A move that makes it more even: of whoever has most, if something of it can go to somebody who would then have less.
    fn gain(&self) -> Option<(usize, NodeId, NodeId)> {
        let mut donors: Vec<&Seat> = self.seats.values().copied().collect();
        donors.sort_by_key(|seat| (Reverse(self.share(seat, 0)), seat.node));
        for donor in donors {
            let now = self.share(donor, 0);
            for (_, Reverse(place)) in self.drives.get(&donor.node).into_iter().flatten() {
                let charge = &self.charges[*place];
                if charge.wish.pin == Some(donor.node) {
                    continue;
                }
                let best = self.best(charge).filter(|seat| seat.node != donor.node);
                if let Some(best) = best
                    && self.share(best, charge.wish.weight) < now
                {
                    return Some((*place, donor.node, best.node));
                }
            }
        }
        None
    }
}

fn rank(charge: &Charge, place: usize) -> Rank {
    (Reverse(charge.wish.weight), Reverse(place))
}

/// A load in proportion to a capacity, compared without dividing.
#[derive(Debug, Clone, Copy)]
struct Share {
    load: u64,
    capacity: u64,
}

impl PartialEq for Share {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Share {}

impl Ord for Share {
    fn cmp(&self, other: &Self) -> Ordering {
        let own = u128::from(self.load) * u128::from(other.capacity);
        own.cmp(&(u128::from(other.load) * u128::from(self.capacity)))
    }
}

impl PartialOrd for Share {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seat(node: u64) -> Seat {
        Seat { node: NodeId(node), capacity: 100, labels: BTreeMap::new() }
    }

    fn charge(role: u32, holder: Option<u64>) -> Charge {
        Charge { role: RoleId(role), holder: holder.map(NodeId), wish: Wish::default() }
    }

    fn labels(zone: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("zone".to_owned(), zone.to_owned())])
    }

    fn to(role: u32, node: u64) -> Change {
        Change { role: RoleId(role), node: Some(NodeId(node)) }
    }

    fn carried_out(mut problem: Problem, changes: &[Change]) -> Problem {
        for change in changes {
            let charge = problem.charges.iter_mut().find(|charge| charge.role == change.role);
            charge.expect("a plan is about the roles it was given").holder = change.node;
        }
        problem
    }

    fn loads(problem: &Problem) -> BTreeMap<NodeId, usize> {
        let mut loads: BTreeMap<_, _> = problem.seats.iter().map(|seat| (seat.node, 0)).collect();
        for holder in problem.charges.iter().filter_map(|charge| charge.holder) {
            *loads.entry(holder).or_default() += 1;
        }
        loads
    }

    #[test]
    fn a_role_stays_with_a_node_that_lives() {
        let charges = vec![charge(1, Some(1)), charge(2, Some(1))];
        assert_eq!(settle(&Problem { seats: vec![seat(1), seat(2)], charges }), vec![]);
    }

    #[test]
    fn roles_of_the_dead_go_to_whoever_drives_fewest() {
        let charges = vec![charge(1, Some(1)), charge(2, Some(9)), charge(3, None)];
        let changes = settle(&Problem { seats: vec![seat(1), seat(2)], charges });
        assert_eq!(changes, vec![to(2, 2), to(3, 1)]);
    }

    #[test]
    fn nobody_lives_and_nobody_drives() {
        let charges = vec![charge(1, Some(1)), charge(2, None)];
        let changes = settle(&Problem { seats: vec![], charges });
        assert_eq!(changes, vec![Change { role: RoleId(1), node: None }]);
    }

    #[test]
    fn who_takes_on_twice_as_much_gets_twice_as_many() {
        let seats = vec![seat(1), Seat { capacity: 200, ..seat(2) }];
        let charges = (1..=6).map(|role| charge(role, None)).collect();
        let problem = Problem { seats, charges };
        let loads = loads(&carried_out(problem.clone(), &settle(&problem)));
        assert_eq!(loads, BTreeMap::from([(NodeId(1), 2), (NodeId(2), 4)]));
    }

    #[test]
    fn labels_bind_and_a_pin_does_not() {
        let seats = vec![seat(1), Seat { labels: labels("a"), ..seat(2) }];
        let wish = Wish { labels: labels("a"), ..Wish::default() };
        let nowhere = Wish { labels: labels("b"), ..Wish::default() };
        let away = Wish { pin: Some(NodeId(9)), ..Wish::default() };
        let charges = vec![
            Charge { wish, ..charge(1, None) },
            Charge { wish: nowhere, ..charge(2, Some(1)) },
            Charge { wish: away, ..charge(3, None) },
        ];
        let changes = settle(&Problem { seats, charges });
        let vacant = Change { role: RoleId(2), node: None };
        assert_eq!(changes, vec![to(1, 2), vacant, to(3, 1)]);
    }

    #[test]
    fn a_newcomer_takes_from_whoever_has_most() {
        let charges = vec![
            charge(1, Some(1)),
            charge(2, Some(2)),
            charge(3, Some(2)),
            charge(4, Some(2)),
            charge(5, Some(1)),
        ];
        let problem = Problem { seats: vec![seat(1), seat(2), seat(3)], charges };
        assert_eq!(level(&problem), vec![to(4, 3)], "the youngest of the largest holder moves");
    }

    #[test]
    fn a_pinned_role_goes_home_when_it_can() {
        let wish = Wish { pin: Some(NodeId(2)), ..Wish::default() };
        let charges = vec![Charge { wish, ..charge(1, Some(1)) }, charge(2, Some(1))];
        let problem = Problem { seats: vec![seat(1), seat(2)], charges };
        assert_eq!(settle(&problem), vec![]);
        assert_eq!(level(&problem), vec![to(1, 2)]);
    }

    fn wish() -> impl Strategy<Value = Wish> {
        let zone = proptest::option::weighted(0.3, prop_oneof!["a", "b"]);
        let pin = proptest::option::weighted(0.2, 1u64..8);
        (pin, zone, 1u32..5).prop_map(|(pin, zone, weight)| Wish {
            pin: pin.map(NodeId),
            labels: zone.map(|zone| labels(&zone)).unwrap_or_default(),
            weight,
        })
    }

    fn any_problem() -> impl Strategy<Value = Problem> {
        let seat = (1u32..400, proptest::option::of(prop_oneof!["a", "b"])).prop_map(
            |(capacity, zone)| Seat {
                capacity,
                labels: zone.map(|zone| labels(&zone)).unwrap_or_default(),
                ..seat(0)
            },
        );
        let seats = proptest::collection::btree_map(1u64..8, seat, 0..6);
        let charges = proptest::collection::vec((proptest::option::of(1u64..8), wish()), 0..40);
        (seats, charges).prop_map(|(seats, charges)| Problem {
            seats: seats
                .into_iter()
                .map(|(node, seat)| Seat { node: NodeId(node), ..seat })
                .collect(),
            charges: (1..)
                .zip(charges)
                .map(|(role, (holder, wish))| Charge { wish, ..charge(role, holder) })
                .collect(),
        })
    }

    /// Equal nodes and equal roles: what is even can be counted.
    fn plain_problem() -> impl Strategy<Value = Problem> {
        let seats = proptest::collection::btree_set(1u64..8, 1..7);
        (seats, proptest::collection::vec(1u64..10, 0..60)).prop_map(|(seats, holders)| Problem {
            seats: seats.into_iter().map(seat).collect(),
            charges: (1..).zip(holders).map(|(role, holder)| charge(role, Some(holder))).collect(),
        })
    }

    fn may(problem: &Problem, node: NodeId, wish: &Wish) -> bool {
        problem.seats.iter().any(|seat| seat.node == node && seat.fits(wish))
    }

    proptest! {
        #[test]
        fn every_role_has_a_holder_that_may_have_it_or_there_is_none(problem in any_problem()) {
            let after = carried_out(problem.clone(), &settle(&problem));
            for charge in &after.charges {
                match charge.holder {
                    Some(node) => prop_assert!(may(&after, node, &charge.wish)),
                    None => prop_assert!(!after.seats.iter().any(|seat| seat.fits(&charge.wish))),
                }
            }
        }

        #[test]
        fn nothing_moves_that_need_not(problem in any_problem()) {
            for change in settle(&problem) {
                let charge = problem.charges.iter().find(|charge| charge.role == change.role);
                let charge = charge.expect("a plan is about the roles it was given");
                prop_assert_ne!(charge.holder, change.node);
                prop_assert!(!charge.holder.is_some_and(|node| may(&problem, node, &charge.wish)));
            }
            let after = carried_out(problem.clone(), &settle(&problem));
            prop_assert_eq!(settle(&after), vec![]);
        }

        #[test]
        fn what_is_level_stays_so_and_no_single_move_makes_it_more_even(problem in any_problem()) {
            let settled = carried_out(problem.clone(), &settle(&problem));
            let after = carried_out(settled.clone(), &level(&settled));
            prop_assert_eq!(settle(&after), vec![], "levelling makes nobody homeless");
            prop_assert_eq!(level(&after), vec![]);
            let scale = Scale::new(&after);
            for charge in &after.charges {
                let Some(holder) = charge.holder else { continue };
                let home = charge.wish.pin.filter(|node| may(&after, *node, &charge.wish));
                if let Some(home) = home {
                    prop_assert_eq!(holder, home);
                    continue;
                }
                let own = scale.share(scale.seat(holder).expect("it may have it"), 0);
                for seat in after.seats.iter().filter(|seat| seat.fits(&charge.wish) && seat.node != holder) {
                    prop_assert!(scale.share(seat, charge.wish.weight) >= own);
                }
            }
        }

        #[test]
        fn equal_nodes_have_equally_many_after_as_few_moves_as_possible(problem in plain_problem()) {
            let settled = carried_out(problem.clone(), &settle(&problem));
            let changes = level(&settled);
            let before = loads(&settled);
            let after = loads(&carried_out(settled, &changes));
            let (least, most) = (after.values().min(), after.values().max());
            prop_assert!(most.unwrap_or(&0) - least.unwrap_or(&0) <= 1, "{after:?}");
            // Those who have most may keep one more than the others, as many of them as there is a rest.
            let (all, nodes) = (before.values().sum::<usize>(), before.len());
            let mut having: Vec<usize> = before.into_values().collect();
            having.sort_by_key(|count| Reverse(*count));
            let keeps = |place: usize| all / nodes + usize::from(place < all % nodes);
            let needed: usize =
                having.iter().enumerate().map(|(place, count)| count.saturating_sub(keeps(place))).sum();
            prop_assert_eq!(changes.len(), needed);
        }

        #[test]
        fn the_order_of_the_nodes_is_of_no_account(problem in any_problem()) {
            let mut turned = problem.clone();
            turned.seats.reverse();
            prop_assert_eq!(settle(&problem), settle(&turned));
            prop_assert_eq!(level(&problem), level(&turned));
        }
    }
}
