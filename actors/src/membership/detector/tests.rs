//! Late, overdue, lost: arrival times as they come, and what is believed of them.

use super::*;

const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);
const BOOT: BootId = BootId(1);

/// A detector and a clock that is told how time passes.
struct Watch {
    detector: Detector,
    now: Instant,
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Watch {
    fn new() -> Watch {
        let mut watch = Watch { detector: Detector::new(Patience::default()), now: Instant::now() };
        watch.detector.watch(A, BOOT, watch.now);
        watch.detector.watch(B, BOOT, watch.now);
        watch
    }

    /// Time passes in periods of 50 ms, in which we are awake and hear of these nodes every 100 ms.
    fn pass(&mut self, span: u64, heard: &[NodeId]) {
        for period in 1..=span / 50 {
            self.now += millis(50);
            self.detector.tick(self.now);
            if period % 2 == 0 {
                heard.iter().for_each(|node| self.detector.heard(*node, BOOT, self.now));
            }
        }
    }

    fn health(&self, node: NodeId) -> Health {
        self.detector.health(node, self.now).expect("it is listened to")
    }

    fn lost(&self) -> Vec<NodeId> {
        self.detector.lost(self.now).iter().map(|lost| lost.node).collect()
    }
}

#[test]
fn who_falls_silent_is_late_then_overdue_then_lost() {
    let mut watch = Watch::new();
    watch.pass(5_000, &[A, B]);
    assert_eq!((watch.health(A), watch.health(B)), (Health::Fine, Health::Fine));
    let mut seen = vec![watch.health(B)];
    for _ in 0..12 {
        watch.pass(50, &[]);
        watch.detector.heard(A, BOOT, watch.now);
        seen.push(watch.health(B));
    }
    seen.dedup();
    assert_eq!(seen, [Health::Fine, Health::Late, Health::Overdue, Health::Lost]);
    let lost = Lost { node: B, boot: BOOT, silent: millis(600), evidence: Evidence::Silence };
    assert_eq!(watch.detector.lost(watch.now), [lost]);
    assert_eq!(watch.health(A), Health::Fine);
}

#[test]
fn a_regular_node_is_lost_after_the_least_patience() {
    let mut watch = Watch::new();
    watch.pass(5_000, &[A, B]);
    watch.pass(450, &[A]);
    assert_eq!(watch.lost(), []);
    watch.pass(50, &[A]);
    assert_eq!(watch.lost(), [B]);
}

#[test]
fn with_an_irregular_node_there_is_more_patience_but_not_without_end() {
    let mut watch = Watch::new();
    for _ in 0..30 {
        watch.pass(100, &[A, B]);
        watch.pass(400, &[A]);
        watch.detector.heard(B, BOOT, watch.now);
    }
    watch.pass(600, &[A]);
    assert_eq!(watch.lost(), [], "it has often been silent for nearly as long");
    watch.pass(2_400, &[A]);
    assert_eq!(watch.lost(), [B]);
}

#[test]
fn messages_that_come_at_once_do_not_make_impatient() {
    let mut watch = Watch::new();
    for _ in 0..200 {
        watch.detector.heard(B, BOOT, watch.now);
    }
    watch.pass(450, &[A]);
    assert_eq!(watch.lost(), []);
}

#[test]
fn who_is_heard_of_again_is_fine() {
    let mut watch = Watch::new();
    watch.pass(400, &[A]);
    assert!(watch.health(B) >= Health::Late);
    watch.detector.heard(B, BOOT, watch.now);
    assert_eq!(watch.health(B), Health::Fine);
}

#[test]
fn a_broken_connection_that_is_refused_twice_is_a_loss_at_once() {
    let mut watch = Watch::new();
    watch.pass(1_000, &[A, B]);
    watch.detector.broken(B, watch.now);
    watch.detector.refused(B, watch.now);
    assert_eq!(watch.lost(), []);
    watch.pass(50, &[A]);
    watch.detector.refused(B, watch.now);
    let found = watch.detector.lost(watch.now);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].evidence, found[0].silent), (Evidence::Refusal, millis(50)));
}

#[test]
fn a_refusal_alone_says_nothing_nor_does_one_before_a_sign_of_life() {
    let mut watch = Watch::new();
    watch.pass(1_000, &[A, B]);
    watch.detector.refused(B, watch.now);
    watch.detector.refused(B, watch.now);
    assert_eq!(watch.lost(), [], "its connection holds: somebody else's port was asked");
    watch.detector.broken(B, watch.now);
    watch.detector.refused(B, watch.now);
    watch.detector.heard(B, BOOT, watch.now);
    watch.detector.broken(B, watch.now);
    watch.detector.refused(B, watch.now);
    assert_eq!(watch.lost(), []);
    watch.detector.connected(B, watch.now);
    watch.detector.broken(B, watch.now);
    watch.detector.refused(B, watch.now);
    assert_eq!(watch.lost(), []);
}

#[test]
fn nobody_is_lost_because_we_were_asleep() {
    let mut watch = Watch::new();
    watch.pass(5_000, &[A, B]);
    watch.now += millis(60_000);
    assert_eq!(watch.lost(), [], "asked before we know that we were asleep");
    assert!(watch.detector.tick(watch.now));
    assert_eq!(watch.lost(), []);
    assert_eq!(watch.detector.silent(A, watch.now), Some(millis(60_000)));
    // Who is alive is heard of; who died meanwhile is lost after the usual patience, not sooner.
    watch.pass(450, &[A]);
    assert_eq!(watch.lost(), []);
    watch.pass(50, &[A]);
    assert_eq!(watch.lost(), [B]);
}

#[test]
fn a_sleep_teaches_nothing_about_others() {
    let mut watch = Watch::new();
    watch.pass(5_000, &[A, B]);
    for _ in 0..20 {
        watch.now += millis(2_000);
        watch.detector.heard(B, BOOT, watch.now);
        watch.pass(200, &[A, B]);
    }
    watch.pass(500, &[A]);
    assert_eq!(watch.lost(), [B]);
}

#[test]
fn refusals_from_before_a_sleep_do_not_count() {
    let mut watch = Watch::new();
    watch.pass(1_000, &[A, B]);
    watch.detector.broken(B, watch.now);
    watch.detector.refused(B, watch.now);
    watch.now += millis(5_000);
    watch.detector.refused(B, watch.now);
    assert_eq!(watch.lost(), []);
}

#[test]
fn an_earlier_life_says_nothing_and_a_new_one_is_given_time() {
    let mut watch = Watch::new();
    watch.pass(450, &[A]);
    watch.detector.watch(B, BootId(2), watch.now);
    watch.pass(400, &[A, B]);
    assert_eq!(watch.lost(), []);
    watch.pass(100, &[A, B]);
    assert_eq!(watch.lost(), [B], "only the life before was heard of");
    assert_eq!(watch.detector.lost(watch.now)[0].boot, BootId(2));
    watch.detector.forget(B);
    assert_eq!(watch.lost(), []);
    assert_eq!(watch.detector.watched().collect::<Vec<_>>(), [(A, BOOT)]);
}

#[test]
fn watching_again_forgets_nothing() {
    let mut watch = Watch::new();
    watch.pass(450, &[A]);
    watch.detector.watch(B, BOOT, watch.now);
    watch.pass(50, &[A]);
    assert_eq!(watch.lost(), [B]);
}
