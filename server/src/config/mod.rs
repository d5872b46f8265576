//! Configuration: one declared table of directives, and the values of one node.
//!
//! [`table`] declares every directive once ([`directive::Directive`]); everything else follows from it: redis.conf and
//! the command line ([`mod@file`]), CONFIG GET and SET (here), CONFIG REWRITE ([`rewrite`]), and the list of directives
//! in docs/directives.md.
//!
//! A [`Config`] is a value: each node of a process has its own. So the process does not change into the node's
//! directory, and nothing is static. Reading is cheap and never waits long for a writer: numbers are atomics, texts are
//! `Arc`s behind a lock that is held for one pointer copy. Code on the hot path does not read directives at all: it
//! keeps a snapshot and compares [`Config::generation`], which grows with every change.
//!
//! Invariants:
//! - CONFIG SET is all or nothing: every value is read and checked before the first is stored, and if a hook refuses,
//!   all values are restored and the hooks are called again.
//! - Changes are serialised. A reader may see the values of one CONFIG SET one after another, but never a refused value
//!   after `set_many` has returned.
//! - Hooks run without any lock that a getter takes, but must not change the configuration themselves.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::base::glob;
use crate::command::error;
use directive::{Directive, DirectiveId, Kind};
use value::{Reason, Surroundings, Value};

pub(crate) mod audience;
pub(crate) mod directive;
pub(crate) mod file;
mod idle;
mod keyspace_events;
pub(crate) mod lists;
pub(crate) mod rewrite;
pub(crate) mod table;
mod value;
pub(crate) mod words;

pub(crate) use lists::{BufferLimit, BufferLimits, SavePoint};
pub(crate) use table::ids;
pub(crate) use value::os_reason;

/// The version of Redis that slotd reports to clients and tools, unless `server-version-announced` names another.
pub(crate) const REDIS_VERSION: &str = "7.2.4";

/// The bounds that `hz` is kept in.
const HZ_RANGE: std::ops::RangeInclusive<i64> = 1..=500;
/// The least value that CONFIG SET allows for `repl-backlog-size` (Redis: `CONFIG_REPL_BACKLOG_MIN_SIZE`).
const REPL_BACKLOG_MIN_BYTES: i64 = 16 * 1024;

/// What a change hook returns: the reason for its refusal follows "CONFIG SET failed (...) - ".
pub(crate) type HookResult = Result<(), String>;

type HookFn = dyn Fn(&Config, DirectiveId) -> HookResult + Send + Sync;

struct Hook {
    directives: Vec<DirectiveId>,
    call: Box<HookFn>,
}

enum Cell {
    Number(AtomicI64),
    Text(RwLock<Option<Arc<[u8]>>>),
}

/// The circumstances of a change.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setter {
    /// The client is on this machine (`enable-protected-configs local`).
    pub local: bool,
    /// The data set is being loaded.
    pub loading: bool,
}

/// Up to so many names are looked for in the table itself; for more, an index is made.
const FEW_NAMES: usize = 16;

/// What CONFIG GET has found so far.
struct Matches<'a> {
    config: &'a Config,
    /// Which names of each directive are already in `pairs`: its own, its alias.
    seen: Vec<[bool; 2]>,
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<'a> Matches<'a> {
    fn new(config: &'a Config) -> Self {
        Self { config, seen: vec![[false; 2]; table::COUNT], pairs: Vec::new() }
    }

    fn add(&mut self, id: DirectiveId, name: &[u8]) {
        let own = name.eq_ignore_ascii_case(id.directive().name.as_bytes());
        let seen = &mut self.seen[id.index()][usize::from(!own)];
        if !std::mem::replace(seen, true) {
            self.pairs.push((name.to_vec(), self.config.print(id)));
        }
    }
}

/// Why CONFIG SET changed nothing. Its text is the whole error reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigSetError {
    /// No such directive, or a value is missing.
    #[error("{}", error::unknown_directive(.0))]
    Unknown(Vec<u8>),
    /// A value was refused, or a directive cannot be changed.
    #[error("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")]
    Failed {
        /// The directive, under the name that the client used.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The directive cannot be changed while the data set is being loaded.
    #[error("{}", error::LOADING)]
    Loading,
}

/// The configuration of one node.
pub(crate) struct Config {
    values: Box<[Cell]>,
    generation: AtomicU64,
    /// Held while values change.
    changing: Mutex<()>,
    hooks: RwLock<Vec<Arc<Hook>>>,
    /// The configuration file, absolute.
    file: RwLock<Option<PathBuf>>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("generation", &self.generation()).finish_non_exhaustive()
    }
}

impl Config {
    /// Every directive at its default, `dir` at `directory`, which should be absolute and exist.
    pub(crate) fn new(directory: impl AsRef<Path>) -> Self {
        let cell = |directive: &Directive| match Value::default_of(directive) {
            Value::Number(number) => Cell::Number(AtomicI64::new(number)),
            Value::Text(text) => Cell::Text(RwLock::new(text)),
        };
        let config = Self {
            values: table::all().map(|(_, directive)| cell(directive)).collect(),
            generation: AtomicU64::new(0),
            changing: Mutex::new(()),
            hooks: RwLock::default(),
            file: RwLock::default(),
        };
        let directory = std::os::unix::ffi::OsStrExt::as_bytes(directory.as_ref().as_os_str());
        config.store(ids::DIR, Value::text(directory));
        config
    }

    /// Grows with every change; a snapshot taken at the same generation is up to date.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The value of a directive that is kept as a number: integers, amounts of memory in bytes (see
    /// [`Config::memory`]), booleans as 0 and 1, names and flags as the table numbers them. Zero for a text.
    #[inline]
    pub(crate) fn int(&self, id: DirectiveId) -> i64 {
        match &self.values[id.index()] {
            Cell::Number(number) => number.load(Ordering::Relaxed),
            Cell::Text(_) => {
                debug_assert!(false, "{} is no number", id.directive().name);
                0
            }
        }
    }

    /// The value of a yes/no directive.
    #[inline]
    pub(crate) fn bool(&self, id: DirectiveId) -> bool {
        self.int(id) != 0
    }

    /// Whether one of the `enable-*` directives (`no`, `yes`, `local`) allows its feature to a client; `local`: the
    /// client is on this machine.
    pub(crate) fn allows(&self, id: DirectiveId, local: bool) -> bool {
        match self.choice(id) {
            "yes" => true,
            "local" => local,
            _ => false,
        }
    }

    /// An amount of memory in bytes.
    #[inline]
    pub(crate) fn memory(&self, id: DirectiveId) -> u64 {
        self.int(id) as u64
    }

    /// The name of an enumerated directive's value.
    pub(crate) fn choice(&self, id: DirectiveId) -> &'static str {
        match id.directive().kind {
            Kind::Choice(names) => value::name_of(names, self.int(id)),
            _ => {
                debug_assert!(false, "{} is not enumerated", id.directive().name);
                "unknown"
            }
        }
    }

    /// The value of a directive that is kept as text, empty if it is unset; for a number, what CONFIG GET prints.
    pub(crate) fn bytes(&self, id: DirectiveId) -> Arc<[u8]> {
        match &self.values[id.index()] {
            Cell::Text(text) => text.read().clone().unwrap_or_else(|| Arc::from(&b""[..])),
            Cell::Number(_) => self.print(id).into(),
        }
    }

    /// [`Config::bytes`] as text; bytes that are not UTF-8 are replaced.
    pub(crate) fn string(&self, id: DirectiveId) -> Arc<str> {
        String::from_utf8_lossy(&self.bytes(id)).into()
    }

    /// The node's directory.
    pub(crate) fn directory(&self) -> PathBuf {
        value::path_of(&self.bytes(ids::DIR)).to_owned()
    }

    /// The path that a directive names: relative ones are in the node's directory.
    pub(crate) fn path(&self, id: DirectiveId) -> PathBuf {
        self.directory().join(value::path_of(&self.bytes(id)))
    }

    /// `save`: empty if the node does not save by itself.
    pub(crate) fn save_points(&self) -> Vec<SavePoint> {
        lists::parse_save_points(&self.bytes(ids::SAVE))
    }

    /// `client-output-buffer-limit`.
    pub(crate) fn buffer_limits(&self) -> BufferLimits {
        lists::parse_buffer_limits(&self.bytes(ids::CLIENT_OUTPUT_BUFFER_LIMIT))
    }

    /// `bind`: addresses as they are written, with `-` before optional ones.
    pub(crate) fn bind_addresses(&self) -> Vec<String> {
        lists::parse_addresses(&self.bytes(ids::BIND))
    }

    /// `replicaof`: host and port of the primary.
    pub(crate) fn replica_of(&self) -> Option<(String, u16)> {
        lists::parse_primary(&self.bytes(ids::REPLICAOF))
    }

    /// The configuration file, if the node was started with one.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        self.file.read().clone()
    }

    /// Calls `call` after one of `directives` was changed by CONFIG SET: once per CONFIG SET, with the first of them
    /// that changed. The new values are in place; an error takes all of them back, and `call` is called again with the
    /// old ones.
    pub(crate) fn on_change(
        &self,
        directives: &[DirectiveId],
        call: impl Fn(&Self, DirectiveId) -> HookResult + Send + Sync + 'static,
    ) {
        self.hooks.write().push(Arc::new(Hook { directives: directives.to_vec(), call: Box::new(call) }));
    }

    /// CONFIG GET: name and value of every directive that one of `patterns` names or matches, each once. A directive
    /// that is asked for by name is returned under the name as it was written. A plain name costs one look-up,
    /// independent of how many were found before: a client may ask for a hundred thousand.
    pub(crate) fn get_matching(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found = Matches::new(self);
        let index = (patterns.len() > FEW_NAMES).then(table::Index::of_all);
        let find = |name: &[u8]| index.as_ref().map_or_else(|| table::find(name), |index| index.find(name));
        for pattern in patterns {
            if pattern.iter().any(|byte| matches!(byte, b'[' | b'*' | b'?')) {
                for (id, directive) in table::all().filter(|(_, directive)| !directive.hidden) {
                    for name in std::iter::once(directive.name).chain(directive.alias) {
                        if glob::matches(pattern, name.as_bytes(), true) {
                            found.add(id, name.as_bytes());
                        }
                    }
                }
            } else if let Some(id) = find(pattern) {
                found.add(id, pattern);
            }
        }
        found.pairs
    }

    /// The value as CONFIG GET prints it.
    pub(crate) fn print(&self, id: DirectiveId) -> Vec<u8> {
        value::print(id.directive().kind, &self.value(id))
    }

    /// CONFIG SET: changes all of `pairs` or nothing.
    ///
    /// # Errors
    /// In the words of Redis 7.0; see [`ConfigSetError`].
    pub(crate) fn set_many(&self, pairs: &[(&[u8], &[u8])], setter: Setter) -> Result<(), ConfigSetError> {
        let targets = self.resolve(pairs, setter)?;
        let _changing = self.changing.lock();
        let old: Vec<(DirectiveId, Value)> = targets.iter().map(|(id, _)| (*id, self.value(*id))).collect();
        let mut new = Vec::with_capacity(targets.len());
        for ((id, name), (_, text)) in targets.iter().zip(pairs) {
            let reason =
                |reason: Reason| ConfigSetError::Failed { name: (*name).to_owned(), reason: reason.into_owned() };
            new.push((*id, self.read_for_set(*id, text).map_err(reason)?));
        }
        let mut changed = Vec::new();
        for (id, value) in new {
            if self.value(id) != value {
                self.store(id, value);
                changed.push(id);
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        self.bump();
        self.run_hooks(&changed).map_err(|(id, reason)| {
            for (id, value) in old {
                self.store(id, value);
            }
            self.bump();
            // The hooks before the refusing one have applied values that are restored now. If one of them refuses its
            // old value, that cannot be reported any more.
            let _ = self.run_hooks(&changed);
            let name = targets.iter().find(|target| target.0 == id).map_or(id.directive().name, |target| target.1);
            ConfigSetError::Failed { name: name.to_owned(), reason }
        })
    }

    /// CONFIG SET of one directive by the program itself, as if by a client of this machine.
    ///
    /// # Errors
    /// As [`Config::set_many`].
    #[cfg(test)]
    pub(crate) fn set(&self, name: &str, value: &str) -> Result<(), ConfigSetError> {
        self.set_many(&[(name.as_bytes(), value.as_bytes())], Setter { local: true, loading: false })
    }

    /// Records what the server changed by itself: REPLICAOF, a port that the system chose. The value is one word, or
    /// several separated by spaces for a directive that takes several. No hook is called.
    ///
    /// # Errors
    /// The reason if `value` cannot be read; nothing is changed then.
    pub(crate) fn record(&self, id: DirectiveId, value: &str) -> Result<(), String> {
        let _changing = self.changing.lock();
        let value = self.read_for_set(id, value.as_bytes()).map_err(Reason::into_owned)?;
        self.store(id, value);
        self.bump();
        Ok(())
    }

    /// Whether the words of CONFIG SET after `name` must be kept out of logs.
    pub(crate) fn is_sensitive(name: &[u8]) -> bool {
        table::find(name).is_some_and(|id| id.directive().sensitive)
    }

    /// The directives that CONFIG SET names, each with its name in lower case, if all of them may be changed.
    fn resolve(
        &self,
        pairs: &[(&[u8], &[u8])],
        setter: Setter,
    ) -> Result<Vec<(DirectiveId, &'static str)>, ConfigSetError> {
        let allow_protected = self.allows(ids::ENABLE_PROTECTED_CONFIGS, setter.local);
        let mut targets: Vec<(DirectiveId, &'static str)> = Vec::with_capacity(pairs.len());
        for (typed, _) in pairs {
            let id = table::find(typed).ok_or_else(|| ConfigSetError::Unknown(typed.to_vec()))?;
            let directive = id.directive();
            let name = String::from_utf8_lossy(typed);
            let failed = |reason: &str| ConfigSetError::Failed { name: name.clone().into(), reason: reason.to_owned() };
            if directive.immutable {
                return Err(failed("can't set immutable config"));
            }
            if directive.protected && !allow_protected {
                return Err(failed("can't set protected config"));
            }
            if directive.deny_loading && setter.loading {
                return Err(ConfigSetError::Loading);
            }
            let known = directive.names().find(|known| known.as_bytes().eq_ignore_ascii_case(typed));
            let name = known.unwrap_or(directive.name);
            if targets.iter().any(|(_, known)| *known == name) {
                return Err(failed("duplicate parameter"));
            }
            targets.push((id, name));
        }
        Ok(targets)
    }

    /// Reads the single word that CONFIG SET has for a value.
    fn read_for_set(&self, id: DirectiveId, text: &[u8]) -> Result<Value, Reason> {
        let words: Vec<&[u8]> = if !id.directive().kind.takes_many_words() {
            vec![text]
        } else if text.is_empty() {
            Vec::new()
        } else {
            text.split(|byte| *byte == b' ').collect()
        };
        let value = self.read(id, &words, false)?;
        // Redis lets a backlog start with any size, but never resizes it below this.
        Ok(match value {
            Value::Number(bytes) if id == ids::REPL_BACKLOG_SIZE && value != self.value(id) => {
                Value::Number(bytes.max(REPL_BACKLOG_MIN_BYTES))
            }
            other => other,
        })
    }

    /// Reads a value; see [`value::read`].
    fn read(&self, id: DirectiveId, words: &[&[u8]], append: bool) -> Result<Value, Reason> {
        let (current, directory) = (self.value(id), self.directory());
        let around = Surroundings { current: &current, directory: &directory, append };
        let value = value::read(id.directive(), words, &around)?;
        // Redis accepts any hz and then clamps it.
        Ok(match value {
            Value::Number(hz) if id == ids::HZ => Value::Number(hz.clamp(*HZ_RANGE.start(), *HZ_RANGE.end())),
            other => other,
        })
    }

    /// Calls every hook of one of `changed`, in the order of registration.
    fn run_hooks(&self, changed: &[DirectiveId]) -> Result<(), (DirectiveId, String)> {
        // Not under the lock: a hook may register another.
        let hooks: Vec<Arc<Hook>> = self.hooks.read().clone();
        for hook in hooks {
            if let Some(id) = changed.iter().find(|id| hook.directives.contains(id)) {
                (hook.call)(self, *id).map_err(|reason| (*id, reason))?;
            }
        }
        Ok(())
    }

    fn bump(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn value(&self, id: DirectiveId) -> Value {
        match &self.values[id.index()] {
            Cell::Number(number) => Value::Number(number.load(Ordering::Relaxed)),
            Cell::Text(text) => Value::Text(text.read().clone()),
        }
    }

    fn store(&self, id: DirectiveId, value: Value) {
        match (&self.values[id.index()], value) {
            (Cell::Number(cell), Value::Number(number)) => cell.store(number, Ordering::Relaxed),
            (Cell::Text(cell), Value::Text(text)) => *cell.write() = text,
            _ => debug_assert!(false, "{} changed its kind", id.directive().name),
        }
    }
}

#[cfg(test)]
mod tests;
