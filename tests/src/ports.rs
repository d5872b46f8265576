//! Free ports for nodes, leased so that tests of several processes never take the same one.
//!
//! A node needs two ports, the client port and the bus port 10,000 above it. Asking the kernel for a free port and
//! closing it again is a race when tests run in parallel (nextest runs every test in its own process). So a lease is an
//! advisory file lock, held until the [`PortLease`] is dropped, plus a bind check for ports that other programs use.
//!
//! The check binds and does not listen. Another thread of the test may start a server just then, and a child that is
//! forked and has not reached its `exec` has a copy of each socket of ours: a copy that listened would keep the port
//! from the server it is meant for, once in some thousand starts. With `SO_REUSEADDR` a copy that is bound alone does
//! not.
//!
//! The range lies below 32768, where Linux begins to hand out ports for outgoing connections, and the bus ports do not
//! overlap it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use socket2::{Domain, Socket, Type};

/// First client port that is handed out.
const FIRST: u16 = 11_000;
/// Number of client ports; with the bus offset the last port is 31,999.
const COUNT: u16 = 10_000;
/// Distance of the bus port, as Redis has it.
pub const BUS_OFFSET: u16 = 10_000;

/// A client port and its bus port, reserved until this value is dropped.
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    // Held only for its lock; the kernel releases it when the file is closed, also when the process is killed.
    _lock: File,
}

impl PortLease {
    /// The client port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The bus port.
    pub fn bus_port(&self) -> u16 {
        self.port + BUS_OFFSET
    }
}

/// Leases a pair of free ports.
///
/// # Panics
/// When no pair is free.
pub fn lease() -> PortLease {
    lease_row(1).pop().expect("one was asked for")
}

/// Leases so many adjacent ports, in ascending order.
///
/// # Panics
/// When there are none.
pub fn lease_row(count: u16) -> Vec<PortLease> {
    let dir = lock_dir();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let start = now.subsec_micros().wrapping_add(process::id().wrapping_mul(7_919)) % u32::from(COUNT);
    let lease_one = |port: u16| {
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join(port.to_string())).ok()?;
        let is_mine = lock.try_lock().is_ok() && is_free(port) && is_free(port + BUS_OFFSET);
        is_mine.then_some(PortLease { port, _lock: lock })
    };
    for step in 0..u32::from(COUNT) {
        let first = FIRST + ((start + step) % u32::from(COUNT)) as u16;
        if first + count > FIRST + COUNT {
            continue;
        }
        if let Some(row) = (first..first + count).map(lease_one).collect() {
            return row;
        }
    }
    panic!("no {count} adjacent pairs of free ports in {FIRST}..{}", FIRST + COUNT);
}

/// Whether both the loopback and the wildcard address can be bound.
fn is_free(port: u16) -> bool {
    probe(Ipv4Addr::LOCALHOST, port).is_ok() && probe(Ipv4Addr::UNSPECIFIED, port).is_ok()
}

/// A socket that is bound to the port and does not listen.
///
/// # Errors
/// When somebody listens there, or has bound it for himself.
pub fn probe(address: Ipv4Addr, port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((address, port)).into())?;
    Ok(socket)
}

fn lock_dir() -> PathBuf {
    let dir = std::env::temp_dir().join("slotd-test-ports");
    fs::create_dir_all(&dir).expect("the temporary directory is writable");
    dir
}
