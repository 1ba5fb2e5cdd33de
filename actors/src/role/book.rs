//! A definition with its expressions parsed: each when it is first needed, and then never again.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use oarlock_engine::blob::Payload;
use oarlock_engine::catalog::{Definition, Step};
use oarlock_engine::id::StepNo;
use serde_json::{Map, Value};

use crate::expression::{Condition, Fault, Scope, Template};

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
    pub(crate) action: Option<ActionTemplate>,
    /// The tasks that any of them mentions.
    pub(crate) tasks: BTreeMap<String, StepNo>,
}

/// An action with its templates. The `env` of a `run` is computed first: the rest may speak of it.
pub(crate) struct ActionTemplate {
    env: Option<Template>,
    rest: Template,
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
            false => Some(ActionTemplate::parse(&step.template)?),
        };
        let mut names: Vec<&str> = Vec::new();
        names.extend(condition.iter().flat_map(Condition::tasks));
        names.extend(items.iter().flat_map(Template::tasks));
        names.extend(action.iter().flat_map(ActionTemplate::tasks));
        let tasks = self.places(names);
        Ok(Parsed { condition, items, action, tasks })
    }
}

impl ActionTemplate {
    fn parse(text: &Payload) -> Result<ActionTemplate, Wrong> {
        let mut action: Value = read("action", text)?;
        let run = action.get_mut("run").and_then(Value::as_object_mut);
        let env = run.and_then(|run| run.shift_remove("env"));
        let parse = |value: &Value, part| {
            Template::parse(value).map_err(|fault| Wrong::in_part(part, &fault))
        };
        Ok(ActionTemplate {
            env: env.as_ref().map(|env| parse(env, "/run/env")).transpose()?,
            rest: parse(&action, "")?,
        })
    }

    fn tasks(&self) -> Vec<&str> {
        let env = self.env.iter().flat_map(Template::tasks);
        env.chain(self.rest.tasks()).collect()
    }

    /// Computes it; the scope has the task's variables afterwards.
    pub(crate) fn evaluate(&self, scope: &mut Scope) -> Result<Value, Wrong> {
        let env = self.env.as_ref().map(|env| env.evaluate(scope)).transpose();
        let env = env.map_err(|fault| Wrong::in_part("/run/env", &fault))?;
        scope.env = env.as_ref().and_then(Value::as_object).map(variables).unwrap_or_default();
        let rest = self.rest.evaluate(scope);
        let mut action = rest.map_err(|fault| Wrong::in_part("", &fault))?;
        if let (Some(env), Some(run)) = (env, action.get_mut("run").and_then(Value::as_object_mut))
        {
            run.insert("env".to_owned(), env);
        }
        Ok(action)
    }
}

fn variables(env: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    env.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn template(part: &str, payload: &Payload) -> Result<Template, Wrong> {
    let value = if payload.is_empty() { Value::Null } else { read(part, payload)? };
    Template::parse(&value).map_err(|fault| Wrong::in_part(part, &fault))
}

fn read(part: &str, payload: &Payload) -> Result<Value, Wrong> {
    serde_json::from_slice(&payload.0).map_err(|why| Wrong(format!("{part} is no JSON: {why}")))
}
