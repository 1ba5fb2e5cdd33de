//! One node: a real process with a place of its own, and the only processes that this harness ever signals.
//!
//! A node's leash ends it with the harness, however that ends: the kernel kills it when its parent dies, stopped or not, and its
//! standard input ends. So nothing is left behind even by `kill -9`.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use oarlock_client::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{Mutex, watch};

use super::door::Door;

/// How long a signal may take until the kernel shows what it did.
const SIGNAL_MAX: Duration = Duration::from_secs(2);
/// Lines of its log that are shown when it does not start.
const LOG_SHOWN: usize = 4;

/// Where a node lives: what outlasts its processes.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// `n1`.
    pub(crate) name: String,
    /// The program.
    pub(crate) program: PathBuf,
    /// Its configuration file.
    pub(crate) config: PathBuf,
    /// Its data.
    pub(crate) data: PathBuf,
    /// What it says.
    pub(crate) log: PathBuf,
    /// The door for clients.
    pub(crate) http: Door,
    /// The door for peers.
    pub(crate) peer: Door,
    /// What its environment has: a false clock.
    pub(crate) env: Vec<(String, String)>,
}

/// A node, and its process if it has one.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    /// One that asks this node and no other, past its doors, and never again.
    pub(crate) direct: Client,
    life: Mutex<Option<Life>>,
    pid: AtomicU32,
    /// Whether somebody has it in hand: what becomes of it is then his doing.
    handled: AtomicBool,
}

#[derive(Debug)]
struct Life {
    child: Child,
    /// It ends when this is closed.
    _leash: Option<ChildStdin>,
    ready: watch::Receiver<Ready>,
}

/// How far a process has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ready {
    NotYet,
    Yes,
    Never,
}

impl Node {
    pub(crate) fn new(place: Place) -> Result<Node> {
        let direct = Client::builder()
            .addr(place.http.inside.to_string())
            .attempts_max(1)
            .patient_connect(false)
            .timeout(Duration::from_secs(1))
            .stale(true)
            .build()?;
        let (life, pid) = (Mutex::default(), AtomicU32::new(0));
        Ok(Node { place, direct, life, pid, handled: AtomicBool::new(false) })
    }

    pub(crate) fn name(&self) -> &str {
        &self.place.name
    }

    /// Its process; 0: none.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.load(Ordering::Acquire)
    }

    /// Takes it in hand; false: somebody has it.
    pub(crate) fn take(&self) -> bool {
        !self.handled.swap(true, Ordering::AcqRel)
    }

    /// Leaves it alone again.
    pub(crate) fn leave(&self) {
        self.handled.store(false, Ordering::Release);
    }

    /// Whether somebody has it in hand.
    pub(crate) fn is_handled(&self) -> bool {
        self.handled.load(Ordering::Acquire)
    }

    /// Starts its process, and gives its number.
    pub(crate) async fn begin(&self) -> Result<u32> {
        let mut life = self.life.lock().await;
        let place = &self.place;
        if life.is_some() {
            bail!("{} runs already", place.name);
        }
        let log = File::options().create(true).append(true).open(&place.log);
        let log = log.with_context(|| format!("cannot write {}", place.log.display()))?;
        let mut command = Command::new(&place.program);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("OARLOCK_")) {
                command.env_remove(name);
            }
        }
        command.args(["server", "--leash", "--config"]).arg(&place.config);
        command.envs(place.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        // Ctrl-C at the terminal is for us, not for them.
        command.process_group(0);
        let mut child = command
            .spawn()
            .with_context(|| format!("{} cannot be started", place.program.display()))?;
        let pid = child.id().context("it ended at once")?;
        let (say, ready) = watch::channel(Ready::NotYet);
        let out = child.stdout.take().context("its output was asked for")?;
        tokio::spawn(async move {
            let mut lines = BufReader::new(out).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let told: Value = serde_json::from_str(&line).unwrap_or_default();
                if told["event"] == "ready" {
                    say.send_replace(Ready::Yes);
                }
            }
            say.send_if_modified(|ready| {
                let never = *ready == Ready::NotYet;
                if never {
                    *ready = Ready::Never;
                }
                never
            });
        });
        *life = Some(Life { _leash: child.stdin.take(), child, ready });
        self.pid.store(pid, Ordering::Release);
        Ok(pid)
    }

    /// Waits until it says that it is ready; if it does not, what it said last.
    pub(crate) async fn ready(&self, patience: Duration) -> Result<Duration> {
        let begun = Instant::now();
        let mut ready = match &*self.life.lock().await {
            Some(life) => life.ready.clone(),
            None => bail!("{} does not run", self.name()),
        };
        let told =
            tokio::time::timeout(patience, ready.wait_for(|now| *now != Ready::NotYet)).await;
        match told.map(|told| told.map(|now| *now)) {
            Ok(Ok(Ready::Yes)) => Ok(begun.elapsed()),
            Ok(_) => {
                bail!("{} ended before it was ready; it said last: {}", self.name(), self.said())
            }
            Err(_) => bail!(
                "{} was not ready after {patience:?}; it said last: {}",
                self.name(),
                self.said()
            ),
        }
    }

    /// What it said last.
    pub(crate) fn said(&self) -> String {
        let log = std::fs::read_to_string(&self.place.log).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(LOG_SHOWN).collect();
        last.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }

    /// `kill -9`, and waits until the kernel says that it is gone; none: it did not run.
    pub(crate) async fn kill(&self) -> Result<Option<u32>> {
        let Some(mut life) = self.life.lock().await.take() else { return Ok(None) };
        let pid = self.pid.swap(0, Ordering::AcqRel);
        life.child.kill().await.with_context(|| format!("{} cannot be killed", self.name()))?;
        Ok(Some(pid))
    }

    /// Asks it to stop and waits; kills it when that takes too long.
    pub(crate) async fn stop(&self, patience: Duration) {
        let Some(mut life) = self.life.lock().await.take() else { return };
        let pid = self.pid.swap(0, Ordering::AcqRel);
        // One that is gone or stopped hears nothing; then it is killed.
        let _ = signal(pid, Signal::TERM);
        if tokio::time::timeout(patience, life.child.wait()).await.is_err() {
            let _ = life.child.kill().await;
        }
    }

    /// Sends its process a signal and waits until the kernel's table shows this state or not this state.
    pub(crate) async fn hold(&self, held: bool) -> Result<u32> {
        let pid = self.pid();
        if pid == 0 {
            bail!("{} does not run", self.name());
        }
        signal(pid, if held { Signal::STOP } else { Signal::CONT })?;
        let begun = Instant::now();
        while (state(pid) == Some('T')) != held {
            if begun.elapsed() > SIGNAL_MAX {
                bail!("pid {pid} is {:?} after {SIGNAL_MAX:?}", state(pid));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(pid)
    }

    /// Notices that its process has ended by itself; says how.
    pub(crate) async fn ended(&self) -> Option<Value> {
        let mut life = self.life.lock().await;
        let status = life.as_mut()?.child.try_wait().ok()??;
        *life = None;
        let pid = self.pid.swap(0, Ordering::AcqRel);
        Some(json!({
            "node": self.name(), "pid": pid, "status": status.to_string(), "said": self.said(),
        }))
    }
}

/// Sends a signal to a process that we started.
pub(crate) fn signal(pid: u32, signal: Signal) -> Result<()> {
    let raw = i32::try_from(pid).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw);
    let known = raw.with_context(|| format!("{pid} is no process of ours"))?;
    kill_process(known, signal).with_context(|| format!("pid {pid} takes no signal"))
}

/// The state of a process in the kernel's table: `R`, `S`, `T` …; none: there is no such process.
pub(crate) fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may have anything in it, parentheses too.
    stat.rsplit_once(") ")?.1.chars().next()
}
