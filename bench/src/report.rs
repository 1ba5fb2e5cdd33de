//! The figures as a table for people and as JSON for programs, with the disk and the machine beside them.

use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use crate::aside::Aside;
use crate::disk::Disk;
use crate::failover::Gap;
use crate::idle::Idle;
use crate::load::Figure;

/// Everything one run measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// How to repeat it.
    command: String,
    /// Processor and cores.
    machine: String,
    /// The disk's own pace.
    disk: Disk,
    /// The node before it had anything to do.
    idle: Option<Idle>,
    /// Resident memory of the node after the load, in bytes.
    resident_bytes: Option<u64>,
    /// One a measurement.
    figures: Vec<Figure>,
    /// What readers at a follower cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aside: Option<Aside>,
    /// How long nothing moved when a node went.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gaps: Vec<Gap>,
}

impl Report {
    /// Puts it together.
    pub(crate) fn new(
        disk: Disk,
        idle: Option<Idle>,
        resident_bytes: Option<u64>,
        figures: Vec<Figure>,
        gaps: Vec<Gap>,
    ) -> Report {
        let command = std::env::args().collect::<Vec<_>>().join(" ");
        Report {
            command,
            machine: machine(),
            disk,
            idle,
            resident_bytes,
            figures,
            aside: None,
            gaps,
        }
    }

    /// To standard output, and to a file if one is named.
    pub(crate) fn show(&self, file: Option<&Path>) -> anyhow::Result<()> {
        self.print();
        let Some(file) = file else { return Ok(()) };
        std::fs::write(file, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", file.display()))
    }

    #[expect(clippy::print_stdout, reason = "the table is what this program is for")]
    fn print(&self) {
        println!("machine   {}", self.machine);
        println!(
            "disk      4 KiB append + fdatasync: p50 {} us, p99 {} us ({} samples)",
            self.disk.p50_us, self.disk.p99_us, self.disk.samples
        );
        if let Some(idle) = &self.idle {
            println!(
                "idle      {} MiB resident, {}% of a core, {:.0} log entries a minute (over {} s)",
                idle.resident_bytes.map_or("-".to_owned(), |bytes| (bytes >> 20).to_string()),
                idle.cpu_percent.map_or("-".to_owned(), |percent| format!("{percent:.1}")),
                idle.log_entries_per_minute,
                idle.seconds
            );
        }
        if let Some(bytes) = self.resident_bytes {
            println!("memory    {} MiB resident after the load", bytes >> 20);
        }
        if !self.figures.is_empty() {
            self.print_figures();
        }
        if let Some(aside) = &self.aside {
            println!();
            println!(
                "reports   beside {} reports read at a follower a write at the leader took p50 {} us, p99 {} us; alone p50 {} us, p99 {} us ({:+.1}% at p99)",
                aside.reports,
                aside.beside_p50_us,
                aside.beside_p99_us,
                aside.alone_p50_us,
                aside.alone_p99_us,
                (aside.beside_p99_us as f64 / aside.alone_p99_us.max(1) as f64 - 1.0) * 100.0
            );
        }
        if !self.gaps.is_empty() {
            self.print_gaps();
        }
    }

    #[expect(clippy::print_stdout, reason = "the table is what this program is for")]
    fn print_figures(&self) {
        println!();
        println!(
            "{:<14} {:>9} {:>11} {:>9} {:>9} {:>9} {:>9} {:>10} {:>12} {:>12} {:>6}",
            "what",
            "runs",
            "tasks/s",
            "p50 us",
            "p90 us",
            "p99 us",
            "max us",
            "p50/fsync",
            "cpu us/task",
            "fsyncs/task",
            "busy"
        );
        for figure in &self.figures {
            println!(
                "{:<14} {:>9} {:>11.0} {:>9} {:>9} {:>9} {:>9} {:>10.1} {:>12} {:>12} {:>6}",
                figure.name,
                figure.runs,
                figure.tasks_per_s,
                figure.p50_us,
                figure.p90_us,
                figure.p99_us,
                figure.max_us,
                figure.p50_us as f64 / self.disk.p50_us.max(1) as f64,
                figure.cpu_us_per_task.map_or("-".to_owned(), |each| format!("{each:.0}")),
                figure.fsyncs_per_task.map_or("-".to_owned(), |each| format!("{each:.3}")),
                figure.busy
            );
        }
    }

    #[expect(clippy::print_stdout, reason = "the table is what this program is for")]
    fn print_gaps(&self) {
        println!();
        println!(
            "{:<14} {:>6} {:>8} {:>8} {:>8} {:>13} {:>14}",
            "no progress", "times", "p50 ms", "p99 ms", "max ms", "given up p50", "no leader p50"
        );
        for gap in &self.gaps {
            let shown = |ms: Option<u64>| ms.map_or("-".to_owned(), |ms| ms.to_string());
            println!(
                "{:<14} {:>6} {:>8} {:>8} {:>8} {:>13} {:>14}",
                gap.what,
                gap.times,
                gap.p50_ms,
                gap.p99_ms,
                gap.max_ms,
                shown(gap.noticed_p50_ms),
                shown(gap.election_p50_ms)
            );
        }
    }
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let name = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown processor".to_owned());
    format!("{name}, {cores} cores")
}
