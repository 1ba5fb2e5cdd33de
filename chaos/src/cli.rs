//! The words that people say: what is run, what can be, and what became of it.
//!
//! ```text
//!   0   everything that was checked held, and enough was checked
//!   1   something that must never happen did
//!   2   the words make no sense, or what they name is not there
//!   3   nobody knows: too little happened, or the run did not come to its end
//! ```

use std::fmt;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use serde_json::json;

use crate::judge;
use crate::nemesis;
use crate::plan::Plan;
use crate::verdict::{Outcome, Verdict};
use crate::work;
use crate::world::capability::{self, Capabilities, INSIDE};

/// Break a real cluster, and have what its clients saw judged
#[derive(Debug, Parser)]
#[command(name = "oarlock-chaos", version)]
struct Words {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Start a cluster, let clients work, break it, mend it, and judge
    Run(Run),
    /// Show which workloads and which faults there are, and which can be made here
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Judge a run again, from what is in its folder
    Check {
        /// The folder of the run
        folder: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Draw what happened in a run
    Report {
        /// The folder of the run
        folder: PathBuf,
    },
    /// Run many runs in which every workload meets every fault; goes on where the last call stopped
    Soak(crate::soak::words::Words),
}

/// What a run is asked for.
#[derive(Debug, Clone, Args)]
pub(crate) struct Run {
    /// Workloads; `list` names them
    #[arg(long, short, value_delimiter = ',', required = true, value_name = "A,B")]
    pub(crate) workload: Vec<String>,
    /// Faults: families as `kill`, or kinds as `kill-leader`; `none`: nothing is broken
    #[arg(long, value_delimiter = ',', required = true, value_name = "A,B")]
    pub(crate) nemesis: Vec<String>,
    /// Seconds with faults
    #[arg(long, short, default_value_t = 60, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) time: u64,
    /// Seconds before the first fault
    #[arg(long, default_value_t = 10, value_name = "S")]
    pub(crate) warm_up: u64,
    /// Where everything that is chosen comes from; drawn if not given
    #[arg(long, short)]
    pub(crate) seed: Option<u64>,
    /// How many nodes
    #[arg(long, default_value_t = 3, value_name = "3|5", value_parser = three_or_five)]
    pub(crate) nodes: usize,
    /// Clients of each workload
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) clients: usize,
    /// Answered operations a second that the warm-up must reach, or the run proves nothing
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) rate: u64,
    /// Milliseconds between two faults, on the average
    #[arg(long, default_value_t = 5_000, value_name = "MS")]
    pub(crate) interval: u64,
    /// How many faults at a time: 1 or 2; two if there are two families
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub(crate) at_once: Option<u8>,
    /// The folder of the run [chaos/out/WORKLOADS-NEMESES-SEED]
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The program of the nodes; `oarlock` beside this one
    #[arg(long, env = "OARLOCK_BIN", value_name = "FILE")]
    pub(crate) binary: Option<PathBuf>,
    /// Abuse a cluster that is there: the addresses of all its nodes, which must be on this machine
    #[arg(long, value_name = "ADDR,…")]
    pub(crate) target: Option<String>,
    /// Give the verdict as JSON, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

fn three_or_five(text: &str) -> Result<usize, String> {
    match text {
        "3" => Ok(3),
        "5" => Ok(5),
        _ => Err("a cluster of three or of five is broken here".to_owned()),
    }
}

/// An error of whoever said the words.
#[derive(Debug)]
pub(crate) struct Misuse(pub(crate) String);

impl fmt::Display for Misuse {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// Does what the words say.
#[must_use]
pub fn main() -> ExitCode {
    let words = Words::parse();
    match act(words.what) {
        Ok(code) => code,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "error: {why:#}");
            ExitCode::from(if why.downcast_ref::<Misuse>().is_some() { 2 } else { 3 })
        }
    }
}

fn act(what: What) -> Result<ExitCode> {
    match what {
        What::Run(words) => run(words),
        What::List { json } => list(json),
        What::Check { folder, json } => {
            let verdict = judge::judge(&there(&folder)?)?;
            judge::show(&folder, &verdict, json)?;
            Ok(code(&verdict))
        }
        What::Report { folder } => {
            judge::draw(&there(&folder)?)?;
            Ok(ExitCode::SUCCESS)
        }
        What::Soak(words) => soak(&words),
    }
}

fn soak(words: &crate::soak::words::Words) -> Result<ExitCode> {
    let mut works: Vec<String> = work::all().iter().map(|work| work.name().to_owned()).collect();
    let mut families: Vec<String> =
        nemesis::all().iter().map(|family| family.name().to_owned()).collect();
    known("workload", &words.workload, &works)?;
    known("nemesis", &words.nemesis, &families)?;
    let can = Capabilities::probe(Some(&program(words.binary.as_deref())?));
    let possible = |name: &String| {
        nemesis::kinds().iter().any(|kind| kind.family.name() == name && kind.lacks(&can).is_none())
    };
    families.retain(possible);
    if !words.workload.is_empty() {
        works.clone_from(&words.workload);
    }
    if !words.nemesis.is_empty() {
        families.clone_from(&words.nemesis);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sum = runtime.block_on(crate::soak::words::run(words, works, families))?;
    write!(std::io::stdout().lock(), "{}", sum.text())?;
    Ok(crate::soak::words::code(&sum))
}

fn there(folder: &Path) -> Result<PathBuf> {
    if folder.is_dir() {
        return Ok(folder.to_path_buf());
    }
    Err(Misuse(format!("{} is no folder of a run", folder.display())).into())
}

/// The exit code of a verdict.
pub(crate) fn code(verdict: &Verdict) -> ExitCode {
    ExitCode::from(match verdict.outcome() {
        Outcome::Valid => 0,
        Outcome::Invalid => 1,
        Outcome::Unknown => 3,
    })
}

fn run(words: Run) -> Result<ExitCode> {
    known(
        "workload",
        &words.workload,
        &work::all().iter().map(|work| work.name().to_owned()).collect::<Vec<_>>(),
    )?;
    let none = words.nemesis.iter().all(|word| word == "none");
    let kinds = nemesis::kinds();
    let mut names: Vec<String> =
        nemesis::all().iter().map(|family| family.name().to_owned()).collect();
    if !none {
        let mut all = names.clone();
        all.extend(kinds.iter().map(nemesis::Kind::name));
        known_of("nemesis", &words.nemesis, &all, &names)?;
    }
    names.clear();
    if let Some(target) = &words.target {
        crate::world::found::addresses(target)
            .map_err(|why| Misuse(format!("--target: {why:#}")))?;
    }
    let program = match &words.target {
        Some(_) => None,
        None => Some(program(words.binary.as_deref())?),
    };
    let plan = plan(&words, program.as_deref());
    let can = Capabilities::probe(program.as_deref());
    if !none && nemesis::possible(&plan, &can).is_empty() {
        let lacks: Vec<String> = plan
            .kinds
            .iter()
            .flat_map(|word| nemesis::meant(word))
            .filter_map(|kind| Some(format!("{}: {}", kind.name(), kind.lacks(&can)?)))
            .collect();
        let what = format!("none of these faults can be made here\n  {}", lacks.join("\n  "));
        return Err(Misuse(what).into());
    }
    if plan.uses("disk")
        && program.is_some()
        && can.has(capability::Need::SmallDisks).is_ok()
        && std::env::var_os(INSIDE).is_none()
    {
        return Err(again_with_own_mounts(plan.seed));
    }
    let folder = words.out.clone().unwrap_or_else(|| plan.folder());
    ours(&folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    let verdict = runtime.block_on(crate::run::run(plan, folder, words.json))?;
    Ok(code(&verdict))
}

/// A run clears its folder: it must be a new one, an empty one, or that of an earlier run.
fn ours(folder: &Path) -> Result<()> {
    let Ok(mut entries) = std::fs::read_dir(folder) else { return Ok(()) };
    if entries.next().is_none() || folder.join(crate::asked::FILE).exists() {
        return Ok(());
    }
    let folder = folder.display();
    Err(Misuse(format!(
        "{folder} has something in it that is not of a run: name an empty folder with --out, or one that is not there"
    ))
    .into())
}

/// Begins again in a mount namespace of its own; comes back only if that fails.
fn again_with_own_mounts(seed: u64) -> anyhow::Error {
    let Ok(this) = std::env::current_exe() else { return Misuse("who am I?".to_owned()).into() };
    let mut command = Command::new("unshare");
    command.args(capability::own_mounts()).args(["--", &this.to_string_lossy()]);
    command.args(std::env::args_os().skip(1));
    if !std::env::args().any(|word| word == "--seed" || word.starts_with("--seed=") || word == "-s")
    {
        command.args(["--seed", &seed.to_string()]);
    }
    let why = command.env(INSIDE, "1").exec();
    anyhow::Error::new(why)
        .context("`unshare` cannot be run, and disks cannot be made small without it")
}

/// The plan that these words mean.
fn plan(words: &Run, program: Option<&Path>) -> Plan {
    let seed = words.seed.unwrap_or_else(|| rand::random::<u64>() % 1_000_000);
    let kinds: Vec<String> = words.nemesis.iter().filter(|word| *word != "none").cloned().collect();
    let mut nemeses: Vec<String> = kinds
        .iter()
        .flat_map(|word| nemesis::meant(word))
        .map(|kind| kind.family.name().to_owned())
        .collect();
    nemeses.sort();
    nemeses.dedup();
    let lanes = words.at_once.map_or(nemeses.len().min(2), usize::from);
    let program = program.map(Path::to_path_buf).unwrap_or_default();
    let mut plan = Plan {
        workloads: words.workload.clone(),
        nemeses,
        kinds,
        time_s: words.time,
        warm_up_s: words.warm_up,
        fresh_s: 10,
        recovery_s: 30,
        seed,
        nodes: words.nodes,
        clients: words.clients,
        rate_min: words.rate,
        interval_ms: words.interval,
        lanes,
        election_ms: crate::plan::ELECTION_MS,
        lease_ms: crate::plan::LEASE_MS,
        snapshot_every: 50_000,
        slots: 4,
        disk_bytes: 384 << 20,
        version: first_line(Command::new(&program).arg("--version")),
        commit: first_line(Command::new("git").args(["rev-parse", "HEAD"])),
        program,
        target: words.target.clone().unwrap_or_default(),
        replay: String::new(),
    };
    if plan.uses("snapshot") {
        plan.snapshot_every = 100;
    }
    plan.replay = replay(words, seed);
    plan
}

/// The command that does the same again.
fn replay(words: &Run, seed: u64) -> String {
    let mut said = format!(
        "oarlock-chaos run --workload {} --nemesis {} --time {} --warm-up {} --seed {seed} --nodes {} \
         --clients {} --rate {} --interval {}",
        words.workload.join(","),
        words.nemesis.join(","),
        words.time,
        words.warm_up,
        words.nodes,
        words.clients,
        words.rate,
        words.interval,
    );
    if let Some(lanes) = words.at_once {
        said += &format!(" --at-once {lanes}");
    }
    if let Some(target) = &words.target {
        said += &format!(" --target {target}");
    }
    said
}

fn first_line(command: &mut Command) -> String {
    let said = command.stderr(std::process::Stdio::null()).output();
    let said = said.ok().filter(|said| said.status.success());
    let text = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    text.unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

/// The program of the nodes.
fn program(given: Option<&Path>) -> Result<PathBuf> {
    let (path, how) = match given {
        Some(path) => (path.to_path_buf(), "--binary or OARLOCK_BIN names it"),
        None => (beside("oarlock")?, "it is looked for beside this program"),
    };
    let usable = std::fs::metadata(&path).is_ok_and(|file| {
        file.is_file() && std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o111 != 0
    });
    if !usable {
        return Err(Misuse(format!(
            "there is no program {} ({how}): build it with `cargo build --release --bin oarlock`, or name \
             another with --binary",
            path.display()
        ))
        .into());
    }
    Ok(std::path::absolute(path)?)
}

fn beside(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe().context("who am I?")?;
    Ok(this.with_file_name(name))
}

/// Whether all these words are names; if not, which is nearest.
fn known(what: &str, words: &[String], names: &[String]) -> Result<()> {
    known_of(what, words, names, names)
}

/// The same, where not all names are worth showing.
fn known_of(what: &str, words: &[String], names: &[String], shown: &[String]) -> Result<()> {
    let Some(word) = words.iter().find(|word| !names.contains(word)) else { return Ok(()) };
    let near = names.iter().map(|name| (strsim::jaro_winkler(word, name), name));
    let near = near.max_by(|one, other| one.0.total_cmp(&other.0)).filter(|near| near.0 > 0.7);
    let hint = near.map(|near| format!("; did you mean `{}`?", near.1)).unwrap_or_default();
    let all = shown.join(", ");
    Err(Misuse(format!("there is no {what} `{word}`{hint}\n  there are: {all}")).into())
}

fn list(as_json: bool) -> Result<ExitCode> {
    let program = program(None).ok().or_else(|| std::env::var_os("OARLOCK_BIN").map(PathBuf::from));
    // Without a program only what does not need one can be told for sure; one that is named later is like this one.
    let this = std::env::current_exe()?;
    let can = Capabilities::probe(Some(program.as_deref().unwrap_or(&this)));
    let works: Vec<_> = work::all()
        .iter()
        .map(|work| json!({"name": work.name(), "about": work.about()}))
        .collect();
    let kinds = |name: &str| {
        let of = nemesis::kinds().into_iter().filter(|kind| kind.family.name() == name);
        of.map(|kind| (kind.name(), kind.lacks(&can))).collect::<Vec<_>>()
    };
    let mut out = std::io::stdout().lock();
    if as_json {
        let families: Vec<_> = nemesis::all()
            .iter()
            .map(|family| {
                let kinds: Vec<_> = kinds(family.name())
                    .into_iter()
                    .map(|(name, lacks)| json!({"name": name, "there": lacks.is_none(), "why": lacks}))
                    .collect();
                json!({"name": family.name(), "about": family.about(), "kinds": kinds})
            })
            .collect();
        let all = json!({"workloads": works, "nemeses": families, "capabilities": can.shown()});
        serde_json::to_writer_pretty(&mut out, &all)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "Workloads (--workload)")?;
    for work in work::all() {
        writeln!(out, "  {:<12} {}", work.name(), work.about())?;
    }
    writeln!(out, "\nFaults (--nemesis): a family, or one kind of it")?;
    for family in nemesis::all() {
        writeln!(out, "  {:<12} {}", family.name(), family.about())?;
        let (there, missing): (Vec<_>, Vec<_>) =
            kinds(family.name()).into_iter().partition(|(_, lacks)| lacks.is_none());
        if !there.is_empty() {
            let names: Vec<_> = there.into_iter().map(|(name, _)| name).collect();
            writeln!(out, "  {:<12} {}", "", names.join(" "))?;
        }
        for (name, lacks) in missing {
            writeln!(out, "  {:<12} {name} not here: {}", "", lacks.unwrap_or_default())?;
        }
    }
    writeln!(out, "\nWhat this machine lets be done")?;
    for one in can.shown() {
        let mark = if one["there"] == true { "yes" } else { "no " };
        let (name, why) = (one["name"].as_str(), one["why"].as_str());
        writeln!(out, "  {mark} {:<13} {}", name.unwrap_or_default(), why.unwrap_or_default())?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let own = folder.path().join("run");
        assert!(ours(&own).is_ok(), "it is not there yet");
        std::fs::create_dir(&own).expect("it can be made");
        assert!(ours(&own).is_ok(), "it is empty");
        std::fs::write(own.join("novel.txt"), "once").expect("it can be written");
        let why = ours(&own).expect_err("it is somebody's").to_string();
        assert!(why.contains("--out"), "{why}");
        std::fs::write(own.join(crate::asked::FILE), "{}").expect("it can be written");
        assert!(ours(&own).is_ok(), "it is of a run");
    }
}
