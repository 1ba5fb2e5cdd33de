//! A scope as expressions see it: what they read of it becomes CEL once, for however many of them, and for however many items.
//!
//! A fan-out evaluates the same templates for each of its items, and what differs is little: the item itself. So the rest is
//! converted at the first expression that needs it and kept as [`Names`], for as long as the scope is the same; a [`Reading`] of
//! them serves evaluations at one moment.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context, Value as CelValue};
use oarlock_engine::time::Moment;
use serde_json::Value;

use super::Scope;
use super::convert::{self, Boxed};
use super::fault::Fault;
use super::function::ENV;
use super::reads::Reads;

/// What differs from one evaluation in a scope to the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Local<'l> {
    /// `item`
    pub(crate) item: Option<&'l Value>,
    /// `index`
    pub(crate) index: Option<u64>,
    /// `env`
    pub(crate) env: &'l BTreeMap<String, String>,
}

impl<'l> Local<'l> {
    /// What a scope says itself.
    pub(super) fn of(scope: &'l Scope) -> Local<'l> {
        Local { item: scope.item.as_ref(), index: scope.index, env: &scope.env }
    }
}

/// The names of one scope, as CEL, as far as they are read. They belong to the scope that they are first read for.
pub(crate) struct Names {
    reads: Arc<Reads>,
    values: OnceLock<Result<Values, Fault>>,
}

struct Values(BTreeMap<&'static str, Boxed<'static>>);

impl VariableResolver for Values {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        self.0.get(variable).map(|value| CowVal::Borrowed(&**value))
    }
}

impl Names {
    /// With nothing converted yet.
    pub(super) fn new(reads: &Arc<Reads>) -> Names {
        Names { reads: Arc::clone(reads), values: OnceLock::new() }
    }

    /// For evaluations at one moment in the scope they are the names of.
    pub(crate) fn read<'s>(&'s self, scope: &'s Scope, now: Moment) -> Reading<'s> {
        Reading { names: self, scope, now, context: OnceCell::new() }
    }

    fn values(&self, scope: &Scope) -> Result<&Values, Fault> {
        let convert = || {
            let mut values = BTreeMap::new();
            for name in ["inputs", "tasks", "run"] {
                if let Some(reads) = self.reads.part(name) {
                    values.insert(name, convert::root(scope, name, reads)?);
                }
            }
            Ok(Values(values))
        };
        self.values.get_or_init(convert).as_ref().map_err(Clone::clone)
    }
}

/// The names of a scope with its functions, at one moment.
pub(crate) struct Reading<'s> {
    names: &'s Names,
    pub(super) scope: &'s Scope,
    now: Moment,
    context: OnceCell<Result<Context<'s, 's>, Fault>>,
}

impl<'s> Reading<'s> {
    /// What expressions are evaluated in.
    pub(super) fn context(&self) -> Result<&Context<'s, 's>, Fault> {
        self.context.get_or_init(|| self.bind()).as_ref().map_err(Clone::clone)
    }

    fn bind(&self) -> Result<Context<'s, 's>, Fault> {
        let mut context = Context::with_env(ENV.clone());
        context.set_variable_resolver(self.names.values(self.scope)?);
        let (succeeded, failed) = (self.scope.succeeded, self.scope.failed);
        let unlike = |error: &dyn std::fmt::Display| Fault::new(error.to_string());
        let now = convert::moment(self.now)?;
        let now = CelValue::try_from(&*now).map_err(|error| unlike(&error))?;
        context
            .add_function("always", || true)
            .and_then(|()| context.add_function("succeeded", move || succeeded))
            .and_then(|()| context.add_function("failed", move || failed))
            .and_then(|()| context.add_function("now", move || now.clone()))
            .map_err(|error| unlike(&error))?;
        Ok(context)
    }
}
