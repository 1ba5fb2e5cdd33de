//! What an expression reads of the names it mentions: only that becomes CEL.
//!
//! `inputs.rows.size() > inputs.limits[item]` reads all of `rows` and `limits`, of `item` everything, and of the other inputs
//! nothing, however large they are. A path ends where its next step has to be computed; a whole value is read from there on.

use std::collections::BTreeMap;

use cel::common::ast::{Expr, IdedExpr};

use super::tree::index_of;

/// The parts of a value that are read. At the top, the names that expressions begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reads {
    /// Everything.
    Whole,
    /// Of an object these members; of anything else, everything.
    Parts(BTreeMap<String, Reads>),
}

impl Default for Reads {
    fn default() -> Self {
        Reads::Parts(BTreeMap::new())
    }
}

impl Reads {
    /// What an expression reads.
    pub(super) fn of(expression: &IdedExpr) -> Reads {
        let mut reads = Reads::default();
        reads.walk(expression, &mut Vec::new());
        reads
    }

    /// Reads what another one reads, too.
    pub(super) fn join(&mut self, other: &Reads) {
        match (&mut *self, other) {
            (Reads::Whole, _) => {}
            (Reads::Parts(_), Reads::Whole) => *self = Reads::Whole,
            (Reads::Parts(own), Reads::Parts(others)) => {
                for (name, other) in others {
                    own.entry(name.clone()).or_default().join(other);
                }
            }
        }
    }

    /// What is read of a member; none: nothing.
    pub(super) fn part(&self, name: &str) -> Option<&Reads> {
        match self {
            Reads::Whole => Some(&Reads::Whole),
            Reads::Parts(parts) => parts.get(name),
        }
    }

    fn add(&mut self, path: &[&str]) {
        match (&mut *self, path) {
            (Reads::Whole, _) => {}
            (Reads::Parts(_), []) => *self = Reads::Whole,
            (Reads::Parts(parts), [step, rest @ ..]) => {
                parts.entry((*step).to_owned()).or_default().add(rest);
            }
        }
    }

    fn walk<'a>(&mut self, node: &'a IdedExpr, locals: &mut Vec<&'a str>) {
        if let Some(path) = path(node) {
            if !locals.contains(&path[0]) {
                self.add(&path);
            }
            return;
        }
        let Expr::Comprehension(inner) = &node.expr else {
            super::tree::children(node).into_iter().for_each(|child| self.walk(child, locals));
            return;
        };
        self.walk(&inner.iter_range, locals);
        self.walk(&inner.accu_init, locals);
        let before = locals.len();
        locals.push(&inner.iter_var);
        locals.extend(inner.iter_var2.as_deref());
        locals.push(&inner.accu_var);
        for part in [&inner.loop_cond, &inner.loop_step, &inner.result] {
            self.walk(part, locals);
        }
        locals.truncate(before);
    }
}

/// A name and the members after it, as far as they are written outright; `has(a.b)` and `a.?b` look at `b` like `a.b` does.
fn path(node: &IdedExpr) -> Option<Vec<&str>> {
    let (of, step) = match &node.expr {
        Expr::Ident(name) => return Some(vec![name]),
        Expr::Select(select) => (&*select.operand, select.field.as_str()),
        Expr::Call(call) => index_of(call)?,
        _ => return None,
    };
    let mut path = path(of)?;
    path.push(step);
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::super::Expression;
    use super::*;

    fn reads(text: &str) -> Vec<String> {
        fn spell(reads: &Reads, before: &str, found: &mut Vec<String>) {
            match reads {
                Reads::Whole => found.push(before.to_owned()),
                Reads::Parts(parts) => {
                    for (name, part) in parts {
                        spell(part, &format!("{before}/{name}"), found);
                    }
                }
            }
        }
        let mut found = Vec::new();
        spell(Expression::parse(text).expect(text).reads(), "", &mut found);
        found
    }

    #[test]
    fn a_path_is_read_as_far_as_it_is_written() {
        assert_eq!(reads("inputs.a.b + inputs.c"), ["/inputs/a/b", "/inputs/c"]);
        assert_eq!(reads("inputs.a.b + inputs.a"), ["/inputs/a"]);
        assert_eq!(reads("inputs.list[0].x + inputs['ü']"), ["/inputs/list", "/inputs/ü"]);
        assert_eq!(reads("inputs.table[inputs.key]"), ["/inputs/key", "/inputs/table"]);
        assert_eq!(reads("has(inputs.a.b)"), ["/inputs/a/b"]);
        assert_eq!(reads("inputs.?a.?b.orValue(1)"), ["/inputs/a/b"]);
        assert_eq!(
            reads("size(inputs) + tasks.load.output.n"),
            ["/inputs", "/tasks/load/output/n"]
        );
    }

    #[test]
    fn a_loop_hides_the_names_that_it_gives() {
        assert_eq!(reads("inputs.a.all(item, item.x > 1)"), ["/inputs/a"]);
        assert_eq!(reads("inputs.a.map(x, x + item.y)"), ["/inputs/a", "/item/y"]);
    }
}
