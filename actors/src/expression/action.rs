//! A task's action with templates in it: what a definition keeps in `template`, computed into JSON with nothing left to compute.
//!
//! It is one template, but for the order of things: the variables of a `run` are computed first, and its command may then name
//! them as `env`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::fault::Fault;
use super::reading::{Local, Names, Reading};
use super::reads::Reads;
use super::template::Template;
use super::{Mention, Scope};

/// An action that was read.
#[derive(Debug)]
pub struct Action {
    /// `run`, `http` …
    name: String,
    env: Template,
    body: Template,
    reads: Arc<Reads>,
}

impl Action {
    /// Reads the JSON of a definition's `template`: an object with one key, which says what kind of action it is.
    ///
    /// # Errors
    /// A [`Fault`] where it is no action, or an expression in it is malformed.
    pub fn parse(action: &Value) -> Result<Action, Fault> {
        let only = action.as_object().filter(|object| object.len() == 1);
        let Some((name, body)) = only.and_then(|object| object.iter().next()) else {
            return Err(Fault::new("the task has no action"));
        };
        let mut body = body.clone();
        let env = body.as_object_mut().and_then(|body| body.shift_remove("env"));
        let env = Template::parse(&env.unwrap_or(Value::Null));
        let env = env.map_err(|fault| fault.under("env").under(name))?;
        let body = Template::parse(&body).map_err(|fault| fault.under(name))?;
        let mut reads = Reads::clone(env.reads());
        reads.join(body.reads());
        Ok(Action { name: name.clone(), env, body, reads: Arc::new(reads) })
    }

    /// The names its expressions mention.
    pub fn mentions(&self) -> impl Iterator<Item = &Mention> {
        self.env.mentions().iter().chain(self.body.mentions())
    }

    /// The tasks its expressions mention, each once.
    #[must_use]
    pub fn tasks(&self) -> Vec<&str> {
        let mut names = self.env.tasks();
        names.extend(self.body.tasks());
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The names of a scope, as far as this action reads them.
    pub(crate) fn names(&self) -> Names {
        Names::new(&self.reads)
    }

    /// Computes the action: the same shape, with nothing left to compute.
    ///
    /// # Errors
    /// A [`Fault`] where an expression cannot be computed.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, Fault> {
        self.evaluate_in(&self.names().read(scope, scope.now), &Local::of(scope))
    }

    /// Computes the action in a scope that was read for it.
    ///
    /// # Errors
    /// A [`Fault`] where an expression cannot be computed.
    pub(crate) fn evaluate_in(
        &self,
        reading: &Reading<'_>,
        local: &Local<'_>,
    ) -> Result<Value, Fault> {
        let here = |fault: Fault| fault.under(&self.name);
        let env = self.env.evaluate_in(reading, local).map_err(|fault| here(fault.under("env")))?;
        let Value::Object(env) = env else {
            let body = self.body.evaluate_in(reading, local).map_err(here)?;
            return Ok(Value::Object(Map::from_iter([(self.name.clone(), body)])));
        };
        let mut texts = Map::new();
        let mut known = BTreeMap::new();
        for (name, value) in env {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text,
                other => other.to_string(),
            };
            if text.contains('\0') {
                let fault = Fault::new("a variable cannot hold a zero byte");
                return Err(here(fault.under(&name).under("env")));
            }
            known.insert(name.clone(), text.clone());
            texts.insert(name, Value::String(text));
        }
        let inner = Local { env: &known, ..*local };
        let mut body = self.body.evaluate_in(reading, &inner).map_err(here)?;
        if let Some(body) = body.as_object_mut() {
            body.insert("env".to_owned(), Value::Object(texts));
        }
        Ok(Value::Object(Map::from_iter([(self.name.clone(), body)])))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn variables_are_computed_before_the_command_that_names_them() {
        let action = Action::parse(&json!({"run": {
            "command": "echo ${{ env.WHO }}",
            "env": {"WHO": "${{ inputs.who }}", "N": "${{ inputs.n }}", "NONE": null},
        }}));
        let scope = Scope { inputs: json!({"n": 3, "who": "x"}), ..Scope::default() };
        assert_eq!(
            action.expect("an action").evaluate(&scope),
            Ok(json!({"run": {"command": "echo x", "env": {"WHO": "x", "N": "3"}}}))
        );
    }

    #[test]
    fn a_fault_has_the_way_to_its_place() {
        let action = Action::parse(&json!({"call": {"name": "a", "input": [1, "${{ nope }}"]}}));
        assert_eq!(action.expect_err("unknown name").pointer, "/call/input/1");
    }
}
