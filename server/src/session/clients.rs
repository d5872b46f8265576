//! All connections of a node, by number.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use dashmap::DashMap;

use super::client::{ClientHandle, ClientId};
use crate::runtime::descriptors::Claim;

/// The registry of connections.
#[derive(Default)]
pub(crate) struct Clients {
    by_id: DashMap<ClientId, Arc<ClientHandle>>,
    last_id: AtomicU64,
    /// How many clients wait in a blocking command, or are held back by a pause.
    pub blocked: AtomicUsize,
    /// The worker that serves this node's clients while they are few.
    pub home: OnceLock<usize>,
    /// The node's share of the process's file descriptors.
    pub descriptors: OnceLock<Claim>,
}

impl Clients {
    /// A number for a new client; never reused.
    pub(crate) fn next_id(&self) -> ClientId {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether a client may keep the descriptor of its socket.
    pub(crate) fn have_room(&self, descriptor: i32) -> bool {
        self.descriptors.get().is_none_or(|descriptors| descriptors.allows_client(descriptor))
    }

    /// Why [`Clients::have_room`] refused, if that is to be told.
    pub(crate) fn explain_lack(&self) -> Option<String> {
        self.descriptors.get().and_then(Claim::explain_once)
    }

    pub(crate) fn add(&self, client: Arc<ClientHandle>) {
        self.by_id.insert(client.id, client);
    }

    pub(crate) fn remove(&self, id: ClientId) {
        self.by_id.remove(&id);
    }

    pub(crate) fn get(&self, id: ClientId) -> Option<Arc<ClientHandle>> {
        self.by_id.get(&id).map(|entry| entry.value().clone())
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// All connections, oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<ClientHandle>> {
        let mut all: Vec<_> = self.by_id.iter().map(|entry| entry.value().clone()).collect();
        all.sort_by_key(|client| client.id);
        all
    }
}
