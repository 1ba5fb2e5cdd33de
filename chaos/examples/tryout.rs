//! Tries workloads on a throw-away cluster whose nodes are killed, held and cut off, and judges what their clients saw.
//!
//! ```text
//! OARLOCK_BIN=oarlock cargo run --release -p oarlock-chaos --example tryout -- FOLDER SECONDS register,submit,signals,equal
//! ```
//!
//! For whoever writes a workload or a checker: no proof of what was broken, no guards, one kind of trouble after the other.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use oarlock_chaos::history::{History, Recorder, Type};
use oarlock_chaos::verdict::Verdict;
use oarlock_chaos::work::{Field, Place, Record, Workload};
use oarlock_chaos::work::{equal::Equal, register::Register, signals::Signals, submit::Submit};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Orders that break something, and those that mend it.
const TROUBLE: [(&str, &str); 5] = [
    ("nodes kill n1", "nodes start n1"),
    ("nodes pause n2", "nodes resume n2"),
    ("nodes kill n3", "nodes start n3"),
    ("nodes partition n1 | n2,n3", "nodes heal"),
    ("nodes kill n2", "nodes start n2"),
];
/// How long trouble lasts, and how long it is quiet then.
const LASTS: Duration = Duration::from_millis(2_000);
const QUIET: Duration = Duration::from_millis(3_000);

struct Lab {
    child: Child,
    orders: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
    nodes: Vec<Place>,
}

impl Lab {
    async fn start(folder: &Path) -> Result<Lab> {
        let program = std::env::var("OARLOCK_BIN").context("OARLOCK_BIN names the program")?;
        let mut child = Command::new(program)
            .args(["dev", "--nodes", "3", "--port", "0", "--data"])
            .arg(folder.join("data"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.join("messages"))?)
            .kill_on_drop(true)
            .spawn()?;
        let orders = child.stdin.take().context("its input is a pipe")?;
        let said = BufReader::new(child.stdout.take().context("its output is a pipe")?).lines();
        let mut lab = Lab { child, orders, said, nodes: Vec::new() };
        let ready: Value = serde_json::from_str(&lab.hear("\"event\":\"ready\"").await?)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let nodes = ready["nodes"].as_array().context("its nodes")?.iter();
        let place = |node: &Value| Place { name: text(&node["name"]), url: text(&node["http"]) };
        lab.nodes = nodes.map(place).collect();
        Ok(lab)
    }

    async fn hear(&mut self, words: &str) -> Result<String> {
        let heard = timeout(Duration::from_secs(90), async {
            while let Some(line) = self.said.next_line().await? {
                if line.contains(words) {
                    return Ok(line);
                }
            }
            anyhow::bail!("the cluster ended")
        });
        heard.await.with_context(|| format!("`{words}` was not said"))?
    }

    async fn order(&mut self, line: &str) -> Result<()> {
        self.orders.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(())
    }
}

fn workloads(names: &str) -> Vec<Box<dyn Workload>> {
    let all: [Box<dyn Workload>; 4] = [
        Box::new(Register::default()),
        Box::new(Submit::default()),
        Box::new(Signals::default()),
        Box::new(Equal),
    ];
    all.into_iter().filter(|work| names.split(',').any(|name| name == work.name())).collect()
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().context("a folder")?);
    let time: u64 = args.next().context("seconds")?.parse()?;
    let works = workloads(&args.next().context("workloads, with commas")?);
    if time > 0 {
        std::fs::create_dir_all(&folder)?;
        run(&folder, Duration::from_secs(time), &works).await?;
    }
    judge(&folder, &works)
}

async fn run(folder: &Path, time: Duration, works: &[Box<dyn Workload>]) -> Result<()> {
    let mut lab = Lab::start(folder).await?;
    let recorder = Recorder::begin(folder)?;
    let (tell, over) = watch::channel(false);
    let mut field = Field {
        nodes: lab.nodes.clone(),
        recorder: recorder.clone(),
        sink: String::new(),
        program: std::env::current_exe()?,
        over,
        seed: 7,
        clients: 1,
    };
    for work in works {
        work.prepare(&field).await?;
    }
    let mut clients = JoinSet::new();
    works.iter().for_each(|work| work.begin(&field, &mut clients));
    let begun = Instant::now();
    sleep(QUIET).await;
    for (number, (harm, cure)) in TROUBLE.iter().cycle().enumerate() {
        if begun.elapsed() > time {
            break;
        }
        recorder.nemesis("start-trouble", json!({"id": number, "detail": harm}));
        lab.order(harm).await?;
        sleep(LASTS).await;
        lab.order(cure).await?;
        recorder.nemesis("stop-trouble", json!({"id": number, "detail": cure}));
        sleep(QUIET).await;
    }
    tell.send_replace(true);
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    let (tell, over) = watch::channel(false);
    field.over = over;
    works.iter().for_each(|work| work.begin(&field, &mut clients));
    sleep(QUIET).await;
    tell.send_replace(true);
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    let looked = Instant::now();
    for work in works {
        work.look(&field).await?;
    }
    let mut out = std::io::stdout();
    writeln!(out, "looked for {:?}", looked.elapsed())?;
    lab.order("quit").await?;
    timeout(Duration::from_secs(20), lab.child.wait()).await??;
    Ok(())
}

fn judge(folder: &Path, works: &[Box<dyn Workload>]) -> Result<()> {
    let mut out = std::io::stdout();
    let record = Record { history: History::read(folder)?, effects: Vec::new() };
    for work in works {
        let operations = record.history.operations(work.name());
        let count = |kind| operations.iter().filter(|op| op.kind() == kind).count();
        let ends = operations.iter().filter_map(|op| op.end.as_ref()).map(|end| end.time);
        let begins = operations.iter().map(|op| op.invoke.time);
        let span = ends.max().unwrap_or(0).saturating_sub(begins.min().unwrap_or(0));
        let span = Duration::from_nanos(span);
        let (ok, fail, info) = (count(Type::Ok), count(Type::Fail), count(Type::Info));
        writeln!(out, "\n{}: {ok} ok, {fail} fail, {info} info in {span:.1?}", work.name())?;
        let begun = Instant::now();
        let mut verdict = Verdict::default();
        work.judge(&record, &mut verdict);
        for finding in &verdict.findings {
            writeln!(out, "  {:?} {}: {}", finding.outcome, finding.law, finding.says)?;
        }
        writeln!(out, "  {:?}, judged in {:.1?}", verdict.outcome(), begun.elapsed())?;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    writeln!(out, "\n{memory}")?;
    Ok(())
}
