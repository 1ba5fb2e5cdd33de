//! Tries one workload against a cluster that is started here, with kills, and judges what came of it.
//!
//! `OARLOCK_BIN=… cargo run --release -p oarlock-chaos --example try_work -- owner 20 kill`

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use oarlock_chaos::history::{Recorder, Type};
use oarlock_chaos::sink::Sink;
use oarlock_chaos::verdict::Verdict;
use oarlock_chaos::work::{Field, Place, Record, Workload, effects, flow, live, member, owner};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A cluster in processes of its own, with its prompt.
struct Cluster {
    child: Child,
    prompt: ChildStdin,
    nodes: Vec<Place>,
}

impl Cluster {
    fn begin(data: &std::path::Path) -> anyhow::Result<Cluster> {
        let program = std::env::var("OARLOCK_BIN").context("OARLOCK_BIN says which node to try")?;
        let mut child = Command::new(program)
            .args(["dev", "--nodes", "3", "--port", "0", "--data"])
            .arg(data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let prompt = child.stdin.take().context("no prompt")?;
        let mut told = BufReader::new(child.stdout.take().context("no output")?).lines();
        let ready: Value = loop {
            let Some(line) = told.next() else { bail!("the cluster did not come up") };
            match serde_json::from_str::<Value>(&line?) {
                Ok(event) if event["event"] == "ready" => break event,
                _ => {}
            }
        };
        std::thread::spawn(move || told.for_each(drop));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let nodes = ready["nodes"].as_array().into_iter().flatten();
        let nodes = nodes.map(|node| Place { name: text(&node["name"]), url: text(&node["http"]) });
        Ok(Cluster { child, prompt, nodes: nodes.collect() })
    }

    fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.prompt, "{line}")?;
        self.prompt.flush().context("the prompt is gone")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.tell("quit");
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        let _ = self.child.wait();
    }
}

async fn abuse(cluster: &mut Cluster, how: &str, span: Duration) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut turn = 0;
    while begun.elapsed() < span {
        let node = cluster.nodes[turn % cluster.nodes.len()].name.clone();
        turn += 1;
        let others: Vec<&str> = cluster
            .nodes
            .iter()
            .map(|place| place.name.as_str())
            .filter(|name| *name != node)
            .collect();
        let others = others.join(",");
        let [there, back] = match how {
            "kill" => [format!("nodes kill {node}"), format!("nodes start {node}")],
            "pause" => [format!("nodes pause {node}"), format!("nodes resume {node}")],
            "cut" => [format!("nodes partition {node} | {others}"), "nodes heal".to_owned()],
            _ => {
                tokio::time::sleep(span).await;
                return Ok(());
            }
        };
        cluster.tell(&there)?;
        tokio::time::sleep(Duration::from_millis(2500)).await;
        cluster.tell(&back)?;
        tokio::time::sleep(Duration::from_millis(2500)).await;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let word = |number: usize, other: &str| args.get(number).cloned().unwrap_or(other.to_owned());
    let work: Box<dyn Workload> = match word(0, "flow").as_str() {
        "flow" => Box::new(flow::Flow::default()),
        "effects" => Box::new(effects::Effects::default()),
        "owner" => Box::new(owner::Owner::default()),
        "member" => Box::new(member::Member::default()),
        "live" => Box::new(live::Live::default()),
        other => bail!("no workload `{other}`"),
    };
    let folder = PathBuf::from(word(3, "try-work-out"));
    std::fs::create_dir_all(&folder)?;
    let recorder = Recorder::begin(&folder)?;
    let sink = Sink::begin(&folder, &recorder).await?;
    let data = tempfile::tempdir()?;
    let mut cluster = Cluster::begin(data.path())?;
    let (stop, over) = watch::channel(false);
    let program =
        std::env::var_os("OARLOCK_CHAOS_BIN").context("OARLOCK_CHAOS_BIN is the worker")?;
    let field = Field {
        nodes: cluster.nodes.clone(),
        recorder,
        sink: sink.url().to_owned(),
        program: program.into(),
        over,
        seed: word(4, "7").parse()?,
        clients: 2,
    };
    work.prepare(&field).await?;
    let mut clients = JoinSet::new();
    work.begin(&field, &mut clients);
    let span = Duration::from_secs(word(1, "20").parse()?);
    abuse(&mut cluster, &word(2, "kill"), span).await?;
    stop.send_replace(true);
    while let Some(client) = clients.join_next().await {
        client??;
    }
    let looked = Instant::now();
    work.look(&field).await?;
    let mut verdict = Verdict::default();
    let record = Record::read(&folder)?;
    let judged = Instant::now();
    work.judge(&record, &mut verdict);
    report(&record, work.name(), span, &sink, &verdict);
    let took = [judged.duration_since(looked), judged.elapsed()];
    writeln!(std::io::stdout(), "look {:.1?}, judge {:.1?}", took[0], took[1])?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a program for a person at a prompt")]
fn report(record: &Record, work: &str, span: Duration, sink: &Sink, verdict: &Verdict) {
    let mut count: std::collections::BTreeMap<String, [usize; 3]> =
        std::collections::BTreeMap::new();
    for done in record.history.operations(work) {
        let counts = count.entry(done.invoke.f.clone()).or_default();
        counts[match done.kind() {
            Type::Ok => 0,
            Type::Fail => 1,
            _ => 2,
        }] += 1;
    }
    let ok: usize = count.iter().filter(|(f, _)| !f.starts_with("final")).map(|(_, c)| c[0]).sum();
    println!("{} ok operations a second; {:?}", ok as u64 / span.as_secs().max(1), sink.tally());
    for (f, [ok, fail, info]) in count {
        println!("  {f:16} {ok:6} ok {fail:5} fail {info:5} info");
    }
    for finding in &verdict.findings {
        println!("{:?} {}: {}", finding.outcome, finding.law, finding.says);
    }
    println!("=> {:?}", verdict.outcome());
}
