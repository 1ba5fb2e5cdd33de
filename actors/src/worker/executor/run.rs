//! A real process: `{"command": "for sh -c"}` or `{"argv": [...]}`, with `env` and `dir` if wanted.
//!
//! ```text
//!   spawn (own process group, environment cleared, held at its gate) ─▶ watchman knows the group ─▶ the gate opens
//!      │ stdout, stderr ─▶ live log and capture; stdout's last line may be the output
//!      ├─ it exits ────────────────────────────────▶ what is left of its group is killed ─▶ exit code decides
//!      └─ halt: SIGTERM to the group ─ GRACE ─▶ SIGKILL to the group
//! ```
//!
//! A `command` begins behind a gate, a line that its shell reads first: should the node be killed between starting a process and
//! telling the watchman of it, the shell finds the end of its input and goes. An `argv` is started as it is, so that a program
//! that does not exist is known for what it is; in its case that moment stays open.
//!
//! The group is killed in every case, and also when this future is dropped or panics: a process that its task left behind would
//! hold the pipes open, and nobody would ever stop it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use oarlock_engine::blob::PAYLOAD_BYTES_MAX;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until, timeout};

use super::watchman::Watchman;
use super::{Halt, Halting, Job, Outcome, failure};
use crate::worker::capture::LastLine;
use crate::worker::logs::Printer;

/// Between asking a process group to end and ending it.
const GRACE: Duration = Duration::from_millis(800);
/// How long a pipe may stay open when its whole group is dead (somebody passed it on to another group).
const PIPES: Duration = Duration::from_secs(1);
/// Bytes read at once.
const CHUNK_BYTES: usize = 16 << 10;
/// The end of stderr that becomes the failure's message.
const COMPLAINT_BYTES_MAX: usize = 1 << 10;
/// The search path where the node has none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The shell of a `command`: waits for a line, then becomes a shell that runs what the task says.
const GATE: &str = "read -r go && exec sh -c \"$1\" < /dev/null";

#[derive(Deserialize)]
struct Body {
    command: Option<String>,
    argv: Option<Vec<String>>,
    #[serde(default)]
    env: BTreeMap<String, Value>,
    dir: Option<PathBuf>,
}

/// Runs it.
pub(crate) async fn execute(
    job: &Job,
    workdir: &Path,
    watchman: &Watchman,
    printer: &Printer,
    halting: Halting,
) -> Outcome {
    let body: Body = match serde_json::from_slice(&job.body) {
        Ok(body) => body,
        Err(why) => return Outcome::bad_body("run", &why),
    };
    let Some(mut command) = command(&body) else {
        return Outcome::bad_body("run", &"it has neither `command` nor `argv`");
    };
    let dir = body.dir.as_ref().map_or_else(|| workdir.to_owned(), |dir| workdir.join(dir));
    surround(&mut command, &dir, &body.env, &job.env);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(why) => return not_spawned(&why, &body, &dir),
    };
    let group = Group::of(&child, watchman);
    if let Some(mut gate) = child.stdin.take() {
        // A shell that is gone already tells so by its exit code.
        let _ = gate.write_all(b"\n").await;
    }
    let ended = attend(&mut child, &group, printer, halting).await;
    judge(ended)
}

fn command(body: &Body) -> Option<Command> {
    let mut command = match (&body.command, &body.argv) {
        (Some(line), _) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", GATE, "sh"]).arg(line).stdin(Stdio::piped());
            shell
        }
        (None, Some(argv)) => {
            let (program, rest) = argv.split_first()?;
            let mut command = Command::new(program);
            command.args(rest).stdin(Stdio::null());
            command
        }
        (None, None) => return None,
    };
    command.process_group(0).kill_on_drop(true);
    Some(command)
}

/// Everything around the process: directory, streams, and an environment that holds nothing of the node's own.
fn surround(
    command: &mut Command,
    dir: &Path,
    wanted: &BTreeMap<String, Value>,
    ours: &[(&'static str, String)],
) {
    command.current_dir(dir).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| PATH.into()));
    for name in ["HOME", "LANG"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    for (name, value) in wanted {
        match value {
            Value::String(text) => command.env(name, text),
            Value::Null => command.env(name, ""),
            other => command.env(name, other.to_string()),
        };
    }
    command.envs(ours.iter().map(|(name, value)| (name, value)));
}

fn not_spawned(why: &std::io::Error, body: &Body, dir: &Path) -> Outcome {
    let what = match (&body.command, &body.argv) {
        (None, Some(argv)) => argv.first().map_or("", String::as_str),
        _ => "sh",
    };
    let message = match why.kind() {
        _ if !dir.is_dir() => {
            format!("cannot start `{what}` in {}: no such directory", dir.display())
        }
        ErrorKind::ArgumentListTooLong => format!(
            "cannot start `{what}`: its words and variables are more than this system passes on, which is mostly 128 KiB each; \
             put large values into a file and pass its name"
        ),
        ErrorKind::InvalidInput => {
            format!("cannot start `{what}`: a word or a variable has a zero byte in it")
        }
        _ => format!("cannot start `{what}`: {why}"),
    };
    // A program that is not there will not be there in a second either; no memory may be a matter of a second.
    let lasting = matches!(
        why.kind(),
        ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::InvalidInput
            | ErrorKind::NotADirectory
            | ErrorKind::ArgumentListTooLong
    );
    Outcome::Failed(failure("spawn", message, !lasting))
}

/// A process group, killed when this is dropped.
struct Group<'a> {
    pid: Option<Pid>,
    watchman: &'a Watchman,
}

impl<'a> Group<'a> {
    fn of(child: &Child, watchman: &'a Watchman) -> Group<'a> {
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            watchman.guard(pid.as_raw_nonzero().get().unsigned_abs());
        }
        Group { pid, watchman }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid {
            // Gone already is as good as killed.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        if let Some(pid) = self.pid {
            self.watchman.release(pid.as_raw_nonzero().get().unsigned_abs());
        }
    }
}

/// What is known when a process has ended.
struct Ended {
    status: std::io::Result<ExitStatus>,
    halted: Option<Halt>,
    /// The last line; none: it looks like an output, and is longer than one may be.
    last: Option<Vec<u8>>,
    complaint: Vec<u8>,
}

/// Waits for the process, reading what it prints, and ends it when told to halt.
async fn attend(
    child: &mut Child,
    group: &Group<'_>,
    printer: &Printer,
    mut halting: Halting,
) -> Ended {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut last = LastLine::new(PAYLOAD_BYTES_MAX);
    let mut complaint = Vec::new();
    let mut halted = None;
    let status = {
        let reading = async {
            tokio::join!(
                pump(stdout, printer, |bytes| last.push(bytes)),
                pump(stderr, printer, |bytes| keep_end(&mut complaint, bytes)),
            )
        };
        tokio::pin!(reading);
        let mut read_all = false;
        let mut kill_at = Instant::now();
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                _ = &mut reading, if !read_all => read_all = true,
                halt = &mut halting, if halted.is_none() => {
                    halted = Some(halt);
                    kill_at = Instant::now() + GRACE;
                    group.signal(Signal::TERM);
                }
                () = sleep_until(kill_at), if halted.is_some() => {
                    kill_at = Instant::now() + GRACE;
                    group.signal(Signal::KILL);
                }
            }
        };
        group.signal(Signal::KILL);
        if !read_all {
            // Out of time: what was read is all there is.
            let _ = timeout(PIPES, &mut reading).await;
        }
        status
    };
    Ended { status, halted, last: last.finish(), complaint }
}

/// Copies a stream to the log, whole lines at a time so that two streams do not tear each other's lines apart.
async fn pump<S: AsyncRead + Unpin>(
    stream: Option<S>,
    printer: &Printer,
    mut also: impl FnMut(&[u8]),
) {
    let Some(mut stream) = stream else { return };
    let mut pending: Vec<u8> = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        let bytes = &chunk[..read];
        also(bytes);
        match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => {
                pending.extend_from_slice(&bytes[..=end]);
                printer.print(&pending);
                pending.clear();
                pending.extend_from_slice(&bytes[end + 1..]);
            }
            None => pending.extend_from_slice(bytes),
        }
        if pending.len() >= CHUNK_BYTES {
            printer.print(&pending);
            pending.clear();
        }
    }
    if !pending.is_empty() {
        printer.print(&pending);
    }
}

fn keep_end(end: &mut Vec<u8>, bytes: &[u8]) {
    end.extend_from_slice(&bytes[bytes.len().saturating_sub(COMPLAINT_BYTES_MAX)..]);
    let over = end.len().saturating_sub(COMPLAINT_BYTES_MAX);
    end.drain(..over);
}

fn judge(ended: Ended) -> Outcome {
    use std::os::unix::process::ExitStatusExt;

    if let Some(halt) = ended.halted {
        return Outcome::Halted(halt);
    }
    let status = match ended.status {
        Ok(status) => status,
        Err(why) => {
            return Outcome::Failed(failure("wait", format!("the process is lost: {why}"), true));
        }
    };
    let (kind, what) = match (status.code(), status.signal()) {
        (Some(0), _) => {
            return match ended.last {
                Some(last) => Outcome::Done(output(last)),
                None => too_long(),
            };
        }
        (Some(code), _) => (format!("exit:{code}"), format!("exit code {code}")),
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            (format!("signal:{signal}"), format!("killed by signal {signal}"))
        }
    };
    let complaint = String::from_utf8_lossy(&ended.complaint);
    let message = match complaint.trim() {
        "" => what,
        complaint => format!("{what}: {complaint}"),
    };
    Outcome::Failed(failure(kind, message, true))
}

/// An output that is left out in silence would be missed much later, and far from here.
fn too_long() -> Outcome {
    let message = format!(
        "the output, the last line printed, is longer than {PAYLOAD_BYTES_MAX} bytes: put it into a file and print its name"
    );
    Outcome::Failed(failure("output:too_large", message, false))
}

/// The last line, if it is JSON.
fn output(last: Vec<u8>) -> Vec<u8> {
    match serde_json::from_slice::<serde::de::IgnoredAny>(&last) {
        Ok(_) => last,
        Err(_) => Vec::new(),
    }
}
