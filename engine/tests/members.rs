//! What of members and roles is too long or too deep for a script.

mod history;

use history::Play;
use oarlock_engine::codec;
use oarlock_engine::command::Command;
use oarlock_engine::id::{BootId, Epoch, NodeId, RoleId};
use oarlock_engine::law;
use oarlock_engine::member::departure::{self, DEPARTURES_MAX};
use oarlock_engine::member::profile::{Duty, Profile};
use oarlock_engine::member::{self, MEMBERS_MAX, Member, State};
use oarlock_engine::reject::Rejection;
use oarlock_engine::role;
use oarlock_engine::store::key::bytes_of;
use oarlock_engine::store::{Batch, Change, schema};
use oarlock_engine::time::Moment;
use oarlock_engine::version;

/// A node that only works.
fn hand(number: u64) -> Command {
    let duties = [Duty::Worker].into();
    let enter = member::Command::Enter {
        node: NodeId(number),
        name: format!("n{number}"),
        boot: BootId(1),
        address: String::new(),
        speaks: version::NEWEST,
        profile: Box::new(Profile { duties, ..Profile::default() }),
    };
    enter.into()
}

fn leave(number: u64) -> Command {
    member::Command::Leave { node: NodeId(number), boot: BootId(1) }.into()
}

fn ask(play: &mut Play, commands: impl IntoIterator<Item = Command>) -> Vec<Option<Rejection>> {
    play.now = Moment(play.now.0 + 10);
    let entries = commands.into_iter().map(|command| play.entry(command, None)).collect();
    play.apply(entries).into_iter().map(Result::err).collect()
}

/// Members as numerous as they may be, put where joining would put them.
fn crowd(play: &mut Play) {
    let (table, _) = schema::TABLES.iter().find(|(_, name)| *name == "MEMBER").expect("it is one");
    let known = member::get(&play.store, NodeId(30)).expect("it has joined");
    let rows = (2..=MEMBERS_MAX as u64).filter(|number| ![30, 70].contains(number)).map(|number| {
        let node = NodeId(number);
        let row = Member { node, name: format!("n{number}"), state: State::Lost, ..known.clone() };
        Change::Put([vec![*table], bytes_of(&node)].concat(), codec::encode(&row))
    });
    play.store.write(Batch { changes: rows.collect() });
}

#[test]
fn who_left_longest_ago_is_forgotten_when_room_is_needed() {
    let mut play = Play::begun();
    let most = MEMBERS_MAX as u64;
    ask(&mut play, [30, 70].map(hand));
    crowd(&mut play);
    assert_eq!(member::list(&play.store).len(), MEMBERS_MAX);
    let full = Rejection::TooLarge { what: "members".to_owned(), max: most };
    assert_eq!(ask(&mut play, [hand(most + 1)]), [Some(full.clone())]);

    ask(&mut play, [leave(70)]);
    ask(&mut play, [leave(30)]);
    assert_eq!(ask(&mut play, [hand(most + 1)]), [None]);
    assert_eq!(member::get(&play.store, NodeId(70)), None);
    assert_eq!(member::profile(&play.store, NodeId(70)), Profile::default());
    let stays = member::get(&play.store, NodeId(30)).map(|row| row.state);
    assert_eq!(stays, Some(State::Left));
    assert_eq!(ask(&mut play, [hand(most + 2), hand(most + 3)]), [None, Some(full)]);
    assert_eq!(law::check(&play.store), []);
}

#[test]
fn the_latest_departures_are_kept() {
    let mut play = Play::begun();
    let many = DEPARTURES_MAX + 5;
    for number in 2..2 + many {
        ask(&mut play, [hand(number), leave(number)]);
    }
    let kept = departure::list(&play.store, usize::MAX);
    let numbers: Vec<u64> = kept.iter().map(|row| row.number).collect();
    let expected: Vec<u64> = (many - DEPARTURES_MAX + 1..=many).rev().collect();
    assert_eq!(numbers, expected);
    assert_eq!(law::check(&play.store), []);
}

#[test]
fn who_acts_for_a_role_acts_for_no_other() {
    let mut play = Play::begun();
    let (role, epoch) = (RoleId(1), Epoch(1));
    let act = |command: Command| {
        let command = Box::new(command);
        Command::from(role::Command::Act { role, epoch, command })
    };
    let nested = act(act(leave(1)));
    let refused = ask(&mut play, [nested]);
    assert!(matches!(refused[..], [Some(Rejection::Invalid { .. })]), "{refused:?}");
}
