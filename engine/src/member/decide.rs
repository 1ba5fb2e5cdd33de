//! Nodes come, go and are lost; with them their workers and their roles.

use super::{Command, Event, MEMBERS_MAX, Member, State, get, list};
use crate::apply::Reply;
use crate::catalog::shape;
use crate::id::{BootId, NodeId};
use crate::reject::{self, Rejection};
use crate::role;
use crate::store::{Tx, schema};
use crate::worker;

/// What a command comes to: events, or a refusal.
pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<Reply, Rejection> {
    match command {
        Command::Join { node, name, boot, address, speaks } => {
            shape::name("name", name)?;
            reject::text("address", address)?;
            let member = Member {
                node: *node,
                name: name.clone(),
                boot: *boot,
                state: State::Up,
                since: tx.now(),
                address: address.clone(),
                speaks: *speaks,
            };
            join(tx, member)
        }
        Command::Leave { node, boot } => end(tx, *node, *boot, State::Left),
        Command::Lose { node, boot } => end(tx, *node, *boot, State::Lost),
    }
}

fn join(tx: &mut Tx<'_>, member: Member) -> Result<Reply, Rejection> {
    if member.speaks < schema::clock(tx).rules {
        return Err(Rejection::invalid("speaks", "the cell has agreed on newer rules"));
    }
    let before = get(tx, member.node);
    if before.is_none() && schema::MEMBER.under(tx, &()).count() >= MEMBERS_MAX {
        return Err(Rejection::too_large("members", MEMBERS_MAX));
    }
    let reborn = match &before {
        Some(before) if before.boot != member.boot => true,
        // A life that is over stays over: the node must begin a new one.
        Some(before) if before.state != State::Up => return Err(Rejection::NoMember),
        Some(before) if Member { since: before.since, ..member.clone() } == *before => {
            return Ok(Reply::Done);
        }
        Some(_) | None => false,
    };
    let node = member.node;
    let why = format!("{} {}", member.name, if reborn { "restarted" } else { "joined" });
    if reborn {
        end_workers(tx, node, &why);
    }
    tx.emit(Event::Joined { member: Box::new(member) });
    agree(tx);
    if reborn {
        role::decide::renew(tx, node, &why);
    }
    if !schema::ROLE_BY_NAME.has(tx, &role::name::KEEPER.to_owned()) {
        role::decide::create(tx, role::name::KEEPER.to_owned());
    }
    role::decide::settle(tx, &why);
    Ok(Reply::Done)
}

fn end(tx: &mut Tx<'_>, node: NodeId, boot: BootId, state: State) -> Result<Reply, Rejection> {
    let member = get(tx, node).filter(|member| member.boot == boot).ok_or(Rejection::NoMember)?;
    if member.state != State::Up {
        return Ok(Reply::Done);
    }
    let why = if state == State::Left {
        tx.emit(Event::Left { node });
        format!("{} left", member.name)
    } else {
        tx.emit(Event::Lost { node });
        format!("{} was lost", member.name)
    };
    end_workers(tx, node, &why);
    agree(tx);
    role::decide::settle(tx, &why);
    Ok(Reply::Done)
}

fn end_workers(tx: &mut Tx<'_>, node: NodeId, why: &str) {
    for session in worker::of_node(tx, node) {
        worker::decide::end(tx, session.id, why);
    }
}

/// Newer rules come into force once every member that may come back speaks them.
fn agree(tx: &mut Tx<'_>) {
    let members = list(tx).into_iter().filter(|member| member.state != State::Left);
    let spoken = members.map(|member| member.speaks).min();
    if let Some(rules) = spoken.filter(|spoken| *spoken > schema::clock(tx).rules) {
        tx.emit(Event::Agreed { rules });
    }
}
