//! The gate: format, lints, tests, documentation, supply chain. It reads and never writes.
//!
//! `cargo verify` runs the five stages in this order and stops at the first that fails; `cargo verify clippy test` runs
//! those named. What is checked here is checked nowhere else: a person before a commit and the machine before a merge type
//! the same words.
//!
//! Every stage that compiles uses the release profile and the same selection of packages, because each other profile or
//! selection would compile RocksDB's C++ once more (docs/decisions/0003-one-build-of-rocksdb.md).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command-line program")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// One stage: its name, what it shows, and how it is run.
struct Stage {
    name: &'static str,
    about: &'static str,
    run: fn(&mut Tally) -> Result<(), String>,
}

/// Tests counted while their output passes by.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
}

const STAGES: [Stage; 6] = [
    Stage { name: "fmt", about: "every file as rustfmt writes it", run: fmt },
    Stage { name: "clippy", about: "no lint anywhere, tests included", run: clippy },
    Stage { name: "test", about: "every test of every crate", run: test },
    Stage {
        name: "chaos",
        about: "three real nodes, broken for a minute in each of three ways",
        run: chaos,
    },
    Stage { name: "docs", about: "documentation without a broken link", run: docs },
    Stage { name: "deny", about: "licences, sources, banned crates", run: deny },
];

/// The exit code of a run in which too little was seen.
const UNKNOWN: i32 = 3;
/// What is broken, and what clients do meanwhile.
const CHAOS: [(&str, &str); 3] = [
    ("kill", "submit,register,effects,flow"),
    ("pause", "submit,register,owner,signals"),
    ("partition", "submit,register,owner,live,equal"),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|w| STAGES.iter().all(|s| s.name != w.as_str())) {
        let help = matches!(unknown.as_str(), "-h" | "--help" | "help");
        usage();
        return if help { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    let mut tally = Tally::default();
    let mut times = Vec::new();
    for stage in &STAGES {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == stage.name) {
            continue;
        }
        println!("\n── {}: {}", stage.name, stage.about);
        let began = Instant::now();
        let outcome = (stage.run)(&mut tally);
        times.push((stage.name, began.elapsed()));
        if let Err(why) = outcome {
            summary(&times, &tally);
            eprintln!("\nverify: {} failed: {why}", stage.name);
            eprintln!("        repeat this stage alone with: cargo verify {}", stage.name);
            return ExitCode::FAILURE;
        }
    }
    summary(&times, &tally);
    ExitCode::SUCCESS
}

fn usage() {
    println!("cargo verify [STAGE…]     all stages, or those named:\n");
    for stage in &STAGES {
        println!("  {:<8}{}", stage.name, stage.about);
    }
}

fn summary(times: &[(&str, Duration)], tally: &Tally) {
    println!();
    for (name, took) in times {
        println!("  {name:<8}{:>4} min {:02} s", took.as_secs() / 60, took.as_secs() % 60);
    }
    if tally.passed + tally.failed > 0 {
        println!("\n{} passed, {} failed", tally.passed, tally.failed);
    }
}

fn fmt(_: &mut Tally) -> Result<(), String> {
    run(cargo(&["fmt", "--all", "--check"]), "some files are formatted otherwise: cargo fmt --all")
}

fn clippy(_: &mut Tally) -> Result<(), String> {
    let words = ["clippy", "--release", "--locked", "--workspace", "--all-targets"];
    let mut command = cargo(&words);
    command.args(["--", "-D", "warnings"]);
    run(command, "there are lints")
}

fn test(tally: &mut Tally) -> Result<(), String> {
    // The stories start the real program, so it has to be there, and as new as they are.
    let build = ["build", "--release", "--locked", "--workspace", "--bins", "--tests"];
    run(cargo(&build), "it does not compile")?;
    let words = ["test", "--release", "--locked", "--workspace", "--no-fail-fast"];
    let mut command = cargo(&words);
    command.stdout(Stdio::piped());
    let outcome = passing_by(command, |line| tally.count(line));
    outcome.map_err(|why| format!("{why}: {} tests failed", tally.failed))
}

/// Each run starts three nodes, breaks them in one way for a minute, and has what clients saw judged. Where too little was seen, which
/// a busy machine brings about, another seed gets one chance; after that it is a failure too: a check that checked nothing has not been
/// passed.
fn chaos(_: &mut Tally) -> Result<(), String> {
    let build = ["build", "--release", "--locked", "--workspace", "--bins", "--tests"];
    run(cargo(&build), "it does not compile")?;
    let here = std::env::current_exe().map_err(|fault| fault.to_string())?;
    let program = here.with_file_name("oarlock-chaos");
    let out = std::env::temp_dir().join(format!("oarlock-chaos-{}", std::process::id()));
    for (nemesis, works) in CHAOS {
        let once = |folder: &Path| {
            let mut command = Command::new(&program);
            command
                .args(["run", "--workload", works, "--nemesis", nemesis, "--time", "60", "--out"])
                .arg(folder)
                .stdin(Stdio::null());
            command
                .status()
                .map_err(|fault| format!("{} does not start: {fault}", program.display()))
        };
        let mut folder = out.join(nemesis);
        let mut status = once(&folder)?;
        if status.code() == Some(UNKNOWN) {
            folder = out.join(format!("{nemesis}-again"));
            status = once(&folder)?;
        }
        if !status.success() {
            return Err(format!(
                "{nemesis} ended with {status}; what happened is in {}",
                folder.display()
            ));
        }
    }
    // What is left of it is only worth something when it failed.
    drop(std::fs::remove_dir_all(&out));
    Ok(())
}

fn docs(_: &mut Tally) -> Result<(), String> {
    let mut command = cargo(&["doc", "--release", "--locked", "--workspace", "--no-deps"]);
    // Who reads a link to a private item reads it in the source, where it leads somewhere.
    command.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links");
    run(command, "the documentation has faults")
}

/// The licence list is checked by a test as well, so that a machine without cargo-deny still refuses a new licence.
fn deny(_: &mut Tally) -> Result<(), String> {
    let there = cargo(&["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        println!("cargo-deny is not installed: skipped (licences were checked by a test)");
        return Ok(());
    }
    let words = ["deny", "--offline", "check", "bans", "licenses", "sources"];
    run(cargo(&words), "a crate, a licence or a source is not allowed: see deny.toml")
}

fn cargo(words: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null());
    command
}

fn run(mut command: Command, otherwise: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{otherwise} ({status})")),
        Err(fault) => Err(format!("cargo does not start: {fault}")),
    }
}

/// Runs a command whose output is shown as it comes, each line first given to `look`.
fn passing_by(mut command: Command, mut look: impl FnMut(&str)) -> Result<(), String> {
    let mut child = command.spawn().map_err(|fault| format!("cargo does not start: {fault}"))?;
    let output = child.stdout.take().expect("stdout is piped by the caller");
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        look(&String::from_utf8_lossy(&line));
        let mut out = std::io::stdout().lock();
        out.write_all(&line).and_then(|()| out.flush()).map_err(|fault| fault.to_string())?;
        line.clear();
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cargo test ended with {status}")),
        Err(fault) => Err(fault.to_string()),
    }
}

impl Tally {
    /// Adds what a line like `test result: ok. 12 passed; 0 failed; 0 ignored; …` says.
    fn count(&mut self, line: &str) {
        if !line.starts_with("test result:") {
            return;
        }
        let mut before = "";
        for word in line.split([' ', ';']) {
            match word {
                "passed" => self.passed += before.parse::<u64>().unwrap_or(0),
                "failed" => self.failed += before.parse::<u64>().unwrap_or(0),
                _ => {}
            }
            before = word;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn a_result_line_is_counted_and_other_lines_are_not() {
        let mut tally = Tally::default();
        tally.count("test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured\n");
        tally.count("test a_story ... FAILED\n");
        tally.count("test result: ok. 8 passed; 0 failed; 0 ignored\n");
        assert_eq!((tally.passed, tally.failed), (20, 3));
    }
}
