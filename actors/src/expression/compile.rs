//! One CEL expression: parsed, its names checked, its meter built in; then evaluated as often as needed.

use std::sync::Arc;

use cel::Value as CelValue;
use cel::common::ast::{Expr, IdedExpr, SourceInfo};
use cel::parser::Parser;
use serde_json::Value;

use super::convert;
use super::fault::{self, Fault, Sort};
use super::names::{self, Mention, Name};
use super::reading::{Local, Names, Reading};
use super::reads::Reads;
use super::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, Scope, WORK_MAX, tree, work};

/// An expression that was understood.
#[derive(Debug)]
pub struct Expression {
    text: String,
    /// As written: to find places in.
    written: IdedExpr,
    /// With charges: to evaluate.
    metered: IdedExpr,
    source: SourceInfo,
    mentions: Vec<Mention>,
    /// Where the expression is a plain path: its root and its steps.
    path: Option<(String, Vec<String>)>,
    /// What it reads, if it is no plain path.
    reads: Arc<Reads>,
}

impl Expression {
    /// Reads an expression, and refuses what is too long, too deep, malformed, or names what nobody knows.
    ///
    /// # Errors
    /// A [`Fault`] with its place in `text`.
    pub fn parse(text: &str) -> Result<Expression, Fault> {
        if text.trim().is_empty() {
            return Err(Fault::new("the expression is empty").at(0..text.len()));
        }
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(Fault::new(format!(
                "the expression is {} bytes long, and {EXPRESSION_BYTES_MAX} are allowed",
                text.len()
            ))
            .hint("compute it in a task and use its output"));
        }
        let too_deep = || Fault::new("the expression is nested too deeply").at(0..text.len());
        if bracket_depth(text) > EXPRESSION_DEPTH_MAX / 4 || longest_chain(text) > 400 {
            return Err(too_deep());
        }
        let (written, source) = Parser::new()
            .enable_optional_syntax(true)
            .parse_with_source_info(text)
            .map_err(|errors| fault::of_syntax(text, &errors))?;
        if depth(&written) > EXPRESSION_DEPTH_MAX {
            return Err(too_deep());
        }
        let mentions = names::collect(text, &written, &source)?;
        let path = tree::path(&written);
        let reads = Arc::new(Reads::of(&written));
        let metered = work::meter(written.clone());
        Ok(Expression { text: text.to_owned(), written, metered, source, mentions, path, reads })
    }

    /// The expression as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names it mentions, in order of appearance.
    #[must_use]
    pub fn mentions(&self) -> &[Mention] {
        &self.mentions
    }

    /// Whether it is one call of this function and nothing else: `always()`.
    #[must_use]
    pub fn is_only(&self, function: &str) -> bool {
        let bare = self.text.split_whitespace().collect::<String>();
        bare.strip_suffix("()").is_some_and(|name| name == function)
    }

    /// Whether it calls this function anywhere.
    #[must_use]
    pub fn calls(&self, function: &str) -> bool {
        self.mentions.iter().any(|mention| mention.name == Name::Function(function.to_owned()))
    }

    /// What it comes to.
    ///
    /// # Errors
    /// A [`Fault`] where the data is not what the expression expects, or the evaluation would do too much.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, Fault> {
        let names = Names::new(&self.reads);
        self.evaluate_in(&names.read(scope, scope.now), &Local::of(scope))
    }

    /// What it comes to in a scope that is read for several expressions; it must be read for this one, too.
    pub(super) fn evaluate_in(
        &self,
        reading: &Reading<'_>,
        local: &Local<'_>,
    ) -> Result<Value, Fault> {
        if let Some((root, steps)) = &self.path
            && let Some(value) = convert::lookup(reading.scope, local, root, steps)
        {
            return Ok(value);
        }
        let mut context = reading.context()?.new_inner_scope();
        for name in ["item", "index", "env"] {
            if let Some(reads) = self.reads.part(name)
                && let Some(value) = convert::local(local, name, reads)
            {
                context.add_variable_as_val(name, value);
            }
        }
        work::reset(WORK_MAX);
        match CelValue::resolve_val(&self.metered, &context) {
            Ok(value) => convert::to_json(&*value),
            Err(error) => {
                let fault = fault::of_evaluation(&self.text, &self.written, &self.source, &error);
                Err(self.explain(local, fault).sort(Sort::Data))
            }
        }
    }

    /// What it reads of the names it mentions.
    pub(super) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Says more where the plain reason is that a name has no value here.
    fn explain(&self, local: &Local<'_>, fault: Fault) -> Fault {
        let missing = |wanted: &Name| self.mentions.iter().any(|mention| mention.name == *wanted);
        if local.item.is_none() && missing(&Name::Item) {
            return Fault::new("`item` has a value only in a task with `each`");
        }
        if local.index.is_none() && missing(&Name::Index) {
            return Fault::new("`index` has a value only in a task with `each`");
        }
        fault
    }
}

/// How deep brackets nest; those in quotes count too, which only makes the bound stricter.
fn bracket_depth(text: &str) -> usize {
    let mut depth = 0usize;
    let mut deepest = 0;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// How many operators and dots there are: the parser's own tree may be as deep as that.
fn longest_chain(text: &str) -> usize {
    text.bytes().filter(|byte| b".+-*/%?!<>=&|[({".contains(byte)).count()
}

/// How deep the operators nest; a loop stands for the few it is made of.
fn depth(node: &IdedExpr) -> usize {
    let own = if matches!(node.expr, Expr::Comprehension(_)) { 6 } else { 1 };
    own + tree::children(node).into_iter().map(depth).max().unwrap_or(0)
}
