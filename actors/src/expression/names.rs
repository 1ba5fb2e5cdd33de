//! Which names an expression mentions: tasks, inputs, functions. Unknown ones are refused when it is parsed.
//!
//! Tasks can only be named outright (`tasks.load`, `tasks["load-all"]`), so what an expression reads is known before it runs:
//! the file's checker compares it with the task's needs, and the role loads no more than that.

use std::ops::Range;

use cel::common::ast::{CallExpr, Expr, IdedExpr, SourceInfo};

use super::fault::{Fault, Sort};
use super::tree::{children, extent, index_of, root_of};

/// Names that mean something everywhere.
const ROOTS: [&str; 6] = ["inputs", "tasks", "run", "item", "index", "env"];
/// Names that a later release knows.
const LATER: [&str; 2] = ["secrets", "trigger"];
/// CEL's own names of types.
const TYPES: [&str; 12] = [
    "bool",
    "bytes",
    "double",
    "duration",
    "dyn",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "timestamp",
    "uint",
];
/// What can be asked about a task: `tasks.load.output`.
pub const TASK_FIELDS: [&str; 5] = ["status", "output", "outputs", "error", "attempts"];
/// What can be asked about the run: `run.number`.
pub const RUN_FIELDS: [&str; 10] = [
    "id",
    "key",
    "workflow",
    "version",
    "number",
    "attempt",
    "started_at",
    "scheduled_at",
    "by",
    "labels",
];
/// Every function and macro, as written.
pub const FUNCTIONS: [&str; 50] = [
    "always",
    "succeeded",
    "failed",
    "now",
    "has",
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "bool",
    "dyn",
    "type",
    "timestamp",
    "duration",
    "date",
    "split",
    "join",
    "trim",
    "lowerAscii",
    "upperAscii",
    "replace",
    "getFullYear",
    "getMonth",
    "getDayOfMonth",
    "getDate",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "optional",
    "of",
    "ofNonZeroValue",
    "none",
    "hasValue",
    "value",
    "or",
    "orValue",
];

/// A name that an expression mentions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// Which.
    pub name: Name,
    /// JSON Pointer to the text that mentions it, inside the value that was parsed.
    pub pointer: String,
    /// Its bytes in that text.
    pub position: Range<usize>,
}

/// What a mentioned name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// `tasks.NAME`
    Task(String),
    /// `inputs.NAME`
    Input(String),
    /// `inputs` as a whole.
    Inputs,
    /// `run`, and which field of it; empty: the whole.
    Run(String),
    /// `item`
    Item,
    /// `index`
    Index,
    /// `env`
    Env,
    /// A function without an owner: `always()`, `failed()`, `now()` …
    Function(String),
}

/// Collects the mentions of a parsed expression, or says what is unknown.
pub(super) fn collect(
    text: &str,
    ast: &IdedExpr,
    source: &SourceInfo,
) -> Result<Vec<Mention>, Fault> {
    let mut walk = Walk { text, source, locals: Vec::new(), found: Vec::new() };
    walk.visit(ast)?;
    Ok(walk.found)
}

struct Walk<'a> {
    text: &'a str,
    source: &'a SourceInfo,
    /// Variables of the loops around.
    locals: Vec<&'a str>,
    found: Vec<Mention>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, node: &'a IdedExpr) -> Result<(), Fault> {
        match &node.expr {
            Expr::Ident(name) => self.root(node, name, None),
            Expr::Select(select) => match root_of(&select.operand) {
                Some(root) if !self.locals.contains(&root) => {
                    self.root(node, root, Some(&select.field))
                }
                _ => {
                    self.task_field(node, &select.operand, &select.field)?;
                    self.visit(&select.operand)
                }
            },
            Expr::Call(call) => self.call(node, call),
            Expr::Comprehension(comprehension) => {
                self.visit(&comprehension.iter_range)?;
                self.visit(&comprehension.accu_init)?;
                let before = self.locals.len();
                self.locals.push(&comprehension.iter_var);
                self.locals.extend(comprehension.iter_var2.as_deref());
                self.locals.push(&comprehension.accu_var);
                self.visit(&comprehension.loop_cond)?;
                self.visit(&comprehension.loop_step)?;
                self.visit(&comprehension.result)?;
                self.locals.truncate(before);
                Ok(())
            }
            _ => children(node).into_iter().try_for_each(|child| self.visit(child)),
        }
    }

    fn call(&mut self, node: &'a IdedExpr, call: &'a CallExpr) -> Result<(), Fault> {
        if let Some((of, key)) = index_of(call) {
            match root_of(of) {
                Some(root) if !self.locals.contains(&root) => {
                    return self.root(node, root, Some(key));
                }
                _ => self.task_field(node, of, key)?,
            }
        }
        let plain = call.func_name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if plain && !call.func_name.starts_with('_') {
            let mut at = self.at(node);
            // The parser places a call at its bracket.
            if call.target.is_none() && self.text[..at.start].ends_with(&call.func_name) {
                at.start -= call.func_name.len();
            }
            if !FUNCTIONS.contains(&call.func_name.as_str()) {
                // Of `x.f(…)` the name alone.
                let gap = self.text[at.start..at.end].rfind(&format!("{}(", call.func_name));
                let start = at.start + gap.unwrap_or(0);
                let at = start..(start + call.func_name.len()).min(at.end.max(start));
                let fault = Fault::new(format!("there is no function `{}`", call.func_name))
                    .sort(Sort::Unknown)
                    .at(at);
                return Err(match nearest(&call.func_name, FUNCTIONS) {
                    Some(name) => fault.hint(format!("did you mean `{name}`?")),
                    None => fault,
                });
            }
            if call.target.is_none() {
                self.mention(Name::Function(call.func_name.clone()), at);
            }
        }
        // `optional.of(x)`: the namespace is no variable.
        if let Some(target) = &call.target
            && !matches!(&target.expr, Expr::Ident(name) if name == "optional")
        {
            self.visit(target)?;
        }
        call.args.iter().try_for_each(|arg| self.visit(arg))
    }

    /// A name at the beginning of a path, and the step after it.
    fn root(&mut self, node: &IdedExpr, name: &str, field: Option<&str>) -> Result<(), Fault> {
        if self.locals.contains(&name) {
            return Ok(());
        }
        let at = self.at(node);
        let name = match (name, field) {
            ("tasks", None) => {
                return Err(Fault::new("`tasks` alone does not say which task")
                    .hint("write tasks.NAME or tasks[\"NAME\"]")
                    .at(at));
            }
            ("tasks", Some(task)) => Name::Task(task.to_owned()),
            ("inputs", None) => Name::Inputs,
            ("inputs", Some(input)) => Name::Input(input.to_owned()),
            ("run", Some(field)) if !RUN_FIELDS.contains(&field) => {
                return Err(unknown(&format!("`run` has no `{field}`"), field, RUN_FIELDS).at(at));
            }
            ("run", field) => Name::Run(field.unwrap_or_default().to_owned()),
            ("item", _) => Name::Item,
            ("index", _) => Name::Index,
            ("env", _) => Name::Env,
            (name, _) if TYPES.contains(&name) => return Ok(()),
            (name, _) if LATER.contains(&name) => {
                return Err(Fault::new(format!("`{name}` is not available yet"))
                    .sort(Sort::NotYet)
                    .at(at));
            }
            (name, _) => {
                let fault = unknown(&format!("`{name}` is not known here"), name, ROOTS);
                return Err(match dashed(&self.text[..at.start]) {
                    Some(task) => fault.hint(format!(
                        "a name with a dash is written in brackets: tasks[\"{task}-{name}\"]"
                    )),
                    None => fault,
                }
                .at(at));
            }
        };
        self.mention(name, at);
        Ok(())
    }

    /// `tasks.load.outptu`
    fn task_field(&self, node: &IdedExpr, of: &IdedExpr, field: &str) -> Result<(), Fault> {
        let task = match &of.expr {
            Expr::Select(select) => Some((&*select.operand, select.field.as_str())),
            Expr::Call(call) => index_of(call),
            _ => None,
        };
        let Some((tasks, name)) = task else { return Ok(()) };
        let is_task = root_of(tasks) == Some("tasks") && !self.locals.contains(&"tasks");
        if !is_task || TASK_FIELDS.contains(&field) {
            return Ok(());
        }
        let fault = unknown(&format!("a task has no `{field}`"), field, TASK_FIELDS);
        let fault = match nearest(field, TASK_FIELDS) {
            Some(_) => fault,
            None => fault.hint(format!("its result is tasks.{name}.output.{field}")),
        };
        Err(fault.at(self.at(node)))
    }

    fn mention(&mut self, name: Name, position: Range<usize>) {
        self.found.push(Mention { name, pointer: String::new(), position });
    }

    fn at(&self, node: &IdedExpr) -> Range<usize> {
        extent(self.text, node, self.source).unwrap_or(0..self.text.len())
    }
}

/// `tasks.load-` before an unknown name: what stands between.
fn dashed(before: &str) -> Option<&str> {
    let before = before.strip_suffix('-')?;
    let start = before.rfind("tasks.")? + "tasks.".len();
    let task = &before[start..];
    task.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-').then_some(task)
}

fn unknown<const N: usize>(message: &str, name: &str, known: [&'static str; N]) -> Fault {
    let fault = Fault::new(message).sort(Sort::Unknown);
    match nearest(name, known) {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None if known.len() <= 10 => fault.hint(format!("known: {}", known.join(", "))),
        None => fault,
    }
}

/// The known name that was probably meant.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= (name.len().max(candidate.len()) / 3).max(1)
                && *distance < candidate.len().min(name.len()).max(2)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
