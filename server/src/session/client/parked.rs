//! A command that waits for a key, or for something else, on behalf of its client.
//!
//! The slots of its keys hold it, its client has it, and the engine serves it ([`crate::engine::blocking`]).

use std::collections::BTreeSet;
use std::sync::Arc;

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
    /// What to answer if it is to leave while somebody tries to serve it in vain.
    pub leaving: Mutex<Option<Mail>>,
    /// Set for a command that waits for something else than keys (WAIT): its future answers, and this tells it that its time is up.
    pub time_up: Option<Arc<Notify>>,
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
        })
    }

    /// Takes the command off waiting. `Some`: nobody has answered it, so it is to be answered with this. If somebody tries to serve it in
    /// this very moment, and fails, then it is answered with this as well.
    pub(crate) fn leave(&self, mail: Mail) -> Option<Mail> {
        // Put down first, for whoever finds nothing to serve it with.
        let mut leaving = self.leaving.lock();
        *leaving = Some(mail);
        if self.token.leave() { leaving.take() } else { None }
    }

    /// What is read when its time is up.
    pub(crate) fn timeout_reply(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_timeout(self.spec.on_timeout, &mut out, self.protocol);
        out
    }
}

/// Writes what a client reads when its time is up.
pub(crate) fn write_timeout(reply: TimeoutReply, out: &mut Vec<u8>, protocol: Protocol) {
    let mut writer = Reply::new(out, protocol);
    match reply {
        TimeoutReply::NullArray => writer.null_array(),
        TimeoutReply::Null => writer.null(),
    }
}
