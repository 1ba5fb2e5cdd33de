//! Nodes: what the tables say of them, and what this replica sees of them, on one card.
//!
//! The tables are the same everywhere: who joined, who was lost, what each drives. How far a node is behind and whether it answers
//! is only ever known from somewhere: the leader knows most.

use std::collections::BTreeMap;

use oarlock_engine::id::{BootId, NodeId};
use oarlock_engine::member::{self, Member, State};
use oarlock_engine::role;
use oarlock_engine::store::View;
use oarlock_engine::time::Moment;
use oarlock_engine::worker::{self, Worker};
use oarlock_proto::v1;
use oarlock_raft::{Member as Seat, Standing};

use super::{name, time};
use crate::room::Room;

/// What this replica sees of the others.
pub(crate) struct Sight {
    /// This node.
    pub(crate) this: NodeId,
    group: BTreeMap<NodeId, Seat>,
    disk: Option<u64>,
}

impl Sight {
    /// What it sees now.
    pub(crate) fn of(room: &Room) -> Sight {
        let members = room.replica.members().into_iter();
        let group = members.map(|member| (member.node, member)).collect();
        Sight { this: room.replica.status().node, group, disk: room.disk_bytes() }
    }

    /// The nodes that a view knows, and those of the group that have not joined yet, by number.
    pub(crate) fn all(&self, view: &dyn View) -> Vec<v1::Member> {
        let workers = worker::list(view);
        let known = member::list(view);
        let mut all: Vec<v1::Member> =
            known.iter().map(|row| self.shown(view, row, &workers)).collect();
        let joined = |node: &NodeId| known.iter().any(|row| row.node == *node);
        all.extend(self.group.values().filter(|seat| !joined(&seat.node)).map(|s| self.joining(s)));
        all.sort_by_key(|member| member.id);
        all
    }

    /// A member of the group by number.
    pub(crate) fn seat(&self, node: NodeId) -> Option<&Seat> {
        self.group.get(&node)
    }

    /// Those that vote.
    pub(crate) fn voters(&self) -> impl Iterator<Item = &Seat> {
        self.group.values().filter(|seat| seat.standing == Standing::Voter)
    }

    /// A node with what it has.
    fn shown(&self, view: &dyn View, row: &Member, workers: &[Worker]) -> v1::Member {
        let own = workers.iter().filter(|worker| worker.node == row.node);
        let (count, running) =
            own.fold((0, 0), |(count, running), worker| (count + 1, running + worker.leased));
        let profile = member::profile(view, row.node);
        let member = v1::Member {
            id: row.node.0,
            name: name::node(view, row.node),
            address: row.address.clone(),
            state: match row.state {
                State::Up => v1::MemberState::Up,
                State::Draining => v1::MemberState::Draining,
                State::Lost => v1::MemberState::Lost,
                State::Left => v1::MemberState::Left,
            },
            since: time::rfc3339(row.since),
            boot: row.boot.to_string(),
            leader: false,
            this: self.this == row.node,
            roles: u32::try_from(role::count_of(view, row.node)).unwrap_or(u32::MAX),
            workers: count,
            running,
            duties: profile.duties.iter().map(|duty| duty.word().to_owned()).collect(),
            labels: profile.labels,
            capacity: profile.capacity,
            up_since: row.state.present().then(|| begun(row.boot)).flatten().map(time::rfc3339),
            raft: None,
            peer_address: None,
            lag: None,
            heard_ms: None,
            unreachable: None,
            disk_bytes: self.disk.filter(|_| self.this == row.node),
        };
        match self.group.get(&row.node) {
            Some(seat) => seen(member, seat),
            None => member,
        }
    }

    /// A member of the group that has not joined yet.
    fn joining(&self, seat: &Seat) -> v1::Member {
        let member = v1::Member {
            id: seat.node.0,
            name: format!("n{}", seat.node),
            address: String::new(),
            state: v1::MemberState::Joining,
            since: String::new(),
            boot: String::new(),
            leader: false,
            this: seat.here,
            roles: 0,
            workers: 0,
            running: 0,
            duties: Vec::new(),
            labels: BTreeMap::new(),
            capacity: 0,
            up_since: None,
            raft: None,
            peer_address: None,
            lag: None,
            heard_ms: None,
            unreachable: None,
            disk_bytes: self.disk.filter(|_| seat.here),
        };
        seen(member, seat)
    }
}

/// A card with what the replica sees.
fn seen(member: v1::Member, seat: &Seat) -> v1::Member {
    let down = seat.link.as_ref().filter(|link| !link.up && !seat.here);
    v1::Member {
        leader: seat.leads,
        raft: Some(standing(seat).to_owned()),
        peer_address: Some(seat.address.clone()).filter(|address| !address.is_empty()),
        lag: if seat.leads { Some(0) } else { seat.lag },
        heard_ms: seat.heard.filter(|_| !seat.here).map(ms),
        unreachable: down.map(|link| link.why.clone()),
        ..member
    }
}

/// What a member is to the group, in a word.
pub(crate) fn standing(seat: &Seat) -> &'static str {
    match (seat.leads, seat.standing) {
        (true, _) => "leader",
        (false, Standing::Voter) => "follower",
        (false, Standing::Learner) => "learner",
    }
}

/// A member of the group as its peers see it.
pub(crate) fn peer(view: &dyn View, seat: &Seat) -> v1::Peer {
    v1::Peer {
        name: name::node(view, seat.node),
        id: seat.node.0,
        address: seat.address.clone(),
        standing: standing(seat).to_owned(),
        this: seat.here,
        heard_ms: seat.heard.map(ms),
        matched: seat.matched,
        lag: seat.lag,
        connected: seat.here || seat.link.as_ref().is_some_and(|link| link.up),
        why: seat.link.as_ref().map_or_else(String::new, |link| link.why.clone()),
    }
}

/// A length of time in milliseconds.
pub(crate) fn ms(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// When a life began: its boot is a UUIDv7, which begins with the time. One that was counted up from another is close to it.
fn begun(boot: BootId) -> Option<Moment> {
    let ms = u64::try_from(boot.0 >> 80).ok()?;
    // A boot that is no such id begins in the first days of 1970.
    (ms > 1_000_000_000_000).then_some(Moment(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_says_when_it_began() {
        let boot = BootId(uuid::Uuid::now_v7().as_u128());
        let begun = begun(boot).expect("it has a time");
        assert!(time::now().since(begun).0 < 10_000);
        assert_eq!(super::begun(BootId(7)), None);
    }
}
