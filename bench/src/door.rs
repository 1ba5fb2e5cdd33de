//! One keep-alive connection to the node's HTTP door, as thin as a client can be: the load must not become the bottleneck.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection; one request at a time.
pub(crate) struct Door {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Door {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Door> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Door { sender, host: address.to_string() })
    }

    /// Asks, and gives back the whole body. A busy node's answer (429, 503) is an answer: see [`Answer::busy`].
    pub(crate) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("content-type", kind)
            .body(Full::new(body))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        Answer::read(path, response).await
    }

    /// The node's counters: name and sum over all labels.
    pub(crate) async fn metrics(&mut self) -> anyhow::Result<Vec<(String, f64)>> {
        let answer = self.ask(Method::GET, "/metrics", "text/plain", Bytes::new()).await?;
        let text = String::from_utf8(answer.body.to_vec())?;
        Ok(text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let (name, value) = line.rsplit_once(' ')?;
                let name = name.split('{').next()?;
                Some((name.to_owned(), value.parse().ok()?))
            })
            .collect())
    }
}

/// What came back.
pub(crate) struct Answer {
    /// Whether the node asked to come back later.
    pub(crate) busy: bool,
    /// The body.
    pub(crate) body: Bytes,
}

impl Answer {
    async fn read(path: &str, response: Response<hyper::body::Incoming>) -> anyhow::Result<Answer> {
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let busy =
            matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if !status.is_success() && !busy {
            bail!("{path} answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(Answer { busy, body })
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.body).context("the answer is not JSON")
    }
}
