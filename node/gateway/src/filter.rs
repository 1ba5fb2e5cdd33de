//! `filter=`: a CEL expression over the JSON of one item.
//!
//! The top-level fields of the item are the variables. Fields that some items lack are null for those, so that
//! `error.kind == "timeout"` is simply false where there is no error. Loops may nest one deep: an expression of a stranger must
//! not be able to keep a processor busy.

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::{Context, ExecutionError, Program, Value as Cel};
use oarlock_actors::expression::Expression;
use serde_json::Value;

use crate::limit::FILTER_BYTES_MAX;
use crate::problem::{Answer, Fault, table};

/// How deep operators may nest.
const DEPTH_MAX: usize = 64;
/// How deep loops (`map`, `exists` …) may nest.
const LOOPS_MAX: usize = 2;

/// A filter that was understood.
pub(crate) struct Filter {
    program: Program,
    names: Vec<String>,
}

impl Filter {
    /// Reads an expression.
    pub(crate) fn new(text: &str) -> Answer<Filter> {
        if text.len() > FILTER_BYTES_MAX {
            let detail = format!("a filter has at most {FILTER_BYTES_MAX} bytes");
            return Err(Fault::new(&table::BAD_FILTER, detail));
        }
        let nested = text.bytes().filter(|byte| b"([{?!-".contains(byte)).count();
        if nested > 2 * DEPTH_MAX {
            return Err(Fault::new(&table::BAD_FILTER, "it is nested too deeply"));
        }
        let program =
            Program::compile(text).map_err(|fault| unreadable(text, &fault.to_string()))?;
        let (depth, loops) = measure(program.expression());
        if depth > DEPTH_MAX || loops > LOOPS_MAX {
            return Err(Fault::new(&table::BAD_FILTER, "it is nested too deeply"));
        }
        let names = program.references().variables().into_iter().map(str::to_owned).collect();
        Ok(Filter { program, names })
    }

    /// Whether an item passes. An item for which the expression has no value does not.
    pub(crate) fn lets_through(&self, item: &Value) -> Answer<bool> {
        let mut context = Context::default();
        for name in &self.names {
            let value = item.get(name).unwrap_or(&Value::Null);
            context
                .add_variable(name.as_str(), value)
                .map_err(|fault| Fault::new(&table::BAD_FILTER, fault.to_string()))?;
        }
        match self.program.execute(&context) {
            Ok(Cel::Bool(passes)) => Ok(passes),
            Ok(other) => Err(Fault::new(
                &table::BAD_FILTER,
                format!("a filter is true or false, and this is {}", other.type_of()),
            )),
            Err(ExecutionError::UndeclaredReference(name)) => {
                Err(Fault::new(&table::BAD_FILTER, format!("nothing is called `{name}` here")))
            }
            // What the data of one item cannot answer is no fault of the expression.
            Err(_) => Ok(false),
        }
    }
}

/// What is wrong with a text that is no expression, in the words that authors of files know.
fn unreadable(text: &str, words: &str) -> Fault {
    match Expression::parse(text) {
        Err(fault) => {
            let letters =
                fault.position.and_then(|at| text.get(..at.start)).map(|t| t.chars().count());
            let place =
                letters.map_or(String::new(), |before| format!(", at letter {}", before + 1));
            let said = Fault::new(&table::BAD_FILTER, format!("{}{place}", fault.message));
            match fault.hint {
                Some(hint) => said.hint(hint),
                None => said,
            }
        }
        Ok(_) => Fault::new(&table::BAD_FILTER, words.lines().next().unwrap_or_default().trim()),
    }
}

/// How deep an expression and its loops nest.
fn measure(node: &IdedExpr) -> (usize, usize) {
    let mut below: Vec<&IdedExpr> = Vec::new();
    let mut own = 0;
    match &node.expr {
        Expr::Call(call) => {
            below.extend(call.target.as_deref());
            below.extend(&call.args);
        }
        Expr::Comprehension(each) => {
            own = 1;
            below.extend([&each.iter_range, &each.accu_init, &each.loop_cond]);
            below.extend([&each.loop_step, &each.result]);
        }
        Expr::List(list) => below.extend(&list.elements),
        Expr::Map(map) => below.extend(map.entries.iter().filter_map(entry_value)),
        Expr::Select(select) => below.push(&select.operand),
        _ => {}
    }
    let deepest = below.into_iter().map(measure);
    let (depth, loops) =
        deepest.fold((0, 0), |(a, b), (depth, loops)| (a.max(depth), b.max(loops)));
    (depth + 1, loops + own)
}

fn entry_value(entry: &cel::common::ast::IdedEntryExpr) -> Option<&IdedExpr> {
    match &entry.expr {
        EntryExpr::MapEntry(pair) => Some(&pair.value),
        EntryExpr::StructField(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn passes(filter: &str, item: &Value) -> bool {
        Filter::new(filter).expect(filter).lets_through(item).expect(filter)
    }

    #[test]
    fn an_item_passes_by_its_fields() {
        let item = json!({"status": "failed", "labels": {"team": "data"}, "number": 7,
                          "error": {"message": "http 503 from x"}});
        assert!(passes("status == 'failed' && labels.team == 'data'", &item));
        assert!(passes("error.message.contains('503')", &item));
        assert!(passes("number > 6 && number < 8", &item));
        assert!(!passes("status == 'running'", &item));
    }

    #[test]
    fn an_item_without_the_field_does_not_pass() {
        assert!(!passes("error.message.contains('503')", &json!({"status": "running"})));
        assert!(passes("error == null", &json!({"status": "running"})));
    }

    #[test]
    fn what_is_no_condition_is_refused_with_a_reason() {
        for bad in ["status ==", "1 +", &"(".repeat(300), &"x".repeat(5_000)] {
            assert_eq!(Filter::new(bad).err().expect("refused").problem().code, "E0204");
        }
        let number = Filter::new("number").expect("it is an expression");
        assert!(number.lets_through(&json!({"number": 1})).is_err());
        let loops = "[1].map(a, [1].map(b, [1].map(c, 1)))";
        assert!(Filter::new(loops).is_err());
    }
}
