//! Sockets that notice when the other side is gone.
//!
//! Left to itself a connection whose peer has vanished waits for minutes, and after a break in the network its resends back off so
//! far that the heal is noticed late. So what is unacknowledged for two seconds breaks the connection, silence is probed every
//! second, and the link dials again.

use std::io;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::TcpStream;

/// Unacknowledged bytes are waited for so long.
const USER_TIMEOUT_MS: u32 = 2_000;
/// Silence is probed so often.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// So many probes may go unanswered.
const PROBES_MAX: u32 = 3;
/// How long a connection may take to be made.
pub(crate) const CONNECT_WAIT: Duration = Duration::from_secs(1);

/// Sets what every connection between peers has.
pub(crate) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, PROBE_EVERY)?;
    sockopt::set_tcp_keepintvl(stream, PROBE_EVERY)?;
    sockopt::set_tcp_keepcnt(stream, PROBES_MAX)?;
    sockopt::set_tcp_user_timeout(stream, USER_TIMEOUT_MS)?;
    Ok(())
}

/// Connects to `HOST:PORT`.
pub(crate) async fn connect(address: &str) -> io::Result<TcpStream> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "no answer to the connection");
    let stream = tokio::time::timeout(CONNECT_WAIT, TcpStream::connect(address))
        .await
        .map_err(|_| late())??;
    tune(&stream)?;
    Ok(stream)
}
