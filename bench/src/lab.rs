//! Three nodes under load: `oarlock dev --nodes 3`, whose prompt also kills, stops and starts them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::door::{Ask, Door};
use crate::node::{Target, beside};

/// How long an order may take: a node is started, or stopped in order.
const ORDER_MAX: Duration = Duration::from_secs(90);
/// How long the cluster may take until everybody is there and nobody lags.
const HEALTHY_MAX: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Log entries that a node may lack and count as being there.
const LAG_MAX: u64 = 100;

/// A cluster of processes.
pub(crate) struct Lab {
    _process: Child,
    orders: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
    pub(crate) nodes: Vec<Place>,
}

/// Where a node is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pid: u32,
}

impl Lab {
    /// Starts it and waits until it is one.
    pub(crate) async fn start(
        binary: Option<PathBuf>,
        data: &Path,
        slots: u32,
    ) -> anyhow::Result<Lab> {
        let binary = beside(binary)?;
        let mut process = Command::new(&binary)
            .args(["dev", "--nodes", "3", "--port", "0", "--slots", &slots.to_string(), "--data"])
            .arg(data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let orders = process.stdin.take().context("its input is piped")?;
        let said = BufReader::new(process.stdout.take().context("its output is piped")?).lines();
        let mut lab = Lab { _process: process, orders, said, nodes: Vec::new() };
        let ready = lab.hear("\"event\":\"ready\"").await?;
        let ready: Value = serde_json::from_str(&ready)?;
        for node in ready["nodes"].as_array().context("the ready line has no nodes")? {
            let url = node["http"].as_str().context("a node has no address")?;
            lab.nodes.push(Place {
                name: node["name"].as_str().context("a node has no name")?.to_owned(),
                address: url.trim_start_matches("http://").parse()?,
                pid: u32::try_from(node["pid"].as_u64().context("a node has no process")?)?,
            });
        }
        Ok(lab)
    }

    /// Types a line at its prompt and waits until something with these words is said.
    pub(crate) async fn order(&mut self, line: &str, answer: &str) -> anyhow::Result<()> {
        self.type_in(line).await?;
        self.hear(answer).await.map(drop)
    }

    /// Types a line and does not wait.
    pub(crate) async fn type_in(&mut self, line: &str) -> anyhow::Result<()> {
        Ok(self.orders.write_all(format!("{line}\n").as_bytes()).await?)
    }

    /// Waits until something with these words is said.
    pub(crate) async fn hear(&mut self, words: &str) -> anyhow::Result<String> {
        let heard = tokio::time::timeout(ORDER_MAX, async {
            while let Some(line) = self.said.next_line().await? {
                if line.contains(words) {
                    return Ok(line);
                }
            }
            bail!("the cluster ended before it said `{words}`")
        });
        heard.await.with_context(|| format!("`{words}` was not said within {ORDER_MAX:?}"))?
    }

    /// A node by its name.
    pub(crate) fn find(&self, name: &str) -> anyhow::Result<&Place> {
        self.nodes.iter().find(|node| node.name == name).with_context(|| format!("no node {name}"))
    }

    /// All nodes but one.
    pub(crate) fn others(&self, name: &str) -> Vec<SocketAddr> {
        let others = self.nodes.iter().filter(|node| node.name != name);
        others.map(|node| node.address).collect()
    }

    /// Where the load goes, and whose processor time it costs.
    pub(crate) fn target(&self, entry: &str) -> anyhow::Result<Target> {
        let pids = self.nodes.iter().map(|node| node.pid).collect();
        Ok(Target { address: self.find(entry)?.address, pids })
    }

    /// Waits until all are there, somebody leads, and nobody lags; names who leads.
    pub(crate) async fn healthy(&self) -> anyhow::Result<String> {
        let all = self.nodes.len();
        let looking = async {
            loop {
                for node in &self.nodes {
                    let Ok(cluster) = json(node.address, "/api/v1/cluster").await else { continue };
                    let members = cluster["members"].as_array().map_or(&[][..], Vec::as_slice);
                    let there = members.iter().filter(|member| {
                        member["state"] == "up"
                            && member["unreachable"].is_null()
                            && member["lag"].as_u64().is_none_or(|lag| lag <= LAG_MAX)
                    });
                    if cluster["sure"] == true
                        && there.count() == all
                        && cluster["leader"] == node.name.as_str()
                    {
                        return node.name.clone();
                    }
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(HEALTHY_MAX, looking)
            .await
            .with_context(|| format!("the cluster was not healthy within {HEALTHY_MAX:?}"))
    }
}

/// What a node answers to a GET.
pub(crate) async fn json(node: SocketAddr, path: &str) -> anyhow::Result<Value> {
    let mut door = Door::connect(node).await?;
    let answer = door.ask(&Ask::new("GET", path, "application/json", "")).await?;
    Ok(serde_json::from_slice(&answer.body)?)
}
