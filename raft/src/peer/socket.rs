//! Sockets that notice when the other side is gone, encrypted where that is configured.
//!
//! Left to itself a connection whose peer has vanished waits for minutes, and after a break in the network its resends back off so
//! far that the heal is noticed late. So what is unacknowledged for two seconds breaks the connection, silence is probed every
//! second, and the link dials again.

use std::io;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::TlsStream;
use tokio_util::either::Either;

use super::tls::Tls;

/// Unacknowledged bytes are waited for so long.
const USER_TIMEOUT_MS: u32 = 2_000;
/// Silence is probed so often.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// So many probes may go unanswered.
const PROBES_MAX: u32 = 3;
/// How long a connection may take to be made.
const CONNECT_WAIT: Duration = Duration::from_secs(1);
/// How long two sides may take to agree on keys.
const KEYS_WAIT: Duration = Duration::from_secs(1);

/// A connection to a peer: as it is, or encrypted.
pub type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;
/// What comes from it.
pub(crate) type Incoming = Either<OwnedReadHalf, ReadHalf<Box<TlsStream<TcpStream>>>>;
/// What goes to it.
pub(crate) type Outgoing = Either<OwnedWriteHalf, WriteHalf<Box<TlsStream<TcpStream>>>>;

/// Both directions, each for a task of its own.
pub(crate) fn split(stream: Stream) -> (Incoming, Outgoing) {
    match stream {
        Either::Left(plain) => {
            let (read, write) = plain.into_split();
            (Either::Left(read), Either::Left(write))
        }
        Either::Right(hidden) => {
            let (read, write) = tokio::io::split(hidden);
            (Either::Right(read), Either::Right(write))
        }
    }
}

/// Connects to `HOST:PORT`.
pub(crate) async fn connect(address: &str, tls: Option<&Tls>) -> io::Result<Stream> {
    let stream = TcpStream::connect(address);
    let stream = within(CONNECT_WAIT, "no answer to the connection", stream).await?;
    tune(&stream)?;
    match tls {
        None => Ok(Either::Left(stream)),
        Some(tls) => {
            let hidden = tls.connect(address, stream);
            let hidden = within(KEYS_WAIT, "TLS takes too long", hidden).await?;
            Ok(Either::Right(Box::new(hidden)))
        }
    }
}

/// Takes up a connection that somebody made to us. The caller says how long this may take.
pub(crate) async fn accept(stream: TcpStream, tls: Option<&Tls>) -> io::Result<Stream> {
    tune(&stream)?;
    match tls {
        None => Ok(Either::Left(stream)),
        Some(tls) => Ok(Either::Right(Box::new(tls.accept(stream).await?))),
    }
}

/// Why a connection ended, in words.
pub(crate) fn ended(why: &io::Error) -> String {
    match why.kind() {
        // A process that ends has no time for the farewells of TLS.
        io::ErrorKind::UnexpectedEof => "closed by the other side".to_owned(),
        _ => why.to_string(),
    }
}

async fn within<T>(
    wait: Duration,
    late: &'static str,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, late);
    tokio::time::timeout(wait, work).await.map_err(late)?
}

/// Sets what every connection between peers has.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, PROBE_EVERY)?;
    sockopt::set_tcp_keepintvl(stream, PROBE_EVERY)?;
    sockopt::set_tcp_keepcnt(stream, PROBES_MAX)?;
    sockopt::set_tcp_user_timeout(stream, USER_TIMEOUT_MS)?;
    Ok(())
}
