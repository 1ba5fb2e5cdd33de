//! Names that the cluster knows, for completion: asked when they are wanted, kept for a moment, and silent when nobody answers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use oarlock_client::{Client, Error};
use serde_json::Value;
use tokio::runtime::Handle;

use super::spot::{Kind, Offer};
use crate::config::contexts::Contexts;
use crate::output::{ago, body, moment, plain};
use crate::words;

/// How long somebody who has pressed Tab waits at most.
const ANSWER_MAX: Duration = Duration::from_millis(300);
/// How long an answer is good enough.
const FRESH: Duration = Duration::from_secs(3);
/// Names that are asked for.
const NAMES_MAX: u32 = 200;

/// Knows whom to ask.
pub(super) struct Names {
    handle: Handle,
    client: Option<Client>,
    known: BTreeMap<Kind, (Instant, Vec<Offer>)>,
    /// The contract does not change while a node runs.
    contract: Option<Value>,
}

impl Names {
    pub(super) fn new(handle: Handle, client: Option<Client>) -> Names {
        Names { handle, client, known: BTreeMap::new(), contract: None }
    }

    /// All names of a kind, as far as they can be had in time.
    pub(super) fn of(&mut self, kind: Kind) -> Vec<Offer> {
        if let Some((asked, offers)) = self.known.get(&kind)
            && asked.elapsed() < FRESH
        {
            return offers.clone();
        }
        let Some(client) = &self.client else { return Vec::new() };
        let asking = async { tokio::time::timeout(ANSWER_MAX, ask(client, kind)).await };
        let Ok(Ok(offers)) = self.handle.block_on(asking) else { return Vec::new() };
        self.known.insert(kind, (Instant::now(), offers.clone()));
        offers
    }

    /// What the object of an operation may have in it.
    pub(super) fn fields(&mut self, operation: &str) -> Vec<Offer> {
        let Some(client) = &self.client else { return Vec::new() };
        if self.contract.is_none() {
            let asking = async { tokio::time::timeout(ANSWER_MAX, client.contract()).await };
            self.contract = self.handle.block_on(asking).ok().and_then(Result::ok);
        }
        let Some(document) = &self.contract else { return Vec::new() };
        let operations = words::contract::operations(document);
        let found = operations.iter().find(|one| one.name == operation);
        let names = found.map(|one| one.names(document)).unwrap_or_default();
        names.into_iter().map(|(name, kind)| Offer::new(format!("\"{name}\": "), kind)).collect()
    }
}

async fn ask(client: &Client, kind: Kind) -> Result<Vec<Offer>, Error> {
    let offers = match kind {
        Kind::Runs => {
            let runs = client.runs().page_size(NAMES_MAX).page(None).await?.items;
            let now = Timestamp::now();
            let told = runs.into_iter().map(|run| {
                let status = plain(&body(&run.status));
                let age = moment(&run.created_at).map(|at| ago(at, now)).unwrap_or_default();
                Offer::new(run.name, format!("{status} {age}"))
            });
            told.collect()
        }
        Kind::Workflows => {
            let page = client.workflows().page_size(NAMES_MAX).page(None).await?;
            let told = page.items.into_iter();
            told.map(|one| Offer::new(one.name, one.description)).collect()
        }
        Kind::Tasks => {
            let page = client.tasks().page_size(NAMES_MAX).page(None).await?;
            let told = page.items.into_iter();
            told.map(|task| Offer::new(task.id, plain(&body(&task.status)))).collect()
        }
        Kind::Nodes => {
            let page = client.nodes().page(None).await?;
            let told = page.items.into_iter();
            told.map(|node| Offer::new(node.name, plain(&body(&node.state)))).collect()
        }
        Kind::Roles => {
            let page = client.roles().page_size(NAMES_MAX).page(None).await?;
            let told = page.items.into_iter();
            told.map(|role| Offer::new(role.name, role.node.unwrap_or_default())).collect()
        }
        Kind::Queues => {
            let page = client.queues().page(None).await?;
            page.items.into_iter().map(|queue| Offer::new(queue.name, "")).collect()
        }
        Kind::Settings => {
            let page = client.settings().page(None).await?;
            page.items.into_iter().map(|setting| Offer::new(setting.name, "")).collect()
        }
        Kind::Operations => {
            let document = client.contract().await?;
            let all = words::contract::operations(&document).into_iter();
            all.map(|one| Offer::new(one.name, one.about)).collect()
        }
        Kind::Messages => {
            let document = client.contract().await?;
            words::contract::shapes(&document)
                .into_iter()
                .map(|name| Offer::new(name, ""))
                .collect()
        }
        Kind::Contexts => {
            let contexts = Contexts::load().unwrap_or_default();
            contexts.all.into_iter().map(|(name, one)| Offer::new(name, one.addr)).collect()
        }
    };
    Ok(offers)
}
