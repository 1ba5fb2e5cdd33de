//! What every member does now and then: tells the others how it is, follows who takes part, and, while it leads, brings the group
//! into the shape it should have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use oarlock_engine::id::NodeId;
use openraft::async_runtime::WatchReceiver as _;
use openraft::errors::Fatal;
use openraft::impls::BasicNode;
use openraft::raft::TransferLeaderRequest;
use openraft::{ChangeMembers, Instant as _};
use tokio::sync::watch;

use super::census::REPORT_EVERY;
use super::members::LAG_MAX;
use super::policy::{Seen, Step, next};
use super::room::{Room, named};
use super::wire::{Ask, Reply};
use crate::cluster::{Lead, Link};
use crate::config::Raft;
use crate::fault::halt;

/// How often the leader looks at the group.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A report may take so long.
const REPORT_WAIT: Duration = Duration::from_secs(1);
/// How often it is looked at whether the leader is still heard of.
const SURE_EVERY: Duration = Duration::from_millis(200);
/// Whoever was not heard of for so long is not relied on.
const SURE_FOR: Duration = Duration::from_millis(1_500);
/// How long a voter lets those before it try.
const TURN: Duration = Duration::from_millis(150);
/// How long a candidate waits before it stands again.
const STAND_AGAIN: Duration = Duration::from_millis(400);
/// A newcomer that has never connected for so long is forgotten.
const STILLBORN_AFTER: Duration = Duration::from_secs(60);

/// Keeps the links as the membership in the log says.
pub(crate) async fn follow(room: Arc<Room>) {
    let mut seen = room.raft.server_metrics();
    let mut last = None;
    loop {
        let membership = seen.borrow_watched().membership_config.clone();
        if last.as_ref() != Some(membership.log_id()) {
            last = Some(*membership.log_id());
            let members: BTreeMap<u64, String> =
                membership.nodes().map(|(node, at)| (*node, at.addr.clone())).collect();
            if !members.is_empty() {
                room.book.follow(&members);
                room.census.keep(|node| members.contains_key(&node));
            }
        }
        if seen.changed().await.is_err() {
            return;
        }
    }
}

/// Lets openraft try again at once when a link comes up.
pub(crate) async fn hurry(room: Arc<Room>) {
    let mut links = room.book.told.subscribe();
    let mut up = BTreeSet::new();
    while links.changed().await.is_ok() {
        let now: BTreeSet<u64> = {
            let links = links.borrow_and_update();
            links.iter().filter(|(_, link)| link.up).map(|(node, _)| node.0).collect()
        };
        let fresh: Vec<u64> = now.difference(&up).copied().collect();
        up = now;
        if !fresh.is_empty() && room.raft.trigger().reset_backoff(fresh).await.is_err() {
            return;
        }
    }
}

/// Stands for election as soon as the leader's process is known to be gone, instead of when its lease is over. The voters do so in
/// the order of their numbers, so that they do not take votes from each other.
pub(crate) async fn succeed(room: Arc<Room>) {
    let mut links = room.book.told.subscribe();
    while links.changed().await.is_ok() {
        while let Some((leader, rank)) = vacancy(&room, &mut links) {
            let turn = TURN * u32::try_from(rank).unwrap_or(u32::MAX);
            if rank > 0 && tokio::time::timeout(turn, another(&room, leader)).await.is_ok() {
                break;
            }
            let request = {
                let seen = room.raft.metrics();
                let seen = seen.borrow_watched();
                TransferLeaderRequest::new(seen.vote, room.me, None)
            };
            tracing::info!(leader = %NodeId(leader), "the leader's process is gone: standing for election");
            match room.raft.handle_transfer_leader(request).await {
                Ok(reply) => tracing::debug!(?reply, "stood for election"),
                Err(why) => tracing::warn!(%why, "cannot stand for election"),
            }
            // It may not have won: others stood too, or its log was not on the disk yet.
            let _won = tokio::time::timeout(STAND_AGAIN, another(&room, leader)).await;
        }
    }
}

type Links = watch::Receiver<BTreeMap<NodeId, Link>>;

/// The leader whose process is gone, and this voter's place among those that could lead; none: somebody leads, or this node cannot.
fn vacancy(room: &Room, links: &mut Links) -> Option<(u64, usize)> {
    let links = links.borrow_and_update();
    let gone: BTreeSet<u64> =
        links.iter().filter(|(_, link)| link.refused > 0).map(|(node, _)| node.0).collect();
    let leader = room.leader().filter(|leader| gone.contains(leader))?;
    let voters = room.voters();
    let rank = voters.range(..room.me).filter(|voter| !gone.contains(voter)).count();
    voters.contains(&room.me).then_some((leader, rank))
}

/// Waits until this leader leads no more, as far as this node knows.
async fn another(room: &Room, leader: u64) {
    let mut seen = room.raft.server_metrics();
    while seen.borrow_watched().current_leader == Some(leader) {
        if seen.changed().await.is_err() {
            return;
        }
    }
}

/// Tells the others how this node is, now and then and whenever a link changes, and compares.
pub(crate) async fn report(room: Arc<Room>) {
    let mut pace = tokio::time::interval(REPORT_EVERY);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut changes = room.book.told.subscribe();
    let (mut wishes, mut gate) = (room.stands_back.subscribe(), room.gate.watch());
    // Said once, however long it lasts.
    let mut unfit_for = String::new();
    loop {
        tokio::select! {
            _ = pace.tick() => {}
            Ok(()) = changes.changed() => {}
            Ok(()) = wishes.changed() => {}
            Ok(()) = gate.changed() => {}
        }
        let links = room.book.all();
        join_all(links.iter().filter(|link| link.state().up).map(|link| async {
            let asked = Instant::now();
            let ask = Ask::Report(room.report());
            if let Ok(Reply::Report(report)) = link.call(&ask, REPORT_WAIT).await {
                room.census.note(link.target, &report, asked.elapsed() / 2);
            }
        }))
        .await;
        for link in &links {
            room.census.compare(link.target, &room.shared.prints);
        }
        if let Some(why) = room.census.odd(room.leader()) {
            let why = format!(
                "{why}: the same log came to other bytes here, by a fault of the disk, the memory or the program. Keep this data \
                 directory for whoever looks for the cause, and let the node join anew with an empty one"
            );
            halt(&format!("{}'s copy differs from the others", named(room.me)), &why);
        }
        let off = room.census.astray(room.peering.skew_ms_max);
        // Nobody contradicts it; if nobody was heard of it is not known, and stays as it was.
        if off.is_none() && room.census.heard_of_lately() {
            room.clock.believe();
        }
        room.gate.stray(off.map(|off| {
            format!(
                "the clock of this node is {:.1} s {} those of most others: set it",
                off.unsigned_abs() as f64 / 1_000.0,
                if off > 0 { "ahead of" } else { "behind" }
            )
        }));
        if room.leader() == Some(room.me)
            && room.voters().len() > 1
            && let Some(why) = unfit(&room)
        {
            if why != unfit_for {
                tracing::info!(why, "somebody else should lead");
                unfit_for.clone_from(&why);
            }
            // Unless the group is being changed just now: then it is looked at again soon.
            if let Ok(_alone) = room.changing.try_lock() {
                let _reply = room.hand_over(None).await;
            }
        }
    }
}

/// Why this node should not lead, if it should not.
fn unfit(room: &Room) -> Option<String> {
    let back = room.stands_back.borrow().then(|| "this node drains or stops".to_owned());
    room.gate.why().map(|why| format!("this node takes no writes: {why}")).or(back)
}

/// Brings the group into shape while this node leads.
pub(crate) async fn tend(room: Arc<Room>) {
    let mut pace = tokio::time::interval(LOOK_EVERY);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        if room.leader() != Some(room.me) {
            continue;
        }
        let Ok(_alone) = room.changing.try_lock() else { continue };
        if let Some(voters) = half_changed(&room) {
            tracing::info!(?voters, "a change of the voters is brought to its end");
            let _reply = room.apply(ChangeMembers::ReplaceAllVoters(voters), true).await;
            continue;
        }
        let members = look(&room);
        let Some(step) = next(room.me, &members, room.peering.voters_max) else { continue };
        tracing::info!(?step, "the group changes by itself");
        let reply = match step {
            Step::Promote(node) => {
                room.apply(ChangeMembers::AddVoterIds(BTreeSet::from([node])), true).await
            }
            Step::Demote(node) => {
                room.apply(ChangeMembers::RemoveVoters(BTreeSet::from([node])), true).await
            }
            Step::Replace(old, new) => {
                let voters = room.voters().into_iter().filter(|voter| *voter != old);
                let fresh: BTreeSet<u64> = voters.chain([new]).collect();
                room.apply(ChangeMembers::ReplaceAllVoters(fresh), true).await
            }
            Step::Forget(node) => {
                room.apply(ChangeMembers::RemoveNodes(BTreeSet::from([node])), true).await
            }
            Step::Move(node, addr) => {
                let nodes = BTreeMap::from([(node, BasicNode { addr })]);
                room.apply(ChangeMembers::SetNodes(nodes), true).await
            }
        };
        if !matches!(reply, Reply::Changed) {
            tracing::warn!(?reply, "the group could not be changed; it is tried again");
        }
    }
}

/// The voters of a change that an earlier leader began and did not end.
fn half_changed(room: &Room) -> Option<BTreeSet<u64>> {
    let membership = room.membership();
    let sets = membership.get_joint_config();
    if sets.len() > 1 { sets.last().cloned() } else { None }
}

pub(crate) fn look(room: &Room) -> Vec<Seen> {
    let membership = room.membership();
    let voters: BTreeSet<u64> = membership.voter_ids().collect();
    let mut seen = Vec::new();
    for (node, at) in membership.nodes() {
        let known = room.census.fresh(*node);
        let here = *node == room.me;
        let report = if here { Some(room.report()) } else { known.map(|known| known.report) };
        let taken_in = {
            let newcomers = room.newcomers.lock().unwrap_or_else(PoisonError::into_inner);
            newcomers.get(node).map(Instant::elapsed)
        };
        let silent = !here && room.book.heard(*node).is_none();
        let voter = voters.contains(node);
        seen.push(Seen {
            node: *node,
            votes: report.as_ref().is_some_and(|report| report.votes),
            voter,
            there: room.there(*node),
            caught_up: room.lag(*node).is_some_and(|lag| lag <= LAG_MAX),
            address: at.addr.clone(),
            says: report.map(|report| report.address),
            stillborn: !voter && silent && taken_in.is_some_and(|ago| ago > STILLBORN_AFTER),
        });
    }
    seen
}

/// Ends the process when the log stops by itself: without it this node would hang, and look alive.
pub(crate) async fn stop_if_stopped(raft: Raft, closing: Arc<AtomicBool>) {
    let mut seen = raft.metrics();
    loop {
        let stopped = seen.borrow_watched().running_state.clone().err();
        if let Some(why) = stopped {
            if closing.load(Ordering::Acquire) || matches!(why, Fatal::Stopped) {
                return;
            }
            halt("the log has stopped", &why);
        }
        if seen.changed().await.is_err() {
            return;
        }
    }
}

/// Tells who leads, and whether that is certain.
pub(crate) async fn watch_lead(room: Arc<Room>, told: watch::Sender<Lead>) {
    let mut seen = room.raft.server_metrics();
    let mut acknowledged = room.raft.data_metrics();
    let mut pace = tokio::time::interval(SURE_EVERY);
    let peers = room.book.card.is_some();
    // A new leader is sure as soon as a majority has answered it.
    let mut elected = false;
    loop {
        tokio::select! {
            changed = seen.changed() => if changed.is_err() { return },
            changed = acknowledged.changed(), if elected => if changed.is_err() { return },
            _ = pace.tick(), if peers => {}
        }
        let lead = room.lead();
        elected = lead.leader == Some(NodeId(room.me)) && !lead.sure;
        told.send_if_modified(|old| std::mem::replace(old, lead) != lead);
    }
}

impl Room {
    /// Who leads, and whether that is certain.
    pub(crate) fn lead(&self) -> Lead {
        let (leader, term, acked) = {
            let seen = self.raft.metrics();
            let seen = seen.borrow_watched();
            let acked = seen.last_quorum_acked.as_ref().map(|acked| acked.elapsed());
            (seen.current_leader, seen.current_term, acked)
        };
        let alone = || {
            let voters = self.voters();
            voters.len() == 1 && voters.contains(&self.me)
        };
        let sure = match leader {
            None => false,
            Some(leader) if leader == self.me => acked.is_some_and(|ago| ago < SURE_FOR) || alone(),
            Some(leader) => self.book.heard(leader).is_some_and(|ago| ago < SURE_FOR),
        };
        Lead { leader: leader.map(NodeId), term, sure }
    }
}
