//! A soak as people ask for it: each cell is a run in a process of its own, whose folder is thinned out when it was green.
//!
//! In a process of its own, because some faults want mounts of their own, and because a check that takes all the memory must not end the
//! soak with it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use tokio::process::Command;

use super::{Bound, Cell, Done, Sum, Wish, soak};
use crate::report::count;
use crate::verdict::Outcome;

/// Exit codes of a run that came to a verdict.
const JUDGED: [i32; 3] = [0, 1, 3];
/// What a green cell does not keep: it can be made again from the history.
const MADE_AGAIN: [&str; 2] = ["edn", "report.html"];

/// What a soak is asked for.
#[derive(Debug, Clone, Args)]
pub(crate) struct Words {
    /// Workloads; all of them if none is named
    #[arg(long, short, value_delimiter = ',', value_name = "A,B")]
    pub(crate) workload: Vec<String>,
    /// Families of faults; all that can be made here if none is named
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) nemesis: Vec<String>,
    /// Seconds with faults in each run
    #[arg(long, short, default_value_t = 60, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) time: u64,
    /// Milliseconds between two faults of a run, on the average
    #[arg(long, default_value_t = 2_000, value_name = "MS")]
    pub(crate) interval: u64,
    /// How long this call may go on; the next one goes on where it stopped
    #[arg(long, default_value_t = 2.0, value_name = "H")]
    pub(crate) hours: f64,
    /// Rounds of the plan at most; as many as there is time for if none is given
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<usize>,
    /// Workloads of one run
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) at_once: usize,
    /// Where everything that is chosen comes from
    #[arg(long, short, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The folder of the soak
    #[arg(long, short, default_value = "chaos/out/soak", value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The program of the nodes; `oarlock` beside this one
    #[arg(long, env = "OARLOCK_BIN", value_name = "FILE")]
    pub(crate) binary: Option<PathBuf>,
}

/// Runs it, and says what came of it.
///
/// # Errors
/// When the folder belongs to another soak, or cell after cell ends in an error.
pub(crate) async fn run(words: &Words, works: Vec<String>, nemeses: Vec<String>) -> Result<Sum> {
    let wish = Wish {
        works,
        nemeses,
        works_a_cell: words.at_once,
        apart: apart(),
        time_s: words.time,
        seed: words.seed,
    };
    let bound =
        Bound { lasts: Duration::from_secs_f64(words.hours * 3_600.0), rounds: words.rounds };
    let run = async |cell: &Cell, place: &Path| one(words, cell, place).await;
    soak(&words.out, wish, bound, run, told).await
}

/// What would only show that it cannot be done at once: whoever changes members, workload or fault, wants all others to be there.
fn apart() -> Vec<(String, String)> {
    [("member", "member"), ("member", "corrupt")]
        .map(|(one, other)| (one.to_owned(), other.to_owned()))
        .to_vec()
}

/// One cell.
async fn one(words: &Words, cell: &Cell, place: &Path) -> Result<()> {
    let this = std::env::current_exe().context("this program does not know where it is")?;
    let mut command = Command::new(this);
    command
        .args(["run", "--json", "--workload", &cell.works.join(",")])
        .args(["--nemesis", &cell.nemeses.join(",")])
        .args(["--time", &cell.time_s.to_string(), "--seed", &cell.seed.to_string()])
        .args(["--interval", &words.interval.to_string(), "--out"])
        .arg(place)
        .stdout(std::process::Stdio::null());
    if let Some(binary) = &words.binary {
        command.arg("--binary").arg(binary);
    }
    let status = command.status().await.context("a run cannot be started")?;
    match status.code() {
        Some(code) if JUDGED.contains(&code) && place.join(crate::report::VERDICT).exists() => {}
        _ => bail!("the run ended with {status} and without a verdict"),
    }
    if status.success() {
        for name in MADE_AGAIN {
            let path = place.join(name);
            let gone = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            // What is not there need not go.
            drop(gone);
        }
    }
    Ok(())
}

/// A line for each cell.
fn told(done: &Done) {
    let word = match done.outcome {
        Outcome::Valid => "valid",
        Outcome::Unknown => "unknown",
        Outcome::Invalid => "INVALID",
    };
    let mut line = format!(
        "{:04} {word:<8} {} under {}: {} done, {} faults, {:.0} s",
        done.cell.number,
        done.cell.works.join(", "),
        done.cell.nemeses.join(", "),
        count(done.operations.ok),
        done.faults.len(),
        done.took_s
    );
    for (_, finding) in done.findings.iter().take(3) {
        line.push_str("\n       ");
        line.push_str(finding);
    }
    super::said(&line);
}

/// The exit code of a soak.
pub(crate) fn code(sum: &Sum) -> ExitCode {
    ExitCode::from(match sum.outcome() {
        Outcome::Valid => 0,
        Outcome::Invalid => 1,
        Outcome::Unknown => 3,
    })
}
