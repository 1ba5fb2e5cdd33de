//! Starting runs: from a body to a command, and to the end of the run if the caller wants to wait for it.
//!
//! This is the hottest path of the door. A start costs one look at the workflow, one proposal (which carries the free slots of
//! this node, so that the first tasks begin in the same entry), and, with `?wait`, one place in [`crate::endings`].

pub(crate) mod binder;

use std::time::Duration;

use oarlock_engine::apply::Reply;
use oarlock_engine::blob::{PAYLOAD_BYTES_MAX, Payload};
use oarlock_engine::command::Command;
use oarlock_engine::id::{Number, Priority, Revision, RunId, Version};
use oarlock_engine::run::{self, Request, Start};
use oarlock_engine::time::{Moment, Span};
use oarlock_proto::v1;
use oarlock_proto::v1::StartRun;

use crate::convert::{self, name, time};
use crate::problem::{Answer, Fault, table};
use crate::room::{Read, Room};

/// A start that was accepted.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) run: RunId,
    pub(crate) number: Number,
    /// It had been accepted before.
    pub(crate) repeated: bool,
    /// Reads at or after this see it.
    pub(crate) revision: Revision,
}

/// What a start is asked with, beside its body.
#[derive(Debug, Default)]
pub(crate) struct Ask<'a> {
    /// The workflow's name.
    pub(crate) workflow: &'a str,
    /// The caller's `Idempotency-Key`, with a digest of the body.
    pub(crate) request: Option<Request>,
    /// Wait so long for the end.
    pub(crate) wait: Option<Duration>,
}

/// Starts a run, and shows it as it stands then.
pub(crate) async fn start(
    room: &Room,
    ask: Ask<'_>,
    body: StartRun,
) -> Answer<(Begun, Read<v1::Run>)> {
    let command = command(room, &ask, body)?;
    let own = command.run;
    // Whoever waits stands in line before the start is proposed: the end may come before the answer does.
    let mut place = ask.wait.map(|_| room.endings.place(own));
    let begun = propose(room, command).await?;
    if begun.run != own {
        place = ask.wait.map(|_| room.endings.place(begun.run));
    }
    if let (Some(place), Some(wait)) = (&mut place, ask.wait) {
        // A run that had been accepted before may be over already.
        let over = begun.repeated && over(room, begun.run);
        if !over {
            place.ended(wait).await;
        }
    }
    let waited = ask.wait.is_some();
    let shown = room.read(|view| {
        let run = run::get(view, begun.run).ok_or_else(|| gone(ask.workflow, &begun))?;
        Ok(if waited {
            convert::run::with_output(view, &room.shelf, &run)
        } else {
            convert::run::basic(view, &room.shelf, &run)
        })
    })?;
    Ok((begun, shown))
}

/// Starts a run and does not look at it.
pub(crate) async fn begin(room: &Room, ask: Ask<'_>, body: StartRun) -> Answer<Begun> {
    propose(room, command(room, &ask, body)?).await
}

async fn propose(room: &Room, start: Start) -> Answer<Begun> {
    let workflow = start.workflow.clone();
    let accepted = room.propose(Command::Run(run::Command::Start(Box::new(start)))).await?;
    match accepted.reply {
        Reply::Started { run, number, repeated } => {
            if repeated {
                same_workflow(room, run, &workflow)?;
            }
            Ok(Begun { run, number, repeated, revision: accepted.revision })
        }
        other => Err(Fault::new(&table::INTERNAL, format!("a start was answered with {other:?}"))),
    }
}

/// Refuses an id that a run of another workflow has: that run is no answer to this start.
fn same_workflow(room: &Room, id: RunId, workflow: &str) -> Answer<()> {
    room.replica.read(|view| {
        let Some(run) = run::get(view, id) else { return Ok(()) };
        let owner = name::of_workflow(view, &run);
        if owner == workflow {
            return Ok(());
        }
        let short = name::run(&owner, run.number);
        let detail = format!("`{id}` is `{short}`, which is no run of `{workflow}`");
        Err(Fault::new(&table::REQUEST_REUSED, detail).hint("choose a new `run_id` for a new run"))
    })
}

/// A repeated start whose run was deleted since.
fn gone(workflow: &str, begun: &Begun) -> Fault {
    let short = name::run(workflow, begun.number);
    Fault::new(&table::NO_RUN, format!("`{short}` had been started with this key, and is deleted"))
}

fn over(room: &Room, id: RunId) -> bool {
    room.replica.read(|view| run::get(view, id).is_none_or(|run| run.state.finished()))
}

fn command(room: &Room, ask: &Ask<'_>, body: StartRun) -> Answer<Start> {
    let run = match &body.run_id {
        None => RunId(uuid::Uuid::now_v7().as_u128()),
        Some(text) => {
            text.parse().map_err(|why| bad("run_id", format!("`{text}` is no run id: {why}")))?
        }
    };
    let (version, book) = room.replica.read(|view| {
        let known = name::find_workflow(view, ask.workflow)?;
        let version = body.version.map_or(known.newest, Version);
        let book = room.shelf.get(view, known.id, version).ok_or_else(|| {
            let detail = format!("`{}` has no version {version}", known.name);
            Fault::new(&table::NO_VERSION, detail).hint(format!("the newest is {}", known.newest))
        })?;
        Ok::<_, Fault>((version, book))
    })?;
    let due_at = due(&body)?;
    let begun = binder::Begin {
        run,
        workflow: ask.workflow,
        version,
        by: &room.config.principal.0,
        due_at,
        body: &body,
    };
    let bound = book.binder().bind(&begun)?;
    let input = Payload(bound.input.to_string().into_bytes());
    if input.0.len() > PAYLOAD_BYTES_MAX {
        let detail = format!("the input has at most {PAYLOAD_BYTES_MAX} bytes");
        return Err(Fault::new(&table::TOO_LARGE, detail));
    }
    Ok(Start {
        run,
        workflow: ask.workflow.to_owned(),
        version: body.version.map(Version),
        input,
        key: body.key.unwrap_or_default(),
        lane: bound.lane,
        priority: body.priority.map(Priority),
        labels: body.labels,
        due_at,
        request: ask.request.clone(),
    })
}

fn due(body: &StartRun) -> Answer<Option<Moment>> {
    match (&body.due_at, &body.delay) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(bad("due_at", "give `due_at` or `in`, not both".to_owned())),
        (Some(text), None) => time::moment(text).map(Some).ok_or_else(|| {
            bad("due_at", format!("`{text}` is no moment like 2026-11-21T14:00:00Z"))
        }),
        (None, Some(text)) => {
            let span = time::span(text)
                .ok_or_else(|| bad("in", format!("`{text}` is no length of time like `10m`")))?;
            let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
            Ok(Some(time::now().after(Span(ms))))
        }
    }
}

fn bad(field: &str, detail: String) -> Fault {
    let place = v1::Violation {
        pointer: format!("/{field}"),
        detail: detail.clone(),
        ..v1::Violation::default()
    };
    Fault::new(&table::BAD_FIELD, detail).violations(vec![place])
}
