//! What stands behind the `?`.

use std::str::FromStr;
use std::time::Duration;

use axum::extract::{FromRequestParts, Query};
use axum::http::Uri;
use axum::http::request::Parts as Head;

use crate::problem::{Answer, Fault, table};

/// Parameters that any path takes, because the threshold and the readers look at them.
const ANYWHERE: [&str; 2] = ["namespace", "consistency"];

/// The parameters of a request, by name. A list is one parameter with commas.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn of(uri: &Uri) -> Answer<Params> {
        if uri.query().is_none() {
            return Ok(Params::default());
        }
        match Query::<Vec<(String, String)>>::try_from_uri(uri) {
            Ok(Query(pairs)) => Ok(Params(pairs)),
            Err(fault) => Err(Fault::new(&table::BAD_QUERY, fault.body_text())),
        }
    }

    /// Refuses parameters that the path does not take.
    pub(crate) fn only(self, known: &[&str]) -> Answer<Params> {
        let unknown = self.0.iter().find(|(name, _)| {
            !known.contains(&name.as_str()) && !ANYWHERE.contains(&name.as_str())
        });
        let Some((name, _)) = unknown else { return self.once() };
        let fault = Fault::new(&table::BAD_QUERY, format!("unknown parameter `{name}`"));
        let near = known
            .iter()
            .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
        Err(match near {
            Some(near) if strsim::jaro_winkler(near, name) > 0.7 => {
                fault.hint(format!("did you mean `{near}`?"))
            }
            _ if known.is_empty() => fault.hint("this path takes no parameters"),
            _ => fault.hint(format!("allowed: {}", known.join(", "))),
        })
    }

    /// Refuses a parameter that is there twice: one of the two would be passed over in silence.
    fn once(self) -> Answer<Params> {
        let twice =
            self.0.iter().enumerate().find(|(place, (name, _))| {
                self.0[..*place].iter().any(|(earlier, _)| earlier == name)
            });
        let Some((_, (name, _))) = twice else { return Ok(self) };
        Err(Fault::new(&table::BAD_QUERY, format!("`{name}` is there twice"))
            .hint("a list is one parameter with commas"))
    }

    /// A parameter's text; an empty one counts as not given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Everything that decides which items a list has, as one text: not how many of them, nor how they look.
    pub(crate) fn question(&self, list: &str) -> String {
        const LOOKS: [&str; 5] = ["page_size", "page_token", "fields", "view", "count"];
        let mut asked: Vec<_> = self
            .0
            .iter()
            .filter(|(name, _)| {
                !LOOKS.contains(&name.as_str()) && !ANYWHERE.contains(&name.as_str())
            })
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        asked.sort_unstable();
        asked.insert(0, list.to_owned());
        asked.join("\n")
    }

    /// A parameter as a number or another thing with a text form.
    pub(crate) fn parse<T: FromStr>(&self, name: &str) -> Answer<Option<T>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| bad(name, text))
    }

    /// `true`, `false`, or just the name.
    pub(crate) fn flag(&self, name: &str) -> Answer<bool> {
        match self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()) {
            None | Some("false" | "0") => Ok(false),
            Some("" | "true" | "1") => Ok(true),
            Some(other) => Err(bad(name, other)),
        }
    }

    /// The items of a list.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
    }

    /// A length of time: `30s`, `500ms`, `2m`; a bare number is seconds.
    pub(crate) fn span(&self, name: &str) -> Answer<Option<Duration>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        crate::convert::time::span(text).map(Some).ok_or_else(|| bad(name, text))
    }
}

fn bad(name: &str, value: &str) -> Fault {
    Fault::new(&table::BAD_QUERY, format!("`{name}` cannot be `{value}`"))
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Fault;

    async fn from_request_parts(head: &mut Head, _: &S) -> Answer<Params> {
        Params::of(&head.uri)
    }
}
