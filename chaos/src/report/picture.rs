//! The picture: what each workload got done in each second, with what was broken meanwhile drawn over it.
//!
//! ```text
//!   phases     │ warm-up │ faults ················ │ heal │ fresh │
//!   leads      ├── n1 ───────┼── n3 ──────────────────────────────
//!   kill                     [n1  ]        [n3   ]
//!   partition                      [n2, n3      ]
//!   register   ▁▆▇▇▇▇▇▇▇▇▇▇▇▇▁▁▇▇▇▇▇▇▇▇▇▁▇▇▇▇▇▇▇▇▇▇▇    one strip a workload, to its own scale
//!                            ▀▀                          below it: windows without any success
//!              0 s       10 s       20 s
//! ```
//!
//! It is one drawing without a script. All colours come from the page's style, so it is light or dark as the page is; whatever
//! can be pointed at has a title.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::page::safe;
use super::span;
use crate::check::metrics::{Metrics, Throughput};
use crate::check::story::Fault;

const WIDTH: f64 = 1_000.0;
const LEFT: f64 = 108.0;
const RIGHT: f64 = 14.0;
const ROW: f64 = 20.0;
const STRIP: f64 = 78.0;
const BETWEEN: f64 = 24.0;
/// The width that a letter of a label takes.
const LETTER: f64 = 6.2;

/// A drawing in the making.
struct Canvas<'a> {
    metrics: &'a Metrics,
    lasts: f64,
    y: f64,
    svg: String,
}

/// Draws it.
pub(super) fn draw(metrics: &Metrics) -> String {
    let lasts = metrics.lasted_s.max(1.0);
    let mut canvas = Canvas { metrics, lasts, y: 16.0, svg: String::new() };
    canvas.phases();
    canvas.leads();
    canvas.faults();
    let top = canvas.y;
    for work in &metrics.throughput {
        canvas.strip(work);
    }
    let bottom = canvas.y;
    canvas.axis(bottom);
    let behind = canvas.behind(top, bottom);
    let height = canvas.y + 8.0;
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"Operations a second of each workload, with the faults drawn over them\">\n{behind}{}</svg>\n",
        canvas.svg
    )
}

impl Canvas<'_> {
    fn x(&self, at: u64) -> f64 {
        self.x_of(crate::check::guard::seconds(0, at))
    }

    fn x_of(&self, s: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (s / self.lasts).clamp(0.0, 1.0)
    }

    /// A label at the left.
    fn label(&mut self, y: f64, class: &str, text: &str) {
        let text = safe(&cut(text, LEFT - 14.0));
        let _ = writeln!(
            self.svg,
            "<text class=\"{class} end\" x=\"{:.1}\" y=\"{y:.1}\">{text}</text>",
            LEFT - 8.0
        );
    }

    fn phases(&mut self) {
        let y = self.y;
        for phase in &self.metrics.phases {
            let (from, until) = (self.x(phase.from), self.x(phase.until));
            if fits(&phase.name, until - from) {
                let middle = f64::midpoint(from, until);
                let name = safe(&phase.name);
                let _ = writeln!(
                    self.svg,
                    "<text class=\"soft middle\" x=\"{middle:.1}\" y=\"{y:.1}\">{name}</text>"
                );
            }
        }
        self.y += 12.0;
    }

    fn leads(&mut self) {
        if self.metrics.leaders.is_empty() {
            return;
        }
        let y = self.y + ROW / 2.0;
        self.label(y + 4.0, "soft", "leads");
        let end = self.metrics.phases.last().map_or(u64::MAX, |phase| phase.until);
        let ends = self.metrics.leaders.iter().skip(1).map(|next| next.at).chain([end]);
        for (leader, until) in self.metrics.leaders.iter().zip(ends) {
            if leader.leader.is_empty() {
                continue;
            }
            let (from, until) = (self.x(leader.at), self.x(until));
            let who = safe(&leader.leader);
            let _ = writeln!(
                self.svg,
                "<g><title>{who} leads in term {}, from {}</title><line class=\"lead\" x1=\"{from:.1}\" y1=\"{:.1}\" x2=\"{from:.1}\" y2=\"{:.1}\"/><line class=\"lead\" x1=\"{from:.1}\" y1=\"{:.1}\" x2=\"{until:.1}\" y2=\"{:.1}\"/>",
                leader.term,
                second(leader.at),
                y - 5.0,
                y + 6.0,
                y + 6.0,
                y + 6.0,
            );
            if fits(&leader.leader, until - from) {
                let _ = writeln!(
                    self.svg,
                    "<text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\">{who}</text>",
                    from + 4.0,
                    y + 3.0
                );
            }
            self.svg.push_str("</g>\n");
        }
        self.y += ROW;
    }

    /// A row for each kind of fault; more, where faults of a kind overlap.
    fn faults(&mut self) {
        let mut kinds: Vec<&str> = Vec::new();
        for fault in &self.metrics.faults {
            if !kinds.contains(&fault.nemesis.as_str()) {
                kinds.push(&fault.nemesis);
            }
        }
        for kind in kinds {
            let mut lanes: Vec<f64> = Vec::new();
            self.label(self.y + 14.0, "", kind);
            for fault in self.metrics.faults.iter().filter(|fault| fault.nemesis == kind) {
                let (from, until) = self.ends(fault);
                let free = lanes.iter().position(|taken| *taken <= from);
                let lane = free.unwrap_or(lanes.len());
                if lane == lanes.len() {
                    lanes.push(until);
                } else {
                    lanes[lane] = until;
                }
                let y = lanes.iter().take(lane).fold(self.y, |y, _| y + ROW);
                self.fault(fault, from, until, y);
            }
            self.y = lanes.iter().fold(self.y, |y, _| y + ROW);
        }
        self.y += 6.0;
    }

    /// Where a fault begins and ends; one that is over at once is still seen.
    fn ends(&self, fault: &Fault) -> (f64, f64) {
        let end = self.metrics.phases.last().map_or(fault.from, |phase| phase.until);
        let (from, until) = (self.x(fault.from), self.x(fault.until_or(end)));
        (from, until.max(from + 3.0))
    }

    fn fault(&mut self, fault: &Fault, from: f64, until: f64, y: f64) {
        let class = if fault.proven { "fault" } else { "fault unproven" };
        let targets = fault.targets.join(", ");
        let (name, at) = (fault.name(), second(fault.from));
        let title = format!("fault {}: {name} of {targets} at {at}. {}", fault.id, fault.proof);
        let (top, wide, high) = (y + 2.0, until - from, ROW - 4.0);
        let _ = write!(
            self.svg,
            "<g><title>{}</title><rect class=\"{class}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{high}\" rx=\"3\"/>",
            safe(&title),
        );
        // As much of it as there is room for.
        let labels = [format!("{} {targets}", fault.kind), targets, fault.kind.clone()];
        if let Some(label) = labels.iter().map(|label| label.trim()).find(|label| fits(label, wide))
        {
            let (x, y, label) = (from + 4.0, y + 14.0, safe(label));
            let _ = write!(self.svg, "<text class=\"in\" x=\"{x:.1}\" y=\"{y:.1}\">{label}</text>");
        }
        self.svg.push_str("</g>\n");
    }

    fn strip(&mut self, work: &Throughput) {
        let top = self.y + BETWEEN - 8.0;
        let base = top + STRIP;
        let most = work.ok.iter().copied().max().unwrap_or(0).max(1);
        self.label(top + 12.0, "name", &work.work);
        self.label(top + 28.0, "soft", &format!("≤ {most}/s"));
        let _ = writeln!(
            self.svg,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{base:.1}\" x2=\"{:.1}\" y2=\"{base:.1}\"/>",
            WIDTH - RIGHT
        );
        let _ = writeln!(
            self.svg,
            "<path class=\"done\" d=\"{}Z\"/>",
            self.steps(&work.ok, most, base)
        );
        if work.not.iter().any(|not| *not > 0) {
            let path = self.peaks(&work.not, most, base);
            let _ = writeln!(self.svg, "<path class=\"not\" d=\"{path}\"/>");
        }
        for window in
            self.metrics.failover.windows.iter().filter(|window| window.class == work.work)
        {
            let (from, until) = (self.x(window.from), self.x(window.until));
            let class = if window.stalled { "gap unclear" } else { "gap" };
            let milliseconds = std::time::Duration::from_millis(window.ms).as_secs_f64() * 1_000.0;
            let _ = writeln!(
                self.svg,
                "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"5\"><title>{}</title></rect>",
                base + 1.0,
                (until - from).max(2.0),
                safe(&format!(
                    "no success of {} for {} from {}",
                    window.class,
                    span(milliseconds),
                    second(window.from)
                )),
            );
        }
        self.y = base;
    }

    /// The outline of a row of seconds.
    fn steps(&self, counts: &[u32], most: u32, base: f64) -> String {
        let mut path = format!("M{:.1} {base:.1}", self.x_of(0.0));
        let mut s = 0.0;
        for count in counts {
            let y = base - (STRIP - 6.0) * (f64::from(*count) / f64::from(most)).min(1.0);
            let _ = write!(path, "L{:.1} {y:.1}L{:.1} {y:.1}", self.x_of(s), self.x_of(s + 1.0));
            s += 1.0;
        }
        let _ = write!(path, "L{:.1} {base:.1}", self.x_of(s));
        path
    }

    /// The same without the seconds in which there is nothing.
    fn peaks(&self, counts: &[u32], most: u32, base: f64) -> String {
        let (mut path, mut s, mut up) = (String::new(), 0.0, false);
        for count in counts.iter().chain([&0]) {
            let y = base - (STRIP - 6.0) * (f64::from(*count) / f64::from(most)).min(1.0);
            let (from, until) = (self.x_of(s), self.x_of(s + 1.0));
            if *count > 0 {
                let begin = if up { String::new() } else { format!("M{from:.1} {base:.1}") };
                let _ = write!(path, "{begin}L{from:.1} {y:.1}L{until:.1} {y:.1}");
            } else if up {
                let _ = write!(path, "L{from:.1} {base:.1}");
            }
            up = *count > 0;
            s += 1.0;
        }
        path
    }

    fn axis(&mut self, bottom: f64) {
        let step = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0];
        let step = step.into_iter().find(|step| self.lasts / step <= 14.0).unwrap_or(7_200.0);
        let mut at = 0.0;
        while at <= self.lasts {
            let x = self.x_of(at);
            let _ = writeln!(
                self.svg,
                "<text class=\"soft middle\" x=\"{x:.1}\" y=\"{:.1}\">{at:.0} s</text>",
                bottom + 22.0
            );
            at += step;
        }
        self.y = bottom + 26.0;
    }

    /// What lies behind the strips: faults as veils, the ends of phases, stalls of the harness.
    fn behind(&self, top: f64, bottom: f64) -> String {
        let mut svg = String::new();
        let height = bottom - top;
        let mut veils: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
        for fault in &self.metrics.faults {
            veils.insert(fault.from, self.ends(fault));
        }
        for (from, until) in veils.values() {
            let _ = writeln!(
                svg,
                "<rect class=\"veil\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
                until - from
            );
        }
        for phase in self.metrics.phases.iter().skip(1) {
            let x = self.x(phase.from);
            let _ = writeln!(
                svg,
                "<line class=\"grid strong\" x1=\"{x:.1}\" y1=\"6\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>"
            );
        }
        for stall in &self.metrics.stalls {
            let (from, until) = (self.x(stall.from()), self.x(stall.at));
            let _ = writeln!(
                svg,
                "<rect class=\"stall\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>the harness was {} ms late</title></rect>",
                (until - from).max(1.5),
                stall.late_ms,
            );
        }
        svg
    }
}

/// A moment, in seconds.
pub(super) fn second(at: u64) -> String {
    format!("{:.1} s", crate::check::guard::seconds(0, at))
}

fn width(text: &str) -> f64 {
    text.chars().fold(0.0, |width, _| width + LETTER)
}

fn fits(text: &str, room: f64) -> bool {
    !text.is_empty() && width(text) + 6.0 <= room
}

fn cut(text: &str, room: f64) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut cut = String::new();
    for letter in text.chars() {
        if width(&cut) + 2.0 * LETTER > room {
            break;
        }
        cut.push(letter);
    }
    cut + "…"
}
