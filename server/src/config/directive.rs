//! What a directive is: the `const` value that declares one, and the builder for it.
//!
//! Everything about a directive follows from its declaration: how a word in redis.conf is read, what CONFIG GET prints,
//! whether CONFIG SET may change it, what CONFIG REWRITE writes, the error texts, and its row in docs/directives.md. So
//! a directive is declared once, in one of the `table/` files, as
//! ```ignore
//! /// TCP port for clients; 0 listens on none.
//! PORT = int("port", 0, 65535, 6379);
//! ```
//! The doc comment is the directive's description for people (it becomes the doc of `ids::PORT` and
//! [`Directive::doc`]).

/// Names a directive in code: `config.int(ids::PORT)`. Ids are positions in the table and mean nothing outside the
/// process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DirectiveId(pub(super) u16);

impl DirectiveId {
    /// The declaration behind the id.
    pub(crate) fn directive(self) -> &'static Directive {
        super::table::at(self)
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// When a directive's value has an effect. docs/directives.md prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Obeyed, and CONFIG SET takes effect at once.
    Live,
    /// Obeyed when the node starts.
    Startup,
    /// Read, checked, kept and shown, but slotd has nothing yet (or by design) that would obey it.
    AcceptedWithoutEffect,
}

/// Names and values of an enumerated directive. Two names may share a value; the first is printed. Names after
/// [`LATER`] are accepted as well, but errors do not list them: error texts are those of Redis 7.0.
pub(crate) type Names = &'static [(&'static str, i64)];
/// The names after this one are from versions after Redis 7.0.
pub(super) const LATER: (&str, i64) = ("", i64::MIN);

/// How a directive's words are read and printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `yes` or `no`.
    Bool,
    /// A canonical decimal integer between both bounds, inclusive.
    Int { min: i64, max: i64 },
    /// An amount of memory in bytes with an optional unit (`1k` = 1000, `1kb` = 1024), between both bounds.
    Memory { min: u64, max: u64 },
    /// An amount of memory, or a percentage up to `max_percent`, which is stored as a negative number.
    MemoryOrPercent { max_percent: i64 },
    /// An octal integer up to `max` (file permissions).
    Octal { max: i64 },
    /// One of several names.
    Choice(Names),
    /// Several names joined by spaces, each standing for a bit.
    Flags(Names),
    /// Text. `empty_is_unset`: the empty text means "none" and is never written to the file.
    Text { empty_is_unset: bool },
    /// Like text, but may contain any byte (a password).
    Secret,
    /// The node's working directory: must exist; kept as an absolute path.
    Directory,
    /// `save <seconds> <changes> ...`.
    SavePoints,
    /// `client-output-buffer-limit <class> <hard> <soft> <soft seconds> ...`.
    OutputBufferLimits,
    /// Three numbers between -2000 and 2000.
    OomScores,
    /// The letters of notify-keyspace-events.
    KeyspaceEvents,
    /// Addresses to listen on.
    Addresses,
    /// `replicaof <host> <port>`.
    Primary,
    /// Percentages between 0 and 100.
    Percentiles,
}

impl Kind {
    /// Whether the directive takes any number of words and checks the number itself.
    pub(crate) const fn takes_many_words(self) -> bool {
        matches!(
            self,
            Self::Flags(_)
                | Self::SavePoints
                | Self::OutputBufferLimits
                | Self::OomScores
                | Self::Addresses
                | Self::Primary
                | Self::Percentiles
        )
    }
}

/// The value of a directive that is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Default {
    /// For kinds that are kept as numbers.
    Number(i64),
    /// For kinds that are kept as text.
    Text(&'static str),
    /// No text at all.
    Unset,
}

/// A further rule for a value; the error is the reason that follows "CONFIG SET failed (...) - ".
#[derive(Clone, Copy, Debug)]
pub(crate) enum Check {
    None,
    Number(fn(i64) -> Result<(), &'static str>),
    Text(fn(&[u8]) -> Result<(), &'static str>),
    /// Checks the whole word: a text ends at its first NUL, but this rule also sees what follows it.
    WholeText(fn(&[u8]) -> Result<(), &'static str>),
}

/// The declaration of a directive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Directive {
    /// The name, as CONFIG REWRITE writes it.
    pub name: &'static str,
    /// A second name that is accepted and shown as well (`slaveof`).
    pub alias: Option<&'static str>,
    /// The name that a later version gave it: accepted, and shown only if it is asked for by that name.
    pub also: Option<&'static str>,
    /// How its words are read.
    pub kind: Kind,
    /// Its value if it is not set.
    pub default: Default,
    /// CONFIG SET refuses it.
    pub immutable: bool,
    /// CONFIG SET needs `enable-protected-configs`.
    pub protected: bool,
    /// Shown only when it is asked for by its exact name.
    pub hidden: bool,
    /// Its value must not reach logs.
    pub sensitive: bool,
    /// CONFIG SET refuses it while the data set is being loaded.
    pub deny_loading: bool,
    /// Whether slotd obeys it.
    pub effect: Effect,
    /// A further rule for its value.
    pub check: Check,
    /// What it is for, in a line or two.
    pub doc: &'static str,
}

impl Directive {
    pub(super) const fn new(name: &'static str, kind: Kind, default: Default) -> Self {
        Self {
            name,
            alias: None,
            also: None,
            kind,
            default,
            immutable: false,
            protected: false,
            hidden: false,
            sensitive: false,
            deny_loading: false,
            effect: Effect::Live,
            check: Check::None,
            doc: "",
        }
    }

    /// Whether `name` is one of the directive's names, in any case.
    pub(crate) fn is_named(&self, name: &[u8]) -> bool {
        self.names().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    }

    /// All its names; the first is the one that CONFIG REWRITE writes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.alias).chain(self.also)
    }

    pub(super) const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }
    pub(super) const fn also(mut self, name: &'static str) -> Self {
        self.also = Some(name);
        self
    }
    /// Only the file and the command line may set it.
    pub(super) const fn immutable(mut self) -> Self {
        self.immutable = true;
        self.effect = Effect::Startup;
        self
    }
    pub(super) const fn protected(mut self) -> Self {
        self.protected = true;
        self
    }
    pub(super) const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }
    pub(super) const fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }
    pub(super) const fn deny_loading(mut self) -> Self {
        self.deny_loading = true;
        self
    }
    /// See [`Effect::AcceptedWithoutEffect`].
    pub(super) const fn no_effect(mut self) -> Self {
        self.effect = Effect::AcceptedWithoutEffect;
        self
    }
    pub(super) const fn check_text(mut self, rule: fn(&[u8]) -> Result<(), &'static str>) -> Self {
        self.check = Check::Text(rule);
        self
    }
    pub(super) const fn check_whole_text(mut self, rule: fn(&[u8]) -> Result<(), &'static str>) -> Self {
        self.check = Check::WholeText(rule);
        self
    }
    pub(super) const fn check_number(mut self, rule: fn(i64) -> Result<(), &'static str>) -> Self {
        self.check = Check::Number(rule);
        self
    }
    pub(super) const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }
}

/// A yes/no directive.
pub(super) const fn boolean(name: &'static str, default: bool) -> Directive {
    Directive::new(name, Kind::Bool, Default::Number(default as i64))
}
/// An integer directive.
pub(super) const fn int(name: &'static str, min: i64, max: i64, default: i64) -> Directive {
    Directive::new(name, Kind::Int { min, max }, Default::Number(default))
}
/// An amount of memory.
pub(super) const fn memory(name: &'static str, min: u64, max: u64, default: i64) -> Directive {
    Directive::new(name, Kind::Memory { min, max }, Default::Number(default))
}
/// One of `names`.
pub(super) const fn choice(name: &'static str, names: Names, default: i64) -> Directive {
    Directive::new(name, Kind::Choice(names), Default::Number(default))
}
/// A text that may be empty.
pub(super) const fn text(name: &'static str, default: &'static str) -> Directive {
    Directive::new(name, Kind::Text { empty_is_unset: false }, Default::Text(default))
}
/// A text that is either there or not.
pub(super) const fn optional(name: &'static str) -> Directive {
    Directive::new(name, Kind::Text { empty_is_unset: true }, Default::Unset)
}
/// A password.
pub(super) const fn secret(name: &'static str) -> Directive {
    Directive::new(name, Kind::Secret, Default::Unset).sensitive()
}

/// Declares a section of the table: an id for each directive, in `ids`, and the slice `DIRECTIVES` in the same order.
macro_rules! directives {
    (first = $first:expr; $($(#[doc = $doc:literal])+ $id:ident = $declaration:expr;)+) => {
        /// Numbers the directives of this section from zero.
        #[allow(
            non_camel_case_types,
            clippy::upper_case_acronyms,
            reason = "a variant is named as the constant of its directive"
        )]
        enum Position { $($id,)+ Count }

        const FIRST: u16 = $first;

        /// The id after the last one of this section.
        pub(in crate::config) const END: u16 = FIRST + Position::Count as u16;

        /// The directives of this section, in the order of their ids.
        pub(in crate::config) const DIRECTIVES: &[$crate::config::directive::Directive] =
            &[$($declaration.doc(concat!($($doc),+)),)+];

        /// Ids of the directives of this section.
        #[allow(dead_code, reason = "those without effect have one too")]
        pub(in crate::config) mod ids {
            use $crate::config::directive::DirectiveId;
            $($(#[doc = $doc])+ pub(crate) const $id: DirectiveId = DirectiveId(super::FIRST + super::Position::$id as u16);)+
        }
    };
}
pub(super) use directives;
