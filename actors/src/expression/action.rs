//! A task's action with templates in it: what a definition keeps in `template`, computed into JSON with nothing left to compute.
//!
//! It is one template, but for the order of things: the variables of a `run` are computed first, and its command may then name
//! them as `env`.

use serde_json::{Map, Value};

use super::fault::Fault;
use super::template::Template;
use super::{Mention, Scope};

/// An action that was read.
#[derive(Debug)]
pub struct Action {
    /// `run`, `http` …
    name: String,
    env: Template,
    body: Template,
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
        Ok(Action {
            name: name.clone(),
            env: env.map_err(|fault| fault.under("env").under(name))?,
            body: Template::parse(&body).map_err(|fault| fault.under(name))?,
        })
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

    /// Computes the action: the same shape, with nothing left to compute.
    ///
    /// # Errors
    /// A [`Fault`] where an expression cannot be computed.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, Fault> {
        let here = |fault: Fault| fault.under(&self.name);
        let env = self.env.evaluate(scope).map_err(|fault| here(fault.under("env")))?;
        let Value::Object(env) = env else {
            let body = self.body.evaluate(scope).map_err(here)?;
            return Ok(Value::Object(Map::from_iter([(self.name.clone(), body)])));
        };
        let mut texts = Map::new();
        let mut inner = Scope { env: Default::default(), ..scope.clone() };
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
            inner.env.insert(name.clone(), text.clone());
            texts.insert(name, Value::String(text));
        }
        let mut body = self.body.evaluate(&inner).map_err(here)?;
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
