//! Whoever breaks things: which families of faults there are, and when one of them strikes.
//!
//! A family is one file, and a strike is one function that reads from top to bottom: choose, break, prove, hold, mend, prove. It
//! mends also when the run is over sooner, because holding ends then. A new family adds a file here and a line to [`all`].
//!
//! A schedule has lanes, which strike independently of each other, so that two faults can overlap. Everything that is chosen comes
//! from the seed; whoever leads or drives is asked for at the moment.

pub(crate) mod chance;
mod clock;
mod corrupt;
mod disk;
pub(crate) mod fault;
mod kill;
mod member;
mod partition;
mod pause;
mod slow;
mod snapshot;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;

use crate::plan::Plan;
use crate::world::World;
use crate::world::capability::{Capabilities, Need};
use chance::Chance;

/// A family of faults.
pub(crate) trait Nemesis: Send + Sync {
    /// Its name on the command line and in the history.
    fn name(&self) -> &'static str;

    /// What it does, in a sentence.
    fn about(&self) -> &'static str;

    /// The kinds of it, and what each needs.
    fn kinds(&self) -> &'static [(&'static str, &'static [Need])];

    /// Makes one fault of a kind from its beginning to its end. False: there was nobody to strike.
    fn strike<'a>(
        &'a self,
        kind: &'static str,
        world: &'a World,
        chance: &'a mut Chance,
    ) -> BoxFuture<'a, Result<bool>>;
}

/// All families.
pub(crate) fn all() -> Vec<Arc<dyn Nemesis>> {
    vec![
        Arc::new(kill::Kill),
        Arc::new(pause::Pause),
        Arc::new(partition::Partition),
        Arc::new(slow::Slow),
        Arc::new(clock::Clock),
        Arc::new(disk::Disk),
        Arc::new(corrupt::Corrupt),
        Arc::new(member::Member),
        Arc::new(snapshot::Snapshot),
        Arc::new(worker::Worker),
    ]
}

/// A kind of a family.
#[derive(Clone)]
pub(crate) struct Kind {
    pub(crate) family: Arc<dyn Nemesis>,
    pub(crate) kind: &'static str,
    pub(crate) needs: &'static [Need],
}

impl Kind {
    /// `kill-leader`.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.family.name(), self.kind)
    }

    /// Why it cannot be made.
    pub(crate) fn lacks(&self, can: &Capabilities) -> Option<String> {
        self.needs.iter().find_map(|need| can.has(*need).err())
    }
}

/// All kinds of all families.
pub(crate) fn kinds() -> Vec<Kind> {
    let of = |family: Arc<dyn Nemesis>| {
        let kinds = family.kinds().iter();
        kinds
            .map(move |(kind, needs)| Kind { family: family.clone(), kind, needs })
            .collect::<Vec<_>>()
    };
    all().into_iter().flat_map(of).collect()
}

/// The kinds that a word means: a family's name, or a kind's.
pub(crate) fn meant(word: &str) -> Vec<Kind> {
    let fits = |kind: &Kind| kind.family.name() == word || kind.name() == word;
    kinds().into_iter().filter(fits).collect()
}

/// The kinds that a plan means and that can be made here.
pub(crate) fn possible(plan: &Plan, can: &Capabilities) -> Vec<Kind> {
    let meant = plan.kinds.iter().flat_map(|word| meant(word));
    meant.filter(|kind| kind.lacks(can).is_none()).collect()
}

/// Strikes again and again until the phase with faults is over; one lane of the schedule.
///
/// Families take turns in an order drawn anew each time round, so that a short run too meets each of them, and each family its kinds.
pub(crate) async fn lane(world: &World, plan: &Plan, kinds: Vec<Kind>, lane: usize) -> Result<()> {
    let mut chance = Chance::of(plan.seed, lane);
    let mut deck = chance::Deck::new(kinds, |kind| kind.family.name());
    let mut failures = 0;
    // The first one soon, and the lanes not together.
    let mut pause = Duration::from_millis(500 + 2_000 * u64::try_from(lane).unwrap_or(0));
    while !*world.over.borrow() {
        world.hold(pause).await;
        if *world.over.borrow() {
            break;
        }
        let Some(kind) = deck.draw(&mut chance) else { break };
        match kind.family.strike(kind.kind, world, &mut chance).await {
            Ok(true) => failures = 0,
            Ok(false) => {
                // Somebody else has all of them in hand.
                pause = Duration::from_millis(500);
                continue;
            }
            Err(why) => {
                failures += 1;
                world.say.harm(&format!("{} could not be made: {why:#}", kind.name()));
                world.recorder.nemesis(
                    "failed",
                    serde_json::json!({"nemesis": kind.name(), "why": format!("{why:#}")}),
                );
                anyhow::ensure!(failures < 10, "ten faults in a row could not be made: {why:#}");
            }
        }
        pause = chance.interval(Duration::from_millis(plan.interval_ms));
    }
    Ok(())
}
