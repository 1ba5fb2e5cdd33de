//! A node as a child process: started, waited for, killed, started again, asked.
//!
//! A [`Place`] is what survives a node: its folder, its data and its port. A [`Node`] is one life of a process there; dropping
//! it kills it without a word, which is also what most stories are about. Nothing here sleeps: a node says that it is ready,
//! and everything else is waited for by looking again, with a deadline.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use oarlock_client::Client;
use oarlock_client::v1::Run;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long a node may take to say that it is ready.
const READY_MAX: Duration = Duration::from_secs(60);
/// How long a node may take to stop when it is asked to.
const STOP_MAX: Duration = Duration::from_secs(30);
/// How long the clients of a story look for a node that is away.
const PATIENCE_MAX: Duration = Duration::from_secs(120);
/// Between two looks at something that has to happen.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where nodes live one after the other.
pub(crate) struct Place {
    folder: TempDir,
    data: PathBuf,
    port: u16,
    env: Vec<(&'static str, String)>,
}

/// One life of a node.
pub(crate) struct Node {
    child: Child,
    address: String,
    ready: Value,
    messages: PathBuf,
}

/// What a command of the program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A port of this place's own. Not one of those that the system hands out by itself (from 32768 on): it would hand it to some
/// client's connection between two lives of the node, and the second life would find it taken.
pub(crate) fn port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Nor one that a throw-away cluster takes (from 24576 on), while this node is away.
    let (first, count) = (10_000, 14_000);
    let begin = std::process::id().wrapping_mul(61);
    let mut ports = std::iter::repeat_with(|| {
        let place = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count;
        u16::try_from(first + place).expect("the range is one of ports")
    });
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.by_ref().take(1_000).find(free).expect("there is a free port")
}

impl Place {
    pub(crate) fn new() -> Place {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let data = folder.path().join("data");
        // A node comes back at the same address, so that clients find it again.
        Place { folder, data, port: port(), env: Vec::new() }
    }

    /// The same with the data somewhere else.
    pub(crate) fn with_data(data: &Path) -> Place {
        Place { data: data.to_path_buf(), ..Place::new() }
    }

    /// The same with a variable that all its nodes see.
    pub(crate) fn see(mut self, name: &'static str, value: impl Into<String>) -> Place {
        self.env.push((name, value.into()));
        self
    }

    /// A folder of the story's own, beside the data.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Starts a node with data on disk and waits until it is ready.
    pub(crate) fn start(&self) -> Node {
        let data = self.data.to_string_lossy().into_owned();
        self.begin(&["server", "--data", &data])
    }

    /// The same with some settings of its own: `--raft.waiting_max 1`.
    pub(crate) fn start_with(&self, settings: &[&str]) -> Node {
        let data = self.data.to_string_lossy().into_owned();
        self.begin(&[&["server", "--data", &data], settings].concat())
    }

    /// Starts a node with these words, behind which its port is given.
    pub(crate) fn start_as(&self, words: &[&str]) -> Node {
        self.begin(words)
    }

    /// Starts a node with data in memory.
    pub(crate) fn start_dev(&self) -> Node {
        self.begin(&["dev"])
    }

    /// The same with further words.
    pub(crate) fn start_dev_with(&self, words: &[&str]) -> Node {
        self.begin(&[&["dev"], words].concat())
    }

    fn begin(&self, words: &[&str]) -> Node {
        let messages = self.folder.path().join("messages");
        let open = std::fs::File::options().create(true).append(true).open(&messages);
        let mut child = Command::new(program())
            .args(words)
            .args(["--port", &self.port.to_string()])
            .env_remove("OARLOCK_ADDR")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(open.expect("the node's messages can be kept"))
            .spawn()
            .expect("the program starts");
        let ready = first_line(&mut child).and_then(|line| serde_json::from_str(&line).ok());
        let Some(ready): Option<Value> = ready else {
            drop(child.kill());
            let said = std::fs::read_to_string(&messages).unwrap_or_default();
            panic!("the node did not become ready; it said:\n{said}");
        };
        let address = ready["http"].as_str().expect("the ready line has the address").to_owned();
        Node { child, address, ready, messages }
    }

    /// A client that looks for the node at this place for a while, whether it is there or not.
    pub(crate) fn client(&self) -> Client {
        patient(&format!("http://127.0.0.1:{}", self.port))
    }

    /// Runs a command of the program, without a node to talk to unless its words say so.
    pub(crate) fn say(&self, words: &[&str]) -> Said {
        say_at(&format!("http://127.0.0.1:{}", self.port), self.folder.path(), &self.env, words)
    }
}

impl Node {
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The line in which it said that it is ready.
    pub(crate) fn ready(&self) -> &Value {
        &self.ready
    }

    pub(crate) fn client(&self) -> Client {
        patient(&self.address)
    }

    /// Runs a command of the program against this node, in the root of the repository.
    pub(crate) fn say(&self, words: &[&str]) -> Said {
        say_at(&self.address, &oarlock_tests::house::root(), &[], words)
    }

    /// The same, by another address that leads to it.
    pub(crate) fn say_to(&self, address: &str, words: &[&str]) -> Said {
        say_at(address, &oarlock_tests::house::root(), &[], words)
    }

    /// `kill -9`, and waits until the process is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the node can be killed");
        self.child.wait().expect("the node can be waited for");
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(self) -> ExitStatus {
        tell(&self.child, Signal::TERM);
        self.over()
    }

    /// Waits until it ends, of whatever cause.
    pub(crate) fn over(mut self) -> ExitStatus {
        let deadline = Instant::now() + STOP_MAX;
        loop {
            if let Some(status) = self.child.try_wait().expect("the node can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "the node does not stop: {}", self.messages());
            std::thread::park_timeout(LOOK_EVERY);
        }
    }

    /// What it wrote to its standard error.
    pub(crate) fn messages(&self) -> String {
        std::fs::read_to_string(&self.messages).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Said {
    /// Fails the story unless the command ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Said {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Its output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|fault| panic!("{fault}:\n{}", self.out))
    }
}

/// Sends a signal to a process that was started here.
pub(crate) fn tell(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process has a number"), signal).expect("it can be told");
}

/// The program, built beside this test; `OARLOCK_BIN` names another.
pub(crate) fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("OARLOCK_BIN") {
        return named.into();
    }
    let test = std::env::current_exe().expect("a test knows where it is");
    let folder = test.parent().and_then(Path::parent).expect("tests are in target/…/deps");
    let program = folder.join("oarlock");
    assert!(program.exists(), "build the program first: cargo build --release --bin oarlock");
    program
}

/// Waits until a run has ended, however it ends, and answers with it.
pub(crate) async fn ended(client: &Client, run: &str, at_most: Duration) -> Run {
    until(at_most, "the run has ended", async || {
        client.run(run).get().await.expect("the run is there").status.finished()
    })
    .await;
    client.run(run).get().await.expect("the run is there")
}

/// Looks until it is so, or fails with the sentence when the time is over.
pub(crate) async fn until(at_most: Duration, what: &str, mut look: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + at_most;
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !look().await {
        assert!(Instant::now() < deadline, "not within {at_most:?}: {what}");
        looks.tick().await;
    }
}

pub(crate) fn patient(address: &str) -> Client {
    let builder = Client::builder().addr(address).timeout(PATIENCE_MAX).attempts_max(1000);
    builder.build().expect("the address is one")
}

fn say_at(address: &str, folder: &Path, env: &[(&str, String)], words: &[&str]) -> Said {
    let output = Command::new(program())
        .args(words)
        .env("OARLOCK_ADDR", address)
        .env("NO_COLOR", "1")
        .envs(env.iter().map(|(name, value)| (name, value)))
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes text");
    let code = output.status.code().expect("the command was not killed");
    Said { code, out: text(output.stdout), err: text(output.stderr) }
}

/// The first line of a child's output, read in a thread of its own that goes on reading so that the child is never blocked.
fn first_line(child: &mut Child) -> Option<String> {
    let output = child.stdout.take().expect("stdout is piped");
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Only the first is waited for.
            drop(tell.send(line));
        }
    });
    told.recv_timeout(READY_MAX).ok()
}
