//! A command that waits, for a key or for something else, on behalf of its client.
//!
//! The slots of its keys and its client hold it, and the engine serves it ([`crate::engine::blocking`]).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use protocol::resp::OwnedArgs;
use protocol::resp::reply::{Protocol, Reply};
use protocol::slot::{SlotId, key_slot};
use tokio::sync::Notify;

use super::{ClientHandle, Mail};
use crate::command::{BlockSpec, TimeoutReply};
use crate::session::Session;
use crate::store::BlockToken;

/// A command that waits.
pub(crate) struct Parked {
    pub client: Arc<ClientHandle>,
    pub command: usize,
    pub args: OwnedArgs,
    pub db: usize,
    pub protocol: Protocol,
    pub spec: BlockSpec,
    /// The keys waited for, without duplicates.
    pub keys: Vec<(SlotId, Box<[u8]>)>,
    pub token: Arc<BlockToken>,
    /// The reply if the command has to leave while an attempt to serve it is under way and fails.
    pub leaving: Mutex<Option<Mail>>,
    /// Set for a command that waits for something else than keys (WAIT): its future replies, and is notified here of
    /// the timeout.
    pub time_up: Option<Arc<Notify>>,
    /// How long the attempt took after which it waits, microseconds.
    pub ran_us: AtomicU64,
}

impl Parked {
    /// A command of this session that begins to wait.
    pub(crate) fn new(
        session: &Session,
        command: usize,
        args: OwnedArgs,
        mut spec: BlockSpec,
        time_up: Option<Arc<Notify>>,
    ) -> Arc<Self> {
        let args = spec.resume.take().unwrap_or(args);
        let words = args.view();
        let mut seen = BTreeSet::new();
        let keys = spec.keys.iter().map(|&position| &words[position as usize]);
        let keys = keys.filter(|key| spec.keys.len() == 1 || seen.insert(*key));
        let keys = keys.map(|key| (key_slot(key), key.into())).collect();
        Arc::new(Self {
            client: session.handle.clone(),
            command,
            args,
            db: session.db,
            protocol: session.protocol,
            keys,
            token: Arc::new(BlockToken::new(spec.wake)),
            leaving: Mutex::new(None),
            spec,
            time_up,
            ran_us: AtomicU64::new(0),
        })
    }

    /// Whether this command finds nothing where the other has just found nothing.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let both = self.decisive_words().zip(other.decisive_words());
        self.command == other.command && both.is_some_and(|(here, there)| here.eq(there))
    }

    fn decisive_words(&self) -> Option<impl Iterator<Item = &[u8]>> {
        Some(self.spec.alike.clone()?.map(|at| &self.args[at]))
    }

    /// Stops the command from waiting. `Some`: it has no reply yet, so the caller sends `mail`. If it is being served
    /// at this moment and that fails, `mail` becomes its reply as well.
    pub(crate) fn leave(&self, mail: Mail) -> Option<Mail> {
        // Stored first, for an attempt to serve the command that fails.
        let mut leaving = self.leaving.lock();
        *leaving = Some(mail);
        if self.token.leave() { leaving.take() } else { None }
    }

    /// The reply when the timeout expires.
    pub(crate) fn timeout_reply(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_timeout(self.spec.on_timeout, &mut out, self.protocol);
        out
    }
}

/// Writes the reply for an expired timeout.
pub(crate) fn write_timeout(reply: TimeoutReply, out: &mut Vec<u8>, protocol: Protocol) {
    let mut writer = Reply::new(out, protocol);
    match reply {
        TimeoutReply::NullArray => writer.null_array(),
        TimeoutReply::Null => writer.null(),
    }
}
