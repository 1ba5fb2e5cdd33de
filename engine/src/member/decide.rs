//! Nodes come, go and are lost; with them their workers and their roles.

use super::departure::{self, Cause, Draft};
use super::profile::{self, Profile};
use super::{Command, Event, MEMBERS_MAX, Member, State, get, list};
use crate::apply::Reply;
use crate::catalog::shape;
use crate::id::{BootId, NodeId};
use crate::reject::{self, Rejection};
use crate::role::{self, decide::Moved};
use crate::store::{Tx, schema};
use crate::time::Span;
use crate::{task, version, worker};

/// What a command comes to: events, or a refusal.
pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<Reply, Rejection> {
    match command {
        Command::Join { node, name, boot, address, speaks } => {
            let member = draft(tx, *node, name, *boot, address, *speaks)?;
            join(tx, member, &Profile::default())
        }
        Command::Enter { node, name, boot, address, speaks, profile } => {
            let member = draft(tx, *node, name, *boot, address, *speaks)?;
            profile::check(profile)?;
            join(tx, member, profile)
        }
        Command::Leave { node, boot } => end(tx, *node, *boot, (Cause::Left, None, "")),
        Command::Lose { node, boot } => end(tx, *node, *boot, (Cause::Lost, None, "")),
        Command::GiveUp { node, boot, silent, why } => {
            reject::text("why", why)?;
            end(tx, *node, *boot, (Cause::Lost, *silent, why))
        }
        Command::Drain { node, boot, why } => {
            reject::text("why", why)?;
            drain(tx, &present(tx, *node, *boot)?, why)
        }
        Command::Undrain { node, boot } => undrain(tx, &present(tx, *node, *boot)?),
    }
}

/// The row of who comes, as it will be.
fn draft(
    tx: &Tx<'_>,
    node: NodeId,
    name: &str,
    boot: BootId,
    address: &str,
    speaks: u32,
) -> Result<Member, Rejection> {
    shape::name("name", name)?;
    reject::text("address", address)?;
    Ok(Member {
        node,
        name: name.to_owned(),
        boot,
        state: State::Up,
        since: tx.now(),
        address: address.to_owned(),
        speaks,
    })
}

fn join(tx: &mut Tx<'_>, member: Member, profile: &Profile) -> Result<Reply, Rejection> {
    let agreed = schema::clock(tx).rules;
    if member.speaks < agreed {
        return Err(Rejection::OldRules { speaks: member.speaks, agreed });
    }
    let node = member.node;
    let before = get(tx, node);
    let same = before.as_ref().filter(|before| before.boot == member.boot);
    if let Some(same) = same {
        if !same.state.present() {
            // A life that is over stays over: the node must begin a new one.
            return Err(Rejection::WrongMemberState { node, state: same.state });
        }
        let after = Member { state: same.state, since: same.since, ..member };
        if after == *same && *profile == super::profile(tx, node) {
            return Ok(Reply::Done);
        }
        named_alone(tx, &after)?;
        let why = format!("{} joined", after.name);
        arrive(tx, after, profile);
        role::decide::settle(tx, &why);
        return Ok(Reply::Done);
    }
    // An earlier life speaks up late: what it says must not end the one that followed.
    if let Some(later) = before.as_ref().filter(|before| member.boot < before.boot)
        && clustered(tx)
    {
        return Err(Rejection::StaleBoot { node, current: later.boot });
    }
    named_alone(tx, &member)?;
    if before.is_none() {
        room(tx)?;
    }
    let why = format!("{} {}", member.name, if before.is_some() { "restarted" } else { "joined" });
    let tasks = end_workers(tx, node, &why);
    arrive(tx, member, profile);
    let renewed = if before.is_some() { role::decide::renew(tx, node, &why) } else { 0 };
    if !schema::ROLE_BY_NAME.has(tx, &role::name::KEEPER.to_owned()) {
        role::decide::create(tx, role::name::KEEPER.to_owned());
    }
    let mut moved = role::decide::settle(tx, &why);
    if !clustered(tx) {
        return Ok(Reply::Done);
    }
    moved.roles += renewed;
    if let Some(before) = before.filter(|before| before.state.present()) {
        let cause = Cause::Restarted;
        let Moved { roles, vacant } = moved;
        let (silent, why) = (None, "");
        departure::record(tx, Draft { member: &before, cause, silent, why, roles, vacant, tasks });
    }
    role::decide::level(tx, &why);
    Ok(Reply::Done)
}

/// The rows of who comes, and what follows for the rules.
fn arrive(tx: &mut Tx<'_>, member: Member, profile: &Profile) {
    let node = member.node;
    tx.emit(Event::Joined { member: Box::new(member) });
    if *profile != super::profile(tx, node) {
        tx.emit(Event::Profiled { node, profile: Box::new(profile.clone()) });
    }
    agree(tx);
}

/// Refuses a name that another node has which takes part: people and programs go by it.
fn named_alone(tx: &Tx<'_>, member: &Member) -> Result<(), Rejection> {
    let taken = list(tx).into_iter().find(|other| {
        other.node != member.node && other.name == member.name && other.state.present()
    });
    match taken.filter(|_| clustered(tx)) {
        Some(other) => {
            Err(Rejection::invalid("name", &format!("node {} has this name", other.node)))
        }
        None => Ok(()),
    }
}

/// Sees to it that there is room for one more: who left longest ago is forgotten.
fn room(tx: &mut Tx<'_>) -> Result<(), Rejection> {
    let members = list(tx);
    if members.len() < MEMBERS_MAX {
        return Ok(());
    }
    let left = members.iter().filter(|member| member.state == State::Left && clustered(tx));
    let oldest = left.min_by_key(|member| (member.since, member.node));
    let Some(Member { node, .. }) = oldest else {
        return Err(Rejection::too_large("members", MEMBERS_MAX));
    };
    tx.emit(Event::Forgotten { node: *node });
    Ok(())
}

fn end(
    tx: &mut Tx<'_>,
    node: NodeId,
    boot: BootId,
    (cause, silent, because): (Cause, Option<Span>, &str),
) -> Result<Reply, Rejection> {
    let member = this_life(tx, node, boot)?;
    let left = cause == Cause::Left;
    match member.state {
        State::Up | State::Draining => {}
        // Nobody waits any more for a lost node to come back.
        State::Lost if left && clustered(tx) => {
            tx.emit(Event::Left { node });
            agree(tx);
            return Ok(Reply::Done);
        }
        State::Lost | State::Left => return Ok(Reply::Done),
    }
    let (event, verb) =
        if left { (Event::Left { node }, "left") } else { (Event::Lost { node }, "was lost") };
    let why = reason(&member.name, verb, because);
    tx.emit(event);
    let tasks = end_workers(tx, node, &why);
    agree(tx);
    let Moved { roles, vacant } = role::decide::settle(tx, &why);
    if clustered(tx) {
        let why = because;
        departure::record(tx, Draft { member: &member, cause, silent, why, roles, vacant, tasks });
    }
    Ok(Reply::Done)
}

fn drain(tx: &mut Tx<'_>, member: &Member, why: &str) -> Result<Reply, Rejection> {
    if member.state == State::Draining {
        return Ok(Reply::Done);
    }
    tx.emit(Event::Drained { node: member.node, why: why.to_owned() });
    let because = reason(&member.name, "drains", why);
    let Moved { roles, vacant } = role::decide::settle(tx, &because);
    let (cause, silent, tasks) = (Cause::Drained, None, 0);
    departure::record(tx, Draft { member, cause, silent, why, roles, vacant, tasks });
    Ok(Reply::Done)
}

fn undrain(tx: &mut Tx<'_>, member: &Member) -> Result<Reply, Rejection> {
    if member.state == State::Up {
        return Ok(Reply::Done);
    }
    tx.emit(Event::Undrained { node: member.node });
    let why = format!("{} takes part again", member.name);
    role::decide::settle(tx, &why);
    role::decide::level(tx, &why);
    Ok(Reply::Done)
}

/// The member, if this is the life of it that counts.
fn this_life(tx: &Tx<'_>, node: NodeId, boot: BootId) -> Result<Member, Rejection> {
    let member = get(tx, node).ok_or(Rejection::NoMember)?;
    if member.boot != boot {
        return Err(Rejection::StaleBoot { node, current: member.boot });
    }
    Ok(member)
}

/// The member, if this life of it takes part.
pub(crate) fn present(tx: &Tx<'_>, node: NodeId, boot: BootId) -> Result<Member, Rejection> {
    let member = this_life(tx, node, boot)?;
    if !member.state.present() {
        return Err(Rejection::WrongMemberState { node, state: member.state });
    }
    Ok(member)
}

/// Ends a node's sessions; gives the number of tasks they had.
fn end_workers(tx: &mut Tx<'_>, node: NodeId, why: &str) -> usize {
    let mut tasks = 0;
    for session in worker::of_node(tx, node) {
        tasks += task::leased(tx, session.id).len();
        worker::decide::end(tx, session.id, why);
    }
    tasks
}

/// Newer rules come into force once every member that may come back speaks them.
fn agree(tx: &mut Tx<'_>) {
    let members = list(tx).into_iter().filter(|member| member.state != State::Left);
    let spoken = members.map(|member| member.speaks).min();
    if let Some(rules) = spoken.filter(|spoken| *spoken > schema::clock(tx).rules) {
        tx.emit(Event::Agreed { rules });
    }
}

/// Whether the rules of cells with several nodes are in force.
fn clustered(tx: &Tx<'_>) -> bool {
    tx.rules() >= version::CLUSTER
}

fn reason(name: &str, verb: &str, why: &str) -> String {
    if why.is_empty() { format!("{name} {verb}") } else { format!("{name} {verb}: {why}") }
}
