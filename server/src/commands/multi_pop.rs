//! What the commands that pop from one of several keys, or wait for one, have in common, whatever type they pop.

use std::ops::Range;

use protocol::resp::Args;

use crate::base::number::{parse_f64, parse_i64};
use crate::command::{BlockSpec, CmdError, Data, Key, KeyedCtx, Outcome, TimeoutReply, error};
use crate::store::{CollectionType, Type, Wake};

/// The words of LMPOP and ZMPOP, and of their blocking forms.
pub(super) struct MultiPop<E> {
    /// Positions of the keys.
    pub keys: Range<usize>,
    /// Where to pop.
    pub end: E,
    pub count: usize,
}

impl<E> MultiPop<E> {
    /// Reads them, beginning with the number of keys.
    ///
    /// # Errors
    /// Redis's texts.
    pub(super) fn parse(
        args: Args<'_>,
        numkeys_at: usize,
        end: impl FnOnce(&[u8]) -> Result<E, CmdError>,
    ) -> Result<Self, CmdError> {
        let numkeys = parse_i64(&args[numkeys_at]).filter(|&n| n > 0).ok_or(error::NUMKEYS_NOT_POSITIVE)?;
        let where_at = usize::try_from(numkeys)
            .ok()
            .and_then(|n| n.checked_add(numkeys_at + 1))
            .filter(|&at| at < args.len())
            .ok_or(error::SYNTAX)?;
        let end = end(&args[where_at])?;
        let mut count = None;
        let mut next = where_at + 1;
        while let Some(option) = args.get(next) {
            let (true, None, Some(value)) = (option.eq_ignore_ascii_case(b"count"), count, args.get(next + 1)) else {
                return Err(error::SYNTAX);
            };
            let parsed =
                parse_i64(value).filter(|&n| n > 0).ok_or(CmdError::text("ERR count should be greater than 0"))?;
            count = Some(parsed as usize);
            next += 2;
        }
        Ok(MultiPop { keys: numkeys_at + 1..where_at, end, count: count.unwrap_or(1) })
    }
}

/// A timeout in seconds with fractions, as milliseconds; `None` waits for ever.
///
/// # Errors
/// Redis's texts (timeout.c).
pub(super) fn parse_timeout(word: &[u8]) -> Result<Option<u64>, CmdError> {
    let seconds = parse_f64(word).filter(|seconds| !seconds.is_nan()).ok_or(error::TIMEOUT_NOT_FLOAT)?;
    let ms = (seconds * 1000.0).ceil();
    if ms < 0.0 {
        return Err(error::TIMEOUT_NEGATIVE);
    }
    if ms >= i64::MAX as f64 {
        return Err(error::TIMEOUT_OUT_OF_RANGE);
    }
    Ok((ms > 0.0).then_some(ms as u64))
}

/// Whether a key holds a value of this type.
///
/// # Errors
/// WRONGTYPE if it holds another.
pub(super) fn holds<T: CollectionType>(data: &mut Data<'_>, key: &Key<'_>) -> Result<bool, CmdError> {
    data.peek(key)
        .map(|entry| entry.collection::<T>().ok_or(error::WRONG_TYPE))
        .transpose()
        .map(|found| found.is_some())
}

/// The position of the first of these keys that holds a value of this type. A waiting client is served from the key
/// that became ready, whatever the other keys hold by now (Redis: `serveClientBlockedOnList`).
///
/// # Errors
/// WRONGTYPE for a key of another type that comes before.
pub(super) fn first_that_holds<T: CollectionType>(
    ctx: &mut KeyedCtx<'_>,
    args: Args<'_>,
    positions: Range<usize>,
) -> Result<Option<usize>, CmdError> {
    for position in positions {
        if ctx.serving.is_some_and(|ready| *ready != args[position]) {
            continue;
        }
        let key = ctx.data.key(&args[position]);
        if holds::<T>(&mut ctx.data, &key)? {
            return Ok(Some(position));
        }
    }
    Ok(None)
}

/// Waits until one of the keys at these positions holds a value of a type.
pub(super) fn block(keys: Range<usize>, timeout_ms: Option<u64>, ty: Type) -> Outcome {
    Outcome::Block(Box::new(BlockSpec {
        keys: keys.map(|position| position as u32).collect(),
        timeout_ms,
        wake: Wake::on(ty),
        resume: None,
        alike: None,
        on_timeout: TimeoutReply::NullArray,
    }))
}
