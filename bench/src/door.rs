//! One keep-alive connection to the node's HTTP door, as thin as a client can be: the load must not become the bottleneck.
//!
//! Load and node share the machine, so what the load needs is missing to the node. A whole client took a sixth of all work; so
//! requests are put together once, and `httparse` reads the heads of the answers and of the pieces of their bodies.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Headers that an answer may have.
const HEADERS_MAX: usize = 64;

/// A request that is sent again and again: put together once.
#[derive(Debug, Clone)]
pub(crate) struct Ask(Vec<u8>);

impl Ask {
    /// For a `GET`, the body is empty.
    pub(crate) fn new(method: &str, path: &str, kind: &str, body: &str) -> Ask {
        let length = body.len();
        Ask(format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes())
    }
}

/// A connection; one request at a time.
pub(crate) struct Door {
    stream: TcpStream,
    /// Bytes that came and belong to no answer yet.
    unread: Vec<u8>,
}

impl Door {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Door> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Door { stream, unread: Vec::with_capacity(4 << 10) })
    }

    /// Asks, and gives back the whole body. A busy node's answer (429, 503) is an answer: see [`Answer::busy`].
    pub(crate) async fn ask(&mut self, ask: &Ask) -> anyhow::Result<Answer> {
        self.stream.write_all(&ask.0).await?;
        let (status, length, chunked) = self.head().await?;
        let body = match length {
            Some(length) => self.take(length).await?,
            None if chunked => self.pieces().await?,
            None => Vec::new(),
        };
        let busy = matches!(status, 429 | 503);
        if !(200..300).contains(&status) && !busy {
            bail!("the node answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(Answer { busy, body })
    }

    /// One of the node's metrics, summed over its labels; none: it has not counted that yet.
    pub(crate) async fn metric(&mut self, wanted: &str) -> anyhow::Result<Option<f64>> {
        let answer = self.ask(&Ask::new("GET", "/metrics", "text/plain", "")).await?;
        let text = String::from_utf8(answer.body)?;
        let values = text.lines().filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            let value: f64 = value.parse().ok()?;
            (name.split('{').next()? == wanted).then_some(value)
        });
        Ok(values.reduce(|sum, value| sum + value))
    }

    /// The head of an answer: its status, the length of its body, whether that comes in pieces.
    async fn head(&mut self) -> anyhow::Result<(u16, Option<usize>, bool)> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let mut response = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(end) = response.parse(&self.unread)? {
                let status = response.code.context("an answer has a status")?;
                let of = |name: &str| {
                    let found = response.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
                    found.and_then(|header| std::str::from_utf8(header.value).ok())
                };
                let length = of("content-length").map(str::parse).transpose()?;
                let chunked = of("transfer-encoding") == Some("chunked");
                self.unread.drain(..end);
                return Ok((status, length, chunked));
            }
            self.more().await?;
        }
    }

    /// So many of the next bytes.
    async fn take(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        while self.unread.len() < length {
            self.more().await?;
        }
        Ok(self.unread.drain(..length).collect())
    }

    /// A body in pieces, each behind its length, the last one empty.
    async fn pieces(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let (line, length) = loop {
                match httparse::parse_chunk_size(&self.unread) {
                    Ok(httparse::Status::Complete(found)) => break found,
                    Ok(httparse::Status::Partial) => self.more().await?,
                    Err(_) => bail!("the node sent a piece without a length"),
                }
            };
            self.take(line).await?;
            let length = usize::try_from(length)?;
            let mut piece = self.take(length + 2).await?;
            if length == 0 {
                return Ok(body);
            }
            piece.truncate(length);
            body.append(&mut piece);
        }
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        if self.stream.read_buf(&mut self.unread).await? == 0 {
            bail!("the node closed the connection");
        }
        Ok(())
    }
}

/// What came back.
pub(crate) struct Answer {
    /// Whether the node asked to come back later.
    pub(crate) busy: bool,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Whether the body has this in it.
    pub(crate) fn says(&self, wanted: &str) -> bool {
        find(&self.body, wanted.as_bytes()).is_some()
    }

    /// The body, for people.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
