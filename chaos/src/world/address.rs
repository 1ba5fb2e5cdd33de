//! Addresses of a harness: a small network of its own on the loopback, so that two harnesses never meet.
//!
//! ```text
//!   127.A.B.1 …    the nodes             A and B come from the number of the harness' process
//!   127.A.B.101 …  the doors to them
//!   127.A.B.250    who tries the doors
//! ```
//!
//! Whatever the kernel hands out by itself to connections comes from 127.0.0.1 and cannot take a port here while a node is dead.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Context as _;

/// The port for people and programs, and beside it the one for peers, if nobody has them.
const PORT: u16 = 6270;
/// Ports that are tried.
const TRIES: u16 = 50;
/// How far apart.
const STEP: u16 = 10;

/// The network of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Street {
    a: u8,
    b: u8,
}

impl Street {
    /// That of this process.
    pub(crate) fn of_this_process() -> Street {
        let pid = std::process::id();
        let byte = |number: u32| u8::try_from(number).expect("it is below 256");
        Street { a: byte(64 + (pid >> 8) % 128), b: byte(pid % 256) }
    }

    /// One of its houses.
    pub(crate) fn house(self, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.a, self.b, number)
    }

    /// A pair of free ports of a house, one beside the other.
    pub(crate) fn pair(self, number: u8) -> anyhow::Result<(SocketAddr, SocketAddr)> {
        let house = self.house(number);
        let free = |port: u16| TcpListener::bind((house, port)).is_ok();
        let mut ports = (0..TRIES).map(|at| PORT + at * STEP);
        let port = ports.find(|port| free(*port) && free(port + 1)).with_context(|| {
            format!("no free port at {house}: is everything from {PORT} on taken on this machine?")
        })?;
        Ok((SocketAddr::from((house, port)), SocketAddr::from((house, port + 1))))
    }
}
