//! What happened, in sentences: who went, how it was noticed, what came of it. Pure.

use std::collections::BTreeMap;

use oarlock_engine::id::NodeId;
use oarlock_engine::member::departure::{Cause, Departure};
use oarlock_engine::role;
use oarlock_engine::store::View;
use oarlock_engine::time::Span;
use oarlock_proto::v1;

use super::{name, time};

/// A departure as the API shows it.
pub(crate) fn departure(view: &dyn View, row: &Departure) -> v1::Departure {
    v1::Departure {
        node: row.name.clone(),
        cause: word(row.cause).to_owned(),
        at: time::rfc3339(row.at),
        silent_ms: row.silent.map(|span| span.0),
        why: row.why.clone(),
        roles: row.roles,
        vacant: row.vacant,
        tasks: row.tasks,
        summary: told(row, &heirs(view, row)),
    }
}

fn word(cause: Cause) -> &'static str {
    match cause {
        Cause::Lost => "lost",
        Cause::Left => "left",
        Cause::Drained => "drained",
        Cause::Restarted => "restarted",
    }
}

/// Who drives now what the node drove, by name: as far as it has not moved on since.
fn heirs(view: &dyn View, row: &Departure) -> BTreeMap<String, u32> {
    let mut heirs = BTreeMap::new();
    for role in role::list(view) {
        if role.from == Some(row.node) && role.since == row.at {
            let heir = role.node.map(|node: NodeId| name::node(view, node));
            *heirs.entry(heir.unwrap_or_else(|| "nobody".to_owned())).or_default() += 1;
        }
    }
    heirs
}

/// A departure in sentences.
fn told(row: &Departure, heirs: &BTreeMap<String, u32>) -> String {
    let name = &row.name;
    let mut text = match (row.cause, row.silent) {
        (Cause::Lost, Some(silent)) => {
            format!("{name} was given up after {} of silence", span(silent))
        }
        (Cause::Lost, None) => format!("{name} was given up"),
        (Cause::Left, _) => format!("{name} said goodbye"),
        (Cause::Drained, _) => format!("{name} handed over"),
        (Cause::Restarted, _) => format!("{name} began anew"),
    };
    if row.cause == Cause::Lost && !row.why.is_empty() {
        text.push_str(&format!(" ({})", row.why));
    }
    text.push_str(". ");
    let whose = if row.roles == 1 { "Its role" } else { "Its roles" };
    let many = count(row.roles, "role", "roles");
    match (row.roles, row.cause) {
        (0, _) => text.push_str("It drove nothing."),
        (_, Cause::Restarted) => text.push_str(&format!("It drives its {many} in a new epoch.")),
        (_, _) if heirs.len() == 1 => {
            let heir = heirs.keys().next().map_or("others", String::as_str);
            text.push_str(&format!("{whose} moved to {heir}{}.", of(row.roles)));
        }
        _ => {
            let each: Vec<String> = heirs.iter().map(|(heir, n)| format!("{heir} ({n})")).collect();
            let to = if each.is_empty() { "others".to_owned() } else { each.join(" and ") };
            text.push_str(&format!("Its {many} moved to {to}."));
        }
    }
    if row.vacant > 0 {
        text.push_str(&format!(" Nobody could take {} of them.", row.vacant));
    }
    match row.tasks {
        0 => text.push_str(" No task of it was running."),
        1 => text.push_str(" One task that it was running runs again."),
        tasks => text.push_str(&format!(" {tasks} tasks that it was running run again.")),
    }
    text.push_str(" Nothing was lost.");
    text
}

fn of(roles: u32) -> String {
    if roles == 1 { String::new() } else { format!(" ({roles})") }
}

/// `1 role`, `21 roles`.
pub(crate) fn count(number: u32, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A length of time for people: `412 ms`, `1.3 s`, `2 min`, `3 h`.
pub(crate) fn span(span: Span) -> String {
    let Span(ms) = span;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use oarlock_engine::id::BootId;
    use oarlock_engine::time::Moment;

    use super::*;

    fn row(cause: Cause, roles: u32, tasks: u32) -> Departure {
        Departure {
            number: 1,
            node: NodeId(2),
            name: "n2".to_owned(),
            boot: BootId(9),
            cause,
            at: Moment(100),
            silent: Some(Span(1_312)),
            why: "connection refused".to_owned(),
            roles,
            vacant: 0,
            tasks,
        }
    }

    #[test]
    fn a_loss_is_told_with_what_came_of_it() {
        let heirs = BTreeMap::from([("n1".to_owned(), 10), ("n3".to_owned(), 11)]);
        assert_eq!(
            told(&row(Cause::Lost, 21, 4), &heirs),
            "n2 was given up after 1.3 s of silence (connection refused). Its 21 roles moved to n1 (10) and n3 (11). \
             4 tasks that it was running run again. Nothing was lost."
        );
        let heirs = BTreeMap::from([("n1".to_owned(), 1)]);
        assert_eq!(
            told(&row(Cause::Drained, 1, 0), &heirs),
            "n2 handed over. Its role moved to n1. No task of it was running. Nothing was lost."
        );
        assert_eq!(
            told(&row(Cause::Restarted, 2, 1), &BTreeMap::new()),
            "n2 began anew. It drives its 2 roles in a new epoch. One task that it was running runs again. Nothing was lost."
        );
    }

    #[test]
    fn times_are_told_as_people_say_them() {
        assert_eq!(span(Span(412)), "412 ms");
        assert_eq!(span(Span(1_312)), "1.3 s");
        assert_eq!(span(Span(125_000)), "2 min");
        assert_eq!(span(Span(7_200_000)), "2 h");
    }
}
