//! What can be broken here: each thing is tried before a run, and what is missing is said instead of passed over.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// The library that shows a process another time of day.
const FAKETIME: &str = "libfaketimeMT.so.1";
/// Set for the harness in its own mount namespace.
pub(crate) const INSIDE: &str = "OARLOCK_CHAOS_MOUNTS";

/// Something that faults need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nodes that are our processes.
    Processes,
    /// Doors of ours between the nodes.
    Doors,
    /// Doors of ours before the nodes.
    ClientDoors,
    /// A library that shows processes another time.
    WallClock,
    /// Small file systems, of our own.
    SmallDisks,
    /// Calls to the disk that fail or take long.
    DiskCalls,
    /// That what was written and not synced is lost.
    PowerLoss,
}

impl Need {
    /// All of them.
    pub(crate) const ALL: [Need; 7] = [
        Need::Processes,
        Need::Doors,
        Need::ClientDoors,
        Need::WallClock,
        Need::SmallDisks,
        Need::DiskCalls,
        Need::PowerLoss,
    ];

    /// Its name in the history.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Need::Processes => "processes",
            Need::Doors => "peer-links",
            Need::ClientDoors => "client-links",
            Need::WallClock => "wall-clock",
            Need::SmallDisks => "small-disks",
            Need::DiskCalls => "disk-calls",
            Need::PowerLoss => "power-loss",
        }
    }
}

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Capabilities {
    found: Vec<(Need, Result<String, String>)>,
    /// The library for clocks.
    pub(crate) faketime: Option<PathBuf>,
}

impl Capabilities {
    /// Tries everything. `program`: what nodes run; none: the nodes are not ours.
    pub(crate) fn probe(program: Option<&Path>) -> Capabilities {
        let faketime = faketime();
        let ours = |yes: &str, no: &str| program.map(|_| yes.to_owned()).ok_or(no.to_owned());
        let find = |need: Need| match need {
            Need::Processes => ours(
                "the nodes are processes of this harness",
                "the nodes of --target are not processes of this harness, and it signals no others",
            ),
            Need::Doors => ours(
                "the nodes advertise doors of this harness",
                "doors cannot be put between nodes that know each other's addresses already",
            ),
            Need::ClientDoors => Ok("clients come through doors of this harness".to_owned()),
            Need::WallClock => wall_clock(program, faketime.as_deref()),
            Need::SmallDisks => {
                ours("", "the nodes of --target have their own disks").and_then(|_| small_disks())
            }
            Need::DiskCalls => ours(
                "",
                "the nodes of --target are not processes of this harness, and it traces no others",
            )
            .and_then(|_| disk_calls()),
            Need::PowerLoss => Err("nothing here makes a disk lose what was not synced".to_owned()),
        };
        let found = Need::ALL.into_iter().map(|need| (need, find(need))).collect();
        Capabilities { found, faketime }
    }

    /// Whether something is there, and why not.
    pub(crate) fn has(&self, need: Need) -> Result<(), String> {
        let found = self.found.iter().find(|(this, _)| *this == need);
        found.map_or(Ok(()), |(_, found)| found.clone().map(drop))
    }

    /// For the history and for people.
    pub(crate) fn shown(&self) -> Vec<Value> {
        let show = |(need, found): &(Need, Result<String, String>)| {
            let (there, why) = match found {
                Ok(why) => (true, why),
                Err(why) => (false, why),
            };
            json!({"name": need.name(), "there": there, "why": why})
        };
        self.found.iter().map(show).collect()
    }
}

/// Whether this process may do everything.
pub(crate) fn root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The words before ours that put a harness into a mount namespace of its own, whose mounts go with it.
pub(crate) fn own_mounts() -> Vec<&'static str> {
    let mut words = vec!["--mount"];
    if !root() {
        words.extend(["--user", "--map-root-user"]);
    }
    words
}

fn small_disks() -> Result<String, String> {
    if std::env::var_os(INSIDE).is_some()
        || answers("unshare", &[&own_mounts()[..], &["true"]].concat())
    {
        let who = if root() { "root" } else { "a user namespace" };
        return Ok(format!("tmpfs in a mount namespace of its own ({who})"));
    }
    Err("neither root nor user namespaces: `unshare --user --map-root-user --mount` is refused; allow \
         them (sysctl kernel.unprivileged_userns_clone=1, or AppArmor's) or run as root"
        .to_owned())
}

fn disk_calls() -> Result<String, String> {
    if !answers("strace", &["-V"]) {
        return Err("strace is not installed: apt-get install strace".to_owned());
    }
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if !root() && !matches!(scope.trim(), "" | "0") {
        return Err(format!(
            "this user may not trace other processes (kernel.yama.ptrace_scope is {})",
            scope.trim()
        ));
    }
    Ok("strace makes fsync fail or wait".to_owned())
}

fn wall_clock(program: Option<&Path>, faketime: Option<&Path>) -> Result<String, String> {
    let Some(program) = program else {
        return Err(
            "the nodes of --target have the clock of this machine, which is left alone".to_owned()
        );
    };
    let Some(faketime) = faketime else {
        return Err("libfaketime is not installed: apt-get install libfaketime".to_owned());
    };
    if !dynamic(program) {
        return Err(format!(
            "{} is linked statically: no library can be put before it",
            program.display()
        ));
    }
    Ok(format!("{}", faketime.display()))
}

/// Whether a program takes libraries at its start: it names a loader within its first pages.
fn dynamic(program: &Path) -> bool {
    let mut head = vec![0; 4096];
    let read = std::fs::File::open(program).and_then(|mut file| file.read(&mut head));
    read.is_ok_and(|count| head[..count].windows(3).any(|letters| letters == b"ld-"))
}

fn faketime() -> Option<PathBuf> {
    let known = ["/usr/lib", "/usr/lib64"].into_iter().map(PathBuf::from);
    let below = known.clone().filter_map(|lib| std::fs::read_dir(lib).ok()).flatten().flatten();
    let all = below.map(|entry| entry.path()).chain(known);
    all.map(|folder| folder.join("faketime").join(FAKETIME)).find(|library| library.exists())
}

fn answers(program: &str, words: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
