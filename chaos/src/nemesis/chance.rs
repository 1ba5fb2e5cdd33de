//! Everything that is chosen: from the seed, so that the same seed chooses the same.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};

use crate::plan::ELECTION_MS;

/// A source of choices.
#[derive(Debug)]
pub(crate) struct Chance {
    random: StdRng,
}

impl Chance {
    /// That of a lane of a schedule.
    pub(crate) fn of(seed: u64, lane: usize) -> Chance {
        let lane = u64::try_from(lane).unwrap_or(u64::MAX);
        Chance { random: StdRng::seed_from_u64(seed.rotate_left(17) ^ lane) }
    }

    /// How long until the next fault: exponential, so that faults come in bunches as real ones do; never quite at once.
    pub(crate) fn interval(&mut self, mean: Duration) -> Duration {
        let uniform: f64 = self.random.random_range(0.000_1..1.0);
        mean.mul_f64((-uniform.ln()).clamp(0.05, 3.0))
    }

    /// How long a fault lasts: shorter than an election, about as long, or much longer.
    pub(crate) fn length(&mut self) -> Duration {
        let election = Duration::from_millis(ELECTION_MS);
        let times = match self.random.random_range(0..5) {
            0 | 1 => self.random.random_range(0.3..1.5),
            2 | 3 => self.random.random_range(1.0..3.0),
            _ => 10.0,
        };
        election.mul_f64(times)
    }

    /// The same for what stops everybody: never very long, or nothing else is seen.
    pub(crate) fn short(&mut self) -> Duration {
        Duration::from_millis(ELECTION_MS).mul_f64(self.random.random_range(0.3..3.0))
    }

    /// One of these.
    pub(crate) fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.choose(&mut self.random)
    }

    /// These in another order.
    pub(crate) fn shuffled<T>(&mut self, mut these: Vec<T>) -> Vec<T> {
        these.shuffle(&mut self.random);
        these
    }

    /// A number from here to below there.
    pub(crate) fn number(&mut self, range: std::ops::Range<u64>) -> u64 {
        self.random.random_range(range)
    }

    /// Heads.
    pub(crate) fn coin(&mut self) -> bool {
        self.random.random_bool(0.5)
    }
}

/// Cards that are dealt until none is left, then shuffled again: each group takes its turn, and within it each card.
#[derive(Debug)]
pub(crate) struct Deck<T> {
    groups: Vec<Vec<T>>,
    left: Vec<Vec<T>>,
    order: Vec<usize>,
}

impl<T: Clone> Deck<T> {
    /// Of these cards.
    pub(crate) fn new(cards: Vec<T>, group: impl Fn(&T) -> &'static str) -> Deck<T> {
        let mut groups: std::collections::BTreeMap<&str, Vec<T>> =
            std::collections::BTreeMap::new();
        for card in cards {
            groups.entry(group(&card)).or_default().push(card);
        }
        let groups: Vec<Vec<T>> = groups.into_values().collect();
        let left = groups.iter().map(|_| Vec::new()).collect();
        Deck { groups, left, order: Vec::new() }
    }

    /// The next one; none: there are no cards.
    pub(crate) fn draw(&mut self, chance: &mut Chance) -> Option<T> {
        if self.order.is_empty() {
            self.order = chance.shuffled((0..self.groups.len()).collect());
        }
        let group = self.order.pop()?;
        if self.left[group].is_empty() {
            self.left[group] = chance.shuffled(self.groups[group].clone());
        }
        self.left[group].pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_chooses_the_same_and_lanes_choose_otherwise() {
        let draw = |seed, lane| {
            let mut chance = Chance::of(seed, lane);
            (0..20).map(|_| chance.length()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, 0), draw(7, 0));
        assert_ne!(draw(7, 0), draw(7, 1));
        assert_ne!(draw(7, 0), draw(8, 0));
    }

    #[test]
    fn every_group_takes_its_turn_and_every_card_too() {
        let cards = vec!["a1", "a2", "a3", "b1"];
        let mut deck = Deck::new(cards, |card| &card[..1]);
        let mut chance = Chance::of(1, 0);
        let drawn: Vec<&str> = (0..6).filter_map(|_| deck.draw(&mut chance)).collect();
        let mut seen: Vec<&str> =
            drawn.iter().copied().filter(|card| card.starts_with('a')).collect();
        seen.sort_unstable();
        assert_eq!(seen, ["a1", "a2", "a3"]);
        assert_eq!(drawn.iter().filter(|card| **card == "b1").count(), 3);
    }
}
