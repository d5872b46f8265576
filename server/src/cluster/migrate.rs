//! MIGRATE: moves keys to another node.
//!
//! Redis stops all clients while it waits for the target. Here the command holds nothing while it waits: the keys are
//! copied and watched under their locks, sent, and removed only if they were not changed meanwhile; a changed key is
//! sent again. While a slot is open, clients reach the target only for keys that are missing here. So until the removal
//! our copy is the only one that counts, and the copy that wins contains every acknowledged write. Each key is copied
//! and removed by itself, as soon as its slot can be locked: a long command in that slot delays only this client. In an
//! open slot, writes to the keys wait until they have arrived ([`crate::engine::sending`]).
//!
//! A MIGRATE that gives up leaves copies on their way. If the keys are sent again, and written to at the target, such a
//! copy would undo that. So the connection is reset, with what it has not sent yet, and the target runs no copy whose
//! sender has left ([`Traits::NEEDS_ITS_SENDER`]). A connection on which everything was answered is kept for the next
//! MIGRATE to the same target.

use std::collections::HashSet;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::rdb::Writer;
use protocol::resp::{Args, OwnedArgs, ReplyParser, Value};
use protocol::slot::key_slot;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::base::number::parse_i64;
use crate::command::spec::{BeginSearch, FindKeys};
use crate::command::{
    Arity, Categories, CmdError, Declared, Flags, Group, KeyFlags, KeySpec, NotifyClass, Traits, error,
};
use crate::engine::Engine;
use crate::engine::changes::Settled;
use crate::engine::handler::{Handled, SessionCtx, SessionFn, SessionResult};
use crate::engine::held::Held;
use crate::engine::state::PauseKind;
use crate::runtime::kept_links::KeptLink;
use crate::session::Session;
use crate::session::client::ClientHandle;
use crate::store::{Cause, Change, Door, SlotGuard, WatchFlag, payload};

/// How often a key that keeps changing is sent before MIGRATE gives up on it.
const ROUNDS: usize = 16;
/// So many bytes are written within a timeout (Redis: `migrateCommand`).
const WRITTEN: usize = 64 * 1024;
/// The longest status line of the target that is kept, bytes.
const MAX_REPLY: usize = 64 * 1024;

/// The command of this file.
pub(crate) static COMMANDS: &[Declared<SessionFn>] = &[Declared::new("MIGRATE", Arity::at_least(6), Group::Generic, Flags::WRITE, migrate as SessionFn)
    .acl(Categories::DANGEROUS)
        .traits(Traits::MOVES_KEYS)
    .since("2.6.0")
    .summary("Atomically transfer a key from a Redis instance to another one.")
    .complexity("This command actually executes a DUMP+DEL in the source instance, and a RESTORE in the target instance. See the pages of these commands for time complexity. Also an O(N) data transfer between the two instances is performed.")
    .keys(&[
        KeySpec::at(3).rw().access().delete(),
        KeySpec {
            begin: BeginSearch::Keyword { keyword: "KEYS", start_from: -2 },
            find: FindKeys::Range { last: -1, step: 1, limit: 0 },
            ..KeySpec::at(3).rw().access().delete().flags(KeyFlags::INCOMPLETE)
        },
    ])
    .keys_fn(find_keys)
    .secrets_fn(secrets)
    .syntax("host:string port:integer key_or_empty_string:<key:key|\"\"='empty_string> destination-db:integer timeout:integer ['copy@3.0.0] ['replace@3.0.0] [authentication:<[AUTH=password:string@4.0.7]|[AUTH2=username_password:{username:string password:string}@6.0.0]>] [KEYS=key:key+@3.0.6]")
    .tips(&["nondeterministic_output"])
    .history(&[
        ("3.0.0", "Added the `COPY` and `REPLACE` options."),
        ("3.0.6", "Added the `KEYS` option."),
        ("4.0.7", "Added the `AUTH` option."),
        ("6.0.0", "Added the `AUTH2` option."),
    ])];

/// The arguments of MIGRATE.
struct Request {
    host: String,
    /// `None`: no port can have this number. Redis reports that only when it connects.
    port: Option<u16>,
    db: i64,
    timeout: Duration,
    copy: bool,
    replace: bool,
    auth: Option<OwnedArgs>,
    keys: Vec<Box<[u8]>>,
}

impl Request {
    /// Under which a connection is kept: the target, and who asks. So nobody uses the rights of another.
    fn link_name(&self) -> Vec<u8> {
        let mut name = format!("{} {}", self.host, self.port.unwrap_or(0)).into_bytes();
        for word in self.auth.iter().flat_map(|auth| auth.view().iter()) {
            name.extend_from_slice(&(word.len() as u64).to_le_bytes());
            name.extend_from_slice(word);
        }
        name
    }
}

/// Redis: `migrateGetKeys`. The key is at its fixed place, or, if that is empty, the keys are everything after KEYS.
fn find_keys(args: Args<'_>, out: &mut crate::command::keys::KeyPositions) {
    let flags = KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::DELETE);
    if args.len() > 3 && !args[3].is_empty() {
        out.push((3, flags));
        return;
    }
    let mut at = 6;
    while let Some(word) = args.get(at) {
        if word.eq_ignore_ascii_case(b"auth") {
            at += 1;
        } else if word.eq_ignore_ascii_case(b"auth2") {
            at += 2;
        } else if word.eq_ignore_ascii_case(b"keys") {
            out.extend((at + 1..args.len()).map(|position| (position as u32, flags)));
            return;
        }
        at += 1;
    }
}

/// Names and passwords among the words.
fn secrets(args: Args<'_>) -> Vec<usize> {
    let (mut secrets, mut at) = (Vec::new(), 6);
    while let Some(word) = args.get(at) {
        let hidden = match word.to_ascii_lowercase().as_slice() {
            b"auth" => 1,
            b"auth2" => 2,
            b"keys" => break,
            _ => 0,
        };
        secrets.extend(at + 1..=at + hidden);
        at += 1 + hidden;
    }
    secrets
}

fn parse(args: Args<'_>) -> Result<Request, CmdError> {
    let (mut copy, mut replace, mut auth) = (false, false, None);
    let mut keys: Vec<Box<[u8]>> = vec![args[3].into()];
    let mut at = 6;
    while let Some(word) = args.get(at) {
        let more = args.len() - at - 1;
        if word.eq_ignore_ascii_case(b"copy") {
            copy = true;
        } else if word.eq_ignore_ascii_case(b"replace") {
            replace = true;
        } else if word.eq_ignore_ascii_case(b"auth") && more >= 1 {
            auth = Some(OwnedArgs::from_slices(&[b"AUTH".as_slice(), &args[at + 1]]));
            at += 1;
        } else if word.eq_ignore_ascii_case(b"auth2") && more >= 2 {
            auth = Some(OwnedArgs::from_slices(&[b"AUTH".as_slice(), &args[at + 1], &args[at + 2]]));
            at += 2;
        } else if word.eq_ignore_ascii_case(b"keys") {
            if !args[3].is_empty() {
                return Err(CmdError::text(
                    "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                ));
            }
            keys = args.iter().skip(at + 1).map(Into::into).collect();
            break;
        } else {
            return Err(error::SYNTAX);
        }
        at += 1;
    }
    let timeout = parse_i64(&args[5]).ok_or(error::NOT_INTEGER)?;
    let db = parse_i64(&args[4]).ok_or(error::NOT_INTEGER)?;
    let timeout = if timeout <= 0 { 1000 } else { timeout as u64 };
    let port = parse_i64(&args[2]).and_then(|port| u16::try_from(port).ok());
    let host = String::from_utf8_lossy(&args[1]).into_owned();
    Ok(Request { host, port, db, timeout: Duration::from_millis(timeout), copy, replace, auth, keys })
}

const CANNOT_CONNECT: CmdError = CmdError::text("IOERR error or timeout connecting to the client");
const CANNOT_WRITE: CmdError = CmdError::text("IOERR error or timeout writing to target instance");
const CANNOT_READ: CmdError = CmdError::text("IOERR error or timeout reading to target instance");

fn migrate(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let request = parse(args)?;
    let mover = Mover {
        engine: ctx.engine.clone(),
        client: ctx.session.handle.clone(),
        gate: ctx.session.gate,
        db: ctx.session.db,
        request,
        own_copies: Mutex::default(),
    };
    match mover.any_is_here(ctx.session) {
        Ok(true) => {}
        Ok(false) => {
            ctx.reply.simple("NOKEY");
            return Ok(Handled::Done);
        }
        Err(held) => return Ok(Handled::Postponed(held)),
    }
    let protocol = ctx.session.protocol;
    Ok(Handled::Wait(Box::pin(async move {
        let mut out = Vec::new();
        let mut reply = protocol::resp::Reply::new(&mut out, protocol);
        match mover.run().await {
            Ok(()) => reply.ok(),
            Err(problem) => {
                mover.engine.stats.count_error(problem.code());
                reply.error(problem.as_bytes());
            }
        }
        // After the reply, which this connection gets first.
        mover.own_copies.lock().iter().for_each(|key| mover.engine.tell_own(&mover.client, key));
        mover.engine.settle_tracking();
        out
    })))
}

/// A key as it was when it was copied.
struct Copied {
    key: Box<[u8]>,
    ttl: i64,
    payload: Vec<u8>,
    watch: Watch,
}

/// Watches a key until it is dropped, also when the client disconnects before the move is done.
struct Watch {
    engine: Arc<Engine>,
    db: usize,
    key: Box<[u8]>,
    changed: Arc<WatchFlag>,
}

/// The removal of a key that the target accepted.
enum Removal {
    Done(Settled),
    KeyChanged,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let key = std::mem::take(&mut self.key);
        self.engine.keyspace.unwatch(self.db, key_slot(&key), key, Arc::clone(&self.changed));
    }
}

struct Mover {
    engine: Arc<Engine>,
    client: Arc<ClientHandle>,
    gate: usize,
    db: usize,
    request: Request,
    /// Moved keys that the client itself caches.
    own_copies: Mutex<Vec<Box<[u8]>>>,
}

impl Mover {
    /// Whether any of the keys exists.
    ///
    /// # Errors
    /// A long command has the slot of a key.
    fn any_is_here(&self, session: &mut Session) -> Result<bool, Held> {
        let now = self.engine.clock.now_ms();
        for key in &self.request.keys {
            let slot = self.engine.lock_soon(session, self.db, key_slot(key))?;
            if slot.get(self.engine.keyspace.hash(key), key).is_some_and(|entry| !entry.is_expired(now)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Copies the existing keys, and watches each of them from then on.
    async fn copies(&self, keys: &[Box<[u8]>]) -> Vec<Copied> {
        let mut copies = Vec::new();
        for key in keys {
            let copy = |slot: &mut SlotGuard<'_>| self.copy(slot, key);
            copies.extend(self.engine.visit(self.gate, (self.db, key_slot(key)), copy).await);
        }
        copies
    }

    fn copy(&self, slot: &mut SlotGuard<'_>, key: &[u8]) -> Option<Copied> {
        let now = self.engine.clock.now_ms();
        let entry = slot.get(self.engine.keyspace.hash(key), key).filter(|entry| !entry.is_expired(now))?;
        // RESTORE takes 0 for "no expiry": a key in its last millisecond would never expire.
        let ttl = entry.expire_at().map_or(0, |at| (at - now).max(1));
        let mut writer = Writer::new();
        payload::dump_into(&entry.value(), &mut writer);
        let changed = Arc::new(WatchFlag::new());
        slot.watch(key, &changed);
        let watch = Watch { engine: self.engine.clone(), db: self.db, key: key.into(), changed };
        Some(Copied { key: key.into(), ttl, payload: writer.into_vec(), watch })
    }

    async fn run(&self) -> Result<(), CmdError> {
        let keys = &self.request.keys;
        // Until the keys have been removed.
        let _held = if self.request.copy { None } else { Some(self.engine.hold_writes(self.db, keys).await) };
        let mut link: Option<Link> = None;
        let result = self.send_rounds(&mut link).await;
        if let Some(kept) = link.and_then(Link::into_kept) {
            self.engine.kept_links.keep(self.request.link_name(), kept, self.engine.clock.now_ms());
        }
        result
    }

    /// Sends the keys until none has changed while it was on its way.
    async fn send_rounds(&self, link: &mut Option<Link>) -> Result<(), CmdError> {
        let mut left = self.request.keys.clone();
        for round in 0..ROUNDS {
            let copies = self.copies(&left).await;
            if round > 0 {
                self.delete_rest(link, &left, &copies).await?;
            }
            if copies.is_empty() {
                return Ok(());
            }
            let (accepted, problem) = self.send(link, &copies, self.request.replace || round > 0).await?;
            left = self.settle_when_allowed(copies, &accepted).await?;
            if let Some(problem) = problem {
                return Err(problem);
            }
            if left.is_empty() {
                return Ok(());
            }
        }
        Err(CmdError::text("IOERR a key keeps changing faster than it can be sent to target instance"))
    }

    /// Deletes keys at the target that were sent there, and deleted here meanwhile. A node of a cluster has nothing to
    /// delete: no client could do that in an open slot.
    async fn delete_rest(&self, link: &mut Option<Link>, sent: &[Box<[u8]>], left: &[Copied]) -> Result<(), CmdError> {
        if self.engine.hot.load().cluster_enabled {
            return Ok(());
        }
        let left: HashSet<&[u8]> = left.iter().map(|copy| &*copy.key).collect();
        let gone: Vec<&[u8]> = sent.iter().map(|key| &**key).filter(|key| !left.contains(key)).collect();
        let (false, Some(link)) = (gone.is_empty(), link) else { return Ok(()) };
        let mut bytes = Vec::new();
        gone.iter().for_each(|key| push_command(&mut bytes, &[b"DEL", key]));
        link.write(&bytes).await?;
        for _ in gone {
            if let Some(problem) = link.read().await? {
                return Err(problem);
            }
        }
        Ok(())
    }

    /// Removes the keys that the target accepted, and returns those that changed since they were copied. Keys are
    /// removed only while writes are allowed: after the cut of a last save, or during a failover's pause of writes, the
    /// removal would be lost although the move was acknowledged.
    async fn settle_when_allowed(&self, copies: Vec<Copied>, accepted: &[bool]) -> Result<Vec<Box<[u8]>>, CmdError> {
        let mut again = Vec::new();
        let sent = copies.into_iter().zip(accepted).filter(|(_, accepted)| **accepted && !self.request.copy);
        for (copy, _) in sent {
            let place = (self.db, key_slot(&copy.key));
            loop {
                let settle = |slot: &mut SlotGuard<'_>| match self.engine.state.paused(self.engine.clock.now_ms()) {
                    (PauseKind::None, _) if self.engine.state.is_replica() => Err(error::READ_ONLY),
                    (PauseKind::None, _) => Ok(Ok(self.settle(slot, &copy))),
                    (PauseKind::Writes | PauseKind::All, until) => Ok(Err(until)),
                };
                match self.engine.visit(self.gate, place, settle).await? {
                    Ok(None) => break,
                    // Freed without the lock: a value may be large.
                    Ok(Some(Removal::Done(mut settled))) => {
                        self.own_copies.lock().append(&mut settled.own_invalid);
                        self.engine.freeing.free_settled(settled);
                        break;
                    }
                    Ok(Some(Removal::KeyChanged)) => {
                        again.push(copy.key.clone());
                        break;
                    }
                    Err(until) => self.engine.pause_over(until).await,
                }
            }
        }
        Ok(again)
    }

    /// Removes a key that the target accepted, unless it changed since it was copied. `None`: it does not exist any
    /// more.
    fn settle(&self, slot: &mut SlotGuard<'_>, copy: &Copied) -> Option<Removal> {
        if copy.watch.changed.is_raised() {
            return Some(Removal::KeyChanged);
        }
        let mut effects = self.engine.unasked(&self.engine.hot.load());
        let change = Change { db: self.db, slot: slot.id(), key: &copy.key, cause: Cause::Moved };
        let removed = slot.remove(self.engine.keyspace.hash(&copy.key), change, &mut effects)?;
        effects.discard(removed, Cause::Moved);
        effects.count(NotifyClass::Generic, "del", self.db, &copy.key);
        Some(Removal::Done(self.engine.settle(effects, self.client.id, Some(slot))))
    }

    /// Sends the copies. Returns which of them the target accepted, and its first error. The target may have closed a
    /// connection that was kept; then they are sent once more.
    async fn send(
        &self,
        link: &mut Option<Link>,
        copies: &[Copied],
        replace: bool,
    ) -> Result<(Vec<bool>, Option<CmdError>), CmdError> {
        if link.is_none() {
            let kept = self.engine.kept_links.take(&self.request.link_name());
            *link = kept.and_then(|kept| Link::again(kept, self.request.timeout));
        }
        match self.send_over(link, copies, replace).await {
            Err(_) if link.as_ref().is_some_and(|link| link.is_stale) => {
                *link = None;
                self.send_over(link, copies, replace).await
            }
            result => result,
        }
    }

    async fn send_over(
        &self,
        link: &mut Option<Link>,
        copies: &[Copied],
        replace: bool,
    ) -> Result<(Vec<bool>, Option<CmdError>), CmdError> {
        let mut preamble = 0;
        let mut bytes = Vec::new();
        if link.is_none() {
            *link = Some(Link::open(&self.engine, &self.request).await?);
        }
        let link = link.as_mut().ok_or(CANNOT_CONNECT)?;
        // Also over a connection that was kept: the password may have changed.
        if let Some(auth) = self.request.auth.as_ref().filter(|_| !std::mem::replace(&mut link.has_begun, true)) {
            push_command(&mut bytes, &auth.view().iter().collect::<Vec<_>>());
            preamble += 1;
        }
        if link.db != self.request.db {
            push_command(&mut bytes, &[b"SELECT", self.request.db.to_string().as_bytes()]);
            link.write(&std::mem::take(&mut bytes)).await?;
            // Before any key is sent: none must get into the database that was selected before.
            if let Some(problem) = link.read_all(std::mem::take(&mut preamble) + 1).await? {
                link.is_broken = true;
                return Ok((vec![false; copies.len()], Some(problem)));
            }
            link.db = self.request.db;
        }
        let verb: &[u8] = if self.engine.hot.load().cluster_enabled { b"RESTORE-ASKING" } else { b"RESTORE" };
        for copy in copies {
            let ttl = copy.ttl.to_string();
            let mut words = vec![verb, &copy.key, ttl.as_bytes(), &copy.payload];
            if replace {
                words.push(b"REPLACE");
            }
            push_command(&mut bytes, &words);
        }
        link.write(&bytes).await?;
        let mut problem = link.read_all(preamble).await?;
        // Without the password, none of the following commands is accepted; otherwise each key has its own result.
        let admitted = problem.is_none();
        link.is_broken |= !admitted;
        let mut accepted = Vec::with_capacity(copies.len());
        for _ in copies {
            match link.read().await {
                Ok(refused) => {
                    accepted.push(refused.is_none() && admitted);
                    problem = problem.or(refused);
                }
                Err(broken) if link.is_stale => return Err(broken),
                // Keys acknowledged before have moved; the others are still here.
                Err(broken) => {
                    accepted.resize(copies.len(), false);
                    return Ok((accepted, Some(problem.unwrap_or(broken))));
                }
            }
        }
        Ok((accepted, problem))
    }
}

fn push_command(out: &mut Vec<u8>, words: &[&[u8]]) {
    let mut reply = protocol::resp::Reply::new(out, protocol::resp::Protocol::Resp2);
    reply.array(words.len());
    words.iter().for_each(|word| reply.bulk(word));
}

/// A connection to the target.
struct Link {
    stream: TcpStream,
    parser: ReplyParser,
    input: Vec<u8>,
    timeout: Duration,
    /// The database that is selected at the target.
    db: i64,
    /// Something was sent for this command.
    has_begun: bool,
    /// It served another command before, and nothing was read for this one yet.
    was_kept: bool,
    /// It was kept, and the target has closed it since.
    is_stale: bool,
    /// It cannot be used any more.
    is_broken: bool,
}

impl Link {
    async fn open(engine: &Engine, request: &Request) -> Result<Self, CmdError> {
        let port = request.port.ok_or(CANNOT_WRITE)?;
        let connecting = connect(engine, &request.host, port);
        let stream = match tokio::time::timeout(request.timeout, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(problem)) if was_turned_away(problem.kind()) => return Err(CANNOT_WRITE),
            Ok(Err(_)) | Err(_) => return Err(CANNOT_CONNECT),
        };
        let _ = stream.set_nodelay(true);
        Ok(Self::over(stream, request.timeout))
    }

    fn over(stream: TcpStream, timeout: Duration) -> Self {
        // A link that breaks off is reset at once, with what is still unsent: the target runs nothing of it any more.
        let _ = stream.set_zero_linger();
        Self {
            stream,
            parser: ReplyParser::new(),
            input: Vec::new(),
            timeout,
            db: 0,
            has_begun: false,
            was_kept: false,
            is_stale: false,
            is_broken: false,
        }
    }

    /// A connection that was kept. `None`: the target has closed it, or has sent what nobody asked for.
    fn again(kept: KeptLink, timeout: Duration) -> Option<Self> {
        let stream = TcpStream::from_std(kept.stream).ok()?;
        let is_silent = stream.try_read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        is_silent.then(|| Self { db: kept.db, was_kept: true, ..Self::over(stream, timeout) })
    }

    /// What is left of it for the next command, if everything was answered. From then on it closes in the ordinary way.
    fn into_kept(self) -> Option<KeptLink> {
        if self.is_broken || !self.input.is_empty() {
            return None;
        }
        let _ = SockRef::from(&self.stream).set_linger(None);
        let stream = self.stream.into_std().ok()?;
        Some(KeptLink { stream, db: self.db })
    }

    /// The result of one step of input or output.
    fn settle<T>(
        &mut self,
        step: Result<io::Result<T>, tokio::time::error::Elapsed>,
        problem: &CmdError,
    ) -> Result<T, CmdError> {
        let is_late = step.is_err();
        step.ok().and_then(Result::ok).ok_or_else(|| self.fail(is_late, problem))
    }

    fn fail(&mut self, is_late: bool, problem: &CmdError) -> CmdError {
        self.is_broken = true;
        self.is_stale = self.was_kept && !is_late;
        problem.clone()
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), CmdError> {
        // The timeout is that of one step, as in Redis: a large value may take longer.
        let mut rest = bytes;
        while !rest.is_empty() {
            let step = tokio::time::timeout(self.timeout, self.stream.write(&rest[..rest.len().min(WRITTEN)])).await;
            let written = self.settle(step, &CANNOT_WRITE)?;
            if written == 0 {
                return Err(self.fail(false, &CANNOT_WRITE));
            }
            rest = &rest[written..];
        }
        Ok(())
    }

    /// Reads so many replies; returns the target's first error.
    async fn read_all(&mut self, count: usize) -> Result<Option<CmdError>, CmdError> {
        let mut problem = None;
        for _ in 0..count {
            problem = problem.or(self.read().await?);
        }
        Ok(problem)
    }

    /// Reads one reply; an error of the target is returned as a value.
    async fn read(&mut self) -> Result<Option<CmdError>, CmdError> {
        loop {
            match self.parser.parse(&self.input) {
                Ok(Some((value, used))) => {
                    self.input.drain(..used);
                    self.was_kept = false;
                    return Ok(match value {
                        Value::Error(text) => {
                            Some(CmdError::quoting("ERR Target instance replied with error: ", &text, ""))
                        }
                        _ => None,
                    });
                }
                Ok(None) if self.input.len() < MAX_REPLY => {}
                Ok(None) | Err(_) => return Err(self.fail(false, &CANNOT_READ)),
            }
            let step = tokio::time::timeout(self.timeout, self.stream.read_buf(&mut self.input)).await;
            if self.settle(step, &CANNOT_READ)? == 0 {
                return Err(self.fail(false, &CANNOT_READ));
            }
        }
    }
}

/// Connects to the first of the host's addresses that answers. The connection is made for a client, so it must not use
/// one of the reserved descriptors.
async fn connect(engine: &Engine, host: &str, port: u16) -> io::Result<TcpStream> {
    let mut problem = io::ErrorKind::NotFound.into();
    for address in tokio::net::lookup_host((host, port)).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if !engine.clients.have_room(socket.as_raw_fd()) {
            return Err(io::Error::other("no file descriptor is left for it"));
        }
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

/// Whether the target actively refused the connection. Redis learns that from its first write, and reports it so.
fn was_turned_away(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable};
    matches!(kind, ConnectionRefused | ConnectionReset | HostUnreachable)
}

#[cfg(test)]
#[path = "migrate_tests.rs"]
mod tests;
