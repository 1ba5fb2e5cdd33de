//! Changes of the group, made by the leader: one at a time, and never one that leaves it without a majority.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use oarlock_engine::id::NodeId;
use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver as _;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::impls::BasicNode;

use super::link::Uncalled;
use super::policy::{Step, next};
use super::room::{QUORUM_WAIT, Room, named};
use super::steward::look;
use super::wire::{Ask, Change, Reply};
use crate::config::{Cell, Membership};

/// The most nodes a group has, learners too.
const MEMBERS_MAX: usize = 64;
/// Whoever was heard of within this time counts as there.
pub(crate) const THERE: Duration = Duration::from_secs(2);
/// A learner that lacks no more than so many entries has caught up.
pub(crate) const LAG_MAX: u64 = 512;
/// How long a hand-over of leadership may take.
const TRANSFER_WAIT: Duration = Duration::from_secs(3);

impl Room {
    /// Who takes part, by the newest entry about it in the log.
    pub(crate) fn membership(&self) -> Membership {
        let seen = self.raft.server_metrics();
        let seen = seen.borrow_watched();
        seen.membership_config.as_ref().clone()
    }

    /// The voters.
    pub(crate) fn voters(&self) -> BTreeSet<u64> {
        self.membership().voter_ids().collect()
    }

    /// How far the others' logs are, while this node leads.
    pub(crate) fn matched(&self) -> BTreeMap<u64, Option<u64>> {
        let seen = self.raft.metrics();
        let seen = seen.borrow_watched();
        let replication = seen.replication.iter().flatten();
        replication.map(|(node, matched)| (*node, matched.map(|matched| matched.index))).collect()
    }

    /// Whether a node takes part right now.
    pub(crate) fn there(&self, node: u64) -> bool {
        node == self.me
            || self.book.find(node).is_some_and(|link| link.state().up)
                && self.book.heard(node).is_some_and(|ago| ago < THERE)
    }

    /// Whether a node may lead, as far as it has said.
    fn fit(&self, node: u64) -> bool {
        self.census.fresh(node).is_none_or(|known| known.report.fit)
    }

    /// Log entries a node lacks, while this node leads.
    pub(crate) fn lag(&self, node: u64) -> Option<u64> {
        let last = self.raft.metrics().borrow_watched().last_log_index.unwrap_or(0);
        let matched = self.matched().get(&node).copied().flatten()?;
        Some(last.saturating_sub(matched))
    }

    /// Makes a change that somebody asks for.
    pub(crate) async fn change(self: &Arc<Room>, change: Change) -> Reply {
        if self.leader() != Some(self.me) {
            return Reply::NotLeader(self.leader());
        }
        let Ok(_alone) = tokio::time::timeout(QUORUM_WAIT, self.changing.lock()).await else {
            return Reply::Refused("another change of the group is being made".to_owned());
        };
        match change {
            Change::Promote(node) => self.promote(node.0).await,
            Change::Demote(node) => self.demote(node.0).await,
            Change::Remove(node) => self.remove(node.0).await,
            Change::Lead(to) => self.hand_over(to.map(|to| to.0)).await,
        }
    }

    async fn promote(&self, node: u64) -> Reply {
        let voters = self.voters();
        if voters.contains(&node) {
            return Reply::Changed;
        }
        if self.membership().get_node(&node).is_none() {
            return Reply::Refused(format!("{} is no member", named(node)));
        }
        if !self.there(node) {
            return Reply::Refused(format!("{} does not answer", named(node)));
        }
        match self.lag(node) {
            Some(lag) if lag <= LAG_MAX => {}
            Some(lag) => {
                return Reply::Refused(format!("{} still lacks {lag} log entries", named(node)));
            }
            None => return Reply::Refused(format!("{} has no copy yet", named(node))),
        }
        let fresh = voters.iter().copied().chain([node]).collect();
        if let Err(why) = self.keeps_majority(&fresh).and_then(|()| self.lasts(node, true)) {
            return Reply::Refused(why);
        }
        self.apply(ChangeMembers::AddVoterIds(BTreeSet::from([node])), true).await
    }

    async fn demote(self: &Arc<Room>, node: u64) -> Reply {
        let voters = self.voters();
        if !voters.contains(&node) {
            return Reply::Changed;
        }
        let fresh = voters.iter().copied().filter(|voter| *voter != node).collect();
        if let Err(why) = self.keeps_majority(&fresh).and_then(|()| self.lasts(node, false)) {
            return Reply::Refused(why);
        }
        if node == self.me {
            return self.hand_over_first().await;
        }
        self.apply(ChangeMembers::RemoveVoters(BTreeSet::from([node])), true).await
    }

    async fn remove(self: &Arc<Room>, node: u64) -> Reply {
        if self.membership().get_node(&node).is_none() {
            return Reply::Changed;
        }
        let voters = self.voters();
        if voters.contains(&node) {
            let fresh = voters.iter().copied().filter(|voter| *voter != node).collect();
            if let Err(why) = self.keeps_majority(&fresh) {
                return Reply::Refused(why);
            }
            if node == self.me {
                return self.hand_over_first().await;
            }
            return self.apply(ChangeMembers::RemoveVoters(BTreeSet::from([node])), false).await;
        }
        self.apply(ChangeMembers::RemoveNodes(BTreeSet::from([node])), true).await
    }

    /// The leader does not take itself out: it hands over, and the next one is asked.
    async fn hand_over_first(self: &Arc<Room>) -> Reply {
        match self.hand_over(None).await {
            Reply::Changed => Reply::NotLeader(self.leader()),
            other => other,
        }
    }

    /// Lets another voter lead: the one named, or the one whose log is furthest.
    pub(crate) async fn hand_over(&self, to: Option<u64>) -> Reply {
        let voters = self.voters();
        let to = match to {
            Some(to) if to == self.me => return Reply::Changed,
            Some(to) if !voters.contains(&to) => {
                return Reply::Refused(format!("{} is no voter", named(to)));
            }
            Some(to) if !self.there(to) => {
                return Reply::Refused(format!("{} does not answer", named(to)));
            }
            Some(to) if !self.fit(to) => {
                return Reply::Refused(format!("{} drains, or takes no writes", named(to)));
            }
            Some(to) => to,
            None => {
                let matched = self.matched();
                let can = |voter: u64| self.there(voter) && self.fit(voter);
                let others = voters.iter().filter(|voter| **voter != self.me && can(**voter));
                let best = others.max_by_key(|voter| matched.get(voter).copied().flatten());
                let Some(best) = best else {
                    return Reply::Refused("no other voter answers that could lead".to_owned());
                };
                *best
            }
        };
        if let Err(why) = self.raft.trigger().transfer_leader(to).await {
            return Reply::Failed(why.to_string());
        }
        let me = self.me;
        let wait = self.raft.wait(Some(TRANSFER_WAIT));
        let handed = wait.metrics(
            |seen| seen.current_leader.is_some_and(|leader| leader != me),
            "another leader",
        );
        match handed.await {
            Ok(_) => Reply::Changed,
            Err(_) => Reply::Refused(format!("{} did not take over in time", named(to))),
        }
    }

    /// Whether a group of these voters could decide anything now.
    pub(crate) fn keeps_majority(&self, voters: &BTreeSet<u64>) -> Result<(), String> {
        if voters.is_empty() {
            return Err("it is the last voter: there would be nobody left to decide".to_owned());
        }
        let there = voters.iter().filter(|voter| self.there(**voter)).count();
        if there * 2 > voters.len() {
            return Ok(());
        }
        let missing: Vec<String> =
            voters.iter().filter(|voter| !self.there(**voter)).map(|voter| named(*voter)).collect();
        Err(format!(
            "of the {} voters that would be left only {there} would answer, which is no majority ({} not there)",
            voters.len(),
            missing.join(", ")
        ))
    }

    /// Whether the group would stay so, or change back by itself at once.
    fn lasts(&self, node: u64, voter: bool) -> Result<(), String> {
        let mut members = look(self);
        for seen in members.iter_mut().filter(|seen| seen.node == node) {
            seen.voter = voter;
        }
        match next(self.me, &members, self.peering.voters_max) {
            Some(Step::Promote(back)) if back == node => Err(format!(
                "{} would vote again at once: the cluster keeps one, three or five voters, as many as its nodes allow. Start it without \
                 the role `voter`, or take it out",
                named(node)
            )),
            Some(Step::Demote(_)) if voter => Err(
                "there would be an even number of voters, which survives no more failures than one less: when there are two nodes more, \
                 both vote by themselves"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }

    /// Writes a change of the group into the log and waits until it is in force.
    pub(crate) async fn apply(&self, change: ChangeMembers<u64, BasicNode>, retain: bool) -> Reply {
        tracing::info!(%change, "changing the group");
        let applied = within(self.raft.change_membership(change, retain)).await;
        applied.unwrap_or_else(|reply| reply)
    }

    /// Takes a node in as a learner, under a number that was never used.
    pub(crate) async fn admit(self: &Arc<Room>, address: String) -> Reply {
        match self.leader() {
            Some(leader) if leader == self.me => {}
            Some(leader) => {
                let Some(link) = self.book.find(leader) else {
                    return Reply::NotLeader(Some(leader));
                };
                return match link.call(&Ask::Join { address }, QUORUM_WAIT * 2).await {
                    Ok(reply) => reply,
                    Err(why @ (Uncalled::NotSent(_) | Uncalled::Lost(_))) => Reply::Failed(
                        format!("the leader, {}, did not answer: {why}", named(leader)),
                    ),
                };
            }
            None => return Reply::NotLeader(None),
        }
        let Ok(_alone) = tokio::time::timeout(QUORUM_WAIT, self.changing.lock()).await else {
            return Reply::Failed("another change of the group is being made".to_owned());
        };
        let membership = self.membership();
        if membership.nodes().count() >= MEMBERS_MAX {
            return Reply::Refused(format!("the cluster has {MEMBERS_MAX} nodes, its most"));
        }
        let newest = membership.nodes().map(|(node, _)| *node).max().unwrap_or(0);
        let node = newest.max(self.shared.progress().numbered) + 1;
        tracing::info!(node = %NodeId(node), address, "a new node is taken in");
        let admitted = self.raft.add_learner(node, BasicNode { addr: address }, false);
        match within(admitted).await {
            Ok(_) => {
                let mut newcomers = self.newcomers.lock().unwrap_or_else(PoisonError::into_inner);
                newcomers.insert(node, Instant::now());
                Reply::Joined { node, cluster: self.card().cluster }
            }
            Err(reply) => reply,
        }
    }
}

/// Waits for a change of the group, but not for ever.
async fn within<T>(
    change: impl Future<Output = Result<T, RaftError<Cell, ClientWriteError<Cell>>>>,
) -> Result<Reply, Reply> {
    match tokio::time::timeout(QUORUM_WAIT, change).await {
        Ok(Ok(_)) => Ok(Reply::Changed),
        Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to)))) => {
            Err(Reply::NotLeader(to.leader_id))
        }
        Ok(Err(why)) => Err(Reply::Failed(why.to_string())),
        Err(_) => Err(Reply::Failed("no majority answers".to_owned())),
    }
}
