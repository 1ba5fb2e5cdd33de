//! JSON with `${{ }}` in its texts, and conditions.

use std::sync::Arc;

use serde_json::{Map, Value};

use oarlock_engine::blob::PAYLOAD_BYTES_MAX;

use super::compile::Expression;
use super::convert;
use super::fault::Fault;
use super::names::{Mention, Name};
use super::reading::{Local, Names, Reading};
use super::reads::Reads;
use super::scan::{Piece, scan};
use super::{Scope, TEMPLATE_DEPTH_MAX};

/// A JSON value some of whose texts are computed.
///
/// A text that is one `${{ }}` and nothing else becomes whatever the expression comes to, with its type; in other texts the
/// result is written out: texts as they are, everything else as JSON.
#[derive(Debug)]
pub struct Template {
    node: Node,
    mentions: Vec<Mention>,
    reads: Arc<Reads>,
}

#[derive(Debug)]
enum Node {
    Fixed(Value),
    Lone(Code),
    Text(Vec<Part>),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

#[derive(Debug)]
enum Part {
    Text(String),
    Code(Code),
}

/// An expression and where in its text it begins.
#[derive(Debug)]
struct Code {
    expression: Box<Expression>,
    start: usize,
}

impl Template {
    /// Reads a value; the first fault ends it.
    ///
    /// # Errors
    /// A [`Fault`] with a pointer to the text and its place in there.
    pub fn parse(value: &Value) -> Result<Template, Fault> {
        let mut faults = Vec::new();
        let template = Template::parse_all(value, &mut faults);
        match faults.into_iter().next() {
            Some(fault) => Err(fault),
            None => Ok(template),
        }
    }

    /// Reads a value and reports every fault in it; where there are some, the template is not to be evaluated.
    pub fn parse_all(value: &Value, faults: &mut Vec<Fault>) -> Template {
        let mut mentions = Vec::new();
        let node = read(value, 0, &mut mentions, faults);
        let mut reads = Reads::default();
        gather(&node, &mut reads);
        Template { node, mentions, reads: Arc::new(reads) }
    }

    /// The names its expressions mention.
    #[must_use]
    pub fn mentions(&self) -> &[Mention] {
        &self.mentions
    }

    /// The tasks its expressions mention, each once.
    #[must_use]
    pub fn tasks(&self) -> Vec<&str> {
        tasks_of(&self.mentions)
    }

    /// Whether there is nothing to compute: then [`Template::fixed`] has the value.
    #[must_use]
    pub fn is_static(&self) -> bool {
        matches!(self.node, Node::Fixed(_))
    }

    /// The value, where there is nothing to compute.
    #[must_use]
    pub fn fixed(&self) -> Option<&Value> {
        match &self.node {
            Node::Fixed(value) => Some(value),
            Node::Lone(_) | Node::Text(_) | Node::List(_) | Node::Object(_) => None,
        }
    }

    /// Computes the value.
    ///
    /// # Errors
    /// A [`Fault`] where an expression cannot be computed, or the whole is larger than a payload may be.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, Fault> {
        let names = Names::new(&self.reads);
        self.evaluate_in(&names.read(scope, scope.now), &Local::of(scope))
    }

    /// Computes the value in a scope that is read for several templates; it must be read for this one, too.
    pub(super) fn evaluate_in(
        &self,
        reading: &Reading<'_>,
        local: &Local<'_>,
    ) -> Result<Value, Fault> {
        let mut left = PAYLOAD_BYTES_MAX;
        compute(&self.node, reading, local, &mut left)
    }

    /// What its expressions read.
    pub(super) fn reads(&self) -> &Reads {
        &self.reads
    }
}

/// `if:`, which must come to true or false.
#[derive(Debug)]
pub struct Condition {
    expression: Expression,
}

impl Condition {
    /// Reads a condition; `${{ }}` around it is allowed and means nothing.
    ///
    /// # Errors
    /// A [`Fault`] with its place in `text`.
    pub fn parse(text: &str) -> Result<Condition, Fault> {
        let trimmed = text.trim();
        let inner = trimmed.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}"));
        if let Some(second) = inner.unwrap_or(trimmed).find("${{") {
            let start = text.len() - text.trim_start().len() + if inner.is_some() { 3 } else { 0 };
            return Err(Fault::new("a condition is one expression, without `${{ }}` inside")
                .hint("write the names alone: `inputs.a && inputs.b`")
                .at(start + second..start + second + 3));
        }
        let start = inner.map_or(0, |_| text.find("${{").unwrap_or(0) + 3);
        let expression =
            Expression::parse(inner.unwrap_or(text)).map_err(|fault| fault.shifted(start))?;
        Ok(Condition { expression })
    }

    /// The expression inside.
    #[must_use]
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// The tasks it mentions, each once.
    #[must_use]
    pub fn tasks(&self) -> Vec<&str> {
        tasks_of(self.expression.mentions())
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// A [`Fault`] where it cannot be computed, or comes to something else than true or false.
    pub fn evaluate(&self, scope: &Scope) -> Result<bool, Fault> {
        match self.expression.evaluate(scope)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(Fault::new(format!(
                "a condition must be true or false, and this is {}",
                kind_of(&other)
            ))
            .hint("compare it with something: `x > 0`, `x != \"\"`, `size(x) > 0`")),
        }
    }
}

fn tasks_of(mentions: &[Mention]) -> Vec<&str> {
    let mut names: Vec<&str> = mentions
        .iter()
        .filter_map(|mention| match &mention.name {
            Name::Task(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What a JSON value is, in words.
#[must_use]
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a whole number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn read(value: &Value, depth: usize, mentions: &mut Vec<Mention>, faults: &mut Vec<Fault>) -> Node {
    if depth > TEMPLATE_DEPTH_MAX {
        let deep = format!("nested more than {TEMPLATE_DEPTH_MAX} levels deep");
        faults.push(Fault::new(deep));
        return Node::Fixed(Value::Null);
    }
    match value {
        Value::String(text) if text.contains("${{") => read_text(text, mentions, faults),
        Value::Array(list) => {
            let nodes = list.iter().enumerate().map(|(place, element)| {
                under(&place.to_string(), mentions, faults, |mentions, faults| {
                    read(element, depth + 1, mentions, faults)
                })
            });
            let nodes: Vec<_> = nodes.collect();
            match nodes.iter().all(|node| matches!(node, Node::Fixed(_))) {
                true => Node::Fixed(Value::Array(nodes.into_iter().filter_map(fixed).collect())),
                false => Node::List(nodes),
            }
        }
        Value::Object(object) => {
            let mut nodes = Vec::with_capacity(object.len());
            for (key, element) in object {
                if key.contains("${{") {
                    faults.push(
                        Fault::new("a name cannot be computed").hint("use `${{ }}` in values only"),
                    );
                }
                let node = under(key, mentions, faults, |mentions, faults| {
                    read(element, depth + 1, mentions, faults)
                });
                nodes.push((key.clone(), node));
            }
            if nodes.iter().all(|(_, node)| matches!(node, Node::Fixed(_))) {
                let entries = nodes.into_iter().filter_map(|(key, node)| Some((key, fixed(node)?)));
                return Node::Fixed(Value::Object(entries.collect()));
            }
            Node::Object(nodes)
        }
        other => Node::Fixed(other.clone()),
    }
}

fn fixed(node: Node) -> Option<Value> {
    match node {
        Node::Fixed(value) => Some(value),
        Node::Lone(_) | Node::Text(_) | Node::List(_) | Node::Object(_) => None,
    }
}

/// Reads what is under `step`, and adds the step to the pointers of what is found there.
fn under(
    step: &str,
    mentions: &mut Vec<Mention>,
    faults: &mut Vec<Fault>,
    read: impl FnOnce(&mut Vec<Mention>, &mut Vec<Fault>) -> Node,
) -> Node {
    let (mentions_before, faults_before) = (mentions.len(), faults.len());
    let node = read(mentions, faults);
    for fault in &mut faults[faults_before..] {
        *fault = std::mem::take(fault).under(step);
    }
    for mention in &mut mentions[mentions_before..] {
        let pointer = std::mem::take(&mut mention.pointer);
        mention.pointer = Fault { pointer, ..Fault::default() }.under(step).pointer;
    }
    node
}

/// A text with a fault in it becomes a fixed one; it is not to be evaluated.
fn read_text(text: &str, mentions: &mut Vec<Mention>, faults: &mut Vec<Fault>) -> Node {
    let pieces = scan(text).unwrap_or_else(|fault| {
        faults.push(fault);
        Vec::new()
    });
    let mut parts = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => parts.push(Part::Text(text)),
            Piece::Code(range) => {
                let start = range.start;
                match Expression::parse(&text[range]) {
                    Ok(expression) => {
                        mentions.extend(expression.mentions().iter().map(|mention| Mention {
                            position: mention.position.start + start..mention.position.end + start,
                            ..mention.clone()
                        }));
                        parts.push(Part::Code(Code { expression: Box::new(expression), start }));
                    }
                    Err(fault) => faults.push(fault.shifted(start)),
                }
            }
        }
    }
    if let [Part::Code(_)] = parts.as_slice()
        && let Some(Part::Code(code)) = parts.pop()
    {
        return Node::Lone(code);
    }
    match parts.as_mut_slice() {
        [] => Node::Fixed(Value::Null),
        [Part::Text(text)] => Node::Fixed(Value::String(std::mem::take(text))),
        _ => Node::Text(parts),
    }
}

/// Everything that the expressions of a value read.
fn gather(node: &Node, reads: &mut Reads) {
    match node {
        Node::Fixed(_) => {}
        Node::Lone(code) => reads.join(code.expression.reads()),
        Node::Text(parts) => {
            for part in parts {
                if let Part::Code(code) = part {
                    reads.join(code.expression.reads());
                }
            }
        }
        Node::List(nodes) => nodes.iter().for_each(|node| gather(node, reads)),
        Node::Object(nodes) => nodes.iter().for_each(|(_, node)| gather(node, reads)),
    }
}

fn compute(
    node: &Node,
    reading: &Reading<'_>,
    local: &Local<'_>,
    left: &mut usize,
) -> Result<Value, Fault> {
    match node {
        Node::Fixed(value) => spend(value.clone(), left),
        Node::Lone(code) => spend(code.evaluate(reading, local)?, left),
        Node::Text(parts) => {
            let mut text = String::new();
            for part in parts {
                match part {
                    Part::Text(plain) => text.push_str(plain),
                    Part::Code(code) => match code.evaluate(reading, local)? {
                        Value::String(value) => text.push_str(&value),
                        Value::Null => {}
                        other => text.push_str(&other.to_string()),
                    },
                }
                if text.len() > *left {
                    return Err(convert::too_large());
                }
            }
            spend(Value::String(text), left)
        }
        Node::List(nodes) => nodes
            .iter()
            .enumerate()
            .map(|(place, node)| {
                compute(node, reading, local, left).map_err(|fault| fault.under(&place.to_string()))
            })
            .collect(),
        Node::Object(nodes) => {
            let mut object = Map::with_capacity(nodes.len());
            for (key, node) in nodes {
                let value =
                    compute(node, reading, local, left).map_err(|fault| fault.under(key))?;
                object.insert(key.clone(), value);
            }
            Ok(Value::Object(object))
        }
    }
}

impl Code {
    fn evaluate(&self, reading: &Reading<'_>, local: &Local<'_>) -> Result<Value, Fault> {
        self.expression.evaluate_in(reading, local).map_err(|fault| fault.shifted(self.start))
    }
}

fn spend(value: Value, left: &mut usize) -> Result<Value, Fault> {
    *left = left.checked_sub(size(&value)).ok_or_else(convert::too_large)?;
    Ok(value)
}

/// About how many bytes a value has as JSON; never more than it has.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => text.len() + 2,
        Value::Array(list) => list.iter().map(|element| size(element) + 1).sum::<usize>() + 1,
        Value::Object(object) => {
            object.iter().map(|(key, value)| key.len() + size(value) + 4).sum::<usize>() + 1
        }
    }
}
