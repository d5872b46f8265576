//! Connections to other servers that are kept for a while after use.
//!
//! A reshard is thousands of MIGRATE commands to one target, and a new connection for each would cost more than the
//! small keys that it carries. Whoever takes a connection owns it until it is put back, so two commands never share
//! one. Redis: `migrateGetSocket`.

use std::collections::HashMap;
use std::net::TcpStream;

use parking_lot::Mutex;

/// How long a connection is kept, milliseconds, and how many are (Redis: MIGRATE_SOCKET_CACHE_TTL and _ITEMS).
const KEPT_MS: i64 = 10_000;
const MOST: usize = 64;

/// A connection, and the database that is selected there.
pub(crate) struct KeptLink {
    pub stream: TcpStream,
    pub db: i64,
}

/// See the top of the file.
#[derive(Default)]
pub(crate) struct KeptLinks(Mutex<HashMap<Vec<u8>, (KeptLink, i64)>>);

impl KeptLinks {
    /// Takes the connection of this name: the target, and all that it was told about its user.
    pub(crate) fn take(&self, name: &[u8]) -> Option<KeptLink> {
        self.0.lock().remove(name).map(|(link, _)| link)
    }

    /// Keeps a connection. One of the same name, or one too many, is closed.
    pub(crate) fn keep(&self, name: Vec<u8>, link: KeptLink, now_ms: i64) {
        let mut links = self.0.lock();
        if links.len() < MOST || links.contains_key(&name) {
            links.insert(name, (link, now_ms));
        }
    }

    /// Closes those that were not used for long.
    pub(crate) fn tidy(&self, now_ms: i64) {
        self.0.lock().retain(|_, (_, since_ms)| now_ms - *since_ms <= KEPT_MS);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn link(listener: &TcpListener, db: i64) -> KeptLink {
        KeptLink { stream: TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens"), db }
    }

    #[test]
    fn a_connection_is_kept_for_ten_seconds_and_has_one_owner() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let links = KeptLinks::default();
        links.keep(b"a".to_vec(), link(&listener, 3), 1000);
        links.keep(b"b".to_vec(), link(&listener, 0), 2000);
        links.tidy(11_000);
        assert_eq!(links.take(b"a").map(|link| link.db), Some(3));
        assert!(links.take(b"a").is_none(), "it was taken");
        links.tidy(12_001);
        assert_eq!(links.len(), 0);
    }

    #[test]
    fn no_more_are_kept_than_allowed() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let links = KeptLinks::default();
        for number in 0..=MOST {
            links.keep(number.to_string().into_bytes(), link(&listener, 0), 0);
        }
        assert_eq!(links.len(), MOST);
        links.keep(b"0".to_vec(), link(&listener, 7), 0);
        assert_eq!(links.take(b"0").map(|link| link.db), Some(7), "the newer one of a name");
    }
}
