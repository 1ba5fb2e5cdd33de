//! One node of a throw-away cluster: a child process with a place of its own.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::fault::{Exit, Fault};

/// How long a node may take until it is ready.
const READY_MAX: Duration = Duration::from_secs(60);
/// How long a node may take to stop beside what its attempts are given.
const STOP_MAX: Duration = Duration::from_secs(20);
/// Lines of its log that are shown when it does not start.
const LOG_SHOWN: usize = 5;

/// Where a node lives: what outlasts its processes.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) cluster: String,
    pub(super) data: PathBuf,
    /// Where it listens for people and programs.
    pub(super) http: SocketAddr,
    /// Where it listens for its peers.
    pub(super) peer: SocketAddr,
    /// Where they find it: our door.
    pub(super) advertised: SocketAddr,
    pub(super) slots: u32,
    /// What it writes into its log.
    pub(super) log: String,
    pub(super) secret: Arc<str>,
}

/// A node, and its process if it has one.
pub(super) struct Node {
    pub(super) place: Place,
    child: Option<Child>,
    /// It ends when this is closed.
    leash: Option<ChildStdin>,
    paused: bool,
}

/// A process that has begun and is not ready yet.
pub(super) struct Begun {
    pub(super) pid: u32,
    out: Lines<BufReader<ChildStdout>>,
}

impl Begun {
    /// Waits until it says that it is ready; false: it does not.
    pub(super) async fn ready(mut self) -> bool {
        let said = tokio::time::timeout(READY_MAX, async {
            while let Ok(Some(line)) = self.out.next_line().await {
                let told: Value = serde_json::from_str(&line).unwrap_or_default();
                if told["event"] == "ready" {
                    return true;
                }
            }
            false
        });
        let ready = matches!(said.await, Ok(true));
        // Nothing else is expected, and whatever comes must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = self.out.next_line().await {} });
        ready
    }
}

impl Node {
    pub(super) fn new(place: Place) -> Node {
        Node { place, child: None, leash: None, paused: false }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.place.http)
    }

    /// Whether it was a node before.
    pub(super) fn has_data(&self) -> bool {
        self.place.data.join("identity").exists()
    }

    /// Whether it has a process.
    pub(super) fn lives(&self) -> bool {
        self.child.is_some()
    }

    /// What a program needs to know of it.
    pub(super) fn shown(&self) -> Value {
        let pid = self.child.as_ref().and_then(Child::id);
        let peer = self.place.advertised.to_string();
        json!({"name": self.place.name, "http": self.url(), "peer": peer, "pid": pid})
    }

    /// Starts its process. Without data it asks one of these for admission; if there is none, it founds the cluster.
    pub(super) fn begin(&mut self, join: &[SocketAddr]) -> Result<Begun, Fault> {
        let place = &self.place;
        if self.child.is_some() {
            return Err(Fault::new(Exit::Conflict, format!("{} runs already", place.name)));
        }
        let failed = |fault: &std::io::Error| {
            Fault::new(Exit::Failed, format!("{} cannot be started: {fault}", place.name))
        };
        let program = std::env::current_exe().map_err(|fault| failed(&fault))?;
        std::fs::create_dir_all(&place.data).map_err(|fault| failed(&fault))?;
        let log = File::options().create(true).append(true).open(self.log());
        let log = log.map_err(|fault| failed(&fault))?;
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(of_one_node) {
                command.env_remove(name);
            }
        }
        command
            .env("OARLOCK_PEER__SECRET", &*place.secret)
            .args(["server", "--leash", "--log", &place.log, "--drain", "5s"])
            .args(["--node", &place.name, "--cluster", &place.cluster])
            .arg("--data")
            .arg(&place.data)
            .args(["--listen", &place.http.to_string()])
            .args(["--peer.listen", &place.peer.to_string()])
            .args(["--peer.advertise", &place.advertised.to_string()])
            .args(["--worker.slots", &place.slots.to_string()]);
        if !join.is_empty() {
            let others: Vec<String> = join.iter().map(SocketAddr::to_string).collect();
            command.args(["--peer.join", &others.join(",")]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        // Ctrl-C at the prompt is for us, not for them.
        command.process_group(0);
        let mut child = command.spawn().map_err(|fault| failed(&fault))?;
        self.leash = child.stdin.take();
        let out = child.stdout.take().expect("its output was asked for");
        let pid = child.id().expect("nobody has waited for it yet");
        (self.child, self.paused) = (Some(child), false);
        Ok(Begun { pid, out: BufReader::new(out).lines() })
    }

    /// Whether it became ready; if not, what it said last.
    pub(super) fn has(&self, become_ready: bool) -> Result<(), Fault> {
        if become_ready {
            return Ok(());
        }
        let what = format!("{} did not become ready", self.place.name);
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(LOG_SHOWN).collect();
        let fault = Fault::new(Exit::Failed, what);
        Err(last.into_iter().rev().fold(fault, |fault, line| fault.help(line)))
    }

    /// Ends its process at once.
    pub(super) async fn kill(&mut self) -> Result<(), Fault> {
        let mut child = self.child.take().ok_or_else(|| self.dead())?;
        let killed = child.kill().await;
        killed.map_err(|fault| Fault::new(Exit::Failed, fault.to_string()))
    }

    /// Stops its process in order; kills it when that takes too long.
    pub(super) async fn stop(&mut self, drain: Duration) {
        let Some(mut child) = self.child.take() else { return };
        let told = pid_of(&child).map(|pid| kill_process(pid, Signal::TERM));
        if self.paused
            && let Some(pid) = pid_of(&child)
        {
            // A stopped process hears nothing. If it is gone, so much the better.
            let _ = kill_process(pid, Signal::CONT);
        }
        let patience = if matches!(told, Some(Ok(()))) { drain + STOP_MAX } else { Duration::ZERO };
        if tokio::time::timeout(patience, child.wait()).await.is_err() {
            // Whoever cannot be killed has ended.
            let _ = child.kill().await;
        }
    }

    /// Holds its process, or lets it go on.
    pub(super) fn hold(&mut self, held: bool) -> Result<(), Fault> {
        let pid = self.child.as_ref().and_then(pid_of).ok_or_else(|| self.dead())?;
        let signal = if held { Signal::STOP } else { Signal::CONT };
        kill_process(pid, signal).map_err(|fault| Fault::new(Exit::Failed, fault.to_string()))?;
        self.paused = held;
        Ok(())
    }

    /// Notices that its process has ended by itself; says how.
    pub(super) fn ended(&mut self) -> Option<String> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        self.child = None;
        Some(format!(
            "{} ended by itself ({status}); its log: {}",
            self.place.name,
            self.log().display()
        ))
    }

    fn log(&self) -> PathBuf {
        self.place.data.with_extension("log")
    }

    fn dead(&self) -> Fault {
        let name = &self.place.name;
        Fault::new(Exit::Conflict, format!("{name} does not run; start it: nodes start {name}"))
    }
}

/// Whether a variable says something that the nodes cannot share. Settings like `OARLOCK_RAFT__SNAPSHOT_EVERY` are for all.
fn of_one_node(variable: &str) -> bool {
    let Some(name) = variable.strip_prefix("OARLOCK_") else { return false };
    !name.contains("__") || name.starts_with("PEER__")
}

fn pid_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()?).ok()?)
}
