//! Patterns of Lua 5.1 against a text.
//!
//! A pattern is read from left to right while it matches. Where there is a choice (how often an item is repeated, where
//! a capture begins or ends), the other choices are put on a stack, and when something does not match, the latest one
//! is taken. Lua 5.1 keeps them on the stack of calls, where a long pattern overflows it; here they are values, of
//! which there may be a limited number. Each step is counted, since their number may be exponential.

use smallvec::SmallVec;

use crate::script::libs::work::{spend, spend_bytes};
use crate::script::lua::{Failure, Frame};

/// Captures that a pattern may have.
const MAX_CAPTURES: usize = 32;
/// Choices that may be open.
const MAX_CHOICES: usize = 1 << 16;
/// Room for choices that is kept for the next match.
const KEPT_CHOICES: usize = 256;
/// Bytes that are compared with an item between two counts of work.
const STRETCH: usize = 4096;

/// A part of the text that a pattern remembers.
#[derive(Clone, Copy)]
struct Capture {
    start: usize,
    extent: Extent,
}

#[derive(Clone, Copy)]
enum Extent {
    /// Its end is not known yet.
    Open,
    /// It is a position.
    Position,
    Bytes(usize),
}

/// What else could be tried. Positions in the text are `at`, in the pattern `item` and `next`.
#[derive(Clone, Copy)]
enum Choice {
    /// `*` and `+`: one repetition less, as long as there are more than `at`, the least.
    Fewer { least: usize, at: usize, next: usize },
    /// `-`: one repetition more.
    More { at: usize, item: usize, next: usize },
    /// `?`: none.
    Without { at: usize, next: usize },
    /// There is no other choice, but the latest capture was opened here.
    Opened,
    /// This capture was closed.
    Closed(usize),
}

/// How a step ended.
enum Step {
    On,
    Matched,
    Failed,
}

/// A pattern that is compared with a text.
pub(super) struct Matcher<'f, 's> {
    frame: Frame<'f>,
    subject: &'s [u8],
    /// Without NUL, at which patterns end.
    pattern: &'s [u8],
    /// Where the item ends that a match begins with. 0: it may begin with anything.
    first_end: usize,
    captures: SmallVec<[Capture; 4]>,
    choices: SmallVec<[Choice; 4]>,
}

fn error(text: &str) -> Failure {
    Failure::Here(text.into())
}

impl<'f, 's> Matcher<'f, 's> {
    pub(super) fn new(frame: &Frame<'f>, subject: &'s [u8], pattern: &'s [u8]) -> Self {
        let (captures, choices) = (SmallVec::new(), SmallVec::new());
        let mut matcher = Self { frame: *frame, subject, pattern, first_end: 0, captures, choices };
        matcher.first_end = matcher.first_end();
        matcher
    }

    /// See the field. What is wrong with the pattern is found when it is compared.
    fn first_end(&self) -> usize {
        let end = match self.pattern {
            [b'[', ..] => self.set_end(0).unwrap_or(0),
            [b'(' | b')' | b'$', ..] | [] | [b'%'] | [b'%', b'b' | b'f' | b'0'..=b'9', ..] => 0,
            [b'%', ..] => 2,
            _ => 1,
        };
        if end == 0 || matches!(self.pattern.get(end), Some(b'*' | b'?' | b'-')) { 0 } else { end }
    }

    /// The first position from here on at which a match may begin.
    ///
    /// # Errors
    /// The script has to end.
    #[inline]
    pub(super) fn next_start(&self, start: usize) -> Result<usize, Failure> {
        if self.first_end == 0 { Ok(start) } else { self.run_end(start, (0, self.first_end), false) }
    }

    /// A part of the text.
    pub(super) fn subject(&self, start: usize, end: usize) -> &'s [u8] {
        &self.subject[start..end]
    }

    /// Where the match ends that begins here. `None`: there is none.
    ///
    /// # Errors
    /// The pattern is wrong, or the script has to end.
    pub(super) fn match_at(&mut self, start: usize) -> Result<Option<usize>, Failure> {
        self.captures.clear();
        self.choices.clear();
        let (mut at, mut item) = (start, 0);
        loop {
            spend(&self.frame, 1)?;
            match self.step(&mut at, &mut item)? {
                Step::On => {}
                Step::Matched => {
                    self.forget_choices();
                    return Ok(Some(at));
                }
                Step::Failed => match self.take_choice()? {
                    Some(choice) => (at, item) = choice,
                    None => return Ok(None),
                },
            }
        }
    }

    /// What follows a match may take long, and have other patterns matched.
    #[inline]
    fn forget_choices(&mut self) {
        if self.choices.capacity() > KEPT_CHOICES {
            self.choices = SmallVec::new();
        }
    }

    /// Matches one item.
    fn step(&mut self, at: &mut usize, item: &mut usize) -> Result<Step, Failure> {
        let next = self.pattern.get(*item + 1).copied();
        match self.pattern.get(*item) {
            None => Ok(Step::Matched),
            Some(b'(') => self.open(*at, item, next == Some(b')')),
            Some(b')') => self.close(*at, item),
            Some(b'$') if next.is_none() => Ok(if *at == self.subject.len() { Step::Matched } else { Step::Failed }),
            Some(b'%') => match next {
                Some(b'b') => self.match_balanced(at, item),
                Some(b'f') => self.match_frontier(*at, item),
                Some(digit @ b'0'..=b'9') => self.match_capture(at, item, digit),
                _ => self.match_item(at, item),
            },
            Some(_) => self.match_item(at, item),
        }
    }

    fn open(&mut self, at: usize, item: &mut usize, is_position: bool) -> Result<Step, Failure> {
        if self.captures.len() >= MAX_CAPTURES {
            return Err(error("too many captures"));
        }
        let extent = if is_position { Extent::Position } else { Extent::Open };
        self.captures.push(Capture { start: at, extent });
        *item += if is_position { 2 } else { 1 };
        self.add_choice(Choice::Opened)
    }

    fn close(&mut self, at: usize, item: &mut usize) -> Result<Step, Failure> {
        let open =
            self.captures.iter_mut().enumerate().rev().find(|(_, capture)| matches!(capture.extent, Extent::Open));
        let Some((number, capture)) = open else { return Err(error("invalid pattern capture")) };
        capture.extent = Extent::Bytes(at - capture.start);
        *item += 1;
        self.add_choice(Choice::Closed(number))
    }

    fn add_choice(&mut self, choice: Choice) -> Result<Step, Failure> {
        if self.choices.len() >= MAX_CHOICES {
            return Err(error("pattern too complex"));
        }
        self.choices.push(choice);
        Ok(Step::On)
    }

    /// Goes back to the latest choice that is left: where in the text and in the pattern.
    fn take_choice(&mut self) -> Result<Option<(usize, usize)>, Failure> {
        while let Some(choice) = self.choices.pop() {
            match choice {
                Choice::Fewer { least, at, next } => {
                    if at - 1 > least {
                        self.choices.push(Choice::Fewer { least, at: at - 1, next });
                    }
                    return Ok(Some((at - 1, next)));
                }
                Choice::More { at, item, next } => {
                    spend_bytes(&self.frame, next - item)?;
                    if self.subject.get(at).is_some_and(|byte| self.is_match(*byte, item, next - 1)) {
                        self.choices.push(Choice::More { at: at + 1, item, next });
                        return Ok(Some((at + 1, next)));
                    }
                }
                Choice::Without { at, next } => return Ok(Some((at, next))),
                Choice::Opened => {
                    self.captures.pop();
                }
                Choice::Closed(number) => self.captures[number].extent = Extent::Open,
            }
        }
        Ok(None)
    }

    /// `%bxy`: a balanced stretch from `x` to `y`.
    fn match_balanced(&self, at: &mut usize, item: &mut usize) -> Result<Step, Failure> {
        let Some(&[begin, end]) = self.pattern.get(*item + 2..*item + 4) else {
            return Err(error("unbalanced pattern"));
        };
        if self.subject.get(*at) != Some(&begin) {
            return Ok(Step::Failed);
        }
        let mut depth = 1;
        for (stretch, bytes) in self.subject[*at + 1..].chunks(STRETCH).enumerate() {
            for (number, byte) in bytes.iter().enumerate() {
                if *byte == end {
                    depth -= 1;
                    if depth == 0 {
                        *at += stretch * STRETCH + number + 2;
                        *item += 4;
                        spend_bytes(&self.frame, number)?;
                        return Ok(Step::On);
                    }
                } else if *byte == begin {
                    depth += 1;
                }
            }
            spend(&self.frame, bytes.len() as u32 / 4)?;
        }
        Ok(Step::Failed)
    }

    /// `%f[set]`: between a byte that is not in the set and one that is.
    fn match_frontier(&self, at: usize, item: &mut usize) -> Result<Step, Failure> {
        let set = *item + 2;
        if self.pattern.get(set) != Some(&b'[') {
            return Err(error("missing '[' after '%f' in pattern"));
        }
        let end = self.item_end(set)?;
        let before = if at == 0 { 0 } else { self.subject[at - 1] };
        let after = self.subject.get(at).copied().unwrap_or(0);
        if self.is_in_set(before, set, end - 1) || !self.is_in_set(after, set, end - 1) {
            return Ok(Step::Failed);
        }
        *item = end;
        Ok(Step::On)
    }

    /// `%1` to `%9`: the same as an earlier capture.
    fn match_capture(&self, at: &mut usize, item: &mut usize, digit: u8) -> Result<Step, Failure> {
        let number = usize::from(digit).checked_sub(usize::from(b'1'));
        let capture = number.and_then(|number| self.captures.get(number));
        let bytes = match capture.map(|capture| (capture.start, capture.extent)) {
            None | Some((_, Extent::Open)) => return Err(error("invalid capture index")),
            Some((_, Extent::Position)) => return Ok(Step::Failed),
            Some((start, Extent::Bytes(len))) => &self.subject[start..start + len],
        };
        spend_bytes(&self.frame, bytes.len())?;
        if !self.subject[*at..].starts_with(bytes) {
            return Ok(Step::Failed);
        }
        *at += bytes.len();
        *item += 2;
        Ok(Step::On)
    }

    /// A byte, class or set, with what says how often it may be there.
    fn match_item(&mut self, at: &mut usize, item: &mut usize) -> Result<Step, Failure> {
        let end = self.item_end(*item)?;
        let matches = self.subject.get(*at).is_some_and(|byte| self.is_match(*byte, *item, end));
        let (start, next) = (*at, end + 1);
        match self.pattern.get(end) {
            Some(b'?') => {
                *item = next;
                if matches {
                    *at += 1;
                    return self.add_choice(Choice::Without { at: start, next });
                }
                Ok(Step::On)
            }
            Some(b'+') if !matches => Ok(Step::Failed),
            Some(sign @ (b'*' | b'+')) => {
                let least = start + usize::from(*sign == b'+');
                let most = self.run_end(least, (*item, end), true)?;
                (*at, *item) = (most, next);
                if most > least { self.add_choice(Choice::Fewer { least, at: most, next }) } else { Ok(Step::On) }
            }
            Some(b'-') => {
                let more = Choice::More { at: start, item: *item, next };
                *item = next;
                self.add_choice(more)
            }
            _ if !matches => Ok(Step::Failed),
            _ => {
                (*at, *item) = (start + 1, end);
                Ok(Step::On)
            }
        }
    }

    /// Where bytes end that match an item (`is_run`), or that do not.
    fn run_end(&self, start: usize, (item, end): (usize, usize), is_run: bool) -> Result<usize, Failure> {
        let mut at = start;
        // To compare with a set takes as long as the set is.
        let stretch = (STRETCH / (end - item)).max(1);
        loop {
            let bytes = &self.subject[at..(at + stretch).min(self.subject.len())];
            let len = bytes.iter().position(|byte| self.is_match(*byte, item, end) != is_run).unwrap_or(bytes.len());
            at += len;
            if len < stretch {
                spend(&self.frame, (len + end - item) as u32 / 4)?;
                return Ok(at);
            }
            spend(&self.frame, STRETCH.max(end - item) as u32 / 4)?;
        }
    }

    /// Where the item ends, without what says how often it may be there.
    fn item_end(&self, item: usize) -> Result<usize, Failure> {
        match self.pattern[item] {
            b'%' if item + 1 >= self.pattern.len() => Err(error("malformed pattern (ends with '%')")),
            b'%' => Ok(item + 2),
            b'[' => self.set_end(item),
            _ => Ok(item + 1),
        }
    }

    fn set_end(&self, item: usize) -> Result<usize, Failure> {
        let mut at = item + 1;
        if self.pattern.get(at) == Some(&b'^') {
            at += 1;
        }
        loop {
            // The first byte belongs to the set, even if it is a bracket.
            match self.pattern.get(at) {
                None => return Err(error("malformed pattern (missing ']')")),
                Some(b'%') if at + 1 < self.pattern.len() => at += 2,
                Some(_) => at += 1,
            }
            if self.pattern.get(at) == Some(&b']') {
                spend_bytes(&self.frame, at - item)?;
                return Ok(at + 1);
            }
        }
    }

    /// Whether a byte matches an item, which has no more than one sign after `end`.
    #[inline]
    fn is_match(&self, byte: u8, item: usize, end: usize) -> bool {
        match self.pattern[item] {
            b'.' => true,
            b'%' => is_in_class(byte, self.pattern[item + 1]),
            b'[' => self.is_in_set(byte, item, end - 1),
            own => own == byte,
        }
    }

    /// Whether a byte is in the set from one bracket to the other.
    fn is_in_set(&self, byte: u8, open: usize, close: usize) -> bool {
        let mut at = open + 1;
        let is_inverted = self.pattern[at] == b'^';
        at += usize::from(is_inverted);
        while at < close {
            let own = self.pattern[at];
            let found = if own == b'%' {
                at += 1;
                is_in_class(byte, self.pattern[at])
            } else if self.pattern[at + 1] == b'-' && at + 2 < close {
                at += 2;
                (own..=self.pattern[at]).contains(&byte)
            } else {
                own == byte
            };
            if found {
                return !is_inverted;
            }
            at += 1;
        }
        is_inverted
    }

    /// Pushes all captures; if there are none, the whole match. Returns how many.
    ///
    /// # Errors
    /// A capture has no end.
    pub(super) fn push_captures(&self, whole: Option<(usize, usize)>) -> Result<i32, Failure> {
        let count = if self.captures.is_empty() && whole.is_some() { 1 } else { self.captures.len() };
        if !self.frame.state.reserve(count as i32 + 2) {
            return Err(error("stack overflow (too many captures)"));
        }
        for number in 0..count {
            self.push_capture(number, whole)?;
        }
        Ok(count as i32)
    }

    /// Pushes one capture, counted from 0. The first is the whole match if there are none.
    ///
    /// # Errors
    /// There is no such capture, or it has no end.
    pub(super) fn push_capture(&self, number: usize, whole: Option<(usize, usize)>) -> Result<(), Failure> {
        let state = self.frame.state;
        let bytes = match (self.captures.get(number), whole) {
            (None, Some((start, end))) if number == 0 => &self.subject[start..end],
            (None, _) => return Err(error("invalid capture index")),
            (Some(Capture { extent: Extent::Open, .. }), _) => return Err(error("unfinished capture")),
            (Some(Capture { start, extent: Extent::Position }), _) => {
                state.push_number((start + 1) as f64);
                return Ok(());
            }
            (Some(Capture { start, extent: Extent::Bytes(len) }), _) => &self.subject[*start..start + len],
        };
        spend_bytes(&self.frame, bytes.len())?;
        state.push_bytes(bytes);
        Ok(())
    }
}

/// Whether a byte is in a class: a letter, a capital one for its opposite. Other bytes are themselves.
fn is_in_class(byte: u8, class: u8) -> bool {
    let is_in = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0b,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    is_in != class.is_ascii_uppercase()
}
