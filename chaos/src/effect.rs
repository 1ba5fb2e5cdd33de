//! The worker that tasks of workloads run: tells the sink what it does, and behaves as badly as it was ordered to.
//!
//! ```text
//!   begin ──▶ mood ─┬─ well     works a while, `done`, prints its output, exit 0
//!                   ├─ fails    `fail`, exit 1
//!                   ├─ hangs    `hang`, and nothing more: its timeout has to end it
//!                   ├─ crashes  `crash`, and dies of a signal
//!                   └─ late     leaves a ghost in a process group of its own, and hangs; the ghost says `late` long after
//! ```
//!
//! The mood comes from the seed, the idempotency key and the attempt, so that a run can be repeated. From a certain attempt on it is well:
//! then a task comes to a good end however unlucky it was. It starts in a few milliseconds: no runtime, one thread, one connection a call.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use serde_json::{Value, json};

use crate::sink::Effect;

/// How long the sink may take. It is on the same machine.
const SINK_MAX: Duration = Duration::from_secs(5);
/// How long one hangs that hangs: any timeout is over before.
const HANG: Duration = Duration::from_secs(120);
/// The exit code of one that the sink refused.
const REFUSED: u8 = 9;
/// The exit code of one that could not reach the sink.
const ALONE: u8 = 75;

/// What it is ordered to do.
#[derive(Debug, Clone, Parser)]
#[command(name = "oarlock-chaos effect", about = "Tell the effect sink, as the worker of a task")]
pub struct Orders {
    /// Where the sink is
    #[arg(long, value_name = "URL")]
    sink: String,
    /// The workload it works for
    #[arg(long)]
    work: String,
    /// What it tells: as many calls as words
    #[arg(long, default_values = ["begin", "done"], num_args = 1..)]
    f: Vec<String>,
    /// Where its moods come from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many of a hundred attempts fail
    #[arg(long, default_value_t = 0)]
    fail: u64,
    /// How many hang
    #[arg(long, default_value_t = 0)]
    hang: u64,
    /// How many crash
    #[arg(long, default_value_t = 0)]
    crash: u64,
    /// How many answer when it is too late
    #[arg(long, default_value_t = 0)]
    late: u64,
    /// From this attempt on all is well; 0: never
    #[arg(long, default_value_t = 4)]
    well_from: u32,
    /// It works for up to so many milliseconds before its last call
    #[arg(long, default_value_t = 0)]
    busy: u64,
    /// It fails if the sink refuses it
    #[arg(long)]
    fence: bool,
    /// It is the ghost of an attempt, and speaks after so many milliseconds
    #[arg(long, hide = true)]
    ghost: Option<u64>,
    /// How many milliseconds a ghost waits
    #[arg(long, default_value_t = 4000)]
    late_after: u64,
}

/// How an attempt behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    Fails,
    Hangs,
    Crashes,
    Late,
}

/// Does what the arguments behind `effect` say.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words = std::iter::once(OsString::from("effect")).chain(args);
    let orders = Orders::parse_from(words);
    match orders.follow(&myself(&orders.work)) {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            // The log of the attempt shows it.
            let _ = writeln!(io::stderr(), "oarlock-chaos effect: {why:#}");
            ExitCode::from(ALONE)
        }
    }
}

/// What Oarlock has told this process of itself.
fn myself(work: &str) -> Effect {
    let set = |name: &str| std::env::var(name).unwrap_or_default();
    Effect {
        work: work.to_owned(),
        run: set("OARLOCK_RUN"),
        task: set("OARLOCK_TASK"),
        attempt: set("OARLOCK_ATTEMPT").parse().unwrap_or_default(),
        epoch: set("OARLOCK_EPOCH").parse().unwrap_or_default(),
        idempotency_key: set("OARLOCK_IDEMPOTENCY_KEY"),
        ..Effect::default()
    }
}

impl Orders {
    fn follow(&self, me: &Effect) -> anyhow::Result<u8> {
        let say = |f: &str| tell(&self.sink, &Effect { f: f.to_owned(), ..me.clone() });
        if let Some(span) = self.ghost {
            wait(Duration::from_millis(span));
            say("late")?;
            return Ok(0);
        }
        let Some((last, before)) = self.f.split_last() else { return Ok(0) };
        for f in before {
            if !say(f)? && self.fence {
                return Ok(REFUSED);
            }
        }
        match self.mood(me) {
            Mood::Fails => {
                say("fail")?;
                return Ok(1);
            }
            Mood::Hangs => {
                say("hang")?;
                wait(HANG);
            }
            Mood::Crashes => {
                say("crash")?;
                std::process::abort();
            }
            Mood::Late => {
                self.haunt()?;
                wait(HANG);
            }
            Mood::Well => {}
        }
        if self.busy > 0 {
            wait(Duration::from_millis(draw(self.seed.wrapping_add(1), me) % self.busy));
        }
        if !say(last)? && self.fence {
            return Ok(REFUSED);
        }
        let output = json!({
            "attempt": me.attempt, "epoch": me.epoch, "key": me.idempotency_key,
        });
        writeln!(io::stdout(), "{output}").context("nobody reads the output")?;
        Ok(0)
    }

    fn mood(&self, me: &Effect) -> Mood {
        if self.well_from > 0 && me.attempt >= self.well_from {
            return Mood::Well;
        }
        let mut drawn = draw(self.seed, me) % 100;
        for (share, mood) in [
            (self.fail, Mood::Fails),
            (self.hang, Mood::Hangs),
            (self.crash, Mood::Crashes),
            (self.late, Mood::Late),
        ] {
            if drawn < share {
                return mood;
            }
            drawn -= share;
        }
        Mood::Well
    }

    /// Leaves somebody behind who outlives the attempt: the timeout ends the process group, and the ghost is in another.
    fn haunt(&self) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("the program does not know its own path")?;
        let mut ghost = Command::new(program);
        ghost.args(["effect", "--sink", &self.sink, "--work", &self.work, "--ghost"]);
        ghost.arg(self.late_after.to_string()).process_group(0);
        ghost.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        ghost.spawn().context("no ghost can be left behind")?;
        Ok(())
    }
}

/// Something that looks like chance, and is the same for the same attempt: FNV-1a, and its upper half.
/// <http://www.isthe.com/chongo/tech/comp/fnv/>
fn draw(seed: u64, me: &Effect) -> u64 {
    let text = format!("{seed}/{}/{}", me.idempotency_key, me.attempt);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
}

#[expect(
    clippy::disallowed_methods,
    reason = "a process of its own with one thread, which only waits"
)]
fn wait(span: Duration) {
    std::thread::sleep(span);
}

/// One call of the sink: whether it was accepted.
///
/// # Errors
/// When the sink does not answer, or not as it should.
pub fn tell(sink: &str, effect: &Effect) -> anyhow::Result<bool> {
    let place = sink.strip_prefix("http://").unwrap_or(sink).trim_end_matches('/');
    let mut line = TcpStream::connect(place).with_context(|| format!("no sink at {place}"))?;
    line.set_read_timeout(Some(SINK_MAX))?;
    line.set_nodelay(true)?;
    let body = serde_json::to_string(effect)?;
    let request = format!(
        "POST /effect HTTP/1.1\r\nhost: {place}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    line.write_all(request.as_bytes())?;
    let mut answer = String::new();
    line.read_to_string(&mut answer).context("the sink does not answer")?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("half an answer") };
    if !head.starts_with("HTTP/1.1 200") {
        bail!("the sink says {}", head.lines().next().unwrap_or_default());
    }
    let told: Value = serde_json::from_str(body).context("the sink's answer is no JSON")?;
    Ok(told["accepted"].as_bool().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders(words: &[&str]) -> Orders {
        let given = ["effect", "--sink", "http://127.0.0.1:1", "--work", "w"];
        Orders::parse_from(given.iter().chain(words))
    }

    fn attempt(key: u32, attempt: u32) -> Effect {
        let idempotency_key = format!("run_{key}/a");
        Effect { idempotency_key, attempt, ..Effect::default() }
    }

    #[test]
    fn moods_come_about_as_often_as_ordered() {
        let orders = orders(&["--fail", "20", "--hang", "5", "--crash", "5", "--late", "10"]);
        let moods: Vec<Mood> = (0..4000).map(|key| orders.mood(&attempt(key, 1))).collect();
        let share = |wanted| moods.iter().filter(|mood| **mood == wanted).count() / 40;
        assert!((17..=23).contains(&share(Mood::Fails)), "{}", share(Mood::Fails));
        assert!((3..=7).contains(&share(Mood::Hangs)), "{}", share(Mood::Hangs));
        assert!((8..=12).contains(&share(Mood::Late)), "{}", share(Mood::Late));
    }

    #[test]
    fn a_mood_is_the_same_for_the_same_attempt_and_well_in_the_end() {
        let orders = orders(&["--fail", "100", "--well-from", "3"]);
        assert_eq!(orders.mood(&attempt(7, 2)), Mood::Fails);
        assert_eq!(orders.mood(&attempt(7, 3)), Mood::Well);
        assert_eq!(draw(1, &attempt(7, 2)), draw(1, &attempt(7, 2)));
    }

    #[test]
    fn the_words_of_its_calls_can_be_chosen() {
        assert_eq!(orders(&[]).f, ["begin", "done"]);
        assert_eq!(orders(&["--f", "begin"]).f, ["begin"]);
    }
}
