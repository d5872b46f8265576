//! How one client tracks what it has read.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::ClientId;

/// How a client tracks, as far as others need to know. Its own worker changes it, except for [`Mode::BROKEN`].
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    mode: AtomicU8,
    redirect: AtomicU64,
}

/// The bits of [`Tracker::mode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode(u8);

impl Mode {
    pub(crate) const OFF: Mode = Mode(0);
    pub(crate) const ON: Mode = Mode(1);
    /// The client is told of all keys that begin with its prefixes.
    pub(crate) const BCAST: Mode = Mode(1 << 1);
    /// Keys are tracked only after CLIENT CACHING YES.
    pub(crate) const OPTIN: Mode = Mode(1 << 2);
    /// Keys are not tracked after CLIENT CACHING NO.
    pub(crate) const OPTOUT: Mode = Mode(1 << 3);
    /// The client does not hear of its own changes.
    pub(crate) const NOLOOP: Mode = Mode(1 << 4);
    /// The client that invalidations were redirected to is gone.
    pub(crate) const BROKEN: Mode = Mode(1 << 5);

    /// The union of both.
    #[must_use]
    pub(crate) fn and(self, other: Mode) -> Mode {
        Mode(self.0 | other.0)
    }

    /// Whether any bit of `other` is set.
    pub(crate) fn has(self, other: Mode) -> bool {
        self.0 & other.0 != 0
    }
}

impl Tracker {
    pub(crate) fn mode(&self) -> Mode {
        Mode(self.mode.load(Ordering::Relaxed))
    }

    /// The client that gets the invalidations instead of this one; 0 is none. Valid while the client tracks.
    pub(crate) fn redirect(&self) -> ClientId {
        self.redirect.load(Ordering::Relaxed)
    }

    /// As CLIENT GETREDIR and CLIENT LIST report it.
    pub(crate) fn told_redirect(&self) -> i64 {
        if self.mode().has(Mode::ON) { self.redirect() as i64 } else { -1 }
    }

    /// Tracks in this mode from now on.
    pub(crate) fn set(&self, mode: Mode, redirect: ClientId) {
        self.redirect.store(redirect, Ordering::Relaxed);
        self.mode.store(mode.0, Ordering::Relaxed);
    }

    /// Notes that the client that invalidations were redirected to is gone.
    pub(crate) fn note_broken(&self) {
        self.mode.fetch_or(Mode::BROKEN.0, Ordering::Relaxed);
    }
}
