//! How long this disk takes to make 4 KiB durable: the unit of every figure beside it.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

/// One append + fdatasync, in microseconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Disk {
    /// How many were measured.
    pub(crate) samples: u64,
    /// Half took no longer.
    pub(crate) p50_us: u64,
    /// 99 of 100 took no longer.
    pub(crate) p99_us: u64,
}

/// Appends 4 KiB and calls fdatasync, over and over.
pub(crate) fn probe(dir: &Path, length: Duration) -> anyhow::Result<Histogram<u64>> {
    let mut file = File::create(dir.join("probe"))?;
    let block = [0x5au8; 4096];
    let mut times = Histogram::<u64>::new(3)?;
    let end = Instant::now() + length;
    while Instant::now() < end {
        let begin = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.record(u64::try_from(begin.elapsed().as_micros())?)?;
    }
    Ok(times)
}

impl Disk {
    /// What all probes together say: one before the load and one after it, because a shared disk has moods.
    pub(crate) fn of(before: &Histogram<u64>, after: &Histogram<u64>) -> anyhow::Result<Disk> {
        let mut times = before.clone();
        times.add(after)?;
        Ok(Disk {
            samples: times.len(),
            p50_us: times.value_at_quantile(0.5),
            p99_us: times.value_at_quantile(0.99),
        })
    }
}
