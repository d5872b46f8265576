//! The declaration of a command, as a `const` value built by a `const fn` builder.
//!
//! ```ignore
//! pub static COMMANDS: &[Declared<KeyedFn>] = &[
//!     Declared::new("SETRANGE", Arity::exactly(4), Group::String, Flags::WRITE.and(Flags::DENYOOM), setrange as KeyedFn)
//!         .since("2.2.0")
//!         .summary("Overwrites part of a string, padding with zero bytes.")
//!         .complexity("O(1) amortised for short values.")
//!         .keys(&[KeySpec::at(1).rw().update()])
//!         .syntax("key:key offset:integer value:string"),
//! ];
//! ```
//! A plain slice, no macro and no linker section: a reader finds everything about a command in one place. The handler's
//! type `H` differs by kind (keyed, keyspace, session, service), so the type system keeps a keyed handler from reaching
//! a socket.

/// How many words a command takes, its name included. Negative on the wire means "at least".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arity(pub i16);

impl Arity {
    /// Exactly `n` words, the name included.
    pub(crate) const fn exactly(n: i16) -> Self {
        Self(n)
    }
    /// At least `n` words, the name included.
    pub(crate) const fn at_least(n: i16) -> Self {
        Self(-n)
    }
    /// Whether a request of `words` words is acceptable.
    #[inline]
    pub(crate) fn accepts(self, words: usize) -> bool {
        let named = usize::from(self.0.unsigned_abs());
        words == named || (self.0 < 0 && words > named)
    }
}

use super::Categories;

macro_rules! bits {
    ($(#[$doc:meta])* $name:ident : $ty:ty { $($(#[$fdoc:meta])* $flag:ident = $bit:expr),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
        pub(crate) struct $name(pub $ty);
        impl $name {
            /// No flag at all.
            #[allow(dead_code, reason = "every set of flags has it")]
            pub(crate) const NONE: Self = Self(0);
            $($(#[$fdoc])* pub(crate) const $flag: Self = Self(1 << $bit);)*
            /// Both sets of flags.
            pub(crate) const fn and(self, other: Self) -> Self { Self(self.0 | other.0) }
            /// Whether every flag of `other` is set.
            #[inline]
            pub(crate) const fn has(self, other: Self) -> bool { self.0 & other.0 == other.0 }
            /// Whether any flag of `other` is set.
            #[allow(dead_code, reason = "every set of flags has it")]
            #[inline]
            pub(crate) const fn any(self, other: Self) -> bool { self.0 & other.0 != 0 }
        }
    };
}

pub(super) use bits;

bits! {
    /// Properties of a command, with the meaning that Redis gives them (COMMAND INFO prints them).
    Flags: u32 {
        /// Changes data.
        WRITE = 0,
        /// Reads data and changes nothing.
        READONLY = 1,
        /// Refused when memory is full.
        DENYOOM = 2,
        /// An administrator's command.
        ADMIN = 3,
        /// Part of publish and subscribe.
        PUBSUB = 4,
        /// Not allowed in scripts.
        NOSCRIPT = 5,
        /// May block the client.
        BLOCKING = 6,
        /// Allowed while the data set is being loaded.
        LOADING = 7,
        /// Allowed on a replica with stale data.
        STALE = 8,
        /// Not shown to MONITOR.
        SKIP_MONITOR = 9,
        /// Never enters the slow log.
        SKIP_SLOWLOG = 10,
        /// Works on an importing slot without ASKING.
        ASKING = 11,
        /// O(1) or O(log n).
        FAST = 12,
        /// Allowed before AUTH.
        NO_AUTH = 13,
        /// Might be propagated although it is not a write (PUBLISH).
        MAY_REPLICATE = 14,
        /// Refused during asynchronous loading.
        NO_ASYNC_LOADING = 15,
        /// Refused inside MULTI.
        NO_MULTI = 16,
        /// Allowed while a script is busy.
        ALLOW_BUSY = 17,
        /// May be called with no key although it has key specs.
        NO_MANDATORY_KEYS = 18,
        /// Needs `enable-debug-command` and the like.
        PROTECTED = 19,
        /// Needs the barrier: runs alone, while no other command runs.
        EXCLUSIVE = 20,
        /// Keys can't be found by fixed positions (printed as `movablekeys`).
        MOVABLE_KEYS = 21,
        /// A container whose subcommands are the commands.
        CONTAINER = 22,
        /// Not shown by COMMAND: an internal name.
        HIDDEN = 23,
    }
}

bits! {
    /// What the engine must know of a command beyond Redis's flags. No gate knows a command by its name.
    Traits: u16 {
        /// Runs at once in MULTI, where other commands are queued.
        RUNS_IN_MULTI = 0,
        /// Runs the queued commands: the gates judge it by its queue, and refusing it ends the transaction.
        RUNS_THE_QUEUE = 1,
        /// Allowed for a subscriber that speaks RESP2.
        FOR_SUBSCRIBERS = 2,
        /// Reports that nothing can be saved, as writes do.
        TELLS_OF_FAILED_SAVES = 3,
        /// Does not use up ASKING: it stays for the next command.
        KEEPS_ASKING = 4,
        /// Does not use up CLIENT CACHING: it stays for the next command.
        KEEPS_CACHING = 5,
        /// Removes keys from a moving slot, and so may find them there or not.
        MOVES_KEYS = 6,
        /// Touches neither keys nor state that a transaction may change as a whole: executed also while another command
        /// has the barrier.
        TOUCHES_NO_DATA = 7,
        /// Sent by a server that moves a key here, and of no use once that server has given up: not run if the sender
        /// has left.
        NEEDS_ITS_SENDER = 8,
        /// The commands behind it run in the database that it names.
        SELECTS = 9,
        /// Runs a script or a function: what that says of itself decides whether the command writes.
        RUNS_A_SCRIPT = 10,
        /// Names that script by its digest, instead of giving its text.
        NAMES_ITS_SCRIPT = 11,
        /// What it runs is a function, which it names.
        RUNS_A_FUNCTION = 12,
        /// Touches no data but the keys that its client watches, if it watches any.
        ENDS_WATCHING = 13,
        /// Helps to find and to end a script that takes long, so it is answered although the node is busy with one.
        HELPS_WHILE_BUSY = 14,
        /// Gives up a transaction, or its connection: in MULTI, all but these are refused when memory is full.
        ENDS_MULTI = 15,
    }
}

bits! {
    /// What a command does with the keys of one key spec (names and meaning from Redis 7's key specifications).
    KeyFlags: u16 {
        /// Read-only access.
        RO = 0,
        /// Read and written.
        RW = 1,
        /// Overwritten without reading.
        OW = 2,
        /// Removed.
        RM = 3,
        /// The value is returned, copied or used to decide.
        ACCESS = 4,
        /// The value may be modified depending on its present content.
        UPDATE = 5,
        /// Content is added, none removed.
        INSERT = 6,
        /// Content is explicitly removed.
        DELETE = 7,
        /// Not really a key: a channel (sharded pub/sub), yet it routes.
        NOT_KEY = 8,
        /// The spec may not name every key.
        INCOMPLETE = 9,
        /// The flags depend on the arguments.
        VARIABLE_FLAGS = 10,
    }
}

/// The group of a command (COMMAND DOCS) and, for data types, its ACL category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Generic,
    String,
    List,
    Set,
    SortedSet,
    Hash,
    PubSub,
    Transactions,
    Connection,
    Server,
    Scripting,
    HyperLogLog,
    Cluster,
    Geo,
    Stream,
    Bitmap,
}

impl Group {
    /// The name as COMMAND DOCS prints it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "sorted-set",
            Self::Hash => "hash",
            Self::PubSub => "pubsub",
            Self::Transactions => "transactions",
            Self::Connection => "connection",
            Self::Server => "server",
            Self::Scripting => "scripting",
            Self::HyperLogLog => "hyperloglog",
            Self::Cluster => "cluster",
            Self::Geo => "geo",
            Self::Stream => "stream",
            Self::Bitmap => "bitmap",
        }
    }
}

/// Where the search for keys begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BeginSearch {
    /// At a fixed word.
    Index(i16),
    /// After a word, searched from `start_from` (negative: from the end, backwards).
    Keyword { keyword: &'static str, start_from: i16 },
    /// Unknown; the command brings a function.
    Unknown,
}

/// How keys follow from where the search began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FindKeys {
    /// To `last` (relative to the first; negative: counted from the end of the command), every `step` words; `limit` as
    /// in Redis.
    Range { last: i16, step: i16, limit: i16 },
    /// The number of keys is at `keynum`, the first key at `first`, both relative to where the search began.
    KeyNum { keynum: i16, first: i16, step: i16 },
    /// Unknown.
    Unknown,
}

/// One key specification (Redis 7): where keys are among the words, and what happens to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeySpec {
    pub begin: BeginSearch,
    pub find: FindKeys,
    pub flags: KeyFlags,
    /// What COMMAND INFO prints as a note; empty for most.
    pub notes: &'static str,
}

impl KeySpec {
    /// One key at word `index`.
    pub(crate) const fn at(index: i16) -> Self {
        Self {
            begin: BeginSearch::Index(index),
            find: FindKeys::Range { last: 0, step: 1, limit: 0 },
            flags: KeyFlags::NONE,
            notes: "",
        }
    }
    /// Keys from word `first` to `last` (relative to the first if positive, from the end if negative: -1 is the last
    /// word).
    pub(crate) const fn range(first: i16, last: i16, step: i16) -> Self {
        Self { begin: BeginSearch::Index(first), find: FindKeys::Range { last, step, limit: 0 }, ..Self::at(first) }
    }
    /// `numkeys key [key ...]` with the number at word `index`.
    pub(crate) const fn numkeys(index: i16) -> Self {
        Self {
            begin: BeginSearch::Index(index),
            find: FindKeys::KeyNum { keynum: 0, first: 1, step: 1 },
            flags: KeyFlags::NONE,
            notes: "",
        }
    }
    /// Keys that follow a keyword.
    pub(crate) const fn after(keyword: &'static str, start_from: i16) -> Self {
        Self {
            begin: BeginSearch::Keyword { keyword, start_from },
            find: FindKeys::Range { last: 0, step: 1, limit: 0 },
            flags: KeyFlags::NONE,
            notes: "",
        }
    }
    /// Keys that the words do not tell, or not in a way that a key spec can say.
    pub(crate) const fn unknown() -> Self {
        Self { begin: BeginSearch::Unknown, find: FindKeys::Unknown, ..Self::at(0) }
    }
    /// With the given way to find keys.
    pub(crate) const fn find(mut self, find: FindKeys) -> Self {
        self.find = find;
        self
    }
    /// With more flags.
    pub(crate) const fn flags(mut self, flags: KeyFlags) -> Self {
        self.flags = self.flags.and(flags);
        self
    }
    /// With a note for COMMAND INFO.
    pub(crate) const fn notes(mut self, notes: &'static str) -> Self {
        self.notes = notes;
        self
    }
    pub(crate) const fn ro(self) -> Self {
        self.flags(KeyFlags::RO)
    }
    pub(crate) const fn rw(self) -> Self {
        self.flags(KeyFlags::RW)
    }
    pub(crate) const fn ow(self) -> Self {
        self.flags(KeyFlags::OW)
    }
    pub(crate) const fn rm(self) -> Self {
        self.flags(KeyFlags::RM)
    }
    pub(crate) const fn access(self) -> Self {
        self.flags(KeyFlags::ACCESS)
    }
    pub(crate) const fn update(self) -> Self {
        self.flags(KeyFlags::UPDATE)
    }
    pub(crate) const fn insert(self) -> Self {
        self.flags(KeyFlags::INSERT)
    }
    pub(crate) const fn delete(self) -> Self {
        self.flags(KeyFlags::DELETE)
    }
}

/// A function that finds the keys among the words, for the few commands whose key specs cannot express it.
pub(crate) type KeysFn = fn(protocol::resp::Args<'_>, &mut super::keys::KeyPositions);
/// A function that says what a command does with its keys, if that depends on its words.
pub(crate) type KeyFlagsFn = fn(protocol::resp::Args<'_>) -> KeyFlags;
/// A function that names another database than the selected one that the command touches (MOVE, COPY ... DB n) or
/// selects.
pub(crate) type OtherDbFn = fn(protocol::resp::Args<'_>) -> Option<usize>;

/// A function that finds the words that only the server may know (passwords): their positions, ascending.
pub(crate) type SecretsFn = fn(protocol::resp::Args<'_>) -> Vec<usize>;

/// A function that says whether a command reaches keys that its words do not name (SORT with a pattern).
pub(crate) type UnnamedKeysFn = fn(protocol::resp::Args<'_>) -> bool;

/// Everything about a command except its handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    /// Upper case. A subcommand's own word only (`GETNAME`); its full name is `container|sub`.
    pub name: &'static str,
    /// Upper case name of the container for a subcommand.
    pub container: Option<&'static str>,
    pub arity: Arity,
    pub group: Group,
    pub flags: Flags,
    /// ACL categories that follow from nothing else ([`Categories::of`]).
    pub categories: Categories,
    /// What a container declares holds for its subcommands.
    pub traits: Traits,
    pub since: &'static str,
    pub summary: &'static str,
    pub complexity: &'static str,
    /// Argument syntax in the compact form that [`super::syntax`] parses; only COMMAND DOCS reads it.
    pub syntax: &'static str,
    pub keys: &'static [KeySpec],
    pub keys_fn: Option<KeysFn>,
    /// For [`KeyFlags::VARIABLE_FLAGS`]: what a command with these words does with its keys.
    pub key_flags_fn: Option<KeyFlagsFn>,
    pub other_db: Option<OtherDbFn>,
    /// Outside of cluster mode. Such a command runs alone, since it may reach any slot.
    pub unnamed_keys_fn: Option<UnnamedKeysFn>,
    /// Words that are shown to nobody.
    pub secrets_fn: Option<SecretsFn>,
    /// Command tips as COMMAND INFO prints them.
    pub tips: &'static [&'static str],
    /// (version, change) pairs as COMMAND DOCS prints them.
    pub history: &'static [(&'static str, &'static str)],
    /// Since which version the command is deprecated, and what replaces it.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// An internal command (`syscmd` in COMMAND DOCS).
    pub syscmd: bool,
}

/// A command: its [`Spec`] and its handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared<H: Copy + 'static> {
    pub spec: Spec,
    pub handler: H,
}

impl<H: Copy + 'static> Declared<H> {
    /// Starts a declaration; `name` in upper case.
    pub(crate) const fn new(name: &'static str, arity: Arity, group: Group, flags: Flags, handler: H) -> Self {
        Self {
            spec: Spec {
                name,
                container: None,
                arity,
                group,
                flags,
                categories: Categories::NONE,
                traits: Traits::NONE,
                since: "1.0.0",
                summary: "",
                complexity: "O(1)",
                syntax: "",
                keys: &[],
                keys_fn: None,
                key_flags_fn: None,
                other_db: None,
                unnamed_keys_fn: None,
                secrets_fn: None,
                tips: &[],
                history: &[],
                deprecated: None,
                syscmd: false,
            },
            handler,
        }
    }
    /// Starts the declaration of a subcommand of `container`.
    pub(crate) const fn sub(
        container: &'static str,
        name: &'static str,
        arity: Arity,
        group: Group,
        flags: Flags,
        handler: H,
    ) -> Self {
        let mut declared = Self::new(name, arity, group, flags, handler);
        declared.spec.container = Some(container);
        declared
    }
    pub(crate) const fn traits(mut self, traits: Traits) -> Self {
        self.spec.traits = traits;
        self
    }
    pub(crate) const fn since(mut self, version: &'static str) -> Self {
        self.spec.since = version;
        self
    }
    pub(crate) const fn summary(mut self, text: &'static str) -> Self {
        self.spec.summary = text;
        self
    }
    /// Also in these ACL categories, although neither flags nor group say so.
    pub(crate) const fn acl(mut self, categories: Categories) -> Self {
        self.spec.categories = self.spec.categories.and(categories);
        self
    }
    pub(crate) const fn complexity(mut self, text: &'static str) -> Self {
        self.spec.complexity = text;
        self
    }
    pub(crate) const fn syntax(mut self, text: &'static str) -> Self {
        self.spec.syntax = text;
        self
    }
    pub(crate) const fn keys(mut self, keys: &'static [KeySpec]) -> Self {
        self.spec.keys = keys;
        self
    }
    pub(crate) const fn keys_fn(mut self, f: KeysFn) -> Self {
        self.spec.keys_fn = Some(f);
        self.spec.flags = self.spec.flags.and(Flags::MOVABLE_KEYS);
        self
    }
    pub(crate) const fn key_flags_fn(mut self, f: KeyFlagsFn) -> Self {
        self.spec.key_flags_fn = Some(f);
        self
    }
    pub(crate) const fn other_db(mut self, f: OtherDbFn) -> Self {
        self.spec.other_db = Some(f);
        self
    }
    pub(crate) const fn unnamed_keys_fn(mut self, f: UnnamedKeysFn) -> Self {
        self.spec.unnamed_keys_fn = Some(f);
        self
    }
    pub(crate) const fn secrets_fn(mut self, f: SecretsFn) -> Self {
        self.spec.secrets_fn = Some(f);
        self
    }
    pub(crate) const fn tips(mut self, tips: &'static [&'static str]) -> Self {
        self.spec.tips = tips;
        self
    }
    pub(crate) const fn deprecated(mut self, since: &'static str, replaced_by: &'static str) -> Self {
        self.spec.deprecated = Some((since, replaced_by));
        self
    }
    pub(crate) const fn history(mut self, history: &'static [(&'static str, &'static str)]) -> Self {
        self.spec.history = history;
        self
    }
    /// An internal command.
    pub(crate) const fn syscmd(mut self) -> Self {
        self.spec.syscmd = true;
        self
    }
}

impl Spec {
    /// The name as replies and errors print it: `get`, `client|getname`.
    pub(crate) fn full_name(&self) -> String {
        match self.container {
            Some(container) => format!("{}|{}", container.to_ascii_lowercase(), self.name.to_ascii_lowercase()),
            None => self.name.to_ascii_lowercase(),
        }
    }
    /// Whether the command changes data.
    #[inline]
    pub(crate) fn is_write(&self) -> bool {
        self.flags.has(Flags::WRITE)
    }
}
