//! `show …`: what the tables hold, as lines.

use oarlock_engine::blob::{self, Slot};
use oarlock_engine::id::{Attempt, Revision};
use oarlock_engine::run::list::Filter;
use oarlock_engine::store::schema;
use oarlock_engine::time::{Moment, Span};
use oarlock_engine::{catalog, dag, feed, member, queue, role, run, setting, task, timer, worker};

use super::ask;
use super::parse::Line;
use super::print;
use super::world::World;

/// What a `show` line asks for.
pub(crate) fn show(world: &World, line: &Line) -> Result<Vec<String>, String> {
    let store = &world.store;
    let told = match line.positional(0)? {
        "run" => vec![a_run(world, line.positional(1)?)?],
        "steps" => steps(world, line.positional(1)?)?,
        "tasks" => {
            let id = world.run(line.positional(1)?)?;
            let tasks = task::of_run(store, id, None, 100);
            tasks
                .iter()
                .map(|row| format!("{}: {}", print::task(store, row.id), state(row)))
                .collect()
        }
        "tries" => {
            let tries = task::tries(store, world.task(line.positional(1)?)?);
            let lines = tries.iter().map(|one| {
                let by = one.worker.map_or("nobody".to_owned(), print::worker);
                let end = one.settled_at.map_or("running".to_owned(), |at| at.to_string());
                let why = one
                    .failure
                    .as_ref()
                    .map_or(String::new(), |why| format!(": {}", print::failure(why)));
                format!("attempt {} by {by} from {} to {end}{why}", one.attempt, one.began_at)
            });
            lines.collect()
        }
        "questions" => {
            let role = ask::a_role(world, line.positional(1)?)?;
            let asked = dag::questions(store, role, 100);
            asked.iter().map(|asked| print::question(store, asked)).collect()
        }
        "dead" => {
            let letters = task::dead::list(store, None, 100);
            let lines = letters.iter().map(|letter| {
                let task = print::task(store, letter.task);
                format!("{task}@{}: {}", letter.attempt, print::failure(&letter.failure))
            });
            lines.collect()
        }
        "runs" => runs(world, line)?,
        "expired" => {
            let kept = Span(line.get_number("kept")?.unwrap_or_default());
            let over = run::expired(store, world.now, kept, line.get_number("max")?.unwrap_or(100));
            over.into_iter().map(print::run).collect()
        }
        "output" => vec![payload(world, line, |_, _| Slot::Output)?],
        "input" => vec![payload(world, line, |_, _| Slot::Input)?],
        "result" => vec![payload(world, line, |task, _| Slot::result(task))?],
        "log" => vec![payload(world, line, |task, no| Slot::Log(task.step, task.item, no))?],
        "signal" => vec![payload(world, line, |_, no| Slot::Signal(no.0))?],
        "timers" => timers(world, line)?,
        "feed" => {
            let after = Revision(line.number(1).unwrap_or(0));
            let records = feed::after(store, after, line.number(2).unwrap_or(100));
            records.iter().map(|record| told(world, record)).collect()
        }
        "history" => {
            let id = world.run(line.positional(1)?)?;
            let after = Revision(line.number(2).unwrap_or(0));
            let records = feed::of_run(store, id, after, 100);
            records.iter().map(|record| told(world, record)).collect()
        }
        _ => return cell(world, line),
    };
    Ok(if told.is_empty() { vec!["nothing".to_owned()] } else { told })
}

/// What is not of one run.
fn cell(world: &World, line: &Line) -> Result<Vec<String>, String> {
    let store = &world.store;
    let told = match line.positional(0)? {
        "queue" => {
            let row = queue::get(store, line.positional(1)?);
            vec![row.map_or("none".to_owned(), |row| describe(&row))]
        }
        "queues" => queue::list(store).iter().map(describe).collect(),
        "ready" => {
            let spots = queue::ready(store, line.positional(1)?, None, 100);
            let lines = spots.iter().map(|spot| {
                let task = print::task(store, spot.place.task);
                format!("{task} priority {} since {}", spot.place.priority, spot.place.since)
            });
            lines.collect()
        }
        "roles" => {
            let lines = role::list(store).into_iter().map(|row| {
                let node = row.node.map_or("nobody".to_owned(), |node| format!("n{node}"));
                format!("{}: {node} at e{} ({})", row.name, row.epoch, row.why)
            });
            lines.collect()
        }
        "members" => {
            let rows = member::list(store).into_iter();
            rows.map(|row| format!("n{} {:?} since {}", row.node, row.state, row.since)).collect()
        }
        "departures" => member::departure::list(store, 100).iter().map(print::departure).collect(),
        "epoch" => {
            let id = world.run(line.positional(1)?)?;
            let found = role::epoch_of(store, id);
            vec![found.map_or("none".to_owned(), |(_, epoch)| format!("e{epoch}"))]
        }
        "rules" => vec![schema::clock(store).rules.to_string()],
        "workers" => {
            let lines = worker::list(store).into_iter().map(|row| {
                let draining = if row.draining { ", draining" } else { "" };
                format!("{}: {} of {}{draining}", print::worker(row.id), row.leased, row.slots)
            });
            lines.collect()
        }
        "workflows" => {
            let lines = catalog::list(store, None, 100).into_iter().map(|row| {
                let paused = if row.paused { ", paused" } else { "" };
                format!(
                    "{} version {}, {} unfinished{paused}",
                    row.name, row.newest, row.unfinished
                )
            });
            lines.collect()
        }
        "versions" => {
            let row = catalog::find_any(store, line.positional(1)?).ok_or("no such workflow")?;
            let rows = catalog::versions(store, row.id).into_iter();
            rows.map(|(version, at, by)| format!("version {version} at {at} by {by}")).collect()
        }
        "setting" => vec![setting::get(store, line.positional(1)?).unwrap_or("default".to_owned())],
        "rows" => vec![store.len().to_string()],
        other => return Err(format!("`{other}`")),
    };
    Ok(if told.is_empty() { vec!["nothing".to_owned()] } else { told })
}

fn told(world: &World, record: &feed::Record) -> String {
    let what = print::event(&world.store, &record.event);
    format!("{} {} {}: {what}", record.revision, record.at, record.by)
}

fn payload(
    world: &World,
    line: &Line,
    slot: impl Fn(oarlock_engine::id::TaskId, Attempt) -> Slot,
) -> Result<String, String> {
    let text = line.positional(1)?;
    let no = Attempt(line.number(2).unwrap_or(1));
    let task =
        if text.contains('.') { world.task(text)? } else { world.task(&format!("{text}.0"))? };
    let found = blob::get(&world.store, task.run, slot(task, no));
    Ok(found.map_or("none".to_owned(), |found| String::from_utf8_lossy(&found.0).into_owned()))
}

/// `show runs workflow=etl states=failed,running key=k label.a=b since=1000 max=2`: page by page.
fn runs(world: &World, line: &Line) -> Result<Vec<String>, String> {
    let store = &world.store;
    let workflow = line.get("workflow").and_then(|name| catalog::find_any(store, name));
    let states = line.get_list("states");
    let known = |state: &run::State| states.contains(&format!("{state:?}").to_lowercase());
    let filter = Filter {
        workflow: workflow.map(|row| row.id),
        states: run::list::STATES.into_iter().filter(known).collect(),
        key: line.get("key").map(str::to_owned),
        labels: ask::labels(line).into_iter().collect(),
        since: line.get_number("since")?.map(Moment),
        until: line.get_number("until")?.map(Moment),
    };
    let max = line.get_number("max")?.unwrap_or(100);
    let (mut told, mut after) = (Vec::new(), None);
    loop {
        let page = run::list::page(store, &filter, after, max);
        let names: Vec<String> = page.runs.iter().map(|row| print::run(row.id)).collect();
        told.push(format!("page: {}", names.join(" ")));
        after = page.next;
        if after.is_none() {
            return Ok(told);
        }
    }
}

fn a_run(world: &World, text: &str) -> Result<String, String> {
    let id = world.run(text)?;
    let Some(row) = run::get(&world.store, id) else { return Ok("none".to_owned()) };
    let mut told = format!(
        "{}: {:?}, {} steps open, {} failed, retries {}",
        print::run(id),
        row.state,
        row.steps_open,
        row.steps_failed,
        row.retries
    );
    if let Some(cause) = &row.cause {
        told.push_str(&format!(", cause {}", print::failure(cause)));
    }
    if !row.labels.is_empty() {
        told.push_str(&format!(", labels {:?}", row.labels));
    }
    Ok(told)
}

fn steps(world: &World, text: &str) -> Result<Vec<String>, String> {
    let id = world.run(text)?;
    let rows = dag::steps(&world.store, id);
    let lines = rows.into_iter().map(|(no, row)| {
        let name = print::step(&world.store, id, no);
        let counts = match row.items {
            0 | 1 => String::new(),
            items => format!(
                ", {} of {items} opened, {} succeeded, {} failed",
                row.opened, row.succeeded, row.failed
            ),
        };
        format!("{name}: {:?}, waits for {}{counts}", row.state, row.needs_left)
    });
    Ok(lines.collect())
}

fn state(row: &task::Task) -> String {
    let why =
        row.failure.as_ref().map_or(String::new(), |why| format!(", {}", print::failure(why)));
    let words = match &row.state {
        task::State::Leased { worker, .. } => format!("Leased to {}", print::worker(*worker)),
        task::State::Ready { since } => format!("Ready since {since}"),
        task::State::Resting { until } => format!("Resting until {until}"),
        task::State::Waiting { .. } => "Waiting".to_owned(),
        other => format!("{other:?}"),
    };
    format!("{words}, attempt {} of {}{why}", row.attempt, row.attempts_max)
}

fn timers(world: &World, line: &Line) -> Result<Vec<String>, String> {
    let role = ask::a_role(world, line.positional(1)?)?;
    let next = timer::next(&world.store, role);
    Ok(next
        .into_iter()
        .map(|(at, alarm)| format!("next: {} at {at}", print::alarm(&world.store, &alarm)))
        .collect())
}

fn describe(row: &queue::Queue) -> String {
    let paused = if row.paused { ", paused" } else { "" };
    let max = row.concurrency_max.map_or(String::new(), |max| format!(", at most {max}"));
    let counts = row.counts;
    format!(
        "{}: ready {}, leased {}, resting {}, dead {}, succeeded {}, failed {}{max}{paused}",
        row.name,
        counts.ready,
        counts.leased,
        counts.resting,
        counts.dead,
        counts.succeeded,
        counts.failed
    )
}
