//! The console as a person has it: in a terminal, with a line editor, questions and news.
//!
//! `script` of util-linux, which every Debian has, makes the terminal. It draws nothing, so the one thing that a line editor asks of it,
//! where the cursor is, is answered here.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::node::{Place, program};

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// How long names may take to stand in the line after Tab.
const COMPLETE_MAX: Duration = Duration::from_secs(3);
/// How a program asks where the cursor is, and what it is told.
const WHERE: (&str, &[u8]) = ("\x1b[6n", b"\x1b[1;1R");

/// A terminal with a console in it.
struct Terminal {
    child: Child,
    keys: Arc<Mutex<ChildStdin>>,
    seen: Receiver<String>,
    /// What has been seen and not been waited for yet.
    rest: String,
}

impl Terminal {
    fn open(place: &Place, words: &str) -> Terminal {
        let line = format!("stty rows 40 cols 120; exec {} console {words}", program().display());
        let mut child = Command::new("script")
            .args(["-qfec", &line, "/dev/null"])
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .env("XDG_STATE_HOME", place.folder())
            .env("OARLOCK_CONFIG", place.folder().join("config.toml"))
            .env_remove("OARLOCK_ADDR")
            .env_remove("CI")
            .current_dir(place.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script of util-linux is installed");
        let keys = Arc::new(Mutex::new(child.stdin.take().expect("its input is a pipe")));
        let mut screen = child.stdout.take().expect("its output is a pipe");
        let (tell, seen) = mpsc::channel();
        let asked = Arc::clone(&keys);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                for _ in text.matches(WHERE.0) {
                    let mut keys = asked.lock().unwrap_or_else(PoisonError::into_inner);
                    // Whoever asked may have gone.
                    drop(keys.write_all(WHERE.1).and_then(|()| keys.flush()));
                }
                // Nobody may be interested any more.
                drop(tell.send(text));
            }
        });
        Terminal { child, keys, seen, rest: String::new() }
    }

    /// Presses these keys.
    fn press(&self, keys: &str) {
        let mut pipe = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        pipe.write_all(keys.as_bytes()).and_then(|()| pipe.flush()).expect("it takes keys");
    }

    /// Waits until these words are on the screen, behind what was waited for before.
    fn see(&mut self, words: &str) {
        assert!(self.saw(words, ANSWER_MAX), "`{words}` was not seen, but:\n{:?}", self.rest);
    }

    /// Whether they are there in time.
    fn saw(&mut self, words: &str, at_most: Duration) -> bool {
        let deadline = Instant::now() + at_most;
        loop {
            if let Some(at) = self.rest.find(words) {
                self.rest.drain(..at + words.len());
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.seen.recv_timeout(left) {
                Ok(text) => self.rest.push_str(&text),
                Err(_) => return false,
            }
        }
    }

    /// Types a line and presses Tab until these words stand in it. A console does not wait long for names: where the node was too slow,
    /// the line is given up and typed again.
    fn complete(&mut self, begun: &str, words: &str, prompt: &str) {
        let deadline = Instant::now() + ANSWER_MAX;
        loop {
            self.press(&format!("{begun}\t"));
            if self.saw(words, COMPLETE_MAX) {
                return;
            }
            assert!(Instant::now() < deadline, "`{begun}` is not completed: {:?}", self.rest);
            self.press("\x03");
            self.see(prompt);
        }
    }

    fn ended(mut self) -> Option<i32> {
        let deadline = Instant::now() + ANSWER_MAX;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the console does not end: {:?}", self.rest);
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn a_person_types_a_command_sees_its_answer_and_leaves() {
    let place = Place::new();
    let node = place.start_dev();
    let file = "kind: workflow\nname: hold\ntasks:\n  first: {wait: {signal: go}}\n";
    node.client().apply(file).send().await.expect("the file is right");
    let mut terminal = Terminal::open(&place, &format!("--addr {}", node.address()));
    terminal.see("Oarlock console");
    terminal.see("1 node healthy");
    terminal.see("oarlock(dev)");
    terminal.press("nodes list\r");
    terminal.see("NODE");
    terminal.see("n1");
    terminal.see("oarlock(dev)");
    // A name that only the cluster knows is completed.
    terminal.complete("run ho", "hold", "oarlock(dev)");
    terminal.press("\r");
    terminal.see("hold/1");
    terminal.see("is started");
    terminal.see("oarlock(dev)");
    // What is open goes on in the next line.
    terminal.press("rpc runs.get {\r");
    terminal.see("… ");
    terminal.press("\"id\": \"hold/1\"}\r");
    terminal.see("\"status\": \"running\"");
    terminal.see("oarlock(dev)");
    // A question is asked, and no is an answer.
    terminal.press("workflows delete hold\r");
    terminal.see("Delete workflow hold?");
    terminal.press("n\r");
    terminal.see("nothing was done");
    terminal.see("oarlock(dev)");
    // Ctrl-C ends a command, and not the console.
    terminal.press("runs watch hold/1\r");
    terminal.see("waits for");
    terminal.press("\x03");
    terminal.see("detached: hold/1 goes on");
    terminal.see("oarlock(dev)");
    terminal.press("nodes list --token very-secret\r");
    terminal.see("NODE");
    terminal.see("oarlock(dev)");
    terminal.press("\x04");
    assert_eq!(terminal.ended(), Some(0));
    let past = place.folder().join("oarlock/history/dev");
    let past = std::fs::read_to_string(past).expect("lines are kept");
    assert!(past.contains("nodes list\n") && past.contains("run hold"), "{past}");
    assert!(!past.contains("very-secret"), "{past}");
}

#[test]
fn a_console_without_a_node_says_so_and_stays() {
    let place = Place::new();
    let mut terminal = Terminal::open(&place, "--addr 127.0.0.1:1");
    terminal.see("nothing answers at http://127.0.0.1:1");
    terminal.see("oarlock(127.0.0.1:1)");
    terminal.press("version\r");
    terminal.see("oarlock 0");
    terminal.see("oarlock(127.0.0.1:1)");
    terminal.press("\x04");
    assert_eq!(terminal.ended(), Some(0));
}
