//! What the commands of streams share: ids among their words, the options of a trim, and entries in replies.
//!
//! Redis: t_stream.c.

use protocol::resp::reply::Reply;
use protocol::resp::{Args, OwnedArgs};

use super::integer;
use super::lists::write_element;
use crate::command::{CmdError, Edit, KeyedCtx, NotifyClass, Role, error};
use crate::store::EntryRef;
use crate::store::types::stream::{Entry, Keep, Log, Pairs, References, Stream, StreamId, Trim, WrittenId};

pub(super) const BAD_ID: CmdError = CmdError::text("ERR Invalid stream ID specified as stream command argument");
const TWO_TRIMS: CmdError =
    CmdError::text("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
const LIMIT_WITHOUT_TRIM: CmdError =
    CmdError::text("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
const LIMIT_WITHOUT_TILDE: CmdError =
    CmdError::text("ERR syntax error, LIMIT cannot be used without the special ~ option");
const NO_TRIM: CmdError = CmdError::text("ERR syntax error, XTRIM must be called with a trimming strategy");

/// So many full nodes a trim drops at once, unless its client says otherwise.
const NODES_AT_ONCE: u64 = 100;
/// The limit without a number of entries per node, and the greatest limit that follows from one.
const LIMIT_DEFAULT: u64 = 10_000;
const LIMIT_MAX: u64 = 1_000_000;

impl Pairs for Args<'_> {
    #[inline]
    fn fields(self) -> usize {
        self.len() / 2
    }
    #[inline]
    fn name(self, at: usize) -> impl AsRef<[u8]> {
        self.get(2 * at).unwrap_or_default()
    }
    #[inline]
    fn value(self, at: usize) -> impl AsRef<[u8]> {
        self.get(2 * at + 1).unwrap_or_default()
    }
}

/// The stream in an entry, for reading.
pub(super) fn stream_of(entry: EntryRef<'_>) -> Result<&Stream, CmdError> {
    entry.collection::<Stream>().ok_or(error::WRONG_TYPE)
}

/// The result of an edit: the event, and how many changes it counts as; none if there were none.
pub(super) fn changed<R>(event: &'static str, count: usize, result: R) -> Edit<R> {
    if count == 0 { Edit::none(result) } else { Edit::of(NotifyClass::Stream, event, count, result) }
}

/// A complete id.
pub(super) fn strict_id(word: &[u8]) -> Result<StreamId, CmdError> {
    StreamId::parse(word, 0).ok_or(BAD_ID)
}

/// All words from `first` on as ids.
pub(super) fn strict_ids(words: Args<'_>) -> Result<Vec<StreamId>, CmdError> {
    words.iter().map(strict_id).collect()
}

/// The ends of an interval: `-`, `+`, an id, or one after `(`, which is excluded.
pub(super) fn interval(start: &[u8], end: &[u8]) -> Result<(StreamId, StreamId), CmdError> {
    let read = |word: &[u8], missing_seq| match word {
        [b'(', id @ ..] if !id.is_empty() => StreamId::parse(id, missing_seq).map(|id| (id, true)),
        id => StreamId::parse_or_end(id, missing_seq).map(|id| (id, false)),
    };
    let (start, excluded) = read(start, 0).ok_or(BAD_ID)?;
    let first = if excluded { start.next() } else { Some(start) };
    let first = first.ok_or(CmdError::text("ERR invalid start ID for the interval"))?;
    let (end, excluded) = read(end, u64::MAX).ok_or(BAD_ID)?;
    let last = if excluded { end.previous() } else { Some(end) };
    Ok((first, last.ok_or(CmdError::text("ERR invalid end ID for the interval"))?))
}

/// Writes an id as a bulk string.
#[inline]
pub(super) fn write_id(reply: &mut Reply<'_>, id: StreamId) {
    id.with_text(|text| reply.bulk(text));
}

/// Writes an entry: its id, and names and values in turn.
#[inline]
pub(super) fn write_entry(reply: &mut Reply<'_>, entry: &Entry<'_>) {
    reply.array(2);
    write_id(reply, entry.id);
    let fields = entry.fields.clone();
    reply.array(fields.count_left() * 2);
    for (name, value) in fields {
        write_element(reply, name);
        write_element(reply, value);
    }
}

/// Writes entries as an array; returns how many there were.
pub(super) fn write_entries<'e>(reply: &mut Reply<'_>, entries: impl Iterator<Item = Entry<'e>>) -> usize {
    let deferred = reply.deferred_array();
    let mut count = 0;
    for entry in entries {
        write_entry(reply, &entry);
        count += 1;
    }
    reply.set_len(deferred, count);
    count
}

/// The options of XADD and XTRIM.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddOptions {
    pub nomkstream: bool,
    pub trim: Option<Trim>,
    /// Position of the trim's threshold.
    threshold_at: usize,
    /// What becomes of references to trimmed entries, and the position of the word that says so.
    references: Option<(References, usize)>,
    /// Positions of the words that ask for a trim, apart from the threshold: MAXLEN or MINID, and LIMIT.
    trim_at: usize,
    limit_at: Option<usize>,
    /// The id, unless it is `*`.
    pub id: Option<WrittenId>,
    /// Where the options end: the position of the id.
    pub end: usize,
}

/// What a word of XADD, XTRIM, XDELEX or XACKDEL says about references.
pub(super) fn references_of(word: &[u8]) -> Option<References> {
    if word.eq_ignore_ascii_case(b"keepref") {
        Some(References::Keep)
    } else if word.eq_ignore_ascii_case(b"delref") {
        Some(References::Remove)
    } else if word.eq_ignore_ascii_case(b"acked") {
        Some(References::Respect)
    } else {
        None
    }
}

impl AddOptions {
    const NONE: Self = Self {
        nomkstream: false,
        trim: None,
        threshold_at: 0,
        references: None,
        trim_at: 0,
        limit_at: None,
        id: None,
        end: 2,
    };

    /// What becomes of references to trimmed entries of this stream. Without groups, there are none.
    pub(super) fn references_in(&self, stream: &Stream) -> References {
        match self.references {
            Some((references, _)) if stream.group_count() > 0 => references,
            Some(_) | None => References::Keep,
        }
    }

    /// Reads the options from the third word on. Without `is_add` there is no id, and a trim is required.
    ///
    /// # Errors
    /// Redis's texts.
    pub(super) fn parse(ctx: &KeyedCtx<'_>, args: Args<'_>, is_add: bool) -> Result<Self, CmdError> {
        let mut options = Self::NONE;
        let mut limit = None;
        while let Some(word) = args.get(options.end) {
            let at = options.end;
            let has_more = at + 1 < args.len();
            if is_add && word == b"*" {
                break;
            } else if has_more && (word.eq_ignore_ascii_case(b"maxlen") || word.eq_ignore_ascii_case(b"minid")) {
                options.parse_trim(args, at)?;
            } else if has_more && word.eq_ignore_ascii_case(b"limit") {
                let number = integer(&args[at + 1])?;
                let number =
                    u64::try_from(number).map_err(|_| CmdError::text("ERR The LIMIT argument must be >= 0."))?;
                limit = Some(number);
                options.limit_at = Some(at);
                options.end = at + 1;
            } else if is_add && word.eq_ignore_ascii_case(b"nomkstream") {
                options.nomkstream = true;
            } else if let Some(references) = references_of(word) {
                if options.references.replace((references, at)).is_some() {
                    return Err(error::SYNTAX);
                }
            } else if is_add {
                options.id = Some(WrittenId::parse(word).ok_or(BAD_ID)?);
                break;
            } else {
                return Err(error::SYNTAX);
            }
            options.end += 1;
        }
        options.set_limit(ctx, limit, is_add)?;
        Ok(options)
    }

    /// Reads MAXLEN or MINID, which is at position `at` and is not the last word.
    fn parse_trim(&mut self, args: Args<'_>, at: usize) -> Result<(), CmdError> {
        if self.trim.is_some() {
            return Err(TWO_TRIMS);
        }
        let operator = args.get(at + 1).filter(|word| args.len() > at + 2 && matches!(*word, b"~" | b"="));
        let threshold_at = at + 1 + usize::from(operator.is_some());
        let threshold = &args[threshold_at];
        let keep = if args[at].eq_ignore_ascii_case(b"maxlen") {
            let count = integer(threshold)?;
            Keep::Last(u64::try_from(count).map_err(|_| CmdError::text("ERR The MAXLEN argument must be >= 0."))?)
        } else {
            Keep::From(strict_id(threshold)?)
        };
        self.trim = Some(Trim { keep, whole_nodes: operator == Some(b"~"), limit: 0 });
        self.trim_at = at;
        self.threshold_at = threshold_at;
        self.end = threshold_at;
        Ok(())
    }

    fn set_limit(&mut self, ctx: &KeyedCtx<'_>, limit: Option<u64>, is_add: bool) -> Result<(), CmdError> {
        let Some(trim) = &mut self.trim else {
            return match limit {
                Some(1..) => Err(LIMIT_WITHOUT_TRIM),
                _ if !is_add => Err(NO_TRIM),
                Some(0) if ctx.data.role != Role::Stream => Err(LIMIT_WITHOUT_TILDE),
                Some(0) | None => Ok(()),
            };
        };
        // The primary has propagated what its own trim came to.
        if ctx.data.role == Role::Stream {
            return Ok(());
        }
        match limit {
            Some(_) if !trim.whole_nodes => return Err(LIMIT_WITHOUT_TILDE),
            Some(limit) => trim.limit = limit,
            None if trim.whole_nodes => {
                let limit = ctx.limits.stream.node_entries.saturating_mul(NODES_AT_ONCE);
                trim.limit = if limit == 0 { LIMIT_DEFAULT } else { limit.min(LIMIT_MAX) };
            }
            None => {}
        }
        Ok(())
    }

    /// The command as a replica must execute it: with the id that was found, and a trim that says what was kept, or no
    /// trim if it went by references. `None` if that is the command as it was sent.
    pub(super) fn rewritten(
        &self,
        args: Args<'_>,
        id: Option<StreamId>,
        log: &Log,
        references: References,
    ) -> Option<OwnedArgs> {
        let trim = self.trim.filter(|trim| trim.whole_nodes);
        if id.is_none() && trim.is_none() && self.references.is_none() {
            return None;
        }
        let mut words = OwnedArgs::with_capacity(args.len(), args.total_len() + 2 * StreamId::TEXT_MAX);
        for (at, word) in args.iter().enumerate() {
            match (id, trim) {
                _ if self.is_left_out(at, references) => {}
                (Some(id), _) if at == self.end => id.with_text(|text| words.push(text)),
                (_, Some(_)) if at + 1 == self.threshold_at => words.push(b"="),
                (_, Some(Trim { keep: Keep::Last(_), .. })) if at == self.threshold_at => {
                    words.push(itoa::Buffer::new().format(log.len()).as_bytes());
                }
                (_, Some(Trim { keep: Keep::From(_), .. })) if at == self.threshold_at => {
                    log.first_id_kept().with_text(|text| words.push(text));
                }
                _ => words.push(word),
            }
        }
        Some(words)
    }

    /// Whether a replica does not get the word at this position: other servers know no options for references, and what
    /// a trim by references has removed is told by id.
    fn is_left_out(&self, at: usize, references: References) -> bool {
        let is_trim = self.trim.is_some() && (self.trim_at..=self.threshold_at).contains(&at);
        let is_limit = self.limit_at.is_some_and(|limit| (limit..=limit + 1).contains(&at));
        self.references.is_some_and(|(_, policy)| policy == at)
            || (references == References::Respect && (is_trim || is_limit))
    }
}
