//! A definition with its expressions parsed: each when it is first needed, and then never again.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use oarlock_engine::blob::Payload;
use oarlock_engine::catalog::{Definition, Step};
use oarlock_engine::id::StepNo;
use serde_json::Value;

use crate::expression::{Action, Condition, Fault, Template};

/// A definition and what was parsed of it so far.
pub(crate) struct Book {
    /// The definition, without its source.
    pub(crate) definition: Definition,
    places: HashMap<String, StepNo>,
    steps: Vec<OnceLock<Result<Parsed, Wrong>>>,
    outputs: OnceLock<Result<Template, Wrong>>,
}

/// The expressions of a step.
pub(crate) struct Parsed {
    /// `if:`
    pub(crate) condition: Option<Condition>,
    /// `each:`
    pub(crate) items: Option<Template>,
    /// The action.
    pub(crate) action: Option<Action>,
    /// The tasks that any of them mentions.
    pub(crate) tasks: BTreeMap<String, StepNo>,
}

/// What is wrong with an expression, and in which part of the step.
#[derive(Debug, Clone)]
pub(crate) struct Wrong(pub(crate) String);

impl Wrong {
    /// A fault in a part.
    pub(crate) fn in_part(part: &str, fault: &Fault) -> Wrong {
        Wrong(format!("{part}{}: {fault}", fault.pointer))
    }
}

impl Book {
    /// With nothing parsed yet.
    pub(crate) fn new(mut definition: Definition) -> Book {
        definition.source = Payload::EMPTY;
        let mut places = HashMap::with_capacity(definition.steps.len());
        for (place, step) in definition.steps.iter().enumerate() {
            let no = u16::try_from(place).expect("a definition has fewer steps than that");
            places.insert(step.name.clone(), StepNo(no));
        }
        let steps = definition.steps.iter().map(|_| OnceLock::new()).collect();
        Book { definition, places, steps, outputs: OnceLock::new() }
    }

    /// A step and its expressions; `None`: there is no such step.
    pub(crate) fn step(&self, no: StepNo) -> Option<(&Step, &Result<Parsed, Wrong>)> {
        let place = usize::from(no.0);
        let step = self.definition.steps.get(place)?;
        let parsed = self.steps.get(place)?.get_or_init(|| self.parse(step));
        Some((step, parsed))
    }

    /// The run's output.
    pub(crate) fn outputs(&self) -> Result<&Template, &Wrong> {
        let read = || template("outputs", &self.definition.outputs);
        self.outputs.get_or_init(read).as_ref()
    }

    /// The places of tasks by their names; names that are none are left out.
    pub(crate) fn places<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> BTreeMap<String, StepNo> {
        let place = |name: &str| Some((name.to_owned(), *self.places.get(name)?));
        names.into_iter().filter_map(place).collect()
    }

    fn parse(&self, step: &Step) -> Result<Parsed, Wrong> {
        let condition = step.condition.as_deref().map(Condition::parse).transpose();
        let condition = condition.map_err(|fault| Wrong::in_part("if", &fault))?;
        let items = step.each.as_ref().map(|each| template("each", &each.items)).transpose()?;
        let action = match step.template.is_empty() {
            true => None,
            false => Some(parse_action(&step.template)?),
        };
        let mut names: Vec<&str> = Vec::new();
        names.extend(condition.iter().flat_map(Condition::tasks));
        names.extend(items.iter().flat_map(Template::tasks));
        names.extend(action.iter().flat_map(Action::tasks));
        let tasks = self.places(names);
        Ok(Parsed { condition, items, action, tasks })
    }
}

fn parse_action(text: &Payload) -> Result<Action, Wrong> {
    Action::parse(&read("action", text)?).map_err(|fault| Wrong::in_part("", &fault))
}

fn template(part: &str, payload: &Payload) -> Result<Template, Wrong> {
    let value = if payload.is_empty() { Value::Null } else { read(part, payload)? };
    Template::parse(&value).map_err(|fault| Wrong::in_part(part, &fault))
}

fn read(part: &str, payload: &Payload) -> Result<Value, Wrong> {
    serde_json::from_slice(&payload.0).map_err(|why| Wrong(format!("{part} is no JSON: {why}")))
}
