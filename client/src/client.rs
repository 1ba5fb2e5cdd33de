//! The client itself: where the nodes are, and how patient to be with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::Error;

/// Where a node listens unless it is told otherwise.
pub const DEFAULT_ADDR: &str = "http://127.0.0.1:6270";
/// How long one call may take in all, unless the caller says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait for a connection before it counts as refused.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often one call is sent at most.
const ATTEMPTS_MAX: u32 = 6;

/// Asks one cluster. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

/// What all clones of a client share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    /// Each `http://host:port`; at least one.
    pub(crate) nodes: Vec<String>,
    /// Which of them is asked: the last one that answered.
    favourite: AtomicUsize,
    pub(crate) timeout: Duration,
    pub(crate) attempts_max: u32,
    pub(crate) patient_connect: bool,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) stale: bool,
}

/// Makes a [`Client`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    addr: String,
    token: Option<String>,
    namespace: Option<String>,
    timeout: Duration,
    attempts_max: u32,
    patient_connect: bool,
    idempotency_key: Option<String>,
    stale: bool,
}

impl Client {
    /// A client as the environment describes it: `OARLOCK_ADDR`, `OARLOCK_TOKEN`, `OARLOCK_NAMESPACE`.
    ///
    /// Nothing is sent yet: a node that is not there shows at the first call.
    pub fn from_env() -> Result<Client, Error> {
        let mut builder = Client::builder();
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(addr) = set("OARLOCK_ADDR") {
            builder = builder.addr(addr);
        }
        if let Some(token) = set("OARLOCK_TOKEN") {
            builder = builder.token(token);
        }
        if let Some(namespace) = set("OARLOCK_NAMESPACE") {
            builder = builder.namespace(namespace);
        }
        builder.build()
    }

    /// A client made by hand.
    pub fn builder() -> Builder {
        Builder {
            addr: DEFAULT_ADDR.to_owned(),
            token: None,
            namespace: None,
            timeout: TIMEOUT,
            attempts_max: ATTEMPTS_MAX,
            patient_connect: true,
            idempotency_key: None,
            stale: false,
        }
    }

    /// The address it asks now, as `http://host:port`: of several the last one that answered.
    #[must_use]
    pub fn addr(&self) -> &str {
        &self.inner.nodes[self.inner.favourite.load(Ordering::Relaxed) % self.inner.nodes.len()]
    }

    /// Every address that it may ask.
    #[must_use]
    pub fn addrs(&self) -> &[String] {
        &self.inner.nodes
    }

    /// Asks the next node from now on, unless somebody else has left this one already.
    pub(crate) fn leave(&self, addr: &str) {
        let favourite = &self.inner.favourite;
        let at = favourite.load(Ordering::Relaxed);
        let next = (at + 1) % self.inner.nodes.len();
        if self.inner.nodes[at % self.inner.nodes.len()] == addr {
            // If it has moved on meanwhile, that is as good.
            let _ = favourite.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

impl Builder {
    /// Whom to ask: `http://host:port`, or `host:port`; of several nodes with commas, and the next one is asked when one fails.
    pub fn addr(mut self, addr: impl Into<String>) -> Builder {
        self.addr = addr.into();
        self
    }

    /// Who asks.
    pub fn token(mut self, token: impl Into<String>) -> Builder {
        self.token = Some(token.into());
        self
    }

    /// The namespace that names are looked up in.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Builder {
        self.namespace = Some(namespace.into());
        self
    }

    /// How long one call may take, with all its repetitions.
    pub fn timeout(mut self, timeout: Duration) -> Builder {
        self.timeout = timeout;
        self
    }

    /// How often one call is sent at most; 1: never again.
    pub fn attempts_max(mut self, attempts_max: u32) -> Builder {
        self.attempts_max = attempts_max.max(1);
        self
    }

    /// Whether a refused connection is tried again. A program that starts beside its node wants that (the default); a person
    /// at a prompt wants to hear at once that nothing is there.
    pub fn patient_connect(mut self, patient: bool) -> Builder {
        self.patient_connect = patient;
        self
    }

    /// The key of every call that takes one, instead of one made for each call: for a client that makes a single call.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Builder {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Whether reads take what the node that answers has, however old: all that can be read while no majority answers.
    pub fn stale(mut self, stale: bool) -> Builder {
        self.stale = stale;
        self
    }

    /// The client, unless the address, the token or the namespace cannot be what they are.
    pub fn build(self) -> Result<Client, Error> {
        let given = self.addr.split(',').map(str::trim).filter(|addr| !addr.is_empty());
        let nodes = given.map(normal).collect::<Result<Vec<_>, _>>()?;
        if nodes.is_empty() {
            return Err(Error::Setup("no address is given".to_owned()));
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            let mut value = header("token", &format!("Bearer {token}"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if let Some(namespace) = &self.namespace {
            let name = HeaderName::from_static("oarlock-namespace");
            headers.insert(name, header("namespace", namespace)?);
        }
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("oarlock/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .no_proxy();
        if nodes.iter().all(|addr| addr.starts_with("http://")) {
            // Reading the machine's certificates takes longer than the whole call to a node without TLS.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|fault| Error::Setup(fault.to_string()))?;
        let inner = Inner {
            http,
            nodes,
            favourite: AtomicUsize::new(0),
            timeout: self.timeout,
            attempts_max: self.attempts_max,
            patient_connect: self.patient_connect,
            idempotency_key: self.idempotency_key,
            stale: self.stale,
        };
        Ok(Client { inner: Arc::new(inner) })
    }
}

/// The address with a scheme and without a path.
fn normal(addr: &str) -> Result<String, Error> {
    let full = if addr.contains("://") { addr.to_owned() } else { format!("http://{addr}") };
    let wrong = |why: &str| Error::Setup(format!("`{addr}` is not an address: {why}"));
    let url = reqwest::Url::parse(&full).map_err(|fault| wrong(&fault.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it has to begin with http:// or https://"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("the host is missing"));
    }
    if url.path() != "/" || url.query().is_some() {
        return Err(wrong("it ends behind the port"));
    }
    Ok(full.trim_end_matches('/').to_owned())
}

fn header(what: &str, text: &str) -> Result<HeaderValue, Error> {
    let wrong = |_| Error::Setup(format!("the {what} has letters that cannot be sent"));
    HeaderValue::from_str(text).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::{Client, normal};

    #[test]
    fn an_address_may_leave_its_scheme_out() {
        assert_eq!(normal("127.0.0.1:6270").ok().as_deref(), Some("http://127.0.0.1:6270"));
        assert_eq!(normal("https://oar.example/").ok().as_deref(), Some("https://oar.example"));
    }

    #[test]
    fn several_addresses_stand_between_commas() {
        let client = Client::builder().addr("a:1, http://b:2,").build().expect("addresses");
        assert_eq!(client.addrs(), ["http://a:1", "http://b:2"]);
        client.leave("http://b:2");
        assert_eq!(client.addr(), "http://a:1", "it was not asked, so it is not left");
        client.leave("http://a:1");
        assert_eq!(client.addr(), "http://b:2");
        assert!(Client::builder().addr(" ,").build().is_err());
    }

    #[test]
    fn an_address_with_a_path_is_refused() {
        assert!(normal("http://127.0.0.1:6270/api/v1").is_err());
        assert!(normal("ftp://127.0.0.1").is_err());
    }
}
