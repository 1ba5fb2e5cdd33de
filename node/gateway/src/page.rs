//! Pages: how many items, where to go on, and which fields of them.
//!
//! A page token is the place where the last page ended, with a mark of the question it belongs to: a token used for another
//! filter is refused rather than answered with nonsense. Because it names a place and not a count, items that are added or go
//! between two pages neither shift nor repeat the others.

use oarlock_proto::v1;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::digest::fnv64;
use crate::filter::Filter;
use crate::limit::{PAGE_DEFAULT, PAGE_MAX};
use crate::params::Params;
use crate::problem::{Answer, Fault, table};

/// The parameters that every list takes.
pub(crate) const PARAMS: [&str; 4] = ["page_size", "page_token", "filter", "fields"];

/// What a caller wants of a list.
pub(crate) struct Pager<C> {
    /// At most so many items.
    pub(crate) size: usize,
    /// Behind this place.
    pub(crate) after: Option<C>,
    /// Which items.
    filter: Option<Filter>,
    /// Which of their fields; empty: all.
    fields: Vec<String>,
    mark: String,
}

impl<C: Serialize + DeserializeOwned> Pager<C> {
    /// Reads what a caller wants. `list` tells one list's tokens from another's.
    pub(crate) fn of(list: &str, params: &Params) -> Answer<Pager<C>> {
        let size = params.parse::<usize>("page_size")?.unwrap_or(PAGE_DEFAULT);
        if size == 0 || size > PAGE_MAX {
            let detail = format!("`page_size` is 1 to {PAGE_MAX}, not {size}");
            return Err(Fault::new(&table::BAD_QUERY, detail));
        }
        let mark = format!("{:016x}", fnv64(params.question(list).as_bytes()));
        let after = params.text("page_token").map(|token| read(token, &mark)).transpose()?;
        let filter = params.text("filter").map(Filter::new).transpose()?;
        let fields = params.list("fields").into_iter().map(str::to_owned).collect();
        Ok(Pager { size, after, filter, fields, mark })
    }

    /// Whether there is a filter, so that more may have to be looked at than is shown.
    pub(crate) fn filtered(&self) -> bool {
        self.filter.is_some()
    }

    /// An item as this caller wants it; none: the filter leaves it out.
    pub(crate) fn show<T: Serialize>(&self, item: &T) -> Answer<Option<Value>> {
        let value = serde_json::to_value(item)
            .map_err(|fault| Fault::new(&table::INTERNAL, fault.to_string()))?;
        Ok(if self.passes(&value)? { Some(self.look(value)) } else { None })
    }

    /// Whether the filter lets an item through, given what the filter shall see of it.
    pub(crate) fn passes(&self, seen: &Value) -> Answer<bool> {
        self.filter.as_ref().map_or(Ok(true), |filter| filter.lets_through(seen))
    }

    /// An item with the fields that this caller wants.
    pub(crate) fn look(&self, value: Value) -> Value {
        if self.fields.is_empty() { value } else { pick(value, &self.fields) }
    }

    /// A page, and the token that leads behind `last`.
    pub(crate) fn page(&self, items: Vec<Value>, last: Option<&C>) -> v1::Page<Value> {
        let next_page_token = last.map(|place| {
            let place = serde_json::to_vec(place).expect("a cursor has no shape JSON refuses");
            let letters: String = place.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{}{letters}", self.mark)
        });
        v1::Page { items, next_page_token, total: None }
    }

    /// A list that is short by nature, as one page.
    pub(crate) fn whole<T: Serialize>(
        &self,
        items: impl IntoIterator<Item = T>,
    ) -> Answer<v1::Page<Value>> {
        let shown = items.into_iter().filter_map(|item| self.show(&item).transpose());
        Ok(v1::Page::whole(shown.collect::<Answer<_>>()?))
    }
}

/// A page of rows that are in order already.
pub(crate) fn paged<R, C: Serialize + DeserializeOwned, T: Serialize>(
    pager: &Pager<C>,
    rows: impl Iterator<Item = R>,
    place: impl Fn(&R) -> C,
    shown: impl Fn(&R) -> T,
) -> Answer<v1::Page<Value>> {
    let mut items = Vec::new();
    let mut last = None;
    for row in rows {
        if items.len() == pager.size {
            return Ok(pager.page(items, last.as_ref()));
        }
        items.extend(pager.show(&shown(&row))?);
        last = Some(place(&row));
    }
    Ok(pager.page(items, None))
}

/// The fields that a caller wants of a single thing.
pub(crate) fn pick_fields<T: Serialize>(item: &T, params: &Params) -> Answer<Value> {
    let value = serde_json::to_value(item)
        .map_err(|fault| Fault::new(&table::INTERNAL, fault.to_string()))?;
    let fields: Vec<String> = params.list("fields").into_iter().map(str::to_owned).collect();
    Ok(if fields.is_empty() { value } else { pick(value, &fields) })
}

fn read<C: DeserializeOwned>(token: &str, mark: &str) -> Answer<C> {
    let stale = || Fault::new(&table::BAD_PAGE_TOKEN, "it belongs to another question");
    let letters = token.strip_prefix(mark).ok_or_else(stale)?.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = letters.chunks(2).map(byte).collect();
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(stale)
}

/// Keeps the named fields; a dot goes one level down.
fn pick(value: Value, fields: &[String]) -> Value {
    let Value::Object(mut all) = value else { return value };
    let mut kept = Map::new();
    for field in fields {
        match field.split_once('.') {
            None => {
                if let Some(value) = all.remove(field) {
                    kept.insert(field.clone(), value);
                }
            }
            Some((outer, inner)) => {
                let found = all.get(outer).and_then(|value| value.get(inner)).cloned();
                if let (Some(found), Value::Object(below)) =
                    (found, kept.entry(outer).or_insert_with(|| Value::Object(Map::new())))
                {
                    below.insert(inner.to_owned(), found);
                }
            }
        }
    }
    Value::Object(kept)
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;
    use serde_json::json;

    use super::*;

    fn pager(query: &str) -> Answer<Pager<u64>> {
        let uri: Uri = format!("/x?{query}").parse().expect("a path");
        Pager::of("x", &Params::of(&uri).expect("a query"))
    }

    #[test]
    fn a_token_leads_on_and_only_in_its_own_list() {
        let first = pager("status=failed&page_size=2").expect("a pager");
        let token = first.page(Vec::new(), Some(&7)).next_page_token.expect("there is more");
        let again = pager(&format!("status=failed&page_size=9&page_token={token}"));
        assert_eq!(again.expect("the same question").after, Some(7));
        let other = pager(&format!("status=running&page_token={token}")).err();
        assert_eq!(other.expect("another question").problem().code, "E0205");
        assert!(pager("page_token=zz").is_err());
        assert!(pager("page_size=0").is_err());
    }

    #[test]
    fn fields_are_picked_one_level_deep() {
        let item = json!({"id": 1, "error": {"kind": "x", "message": "y"}, "more": 2});
        let fields = ["id".to_owned(), "error.kind".to_owned(), "none".to_owned()];
        assert_eq!(pick(item, &fields), json!({"id": 1, "error": {"kind": "x"}}));
    }
}
