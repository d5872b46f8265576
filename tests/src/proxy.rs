//! A slow network between a replica and its primary: it lets a given number of the primary's bytes pass and holds the
//! others back.
//!
//! A full sync over the loopback takes milliseconds, too short for a test to act in. Through the proxy a test decides
//! how far it comes, and how long it stays there, on a machine of any speed. The replica's bytes are never held back.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Bytes that are passed on at once.
const CHUNK: usize = 16 * 1024;
/// How often a held link checks whether it may go on.
const LOOK: Duration = Duration::from_millis(2);

#[derive(Default)]
struct State {
    /// Bytes of the primary that have passed, on all links.
    passed: AtomicU64,
    /// No more than this may have passed.
    limit: AtomicU64,
    /// New links are closed at once.
    refuses: AtomicBool,
    /// Incremented to close all links.
    cuts: AtomicU64,
    over: AtomicBool,
}

/// A port that leads to another one. See the module's essay.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

impl Proxy {
    /// A proxy for a local port, which holds nothing back yet.
    ///
    /// # Panics
    /// When there is no port left.
    pub fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let state = Arc::new(State { limit: AtomicU64::new(u64::MAX), ..State::default() });
        let shared = state.clone();
        thread::spawn(move || {
            for near in listener.incoming() {
                if shared.over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(near) = near else { continue };
                if shared.refuses.load(Ordering::SeqCst) {
                    continue;
                }
                let state = shared.clone();
                // A link that cannot be made ends at once, which its client notices.
                thread::spawn(move || drop(link(&near, target, &state)));
            }
        });
        Self { port, state }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets `bytes` more of the primary's bytes pass, and then nothing.
    pub fn let_pass(&self, bytes: u64) {
        self.state.limit.store(self.passed() + bytes, Ordering::SeqCst);
    }

    /// Accepts new links again after a cut.
    pub fn accept(&self) {
        self.state.refuses.store(false, Ordering::SeqCst);
    }

    /// Holds nothing back any more.
    pub fn open(&self) {
        self.state.limit.store(u64::MAX, Ordering::SeqCst);
        self.accept();
    }

    /// Bytes of the primary that have passed.
    pub fn passed(&self) -> u64 {
        self.state.passed.load(Ordering::SeqCst)
    }

    /// Whether the limit has been reached.
    pub fn is_holding(&self) -> bool {
        self.passed() >= self.state.limit.load(Ordering::SeqCst)
    }

    /// Ends all links, as the end of the primary would, and accepts no new ones until [`Proxy::accept`].
    pub fn cut(&self) {
        self.state.refuses.store(true, Ordering::SeqCst);
        self.state.cuts.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn link(near: &TcpStream, target: u16, state: &Arc<State>) -> io::Result<()> {
    let far = TcpStream::connect(("127.0.0.1", target))?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (from, to) = (near.try_clone()?, far.try_clone()?);
    let up = thread::spawn(move || {
        // Whichever side ends first ends the other.
        let _ = io::copy(&mut &from, &mut &to);
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
    let passed = pass_down(&far, near, state);
    let _ = (near.shutdown(Shutdown::Both), far.shutdown(Shutdown::Both));
    let _ = up.join();
    passed
}

/// Passes the primary's bytes on, as many as may pass.
fn pass_down(mut far: &TcpStream, mut near: &TcpStream, state: &State) -> io::Result<()> {
    let cuts = state.cuts.load(Ordering::SeqCst);
    let mut chunk = [0; CHUNK];
    far.set_read_timeout(Some(Duration::from_millis(20)))?;
    loop {
        if state.cuts.load(Ordering::SeqCst) != cuts {
            return Ok(());
        }
        let room = state.limit.load(Ordering::SeqCst).saturating_sub(state.passed.load(Ordering::SeqCst));
        if room == 0 {
            thread::sleep(LOOK);
            continue;
        }
        let wanted = usize::try_from(room).unwrap_or(CHUNK).min(CHUNK);
        match far.read(&mut chunk[..wanted]) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                near.write_all(&chunk[..count])?;
                state.passed.fetch_add(count as u64, Ordering::SeqCst);
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
}
