//! Lists: a question that is answered in pages, read by page or as one stream.

use std::marker::PhantomData;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use oarlock_proto::v1::{Page, Run, RunStatus, Task};
use serde::de::DeserializeOwned;

use crate::endpoint::Call;
use crate::{Client, Error};

/// Items asked for at a time when a list is read as a stream.
const STREAM_PAGE: u32 = 500;

/// A list that has not been asked for yet.
#[derive(Debug, Clone)]
#[must_use]
pub struct List<T> {
    client: Client,
    path: String,
    query: Vec<(String, String)>,
    page_size: Option<u32>,
    items: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned + Send + 'static> List<T> {
    pub(crate) fn new(client: &Client, path: impl Into<String>) -> List<T> {
        let (query, page_size) = (Vec::new(), None);
        List { client: client.clone(), path: path.into(), query, page_size, items: PhantomData }
    }

    /// Only items for which a CEL expression is true: `'error.contains("503")'`.
    pub fn filter(self, expression: impl Into<String>) -> List<T> {
        self.param("filter", expression)
    }

    /// In the order of this field; `-field` for the other way round.
    pub fn order_by(self, field: impl Into<String>) -> List<T> {
        self.param("order_by", field)
    }

    /// At most so many items a page.
    pub fn page_size(mut self, page_size: u32) -> List<T> {
        self.page_size = Some(page_size);
        self
    }

    /// Any further parameter that the list takes.
    pub fn param(mut self, name: &str, value: impl Into<String>) -> List<T> {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// One page: the first, or the one behind a token.
    pub async fn page(&self, token: Option<&str>) -> Result<Page<T>, Error> {
        let mut call = Call::get(&self.path).queries(&self.query);
        if let Some(size) = self.page_size {
            call = call.query("page_size", size.to_string());
        }
        if let Some(token) = token {
            call = call.query("page_token", token);
        }
        self.client.ask(call).await
    }

    /// Every item, page after page, asked for as they are read.
    #[must_use]
    pub fn stream(mut self) -> BoxStream<'static, Result<T, Error>> {
        self.page_size = self.page_size.or(Some(STREAM_PAGE));
        let pages = stream::try_unfold(Some((self, None::<String>)), |state| async move {
            let Some((list, token)) = state else { return Ok::<_, Error>(None) };
            let page = list.page(token.as_deref()).await?;
            let next = page.next_page_token.map(|token| (list, Some(token)));
            Ok(Some((stream::iter(page.items.into_iter().map(Ok)), next)))
        });
        pages.try_flatten().boxed()
    }

    /// The first `max` items, and whether there are more.
    pub async fn take(mut self, max: usize) -> Result<(Vec<T>, bool), Error> {
        let wanted = u32::try_from(max).unwrap_or(u32::MAX).clamp(1, 1000);
        self.page_size = self.page_size.or(Some(wanted));
        let mut items: Vec<T> = Vec::new();
        let mut token = None;
        loop {
            let page = self.page(token.as_deref()).await?;
            items.extend(page.items);
            token = page.next_page_token;
            if items.len() >= max || token.is_none() {
                let more = items.len() > max || token.is_some();
                items.truncate(max);
                return Ok((items, more));
            }
        }
    }
}

impl List<Run> {
    /// Of one workflow.
    pub fn workflow(self, name: impl Into<String>) -> List<Run> {
        self.param("workflow", name)
    }

    /// In this state; said twice, in either.
    pub fn status(mut self, status: RunStatus) -> List<Run> {
        match self.query.iter_mut().find(|(name, _)| name == "status") {
            Some((_, states)) => {
                states.push(',');
                states.push_str(status.as_str());
                self
            }
            None => self.param("status", status.as_str()),
        }
    }

    /// With this key.
    pub fn key(self, key: impl Into<String>) -> List<Run> {
        self.param("key", key)
    }

    /// With this label, `name=value`.
    pub fn label(self, label: impl Into<String>) -> List<Run> {
        self.param("label", label)
    }

    /// Not older than this: a moment, or a length of time such as `1h`.
    pub fn since(self, since: impl Into<String>) -> List<Run> {
        self.param("since", since)
    }
}

impl Client {
    /// Every run, newest first.
    pub fn runs(&self) -> List<Run> {
        List::new(self, "/runs")
    }

    /// Every task, over all runs.
    pub fn tasks(&self) -> List<Task> {
        List::new(self, "/tasks")
    }
}
