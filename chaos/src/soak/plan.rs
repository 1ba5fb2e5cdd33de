//! Which workloads meet which nemeses: few cells in which every workload has met every nemesis.
//!
//! A cell runs a set of workloads while a pair of nemeses strikes. Nine workloads and ten nemeses have ninety pairs; a cell with
//! three of the one and two of the other covers six of them, so fifteen could do. Which ones is a covering array, and a greedy
//! choice comes close to the best without a search:
//!
//! ```text
//!   1. while a (workload, nemesis) has not met: of all pairs of nemeses, each with the workloads to which it brings most that is new,
//!      take the one that brings most; of equals the pair that is new, then whatever was used least
//!   2. while two nemeses have not struck together: take them, with the workloads that were used least
//! ```
//!
//! The first part comes first because the time may end before the plan does. What must not meet, or strike together, is left out by name.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use rand::{Rng as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

/// What a soak was asked to do. The same words make the same plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wish {
    /// The workloads.
    pub works: Vec<String>,
    /// The nemeses.
    pub nemeses: Vec<String>,
    /// Workloads of a cell at most.
    pub works_a_cell: usize,
    /// Pairs that must not be in one cell: a workload and a nemesis, or two of a kind.
    #[serde(default)]
    pub apart: Vec<(String, String)>,
    /// How long faults last in a cell.
    pub time_s: u64,
    /// Where the seeds of the cells come from.
    pub seed: u64,
}

/// A plan: what was asked, and the cells that come of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What was asked.
    pub wish: Wish,
    /// The cells of one round, in the order in which they are run.
    pub cells: Vec<Cell>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Its place in the soak, over all rounds.
    pub number: usize,
    /// Its workloads.
    pub works: Vec<String>,
    /// What strikes.
    pub nemeses: Vec<String>,
    /// Its seed.
    pub seed: u64,
    /// How long faults last.
    pub time_s: u64,
}

impl Plan {
    /// Makes a plan.
    ///
    /// # Errors
    /// When there is nothing to combine.
    pub fn of(wish: Wish) -> anyhow::Result<Plan> {
        ensure!(!wish.works.is_empty(), "a soak needs a workload; `oarlock-chaos list` names them");
        ensure!(
            !wish.nemeses.is_empty(),
            "a soak needs a nemesis; `oarlock-chaos list` names them"
        );
        ensure!(wish.works_a_cell > 0, "a cell without a workload says nothing");
        let mut board = Board::of(&wish);
        while let Some((nemeses, works)) = board.best() {
            board.take(nemeses, works);
        }
        while let Some((nemeses, works)) = board.together() {
            board.take(nemeses, works);
        }
        let cells = std::mem::take(&mut board.cells);
        let mut plan = Plan { wish, cells };
        plan.cells = (0..plan.cells.len()).map(|number| plan.cell(number)).collect();
        Ok(plan)
    }

    /// A cell by its place in the soak: behind the last of a round comes the first of the next, with another seed.
    #[must_use]
    pub fn cell(&self, number: usize) -> Cell {
        let cell = &self.cells[number % self.cells.len()];
        let mixed = self.wish.seed.wrapping_mul(1_000_003).wrapping_add(number as u64);
        let seed = rand::rngs::StdRng::seed_from_u64(mixed).random::<u32>();
        Cell { number, seed: seed.into(), ..cell.clone() }
    }

    /// The pairs of a workload and a nemesis that it brings together.
    #[must_use]
    pub fn pairs(&self) -> BTreeSet<(&str, &str)> {
        let mut pairs = BTreeSet::new();
        for cell in &self.cells {
            for work in &cell.works {
                pairs.extend(cell.nemeses.iter().map(|nemesis| (work.as_str(), nemesis.as_str())));
            }
        }
        pairs
    }
}

/// The state of the choice. Workloads and nemeses are numbers here.
struct Board<'a> {
    wish: &'a Wish,
    apart: BTreeSet<(&'a str, &'a str)>,
    /// Sets of nemeses that may strike together: one or two.
    sets: Vec<Vec<usize>>,
    open: BTreeSet<(usize, usize)>,
    used_sets: BTreeSet<Vec<usize>>,
    used_works: BTreeMap<usize, usize>,
    used_nemeses: BTreeMap<usize, usize>,
    cells: Vec<Cell>,
}

impl<'a> Board<'a> {
    fn of(wish: &'a Wish) -> Board<'a> {
        let both = |pair: &'a (String, String)| [(&*pair.0, &*pair.1), (&*pair.1, &*pair.0)];
        let mut board = Board {
            wish,
            apart: wish.apart.iter().flat_map(both).collect(),
            sets: Vec::new(),
            open: BTreeSet::new(),
            used_sets: BTreeSet::new(),
            used_works: BTreeMap::new(),
            used_nemeses: BTreeMap::new(),
            cells: Vec::new(),
        };
        let (works, nemeses) = (&wish.works, &wish.nemeses);
        for (one, name) in nemeses.iter().enumerate() {
            let others = (one + 1..nemeses.len()).filter(|other| board.may(name, &nemeses[*other]));
            let pairs: Vec<_> = others.map(|other| vec![one, other]).collect();
            board.sets.extend(pairs);
        }
        board.sets.extend((0..nemeses.len()).map(|one| vec![one]));
        let meets =
            (0..works.len()).flat_map(|work| (0..nemeses.len()).map(move |one| (work, one)));
        let meets = meets.filter(|(work, one)| board.may(&works[*work], &nemeses[*one]));
        board.open = meets.collect();
        board
    }

    fn may(&self, one: &str, other: &str) -> bool {
        !self.apart.contains(&(one, other))
    }

    /// What is new of a workload under these nemeses.
    fn gain(&self, work: usize, set: &[usize]) -> usize {
        set.iter().filter(|nemesis| self.open.contains(&(work, **nemesis))).count()
    }

    /// The workloads to which a set of nemeses brings most, as many as a cell has room for.
    fn works(&self, set: &[usize]) -> Vec<usize> {
        let names = &self.wish.works;
        let mut order: Vec<usize> = (0..names.len()).collect();
        let used = |work: &usize| self.used_works.get(work).copied().unwrap_or(0);
        order.sort_by_key(|work| (std::cmp::Reverse(self.gain(*work, set)), used(work), *work));
        let mut taken: Vec<usize> = Vec::new();
        for work in order {
            let name = &names[work];
            let fits = set.iter().all(|nemesis| self.may(name, &self.wish.nemeses[*nemesis]))
                && taken.iter().all(|other| self.may(name, &names[*other]));
            if fits && taken.len() < self.wish.works_a_cell {
                taken.push(work);
            }
        }
        taken
    }

    fn used(&self, set: &[usize]) -> usize {
        set.iter().filter_map(|nemesis| self.used_nemeses.get(nemesis)).sum()
    }

    /// The cell that brings most that is new.
    fn best(&self) -> Option<(Vec<usize>, Vec<usize>)> {
        let offers = self.sets.iter().map(|set| (set, self.works(set)));
        let gain = |works: &[usize], set: &[usize]| -> usize {
            works.iter().map(|work| self.gain(*work, set)).sum()
        };
        let offers = offers.filter(|(set, works)| gain(works, set) > 0);
        let best = offers.min_by_key(|(set, works)| {
            (
                std::cmp::Reverse(gain(works, set)),
                self.used_sets.contains(*set),
                std::cmp::Reverse(set.len()),
                self.used(set),
            )
        });
        best.map(|(set, works)| (set.clone(), works))
    }

    /// Two nemeses that have not struck together yet.
    fn together(&self) -> Option<(Vec<usize>, Vec<usize>)> {
        let left = self.sets.iter().filter(|set| set.len() == 2 && !self.used_sets.contains(*set));
        let offers = left.map(|set| (set, self.works(set))).filter(|(_, works)| !works.is_empty());
        let best = offers.min_by_key(|(set, _)| self.used(set));
        best.map(|(set, works)| (set.clone(), works))
    }

    fn take(&mut self, set: Vec<usize>, works: Vec<usize>) {
        for work in &works {
            *self.used_works.entry(*work).or_default() += 1;
            for nemesis in &set {
                self.open.remove(&(*work, *nemesis));
            }
        }
        for nemesis in &set {
            *self.used_nemeses.entry(*nemesis).or_default() += 1;
        }
        let name =
            |names: &[String], of: &[usize]| of.iter().map(|one| names[*one].clone()).collect();
        self.cells.push(Cell {
            number: self.cells.len(),
            works: name(&self.wish.works, &works),
            nemeses: name(&self.wish.nemeses, &set),
            seed: 0,
            time_s: self.wish.time_s,
        });
        self.used_sets.insert(set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn wish(works: usize, nemeses: usize, works_a_cell: usize) -> Wish {
        let names =
            |letter: &str, count: usize| (1..=count).map(|n| format!("{letter}{n}")).collect();
        Wish {
            works: names("w", works),
            nemeses: names("n", nemeses),
            works_a_cell,
            apart: Vec::new(),
            time_s: 180,
            seed: 7,
        }
    }

    /// The cells until every workload has met every nemesis.
    fn first_part(plan: &Plan) -> usize {
        let all = plan.pairs().len();
        let part = |cells: usize| Plan { cells: plan.cells[..cells].to_vec(), ..plan.clone() };
        (1..=plan.cells.len())
            .find(|cells| part(*cells).pairs().len() == all)
            .expect("the whole has all")
    }

    #[test]
    fn every_workload_meets_every_nemesis() {
        for (works, nemeses, room) in
            [(1, 1, 1), (2, 5, 3), (9, 10, 3), (9, 10, 2), (15, 12, 4), (7, 1, 3)]
        {
            let plan = Plan::of(wish(works, nemeses, room)).expect("there is something to combine");
            assert_eq!(plan.pairs().len(), works * nemeses, "{works} and {nemeses}");
            assert!(
                plan.cells.iter().all(|cell| cell.works.len() <= room && cell.nemeses.len() <= 2)
            );
        }
    }

    #[test]
    fn few_cells_are_enough_for_that() {
        for (works, nemeses, room) in [(9_usize, 10_usize, 3_usize), (9, 10, 2), (15, 12, 4)] {
            let plan = Plan::of(wish(works, nemeses, room)).expect("there is something to combine");
            let (least, took) = ((works * nemeses).div_ceil(room * 2), first_part(&plan));
            assert!(took * 10 <= least * 13, "{took} cells where {least} are the least");
        }
    }

    #[test]
    fn every_two_nemeses_strike_together_once_the_rest_is_done() {
        let plan = Plan::of(wish(9, 10, 3)).expect("there is something to combine");
        let pairs: BTreeSet<_> = plan.cells.iter().map(|cell| cell.nemeses.clone()).collect();
        assert_eq!(pairs.iter().filter(|pair| pair.len() == 2).count(), 45);
        assert!(plan.cells.len() <= 50, "{} cells", plan.cells.len());
    }

    #[test]
    fn what_must_stay_apart_does() {
        let mut wish = wish(5, 6, 3);
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        wish.apart = vec![pair("w1", "n2"), pair("n3", "n4"), pair("w2", "w3")];
        let plan = Plan::of(wish).expect("there is something to combine");
        assert_eq!(plan.pairs().len(), 29, "all but one");
        for cell in &plan.cells {
            let has = |name: &str| cell.works.iter().chain(&cell.nemeses).any(|one| one == name);
            for (one, other) in &plan.wish.apart {
                assert!(!(has(one) && has(other)), "{cell:?}");
            }
        }
    }

    #[test]
    fn the_same_wish_makes_the_same_plan_and_another_round_has_other_seeds() {
        let plan = Plan::of(wish(4, 4, 2)).expect("there is something to combine");
        assert_eq!(plan, Plan::of(wish(4, 4, 2)).expect("again"));
        let again = plan.cell(plan.cells.len());
        assert_eq!((&again.works, &again.nemeses), (&plan.cells[0].works, &plan.cells[0].nemeses));
        assert_ne!(again.seed, plan.cells[0].seed);
        let seeds: BTreeSet<u64> = (0..200).map(|number| plan.cell(number).seed).collect();
        assert_eq!(seeds.len(), 200);
    }

    #[test]
    fn a_soak_of_nothing_says_what_it_needs() {
        let why = Plan::of(wish(0, 3, 3)).expect_err("there is nothing").to_string();
        assert!(why.contains("oarlock-chaos list"), "{why}");
    }
}
