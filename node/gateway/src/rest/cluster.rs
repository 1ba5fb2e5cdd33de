//! The cluster as a whole: its health in a sentence, who leads, what last happened; and how this node sees the log.

use std::sync::Arc;

use axum::extract::State;
use oarlock_engine::command::Command as Any;
use oarlock_engine::member::departure::{self, Cause};
use oarlock_engine::role::{self, Command};
use oarlock_engine::store::View;
use oarlock_engine::time::Moment;
use oarlock_proto::v1;
use oarlock_proto::v1::{MemberState, StepDown};
use oarlock_raft::Status;

use super::In;
use crate::body::Json;
use crate::convert::node::{Sight, ms, peer, standing};
use crate::convert::{name, tale, time};
use crate::fresh::Stale;
use crate::params::Params;
use crate::problem::{Answer, Fault, table};
use crate::room::{Read, Room};

/// Departures that are looked at for the last one that mattered.
const DEPARTURES_SEEN_MAX: usize = 16;

/// Who takes part, who leads, and what last happened.
#[utoipa::path(get, path = "/cluster", tag = "cluster", responses((status = 200, body = v1::Cluster)))]
pub(crate) async fn cluster(
    State(room): In,
    _: Stale,
    params: Params,
) -> Answer<Read<v1::Cluster>> {
    params.only(&[])?;
    shown(room).await
}

/// Hands leadership to another voter, without an election's wait.
#[utoipa::path(post, path = "/cluster/step-down", tag = "cluster", request_body = StepDown,
    responses((status = 200, body = v1::Cluster)))]
pub(crate) async fn step_down(
    State(room): In,
    Json(StepDown { to }): Json<StepDown>,
) -> Answer<Read<v1::Cluster>> {
    let to = to.map(|to| room.replica.read(|view| super::nodes::find(view, &room, &to)));
    room.replica.transfer(to.transpose()?).await?;
    room.led().await?;
    shown(room).await
}

/// Evens out who drives what, now.
#[utoipa::path(post, path = "/cluster/rebalance", tag = "cluster",
    responses((status = 200, body = v1::Cluster)))]
pub(crate) async fn rebalance(State(room): In) -> Answer<Read<v1::Cluster>> {
    let why = format!("evened out by {}", room.config.principal);
    room.propose(Any::Role(Command::Rebalance { why })).await?;
    shown(room).await
}

/// How the node that answers sees the replicated log and the others.
#[utoipa::path(get, path = "/raft", tag = "cluster",
    responses((status = 200, body = v1::RaftStatus)))]
pub(crate) async fn raft(
    State(room): In,
    _: Stale,
    params: Params,
) -> Answer<Read<v1::RaftStatus>> {
    params.only(&[])?;
    looked(move || {
        let status = room.replica.status();
        let peers = room.replica.members();
        let own = peers.iter().find(|seat| seat.here).map_or("learner", standing);
        room.read(|view| {
            Ok(v1::RaftStatus {
                node: name::node(view, status.node),
                standing: own.to_owned(),
                leader: status.leader.map(|leader| name::node(view, leader)),
                term: status.term,
                sure: status.sure,
                log_last: status.log_last,
                applied: status.applied,
                purged: status.purged,
                fingerprint: status.print.to_string(),
                revision: status.revision.0,
                waiting: status.waiting as u64,
                read_only: status.read_only.clone(),
                peer_address: room.replica.peer_address().map(|address| address.to_string()),
                disk_bytes: room.disk_bytes(),
                actors: u32::try_from(room.crew.tree().len()).unwrap_or(u32::MAX),
                peers: peers.iter().map(|seat| peer(view, seat)).collect(),
            })
        })
    })
    .await
}

/// Looks where looking may wait for the disk.
async fn looked<T: Send + 'static>(look: impl FnOnce() -> Answer<T> + Send + 'static) -> Answer<T> {
    let looked = tokio::task::spawn_blocking(look).await;
    looked.unwrap_or_else(|fault| Err(Fault::new(&table::INTERNAL, fault.to_string())))
}

async fn shown(room: Arc<Room>) -> Answer<Read<v1::Cluster>> {
    looked(move || {
        let sight = Sight::of(&room);
        let status = room.replica.status();
        room.read(|view| Ok(drawn(&room, view, &sight, &status)))
    })
    .await
}

fn drawn(room: &Room, view: &dyn View, sight: &Sight, status: &Status) -> v1::Cluster {
    let now = time::now();
    let mut members = sight.all(view);
    // One that is lost and no member of the group any more was replaced or taken out.
    let over = |state| matches!(state, MemberState::Left | MemberState::Lost);
    members.retain(|member| !over(member.state) || member.raft.is_some());
    let reign = room.reigns.now().filter(|reign| status.leader == Some(reign.leader));
    let last = departure::list(view, DEPARTURES_SEEN_MAX).into_iter().next();
    let voters = u32::try_from(sight.voters().count()).unwrap_or(u32::MAX);
    let warnings = warnings(view, status, &members, now);
    let health = match (status.sure, warnings.is_empty()) {
        (false, _) => "unavailable",
        (true, false) => "degraded",
        (true, true) => "healthy",
    };
    let mut cluster = v1::Cluster {
        id: format!("{:032x}", room.replica.identity().cluster),
        name: room.config.cluster.clone(),
        health: health.to_owned(),
        summary: String::new(),
        term: status.term,
        leader: status.leader.map(|leader| name::node(view, leader)),
        leader_since: reign.map(|reign| time::rfc3339(reign.since)),
        election_ms: reign.and_then(|reign| reign.vacant).map(ms),
        leader_before: reign.and_then(|reign| reign.before).map(|node| name::node(view, node)),
        sure: status.sure,
        voters,
        quorum: voters / 2 + 1,
        revision: status.revision.0,
        node: name::node(view, status.node),
        members,
        last: last.map(|last| tale::departure(view, &last)),
        warnings,
    };
    cluster.summary = summary(&cluster);
    cluster
}

/// The whole in a sentence.
fn summary(cluster: &v1::Cluster) -> String {
    let nodes = u32::try_from(cluster.members.len()).unwrap_or(u32::MAX);
    let nodes = tale::count(nodes, "node", "nodes");
    let leader = match (&cluster.leader, cluster.sure) {
        (Some(leader), true) => format!("{leader} leads in term {}", cluster.term),
        (Some(leader), false) => {
            format!("{leader} led in term {}, and no majority answers", cluster.term)
        }
        (None, _) => "nobody leads".to_owned(),
    };
    format!("{nodes}, {}: {leader}.", cluster.health)
}

/// What somebody should look at.
fn warnings(view: &dyn View, status: &Status, members: &[v1::Member], now: Moment) -> Vec<String> {
    let mut warnings = Vec::new();
    if !status.sure {
        warnings.push(
            "No majority answers this node. Nothing can be written until one does; what is shown may be old.".to_owned(),
        );
    }
    let gone = departure::list(view, DEPARTURES_SEEN_MAX);
    for member in members.iter().filter(|member| member.state == MemberState::Lost) {
        let since = time::moment(&member.since).unwrap_or(now);
        let mut text =
            format!("{} has not answered for {}.", member.name, tale::span(now.since(since)));
        let lost = gone.iter().find(|row| row.node.0 == member.id && row.cause == Cause::Lost);
        if let Some(lost) = lost {
            text.push(' ');
            text.push_str(&tale::departure(view, lost).summary);
        }
        warnings.push(text);
    }
    for member in members {
        let known = matches!(member.state, MemberState::Lost | MemberState::Left);
        if let Some(why) = member.unreachable.as_ref().filter(|_| !known) {
            warnings.push(format!("{} cannot be reached from here: {why}.", member.name));
        }
    }
    let vacant = role::list(view).into_iter().filter(|role| role.node.is_none()).count();
    if vacant > 0 {
        let vacant = u32::try_from(vacant).unwrap_or(u32::MAX);
        let many = tale::count(vacant, "role is", "roles are");
        warnings.push(format!("{many} driven by nobody: no node that is up may have them."));
    }
    if let Some(why) = &status.read_only {
        warnings.push(format!("This node takes no writes: {why}."));
    }
    warnings
}
