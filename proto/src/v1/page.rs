//! Lists come in pages.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A part of a list, and how to ask for the next one.
///
/// A walk from page to page meets every item that was there all along exactly once, whatever is added meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the order that was asked for.
    pub items: Vec<T>,
    /// Send it back as `page_token`, with the same filter and order; absent: this was the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
    /// How many there are in all, where `count=true` asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

impl<T> Page<T> {
    /// A list that is complete in itself.
    #[must_use]
    pub fn whole(items: Vec<T>) -> Page<T> {
        Page { items, next_page_token: None, total: None }
    }
}
