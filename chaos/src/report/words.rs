//! What verdicts and laws mean, for somebody who sees them for the first time.

use crate::verdict::Outcome;

/// What a verdict means.
pub(super) fn verdict(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Valid => {
            "Every law that was checked held, and enough happened for that to mean something. It is one run: another seed may see more."
        }
        Outcome::Unknown => {
            "Nothing wrong was found, but too little was seen to call that good. This is no failure of Oarlock, and no success either."
        }
        Outcome::Invalid => {
            "Something happened that must never happen. It is a bug of Oarlock, or of a checker; both are worth a report."
        }
    }
}

/// What to do now.
pub(super) fn next(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Valid => {
            "run it again with another --seed, or all of it with `oarlock-chaos soak`"
        }
        Outcome::Unknown => {
            "mend what stands behind each `?`: a longer --time, a machine with less to do, the rights a fault needs (`oarlock-chaos list`)"
        }
        Outcome::Invalid => {
            "keep the folder: the history, the logs and the data are in it. The lines marked ✗ name the operations; look for them in history.jsonl"
        }
    }
}

/// The verdict in a word.
pub(super) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Valid => "valid",
        Outcome::Unknown => "unknown",
        Outcome::Invalid => "violated",
    }
}

/// What a law says. The most particular of its names counts.
const LAWS: [(&str, &str); 23] = [
    (
        "submit",
        "What was acknowledged is there afterwards, and nothing is there that nobody asked for.",
    ),
    (
        "register",
        "Reads and writes at any node happen one after the other, in an order that fits the clocks of all clients.",
    ),
    (
        "signals",
        "Signals to a run have one order; none that was acknowledged is lost or seen twice.",
    ),
    ("equal", "Nodes that have applied the same entries hold the same data."),
    ("flow", "Every run comes to its end when all is mended; none is stuck."),
    (
        "effects",
        "Results are final, and each task has one effect that counts, however often it was tried.",
    ),
    (
        "owner",
        "One node at a time drives a workflow, under a number that only grows; late ones are refused.",
    ),
    (
        "member",
        "Nodes join, leave and are replaced without the loss of anything that was acknowledged.",
    ),
    ("live", "Watchers see every event once and in order, also over a broken connection."),
    ("cluster/alive", "No node ends by itself; only those that were killed do."),
    ("cluster/recovers", "A cluster that was mended becomes whole by itself, and soon."),
    ("run", "The run came to its end as planned."),
    ("liveness/fresh", "When everything is mended, new work is done."),
    ("guard/end", "The harness came to its end; otherwise the history is cut off."),
    ("guard/rate", "The cluster was busy before anything was broken."),
    ("guard/share", "Enough of what clients tried was done."),
    ("guard/kinds", "Every kind of operation was done often enough to say something of it."),
    ("guard/struck", "Every fault that was asked for happened, and was seen to have happened."),
    ("guard/leaders", "Faults that are after the leader made another one lead."),
    ("guard/stalls", "The harness itself ran on time."),
    ("guard/look", "What was left was looked at through every node."),
    ("guard", "Enough happened for a verdict."),
    ("liveness", "Things go on when all is mended."),
];

/// What a law means; empty if nobody has written it down.
pub(super) fn law(name: &str) -> &'static str {
    let fits = |law: &&(&str, &str)| {
        name.strip_prefix(law.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    LAWS.iter().filter(fits).max_by_key(|law| law.0.len()).map_or("", |law| law.1)
}
