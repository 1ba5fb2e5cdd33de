//! What reports read on a follower cost those who write at the leader.
//!
//! The same writer is measured alone and beside a reader, by turns, so that both see the same machine. The reader asks a follower for
//! the newest runs and for totals, and is content with that node's own copy: what a dashboard or a report does.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use crate::door::{Ask, Door};
use crate::load;
use crate::node::Target;
use crate::plan::Step;

/// How often the reader reads.
const READ_EVERY: Duration = Duration::from_millis(100);
/// What it reads: a page of the list, and the totals.
const REPORTS: [&str; 2] =
    ["/api/v1/runs?page_size=200&all=true&consistency=stale", "/api/v1/status?consistency=stale"];

/// Writers at the leader, with and without a reader at a follower.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Aside {
    /// Pairs of measurements.
    pub(crate) pairs: u32,
    /// Half the writes took no longer without the reader, in microseconds: the median of the pairs.
    pub(crate) alone_p50_us: u64,
    /// 99 of 100.
    pub(crate) alone_p99_us: u64,
    /// The same beside the reader.
    pub(crate) beside_p50_us: u64,
    /// 99 of 100.
    pub(crate) beside_p99_us: u64,
    /// Reports that were read meanwhile.
    pub(crate) reports: u64,
}

/// Measures so many pairs.
pub(crate) async fn measure(
    leader: &Target,
    follower: SocketAddr,
    step: &Step,
    (pairs, length): (u32, Duration),
) -> anyhow::Result<Aside> {
    let (mut alone, mut beside, mut reports) = (Vec::new(), Vec::new(), 0);
    for _ in 0..pairs {
        alone.push(load::measure(leader, step, length).await?);
        tokio::select! {
            figure = load::measure(leader, step, length) => beside.push(figure?),
            broken = read(follower, &mut reports) => {
                return Err(broken.err().context("a reader does not end")?);
            }
        }
    }
    let median = |of: &[load::Figure], field: fn(&load::Figure) -> u64| {
        let mut all: Vec<u64> = of.iter().map(field).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or(0)
    };
    Ok(Aside {
        pairs,
        alone_p50_us: median(&alone, |figure| figure.p50_us),
        alone_p99_us: median(&alone, |figure| figure.p99_us),
        beside_p50_us: median(&beside, |figure| figure.p50_us),
        beside_p99_us: median(&beside, |figure| figure.p99_us),
        reports,
    })
}

/// Reads until it is dropped.
async fn read(node: SocketAddr, reports: &mut u64) -> anyhow::Result<()> {
    let mut door = Door::connect(node).await?;
    let mut pace = interval(READ_EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        for report in REPORTS {
            door.ask(&Ask::new("GET", report, "application/json", "")).await?;
            *reports += 1;
        }
    }
}
