//! File descriptors of the process: raises the limit, and reserves some for what must not fail.
//!
//! The system gives a process a soft limit, often 1024, that it may raise to a hard limit. As in Redis, a node raises
//! it as far as its `maxclients` need, and lowers `maxclients` if that is not far enough.
//!
//! Clients are not the only users of descriptors. A node that cannot save nodes.conf has to end, one that cannot open a
//! file cannot save its data, and one that cannot connect loses its peers: any client that just opens many connections
//! could cause that. So the last descriptors are reserved. Counting connections would miss what others in the process
//! have open (more nodes, the program that embeds them). But the system always assigns the lowest free number, so a
//! client is refused if its socket has too high a number.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::logging::NodeLog;

/// Descriptors that a node adds to those of its clients when it fits `maxclients` (Redis: CONFIG_MIN_RESERVED_FDS).
const BESIDES_CLIENTS: u64 = 32;
/// Reserved for files and the link to a primary; neither clients nor bus links may use them. Once per process: its
/// nodes seldom need them at the same moment, and with many nodes clients would be left with the minimum that
/// [`Descriptors::allows`] guarantees.
const FOR_FILES: u64 = 12;
/// Reserved for bus links, if the process has cluster nodes.
const FOR_LINKS: u64 = 24;
/// What is assumed if the system does not tell its limit, as in Redis.
const UNKNOWN: u64 = 1024;

/// There are too few descriptors for a node to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Your current 'ulimit -n' of {limit} is not enough for the server to start. Please increase your open file limit to at least {needed}. Exiting."
)]
pub struct TooFew {
    limit: u64,
    needed: u64,
}

/// How many descriptors the process may have, after asking for more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenFiles {
    /// The limit before.
    pub before: u64,
    /// The limit now.
    pub limit: u64,
    /// Why the limit is not as high as requested.
    refused: Option<Errno>,
}

impl OpenFiles {
    /// Raises the limit to so many, or as far as it goes. It is never lowered.
    ///
    /// # Errors
    /// The system does not tell the limit.
    pub(crate) fn raise(wanted: u64) -> Result<Self, Errno> {
        let (before, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        if before >= wanted {
            return Ok(Self { before, limit: before, refused: None });
        }
        // A privileged process may go beyond the hard limit.
        let Err(refused) = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)) else {
            return Ok(Self { before, limit: wanted, refused: None });
        };
        let most = hard.min(wanted);
        let raised = most > before && setrlimit(Resource::RLIMIT_NOFILE, most, hard).is_ok();
        Ok(Self { before, limit: if raised { most } else { before }, refused: Some(refused) })
    }
}

/// The descriptors of a process; its nodes share it.
#[derive(Debug)]
pub(crate) struct Descriptors {
    /// What all nodes want together.
    wanted: AtomicU64,
    /// How many of them are cluster nodes.
    clustered: AtomicU64,
    /// How many the process may have.
    limit: AtomicU64,
}

impl Default for Descriptors {
    fn default() -> Self {
        Self { wanted: AtomicU64::new(0), clustered: AtomicU64::new(0), limit: AtomicU64::new(u64::MAX) }
    }
}

/// The share of one node, given back when it ends.
#[derive(Debug)]
pub(crate) struct Claim {
    all: Arc<Descriptors>,
    wanted: AtomicU64,
    clustered: bool,
    /// It was told that clients are refused for want of descriptors.
    told: AtomicBool,
}

impl Claim {
    fn new(all: &Arc<Descriptors>, wanted: u64, clustered: bool) -> Self {
        all.wanted.fetch_add(wanted, Ordering::Relaxed);
        all.clustered.fetch_add(u64::from(clustered), Ordering::Relaxed);
        Self { all: all.clone(), wanted: AtomicU64::new(wanted), clustered, told: AtomicBool::new(false) }
    }

    /// Changes what this node wants, and returns what the others want. Nodes of a process do this concurrently, so the
    /// sum is changed by the difference; a negative difference wraps, and the sum is still right.
    fn change(&self, wanted: u64) -> u64 {
        self.told.store(false, Ordering::Relaxed);
        let before = self.wanted.swap(wanted, Ordering::Relaxed);
        let all = self.all.wanted.fetch_add(wanted.wrapping_sub(before), Ordering::Relaxed);
        all.saturating_sub(before)
    }

    /// Whether a client may keep the descriptor that its socket got.
    pub(crate) fn allows_client(&self, descriptor: i32) -> bool {
        self.all.allows(descriptor, self.kept_from_clients())
    }

    fn kept_from_clients(&self) -> u64 {
        let links = if self.all.clustered.load(Ordering::Relaxed) > 0 { FOR_LINKS } else { 0 };
        FOR_FILES + links
    }

    /// Why a client was refused by [`Claim::allows_client`], the first time since `maxclients` was set: the client is
    /// told of a maximum that `maxclients` does not show.
    pub(crate) fn explain_once(&self) -> Option<String> {
        if self.told.swap(true, Ordering::Relaxed) {
            return None;
        }
        let limit = self.all.limit.load(Ordering::Relaxed);
        let kept = reserve(limit, self.kept_from_clients());
        Some(format!(
            "Clients are refused although there are fewer than maxclients: of {limit} open files, the last {kept} are kept for \
             files and the cluster. If you need more clients increase 'ulimit -n'."
        ))
    }

    /// Whether a link of the bus may keep its descriptor.
    pub(crate) fn allows_link(&self, descriptor: i32) -> bool {
        self.all.allows(descriptor, FOR_FILES)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.change(0);
        self.all.clustered.fetch_sub(u64::from(self.clustered), Ordering::Relaxed);
    }
}

impl Descriptors {
    /// Fits the descriptors to a starting node that wants so many clients: raises the limit as far as it goes. If that
    /// is not enough, returns how many clients there is room for.
    ///
    /// # Errors
    /// There are too few for a single client.
    pub(crate) fn fit(
        self: &Arc<Self>,
        clients: u64,
        clustered: bool,
        log: &NodeLog,
    ) -> Result<(Claim, Option<u64>), TooFew> {
        let wanted = clients + BESIDES_CLIENTS;
        let claim = Claim::new(self, 0, clustered);
        let limit = self.raise(log, wanted, claim.change(wanted));
        if limit >= wanted {
            return Ok((claim, None));
        }
        if limit <= BESIDES_CLIENTS {
            return Err(TooFew { limit, needed: wanted });
        }
        claim.change(limit);
        Ok((claim, Some(limit - BESIDES_CLIENTS)))
    }

    /// For CONFIG SET maxclients: raises the limit.
    ///
    /// # Errors
    /// Redis's reason, if there are not enough descriptors.
    pub(crate) fn refit(&self, claim: Option<&Claim>, clients: u64, log: &NodeLog) -> Result<(), String> {
        let wanted = clients + BESIDES_CLIENTS;
        let limit = self.raise(log, wanted, claim.map_or(0, |claim| claim.change(wanted)));
        if limit >= wanted {
            return Ok(());
        }
        let most = limit.saturating_sub(BESIDES_CLIENTS);
        Err(format!("The operating system is not able to handle the specified number of clients, try with {most}"))
    }

    /// Raises the limit so that this node has `wanted` and the others have theirs, or as far as it goes; returns the
    /// limit. The log lines are Redis's (`adjustOpenFilesLimit`).
    fn raise(&self, log: &NodeLog, wanted: u64, others: u64) -> u64 {
        let OpenFiles { before, limit, refused } = match OpenFiles::raise(wanted + others) {
            Ok(files) => files,
            Err(error) => {
                log.warning(format_args!(
                    "Unable to obtain the current NOFILE limit ({}), assuming 1024 and setting the max clients configuration accordingly.",
                    error.desc()
                ));
                self.limit.store(UNKNOWN, Ordering::Relaxed);
                return UNKNOWN;
            }
        };
        self.limit.store(limit, Ordering::Relaxed);
        if limit >= wanted && before < wanted {
            log.notice(format_args!(
                "Increased maximum number of open files to {limit} (it was originally set to {before})."
            ));
        }
        if limit < wanted && limit > BESIDES_CLIENTS {
            let (clients, fewer) = (wanted - BESIDES_CLIENTS, limit - BESIDES_CLIENTS);
            log.warning(format_args!(
                "You requested maxclients of {clients} requiring at least {wanted} max file descriptors."
            ));
            if let Some(error) = refused {
                log.warning(format_args!(
                    "Server can't set maximum open files to {wanted} because of OS error: {}.",
                    error.desc()
                ));
            }
            log.warning(format_args!(
                "Current maximum open files is {limit}. maxclients has been reduced to {fewer} to compensate for low ulimit. If you need higher maxclients increase 'ulimit -n'."
            ));
        }
        limit
    }

    fn allows(&self, descriptor: i32, kept: u64) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        u64::try_from(descriptor).is_ok_and(|descriptor| descriptor < limit - reserve(limit, kept))
    }
}

/// How many descriptors of so many are kept: never more than a quarter.
fn reserve(limit: u64, kept: u64) -> u64 {
    kept.min(limit / 4)
}

/// Raises a soft limit that is too low for the threads of the process, before they start: they open descriptors of
/// their own.
///
/// # Errors
/// The hard limit is too low as well, even for a single client.
pub(crate) fn make_room_to_start(clients: u64, log: &NodeLog) -> Result<(), TooFew> {
    if getrlimit(Resource::RLIMIT_NOFILE).is_ok_and(|(soft, _)| soft > BESIDES_CLIENTS) {
        return Ok(());
    }
    let wanted = clients + BESIDES_CLIENTS;
    let Ok(OpenFiles { before, limit, .. }) = OpenFiles::raise(wanted) else { return Ok(()) };
    if limit <= BESIDES_CLIENTS {
        return Err(TooFew { limit, needed: wanted });
    }
    log.notice(format_args!("Increased maximum number of open files to {limit} (it was originally set to {before})."));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_descriptors_are_kept_from_clients() {
        let all = Arc::new(Descriptors::default());
        let claim = Claim::new(&all, 500, true);
        assert!(claim.allows_client(i32::MAX), "unknown: no limit");
        all.limit.store(1000, Ordering::Relaxed);
        assert!(claim.allows_client(963) && !claim.allows_client(964));
        assert!(claim.allows_link(987) && !claim.allows_link(988));
        all.limit.store(40, Ordering::Relaxed);
        assert!(claim.allows_client(29) && !claim.allows_client(30));
        assert!(!claim.allows_client(-1));
    }

    #[test]
    fn many_nodes_of_a_process_keep_no_more_from_clients_than_one() {
        let all = Arc::new(Descriptors::default());
        all.limit.store(1000, Ordering::Relaxed);
        let alone = Claim::new(&all, 100, false);
        assert!(alone.allows_client(987) && !alone.allows_client(988));
        let nodes: Vec<Claim> = (0..6).map(|_| Claim::new(&all, 100, true)).collect();
        assert!(alone.allows_client(963) && !alone.allows_client(964));
        drop(nodes);
        assert!(alone.allows_client(987) && !alone.allows_client(988));
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes_and_never_lowered() {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("every system tells it");
        let files = OpenFiles::raise(soft / 2).expect("just told");
        assert_eq!((files.before, files.limit), (soft, soft));
        setrlimit(Resource::RLIMIT_NOFILE, soft / 2, hard).expect("less is allowed");
        let files = OpenFiles::raise(soft).expect("just told");
        assert_eq!((files.before, files.limit, files.refused), (soft / 2, soft, None));
        // More than any system has, even for the privileged.
        let files = OpenFiles::raise(u64::MAX / 2).expect("just told");
        assert!(files.refused.is_some());
        assert_eq!((files.before, files.limit), (soft, hard.max(soft)));
    }

    #[test]
    fn a_node_that_ends_gives_back_what_it_claimed() {
        let all = Arc::new(Descriptors::default());
        let first = Claim::new(&all, 500, false);
        let second = Claim::new(&all, 100, true);
        assert_eq!(second.change(200), 500);
        let state = || (all.wanted.load(Ordering::Relaxed), all.clustered.load(Ordering::Relaxed));
        assert_eq!(state(), (700, 1));
        drop(second);
        drop(first);
        assert_eq!(state(), (0, 0));
    }
}
