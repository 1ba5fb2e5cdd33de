//! Lines of a script as entries: one word, one command.

pub(crate) mod define;

use std::collections::BTreeMap;

use oarlock_engine::apply::{Entry, Offer};
use oarlock_engine::blob::Payload;
use oarlock_engine::command::Command;
use oarlock_engine::dag::{self, Answer, Question, What};
use oarlock_engine::id::{
    Attempt, BootId, Epoch, Item, NodeId, Priority, Revision, RoleId, RunId, Version, WorkerId,
};
use oarlock_engine::member::profile::{Duty, Profile};
use oarlock_engine::task::Failure;
use oarlock_engine::time::{Moment, Span};
use oarlock_engine::{
    catalog, feed, member, queue, role, run, setting, task, timer, version, worker,
};

use super::parse::{self, Line};
use super::world::World;

/// A line with its circumstances.
pub(crate) fn entry(world: &World, line: &Line) -> Result<Entry, String> {
    let offer = match line.get("offer") {
        None => None,
        Some(text) => {
            let (worker, tasks) = text.split_once(':').ok_or("offer=WORKER:SLOTS")?;
            let worker = WorkerId(parse::number(worker).ok_or("a worker is a number")?);
            Some(Offer { worker, tasks_max: parse::number(tasks).ok_or("slots are a number")? })
        }
    };
    Ok(Entry {
        at: world.now,
        by: world.by.clone(),
        version: version::NEWEST,
        offer,
        command: command(world, line)?,
    })
}

fn command(world: &World, line: &Line) -> Result<Command, String> {
    Ok(match line.word.as_str() {
        "join" | "enter" | "leave" | "lose" | "give-up" | "drain-node" | "undrain" => {
            member(line)?.into()
        }
        "attach" | "drain" | "detach" => worker(line)?.into(),
        "define" | "remove" | "stop" | "go" => workflow(world, line)?.into(),
        "pause-queue" | "resume-queue" | "limit-queue" => queue(line)?.into(),
        "answer" => answer(world, line)?.into(),
        "claim" => task::Command::Claim.into(),
        "complete" | "fail" | "return" | "revive" | "discard" => task(world, line)?.into(),
        "tick" => {
            timer::Command::Tick { role: a_role(world, line.positional(0)?)?, epoch: epoch(line)? }
                .into()
        }
        "move" | "pin" | "unpin" | "want" | "rebalance" | "act" => a_role_s(world, line)?.into(),
        "trim" => feed::Command::Trim { before: Revision(line.number(0)?) }.into(),
        "set" => setting::Command::Set {
            name: line.positional(0)?.to_owned(),
            value: line.positional(1).unwrap_or_default().to_owned(),
        }
        .into(),
        _ => run(world, line)?.into(),
    })
}

fn boot(line: &Line) -> Result<BootId, String> {
    Ok(BootId(line.get_number("boot")?.unwrap_or(1)))
}

fn epoch(line: &Line) -> Result<Epoch, String> {
    Ok(Epoch(line.get_number("epoch")?.unwrap_or(1)))
}

/// A role by its name, by the workflow it drives, or by its number.
pub(crate) fn a_role(world: &World, text: &str) -> Result<RoleId, String> {
    let names = [text.to_owned(), role::name::dag(text)];
    let known = role::list(&world.store).into_iter().find(|role| names.contains(&role.name));
    let id = known.map(|role| role.id).or_else(|| parse::number(text).map(RoleId));
    id.ok_or_else(|| format!("no role `{text}`"))
}

/// `act ROLE epoch=E` and, indented below, what the driver asks for.
fn a_role_s(world: &World, line: &Line) -> Result<role::Command, String> {
    let why = line.get("why").unwrap_or("moved").to_owned();
    if line.word == "rebalance" {
        return Ok(role::Command::Rebalance { why });
    }
    let role = a_role(world, line.positional(0)?)?;
    let node = || line.get_number("node")?.map(NodeId).ok_or("needs node=".to_owned());
    Ok(match line.word.as_str() {
        "move" => role::Command::Move { role, node: node()?, why },
        "pin" => role::Command::Pin { role, node: node()? },
        "unpin" => role::Command::Unpin { role },
        "want" => {
            let weight = line.get_number("weight")?.unwrap_or(1);
            role::Command::Want { role, labels: labels(line), weight }
        }
        _ => {
            let below = line.below.first().ok_or("`act` needs a line below it")?;
            let command = Box::new(command(world, below)?);
            role::Command::Act { role, epoch: epoch(line)?, command }
        }
    })
}

/// `roles=api,worker label.zone=a capacity=50` as a profile.
fn profile(line: &Line) -> Result<Profile, String> {
    let mut profile = Profile { labels: labels(line), ..Profile::default() };
    if line.get("roles").is_some() {
        let duties = line.get_list("roles").into_iter();
        let duties = duties.map(|word| word.parse::<Duty>().map_err(|fault| fault.to_string()));
        profile.duties = duties.collect::<Result<_, _>>()?;
    }
    if let Some(capacity) = line.get_number("capacity")? {
        profile.capacity = capacity;
    }
    Ok(profile)
}

fn member(line: &Line) -> Result<member::Command, String> {
    let node = NodeId(line.number(0)?);
    let boot = boot(line)?;
    let why = line.get("why").unwrap_or_default().to_owned();
    let name = line.get("name").map_or_else(|| format!("n{node}"), str::to_owned);
    let address = line.get("address").unwrap_or("127.0.0.1:6270").to_owned();
    let speaks = line.get_number("speaks")?.unwrap_or(version::NEWEST);
    Ok(match line.word.as_str() {
        "leave" => member::Command::Leave { node, boot },
        "lose" => member::Command::Lose { node, boot },
        "give-up" => {
            let silent = line.get_number("silent")?.map(Span);
            member::Command::GiveUp { node, boot, silent, why }
        }
        "drain-node" => member::Command::Drain { node, boot, why },
        "undrain" => member::Command::Undrain { node, boot },
        "enter" => {
            let profile = Box::new(profile(line)?);
            member::Command::Enter { node, name, boot, address, speaks, profile }
        }
        _ => member::Command::Join { node, name, boot, address, speaks },
    })
}

fn worker(line: &Line) -> Result<worker::Command, String> {
    let worker = WorkerId(line.number(0)?);
    Ok(match line.word.as_str() {
        "drain" => worker::Command::Drain { worker },
        "detach" => worker::Command::Detach { worker },
        _ => worker::Command::Attach {
            worker,
            name: line.get("name").map_or_else(|| format!("w{}", worker.0), str::to_owned),
            node: NodeId(line.get_number("node")?.unwrap_or(1)),
            boot: boot(line)?,
            queues: line.get_list("queues"),
            calls: line.get_list("calls"),
            builtin: line.get("builtin") != Some("no"),
            slots: line.get_number("slots")?.unwrap_or(1),
        },
    })
}

fn workflow(world: &World, line: &Line) -> Result<catalog::Command, String> {
    let name = line.positional(0)?.to_owned();
    Ok(match line.word.as_str() {
        "remove" => catalog::Command::Remove { name },
        "stop" => catalog::Command::Pause { name },
        "go" => catalog::Command::Resume { name },
        _ => catalog::Command::Define {
            definition: Box::new(define::definition(world, line)?),
            expected: line.get_number("expected")?.map(Version),
        },
    })
}

fn queue(line: &Line) -> Result<queue::Command, String> {
    let name = line.positional(0)?.to_owned();
    Ok(match line.word.as_str() {
        "pause-queue" => queue::Command::Pause { name },
        "resume-queue" => queue::Command::Resume { name },
        _ => queue::Command::Limit { name, concurrency_max: line.get_number("max")? },
    })
}

/// `answer ROLE epoch=E QUESTION ANSWER [QUESTION ANSWER …]`: `r1.load proceed`, `r1.load noop`, `r1.load[2] run`,
/// `r1.load skip`, `r1.load spread:3`, `r1 output:{}`, `r1.load fail:expression`.
fn answer(world: &World, line: &Line) -> Result<dag::Command, String> {
    let role = a_role(world, line.positional(0)?)?;
    let mut answers = Vec::new();
    for pair in line.words[1..].chunks(2) {
        let [question, answer] = pair else { return Err("a question needs an answer".to_owned()) };
        answers.push((self::question(world, question)?, an_answer(answer)?));
    }
    Ok(dag::Command::Answer { role, epoch: epoch(line)?, answers })
}

fn question(world: &World, text: &str) -> Result<Question, String> {
    if !text.contains('.') {
        return Ok(Question { run: world.run(text)?, what: What::Output });
    }
    let (run, step, item) = world.place(text)?;
    let what = item.map_or(What::Step(step), |item| What::Item(step, Item(item)));
    Ok(Question { run, what })
}

fn an_answer(text: &str) -> Result<Answer, String> {
    let (word, rest) = text.split_once(':').unwrap_or((text, ""));
    Ok(match word {
        "skip" => Answer::Skip,
        "proceed" => Answer::Proceed(None),
        "spread" => {
            let count: u32 = parse::number(rest).ok_or("spread:COUNT")?;
            let items: Vec<String> = (0..count).map(|item| item.to_string()).collect();
            Answer::Spread {
                items: Payload::from(format!("[{}]", items.join(",")).as_str()),
                count,
            }
        }
        "output" => Answer::Output(Payload::from(rest)),
        "fail" => Answer::Fail(failure(rest, "", false)),
        _ => Answer::Proceed(Some(define::action(text)?.ok_or("an answer cannot be a template")?)),
    })
}

fn failure(kind: &str, message: &str, retryable: bool) -> Failure {
    let kind = if kind.is_empty() { "exit:1" } else { kind };
    Failure { kind: kind.to_owned(), message: message.to_owned(), retryable }
}

fn task(world: &World, line: &Line) -> Result<task::Command, String> {
    let reason = line.get("reason").unwrap_or_default().to_owned();
    let all = || line.words.iter().map(|text| world.task(text)).collect::<Result<Vec<_>, _>>();
    match line.word.as_str() {
        "revive" => return Ok(task::Command::Revive { tasks: all()? }),
        "discard" => return Ok(task::Command::Discard { tasks: all()?, reason }),
        _ => {}
    }
    let task = world.task(line.positional(0)?)?;
    let attempt = Attempt(line.get_number("attempt")?.unwrap_or(1));
    let worker = line.get_number("worker")?.map(WorkerId);
    let log = Payload::from(line.get("log").unwrap_or_default());
    Ok(match line.word.as_str() {
        "complete" => {
            let output = Payload::from(line.get("output").unwrap_or_default());
            task::Command::Complete { task, attempt, worker, output, log }
        }
        "fail" => {
            let kind = line.get("kind").unwrap_or_default();
            let message = line.get("message").unwrap_or_default();
            let failure = failure(kind, message, !line.flag("final"));
            task::Command::Fail { task, attempt, worker, failure, log }
        }
        _ => {
            let worker = worker.ok_or("return needs worker=")?;
            task::Command::Return { task, attempt, worker }
        }
    })
}

fn run(world: &World, line: &Line) -> Result<run::Command, String> {
    let reason = line.get("reason").unwrap_or_default().to_owned();
    let known = || world.run(line.positional(0)?);
    Ok(match line.word.as_str() {
        "start" => run::Command::Start(Box::new(start(line)?)),
        "cancel" => run::Command::Cancel { run: known()?, reason },
        "terminate" => run::Command::Terminate { run: known()?, reason },
        "pause" => run::Command::Pause { run: known()?, reason },
        "resume" => run::Command::Resume { run: known()? },
        "retry" => {
            let run = known()?;
            let from = line.get("from").map(|name| world.step(run, name)).transpose()?;
            run::Command::Retry { run, from }
        }
        "signal" => run::Command::Signal {
            run: known()?,
            name: line.positional(1)?.to_owned(),
            payload: Payload::from(line.get("payload").unwrap_or_default()),
            dedup: line.get("dedup").unwrap_or_default().to_owned(),
        },
        "tag" => run::Command::Tag { run: known()?, labels: labels(line) },
        "purge" => {
            let runs = line.words.iter().map(|text| world.run(text)).collect::<Result<_, _>>()?;
            run::Command::Purge { runs }
        }
        word => return Err(format!("no such word: `{word}`")),
    })
}

fn start(line: &Line) -> Result<run::Start, String> {
    let request = line.get("request").map(|text| {
        let (key, digest) = text.split_once(':').unwrap_or((text, "0"));
        let digest: u128 = parse::number(digest).unwrap_or_default();
        run::Request { key: key.to_owned(), digest: digest.to_be_bytes() }
    });
    let text = |key: &str| line.get(key).unwrap_or_default().to_owned();
    Ok(run::Start {
        workflow: line.positional(0)?.to_owned(),
        run: RunId(line.number(1)?),
        version: line.get_number("version")?.map(Version),
        input: Payload::from(line.get("input").unwrap_or_default()),
        key: text("key"),
        lane: text("lane"),
        priority: line.get_number("priority")?.map(Priority),
        labels: labels(line),
        due_at: line.get_number("due")?.map(Moment),
        request,
    })
}

/// `label.team=data` as labels.
pub(crate) fn labels(line: &Line) -> BTreeMap<String, String> {
    let labels = line.keyed.iter().filter_map(|(key, value)| {
        let key = key.strip_prefix("label.")?;
        Some((key.to_owned(), value.clone()))
    });
    labels.collect()
}
