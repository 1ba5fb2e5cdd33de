//! Which way a parcel goes: into the log here, if this node leads, or over the link to the leader.
//!
//! Nothing is sent while nobody is known to lead; what waits too long for a leader is refused. In a group of one all of this is one
//! look at who leads.

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver as _;
use openraft::errors::ClientWriteError;
use openraft::raft::ClientWriteResult;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock;
use crate::config::{Answer, Cell, PARCELS_IN_FLIGHT_MAX, Packet};
use crate::peer::link::{Link, Uncalled};
use crate::peer::room::{Room, named};
use crate::peer::wire::{Ask, Proposed, Reply};
use crate::propose::{Desk, FLIGHT_WAIT, Landed};
use crate::space::Shut;

/// How often it is looked whether somebody leads.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// How often it is looked whose patience is over.
const EXPIRE_EVERY: Duration = Duration::from_millis(200);
/// How long an answer of a leader that leads no more is waited for.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// How long an answer waits for this copy to have applied what it is about.
const CATCH_UP_WAIT: Duration = Duration::from_secs(4);

/// Where a parcel can go now.
enum Way {
    Here,
    There(Arc<Link>),
}

/// Sends parcels on their way for as long as the replica lives.
pub(crate) async fn collect(desk: Arc<Desk>, room: Arc<Room>) {
    let places = Arc::new(Semaphore::new(PARCELS_IN_FLIGHT_MAX));
    let mut shut = desk.gate.watch();
    loop {
        if let Some(why) = shut.borrow_and_update().why() {
            desk.turn_away(why);
        }
        tokio::select! {
            () = desk.bell.notified() => {}
            changed = shut.changed() => {
                if changed.is_err() {
                    return;
                }
                let (why, stuck) = {
                    let shut = shut.borrow_and_update();
                    (shut.why().map(str::to_owned), shut.stuck())
                };
                if let Some(why) = why {
                    desk.turn_away(&why);
                    if stuck {
                        desk.give_up_flying(&why);
                    }
                }
                continue;
            }
        }
        while !desk.is_empty()
            && let Some(place) = free_place(&places, &desk, &mut shut).await
            && let Some(way) = find(&desk, &room).await
            && let Some((number, packet)) = desk.take()
        {
            match way {
                Way::Here => {
                    if !send_here(&desk, &room, number, packet, place).await {
                        return;
                    }
                }
                Way::There(link) => {
                    let (desk, room) = (desk.clone(), room.clone());
                    tokio::spawn(async move {
                        send_there(&desk, &room, &link, number, packet, place).await;
                    });
                }
            }
        }
    }
}

/// Turns away whose patience is over: nobody leads, or no majority answers.
pub(crate) async fn expire(desk: Arc<Desk>, room: Arc<Room>) {
    let mut pace = tokio::time::interval(EXPIRE_EVERY);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let why = match room.leader() {
            None => "nobody leads: no majority of the voters can be reached".to_owned(),
            Some(leader) if leader == room.me => "no majority of the voters answers".to_owned(),
            Some(leader) => format!("the leader, {}, does not answer", named(leader)),
        };
        desk.expire(&room.book.expelled().unwrap_or(why));
    }
}

/// A place for one more parcel; none if writes are refused meanwhile.
async fn free_place(
    places: &Arc<Semaphore>,
    desk: &Desk,
    shut: &mut tokio::sync::watch::Receiver<Shut>,
) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        place = places.clone().acquire_owned() => place.ok(),
        why = shut.wait_for(|shut| shut.why().is_some()) => {
            let (why, stuck) = why.map(|shut| (shut.why().map(str::to_owned), shut.stuck())).ok()?;
            desk.turn_away(&why?);
            if stuck {
                desk.give_up_flying("the disk is full: it may still be written when there is space");
            }
            None
        }
    }
}

/// Waits for a way as long as something waits to go.
async fn find(desk: &Desk, room: &Room) -> Option<Way> {
    let mut seen = room.raft.server_metrics();
    loop {
        let leader = seen.borrow_watched().current_leader;
        match leader {
            Some(leader) if leader == room.me => return Some(Way::Here),
            Some(leader) => {
                if let Some(link) = room.book.find(leader).filter(|link| link.state().up) {
                    return Some(Way::There(link));
                }
            }
            None => {}
        }
        if let Some(why) = room.book.expelled() {
            desk.turn_away(&why);
        }
        if desk.is_empty() {
            return None;
        }
        // Timed out or changed: it is looked at again. An end of the changes is seen by whoever writes.
        let _changed = tokio::time::timeout(LOOK_EVERY, seen.changed()).await;
    }
}

async fn send_here(
    desk: &Arc<Desk>,
    room: &Room,
    number: u64,
    packet: Packet,
    place: OwnedSemaphorePermit,
) -> bool {
    let back = Arc::downgrade(desk);
    let answer = Answer(Box::new(move |result| {
        drop(place);
        if let Some(desk) = back.upgrade() {
            desk.answer(number, landed(result));
        }
    }));
    if let Err(fatal) = room.raft.client_write_ff(packet, Some(answer)).await {
        let why = format!("the log has stopped: {fatal}");
        desk.give_up_flying(&why);
        desk.close(&why);
        return false;
    }
    true
}

/// openraft says `ForwardToLeader` only of what it has not appended; of what it has, `LogEntryDiscarded`.
fn landed(result: ClientWriteResult<Cell>) -> Landed {
    match result {
        Ok(done) => Landed::Done(done.data),
        Err(ClientWriteError::ForwardToLeader(to)) => Landed::Not(match to.leader_id {
            Some(leader) => format!("{} leads, this one follows", named(leader)),
            None => "no majority of the voters answers".to_owned(),
        }),
        Err(other) => Landed::Unknown(other.to_string()),
    }
}

/// Waits until another node leads, and then for what the old leader may still have to say.
async fn overdue(room: &Room, leader: u64) {
    room.deposed(leader).await;
    tokio::time::sleep(LAST_WORDS).await;
}

async fn send_there(
    desk: &Arc<Desk>,
    room: &Room,
    link: &Link,
    number: u64,
    parcel: Packet,
    place: OwnedSemaphorePermit,
) {
    let ask = Ask::Propose { parcel, clock: clock::now() };
    let reply = tokio::select! {
        reply = link.call(&ask, FLIGHT_WAIT) => reply,
        () = overdue(room, link.target) => Err(Uncalled::Lost("another node leads now".to_owned())),
    };
    drop(place);
    let landed = match reply {
        Ok(Reply::Propose(Proposed::Done { index, verdict })) => {
            // If this copy is far behind the answer is true all the same: it says at which revision.
            room.shared.reach(index, CATCH_UP_WAIT).await;
            Landed::Done(verdict)
        }
        Ok(Reply::Propose(Proposed::Not(why)) | Reply::Failed(why)) => Landed::Not(why),
        Ok(Reply::Propose(Proposed::Refused(why))) => Landed::Refused(why),
        Ok(Reply::Propose(Proposed::Unknown(why))) => Landed::Unknown(why),
        Ok(_) => Landed::Unknown("the leader answered something else than was asked".to_owned()),
        Err(Uncalled::NotSent(why)) => Landed::Not(why),
        Err(Uncalled::Lost(why)) => {
            Landed::Unknown(format!("the leader, {}, did not answer: {why}", named(link.target)))
        }
    };
    desk.answer(number, landed);
}
