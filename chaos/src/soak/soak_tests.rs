//! Soaks of runs that are made up: what is planned is run once, also by whoever goes on with it.

use std::collections::BTreeMap;

use super::*;
use crate::check::failover::ALL;
use crate::check::made_up::minute;
use crate::report::VERDICT;
use crate::verdict::Verdict;

const LONG: Bound = Bound { lasts: Duration::from_secs(360_000), rounds: Some(1) };

fn wish() -> Wish {
    let names = |list: [&str; 3]| list.map(str::to_owned).to_vec();
    Wish {
        works: names(["submit", "register", "signals"]),
        nemeses: names(["kill", "pause", "partition"]),
        works_a_cell: 2,
        apart: Vec::new(),
        time_s: 60,
        seed: 3,
    }
}

/// Leaves what a run leaves.
fn ran(place: &Path, outcome: Outcome) -> anyhow::Result<()> {
    std::fs::create_dir_all(place)?;
    let mut verdict = Verdict::default();
    match outcome {
        Outcome::Valid => verdict.held("register/linearizable", "it fits"),
        Outcome::Unknown => verdict.unknown("guard/rate", "3 a second"),
        Outcome::Invalid => verdict.broken("submit/nothing-lost", "run 7 is gone"),
    }
    std::fs::write(place.join(VERDICT), serde_json::to_vec(&verdict)?)?;
    Metrics::of(&minute().history()).write(place)
}

async fn all_valid(folder: &Path, ran_cells: &mut Vec<usize>, bound: Bound) -> Sum {
    let run = async |cell: &Cell, place: &Path| {
        ran_cells.push(cell.number);
        ran(place, Outcome::Valid)
    };
    soak(folder, wish(), bound, run, |_| {}).await.expect("it comes to its end")
}

#[tokio::test]
async fn a_round_runs_every_cell_once_and_adds_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cells = Vec::new();
    let sum = all_valid(folder.path(), &mut cells, LONG).await;
    assert_eq!(cells, (0..sum.planned).collect::<Vec<_>>());
    assert_eq!((sum.valid, sum.pairs_met, sum.pairs_planned), (sum.planned, 9, 9));
    let each = Metrics::of(&minute().history());
    assert_eq!(sum.operations.ok, each.operations.ok * sum.cells as u64);
    assert_eq!(
        sum.faults,
        BTreeMap::from(
            [("kill", 2), ("partition", 2), ("pause", 1)]
                .map(|(name, count)| { (name.to_owned(), count * sum.cells as u64) })
        )
    );
    assert!(
        sum.failover
            .iter()
            .any(|row| row.nemesis == "kill" && row.class == ALL && row.p50_ms > 0.0)
    );
    assert_eq!(sum.outcome(), Outcome::Valid);
    assert!(
        folder.path().join(SUM).exists() && sum.text().contains("9 of 9 pairs"),
        "{}",
        sum.text()
    );
}

#[tokio::test]
async fn cells_that_are_done_are_skipped_by_the_next_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let wish = || Wish { works_a_cell: 1, ..wish() };
    let mut count = 0;
    let breaks = async |_: &Cell, place: &Path| {
        count += 1;
        anyhow::ensure!(count < 3, "the machine went away");
        ran(place, Outcome::Valid)
    };
    let why = soak(folder.path(), wish(), LONG, breaks, |_| {}).await.expect_err("three in a row");
    assert!(why.to_string().contains("what is done stays done"), "{why}");
    let mut cells = Vec::new();
    let run = async |cell: &Cell, place: &Path| {
        cells.push(cell.number);
        ran(place, Outcome::Valid)
    };
    let sum = soak(folder.path(), wish(), LONG, run, |_| {}).await.expect("it comes to its end");
    assert!(sum.planned >= 5, "{} cells", sum.planned);
    assert_eq!(
        cells,
        (2..sum.planned).collect::<Vec<_>>(),
        "those that ended in an error and those that never ran"
    );
    assert_eq!((sum.valid, sum.cells), (sum.planned, sum.planned));
}

#[tokio::test]
async fn a_line_that_was_torn_is_run_again_in_a_folder_that_was_cleared() {
    let folder = tempfile::tempdir().expect("a folder");
    let sum = all_valid(folder.path(), &mut Vec::new(), LONG).await;
    let path = folder.path().join(RESULTS);
    let text = std::fs::read_to_string(&path).expect("there are results");
    std::fs::write(&path, &text[..text.len() - 40]).expect("it can be torn");
    let last = results(folder.path()).expect("it can be read").len();
    assert_eq!(last, sum.planned - 1);
    let mut cells = Vec::new();
    let again = all_valid(folder.path(), &mut cells, LONG).await;
    assert_eq!(cells, [sum.planned - 1]);
    assert_eq!(again.cells, sum.planned);
    assert_eq!(results(folder.path()).expect("every line is whole").len(), sum.planned);
}

#[tokio::test]
async fn no_cell_is_begun_that_would_not_be_done_in_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cells = Vec::new();
    let short = Bound { lasts: Duration::from_secs(60), rounds: None };
    let sum = all_valid(folder.path(), &mut cells, short).await;
    assert!(cells.is_empty());
    assert_eq!(sum.outcome(), Outcome::Unknown, "nothing was run, so nobody knows");
}

#[tokio::test]
async fn the_next_round_has_other_seeds() {
    let folder = tempfile::tempdir().expect("a folder");
    let two = Bound { rounds: Some(2), ..LONG };
    let sum = all_valid(folder.path(), &mut Vec::new(), two).await;
    assert_eq!(sum.cells, 2 * sum.planned);
    let seeds: std::collections::BTreeSet<u64> = results(folder.path())
        .expect("there are results")
        .iter()
        .map(|done| done.cell.seed)
        .collect();
    assert_eq!(seeds.len(), sum.cells);
}

#[tokio::test]
async fn a_folder_of_another_soak_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    all_valid(folder.path(), &mut Vec::new(), LONG).await;
    let other = Wish { seed: 4, ..wish() };
    let run = async |_: &Cell, place: &Path| ran(place, Outcome::Valid);
    let why =
        soak(folder.path(), other, LONG, run, |_| {}).await.expect_err("another wish").to_string();
    assert!(why.contains("another soak") && why.contains("--out"), "{why}");
}

#[tokio::test]
async fn one_violation_makes_the_soak_red_and_is_named_with_its_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = async |cell: &Cell, place: &Path| {
        let outcome = [Outcome::Valid, Outcome::Invalid, Outcome::Unknown][cell.number.min(2)];
        ran(place, outcome)
    };
    let mut heard = 0;
    let sum =
        soak(folder.path(), wish(), LONG, run, |_| heard += 1).await.expect("it comes to its end");
    assert_eq!(sum.outcome(), Outcome::Invalid);
    assert_eq!((sum.violated, sum.valid, heard), (1, 1, sum.planned));
    assert!(
        sum.text().contains("✗ 0001-") && sum.text().contains("run 7 is gone"),
        "{}",
        sum.text()
    );
    assert_eq!(sum.unknowns.len(), sum.planned - 2);
}
