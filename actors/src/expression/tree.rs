//! The parsed expression as a tree: paths in it, what is inside a node, and where a node was written.

use std::ops::Range;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo};

/// The name, where the node is nothing but a name.
pub(super) fn root_of(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Ident(name) => Some(name),
        _ => None,
    }
}

/// `of["key"]`
pub(super) fn index_of(call: &CallExpr) -> Option<(&IdedExpr, &str)> {
    match (call.func_name.as_str(), call.args.as_slice()) {
        ("_[_]" | "_[?_]" | "_?._", [of, key]) => match &key.expr {
            Expr::Literal(LiteralValue::String(key)) => Some((of, key.inner())),
            _ => None,
        },
        _ => None,
    }
}

/// A path as steps after its root: `tasks["a-b"].output.rows`, and nothing else.
pub(super) fn path(node: &IdedExpr) -> Option<(String, Vec<String>)> {
    match &node.expr {
        Expr::Ident(name) => Some((name.clone(), Vec::new())),
        Expr::Select(select) if !select.test => {
            let (root, mut steps) = path(&select.operand)?;
            steps.push(select.field.clone());
            Some((root, steps))
        }
        Expr::Call(call) if call.func_name == "_[_]" => {
            let (of, key) = index_of(call)?;
            let (root, mut steps) = path(of)?;
            steps.push(key.to_owned());
            Some((root, steps))
        }
        _ => None,
    }
}

/// A path as its author would write it.
pub(super) fn spell(node: &IdedExpr) -> Option<String> {
    let (root, steps) = path(node)?;
    Some(spell_path(&root, &steps))
}

/// A path as its author would write it.
pub(super) fn spell_path(root: &str, steps: &[String]) -> String {
    steps.iter().fold(root.to_owned(), |mut text, step| {
        let plain = step.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !step.starts_with(|c: char| c.is_ascii_digit());
        match plain {
            true => text.push_str(&format!(".{step}")),
            false => text.push_str(&format!("[{step:?}]")),
        }
        text
    })
}

/// The nodes directly inside a node.
pub(super) fn children(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(inner) => vec![
            &inner.iter_range,
            &inner.accu_init,
            &inner.loop_cond,
            &inner.loop_step,
            &inner.result,
        ],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Map(map) => map.entries.iter().flat_map(|entry| parts(&entry.expr)).collect(),
        Expr::Struct(body) => body.entries.iter().flat_map(|entry| parts(&entry.expr)).collect(),
    }
}

fn parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// The bytes a node stands in.
pub(super) fn extent(text: &str, node: &IdedExpr, source: &SourceInfo) -> Option<Range<usize>> {
    let (start, stop) = bounds(node, source)?;
    let whole = |at: usize| if text.is_char_boundary(at) { at } else { text.len() };
    let (start, mut end) = (whole(start as usize), whole(stop as usize + 1));
    // Of a selection the parser keeps the dot or the whole of what was before: the field is behind it.
    match &node.expr {
        Expr::Select(select) => {
            let rest = &text[end..];
            let gap = rest.find(&select.field).filter(|gap| {
                rest[..*gap].chars().all(|c| c == '.' || c == '?' || c.is_whitespace())
            });
            end += gap.map_or(0, |gap| gap + select.field.len());
        }
        Expr::Call(call) if call.func_name == "_[_]" => {
            end += text[end..].find(']').map_or(0, |gap| gap + 1);
        }
        _ => {}
    }
    Some(start..end)
}

fn bounds(node: &IdedExpr, source: &SourceInfo) -> Option<(u32, u32)> {
    let own = source.offset_for(node.id).filter(|(start, stop)| start <= stop);
    children(node).into_iter().filter_map(|child| bounds(child, source)).chain(own).reduce(
        |(start, stop), (other_start, other_stop)| (start.min(other_start), stop.max(other_stop)),
    )
}
