//! The price of an evaluation: what makes it stop before it is too slow or too large.
//!
//! CEL always ends, but a loop in a loop over ten thousand results, or a text added to itself, can take minutes or gigabytes
//! first, and the interpreter has no meter. So the meter is written into the expression when it is compiled: wherever something
//! is looped over, copied or made, the node is wrapped in `@charge(node, factor)`, which hands the value on and takes its size
//! off what is left. When nothing is left the evaluation ends with a fault.
//!
//! What is left lives in a thread-local: the interpreter's functions are plain function pointers, and one evaluation runs from
//! its beginning to its end on one thread.

use std::cell::Cell;

use cel::ExecutionError;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::common::types::{CelBytes, CelInt, CelList, CelMap, CelString};
use cel::common::value::{CowVal, Val};

/// The function that takes the price. No author can write a name that begins with `@`.
pub(super) const CHARGE: &str = "@charge";
/// The price of one value, beside its bytes.
const NODE: u64 = 16;
/// How often a regular expression is dearer than another operator.
const REGEX: u64 = 500;

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

/// Begins a new evaluation.
pub(super) fn reset(budget: u64) {
    LEFT.set(budget);
}

/// Takes `price` off what is left.
pub(super) fn charge(price: u64) -> Result<(), ExecutionError> {
    match LEFT.get().checked_sub(price) {
        Some(left) => {
            LEFT.set(left);
            Ok(())
        }
        None => {
            LEFT.set(0);
            Err(ExecutionError::function_error(CHARGE, "the expression does too much work"))
        }
    }
}

/// `@charge(value, factor)`: hands the value on.
pub(super) fn charged<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let mut args = args.into_iter();
    let (Some(value), Some(factor)) = (args.next(), args.next()) else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let factor = factor.downcast_ref::<CelInt>().map_or(0, |factor| *factor.inner());
    let steps = value.as_sizer().map_or(1, |sizer| *sizer.size().inner());
    let loops =
        u64::try_from(factor.max(0)).unwrap_or(0) * u64::try_from(steps.max(1)).unwrap_or(1);
    charge(loops.saturating_mul(NODE))?;
    weigh(&*value)?;
    Ok(value)
}

/// Charges for everything in a value; stops as soon as nothing is left.
fn weigh(value: &dyn Val) -> Result<(), ExecutionError> {
    if let Some(text) = value.downcast_ref::<CelString>() {
        return charge(NODE + text.inner().len() as u64);
    }
    if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        return charge(NODE + bytes.inner().len() as u64);
    }
    charge(NODE)?;
    if let Some(list) = value.downcast_ref::<CelList>() {
        return list.inner().iter().try_for_each(|element| weigh(&**element));
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        return map.inner().values().try_for_each(|element| weigh(&**element));
    }
    Ok(())
}

/// Writes the charges into an expression.
pub(super) fn meter(node: IdedExpr) -> IdedExpr {
    let IdedExpr { id, expr } = node;
    let expr = match expr {
        Expr::Call(call) => return meter_call(id, call),
        Expr::Comprehension(mut inner) => {
            let factor = weight(&inner.loop_step) + weight(&inner.loop_cond);
            inner.iter_range = wrap(meter(inner.iter_range), factor);
            // The step keeps its shape, by which the interpreter knows a loop that only appends.
            inner.loop_step = meter_step(inner.loop_step, &inner.accu_var);
            inner.result = meter(inner.result);
            Expr::Comprehension(inner)
        }
        Expr::List(mut list) => {
            list.elements = list.elements.into_iter().map(|e| wrap(meter(e), 0)).collect();
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    entry.key = wrap(meter(std::mem::take(&mut entry.key)), 0);
                    entry.value = wrap(meter(std::mem::take(&mut entry.value)), 0);
                }
            }
            Expr::Map(map)
        }
        Expr::Select(mut select) => {
            select.operand = Box::new(meter(*select.operand));
            Expr::Select(select)
        }
        other => other,
    };
    IdedExpr { id, expr }
}

fn meter_call(id: u64, call: CallExpr) -> IdedExpr {
    let CallExpr { func_name, target, args } = call;
    let target = target.map(|target| Box::new(meter(*target)));
    let mut args: Vec<_> = args.into_iter().map(meter).collect();
    // Comparing and searching look through whole values and give back only true or false.
    let looks = match func_name.as_str() {
        "_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_" => Some(0),
        "@in" => Some(1),
        _ => None,
    };
    if let Some(arg) = looks.and_then(|place| args.get_mut(place)) {
        *arg = wrap(std::mem::take(arg), 0);
    }
    let makes = matches!(func_name.as_str(), "_+_" | "string" | "bytes" | "dyn");
    let node = IdedExpr { id, expr: Expr::Call(CallExpr { func_name, target, args }) };
    if makes { wrap(node, 0) } else { node }
}

/// The step of a loop: `@result + [x]`, `cond ? @result + [x] : @result`, `@result && x` …
fn meter_step(step: IdedExpr, accu: &str) -> IdedExpr {
    let IdedExpr { id, expr } = step;
    let Expr::Call(mut call) = expr else { return meter(IdedExpr { id, expr }) };
    let of_accu = call.args.first().is_some_and(|arg| is_name(arg, accu));
    if call.func_name == "_?_:_" {
        let args = std::mem::take(&mut call.args);
        call.args = args.into_iter().map(|arg| meter_step(arg, accu)).collect();
    } else if call.func_name == "_+_" && of_accu {
        call.args = call.args.into_iter().map(meter).collect();
    } else {
        return meter_call(id, call);
    }
    IdedExpr { id, expr: Expr::Call(call) }
}

fn is_name(node: &IdedExpr, name: &str) -> bool {
    matches!(&node.expr, Expr::Ident(found) if found == name)
}

fn wrap(node: IdedExpr, factor: i64) -> IdedExpr {
    let id = node.id;
    let factor = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::Int(factor.into())) };
    let call = CallExpr { func_name: CHARGE.to_owned(), target: None, args: vec![node, factor] };
    IdedExpr { id, expr: Expr::Call(call) }
}

/// How many operators one step of a loop has; a regular expression counts for many.
fn weight(node: &IdedExpr) -> i64 {
    let own = match &node.expr {
        Expr::Call(call) if call.func_name == "matches" => REGEX as i64,
        _ => 1,
    };
    super::tree::children(node).into_iter().fold(own, |sum, child| sum + weight(child))
}
