//! `table.sort`, `table.foreach`, `table.foreachi` and `table.maxn`: what visits a whole table in one instruction.
//!
//! Lua counts its own instructions. A function of the script's that compares or visits has some, so while there is one,
//! Lua's own functions do: they call it as they always have, and an error in it is where it is. Without one they can
//! run for minutes, or for ever, and nothing stops them: a million long texts are compared, or `table.foreach` is told
//! to call itself. Then ours run instead, which count their work and can pause. They sort as Lua does, step by step,
//! since its order of equal elements can be seen.

use crate::script::libs::{bad_argument_here, spend, spend_bytes};
use crate::script::lua::{Failure, Frame, HostFn, Kind, Returns, Shared, State, push_choice, push_function, push_less};

/// The work of visiting an element, or of comparing two.
const VISIT_STEPS: u32 = 4;
/// Values that a function here has on the stack, at most, beside its arguments.
const ROOM: i32 = 40;
/// Own upvalues: Lua's function, and what ours needs.
const MORE: i32 = 1;

/// Puts the functions in place of Lua's.
pub(super) fn guard(state: State, shared: &Shared, globals: i32) {
    state.field(globals, b"table");
    let table = state.top();
    push_function(state, shared, maxn, 0);
    state.set_field(table, b"maxn");
    let choices: [(&[u8], HostFn); 3] = [(b"sort", sort), (b"foreach", foreach), (b"foreachi", foreachi)];
    for (name, ours) in choices {
        state.field(table, name);
        if name == b"sort" {
            push_less(state);
        } else {
            state.field(globals, b"next");
        }
        push_choice(state, shared, ours, 2);
        state.set_field(table, name);
    }
    state.pop(1);
}

/// # Errors
/// The first argument is no table.
fn check_table(frame: &Frame<'_>) -> Result<(), Failure> {
    if frame.state.kind(1) == Kind::Table {
        return Ok(());
    }
    let got = frame.state.type_name(1);
    Err(bad_argument_here(frame, 1, format!("table expected, got {got}")))
}

/// # Errors
/// The second argument is no function.
fn check_function(frame: &Frame<'_>) -> Result<(), Failure> {
    if frame.state.kind(2) == Kind::Function {
        return Ok(());
    }
    let got = frame.state.type_name(2);
    Err(bad_argument_here(frame, 2, format!("function expected, got {got}")))
}

fn maxn(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    check_table(frame)?;
    state.set_top(1);
    let mut most = 0.0;
    state.push_nil();
    while state.next(1) {
        state.pop(1);
        most = state.number(-1).filter(|number| *number > most).unwrap_or(most);
        spend(frame, 1)?;
    }
    state.push_number(most);
    Ok(1)
}

fn foreach(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    check_table(frame)?;
    check_function(frame)?;
    state.set_top(2);
    state.push_nil();
    loop {
        spend(frame, VISIT_STEPS)?;
        // The table may have changed, so that the key is unknown.
        state.push_value(Frame::upvalue(MORE));
        state.push_value(1);
        state.push_value(3);
        frame.call(2, 2)?;
        if state.kind(-2) == Kind::Nil {
            return Ok(0);
        }
        state.remove(3);
        state.push_value(2);
        state.insert(-2);
        state.push_value(3);
        state.insert(-2);
        frame.call(2, 1)?;
        if state.kind(-1) != Kind::Nil {
            return Ok(1);
        }
        state.pop(1);
    }
}

fn foreachi(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    check_table(frame)?;
    check_function(frame)?;
    state.set_top(2);
    for at in 1..=state.len(1) {
        spend(frame, VISIT_STEPS)?;
        state.push_value(2);
        state.push_number(at as f64);
        state.element(1, at);
        frame.call(2, 1)?;
        if state.kind(-1) != Kind::Nil {
            return Ok(1);
        }
        state.pop(1);
    }
    Ok(0)
}

fn sort(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    check_table(frame)?;
    if !matches!(state.kind(2), Kind::None | Kind::Nil) {
        check_function(frame)?;
    }
    if !state.reserve(ROOM) {
        return Err(Failure::Here(b"stack overflow ()".to_vec()));
    }
    state.set_top(2);
    let sorter = Sorter { frame: *frame, is_given: state.kind(2) == Kind::Function };
    let mut left = vec![(1, state.len(1))];
    while let Some((mut low, mut high)) = left.pop() {
        while low < high {
            let Some((smaller, larger)) = sorter.split(low, high)? else { break };
            left.push(larger);
            (low, high) = smaller;
        }
    }
    Ok(0)
}

/// Elements from one to another, both included.
type Range = (usize, usize);

/// Sorts the first argument.
struct Sorter<'f> {
    frame: Frame<'f>,
    /// The second argument compares.
    is_given: bool,
}

impl Sorter<'_> {
    /// Whether the first of two values is less than the other.
    fn is_less(&self, one: i32, other: i32) -> Result<bool, Failure> {
        let (frame, state) = (&self.frame, self.frame.state);
        spend(frame, VISIT_STEPS)?;
        let (one, other) = (state.absolute(one), state.absolute(other));
        if self.is_given {
            state.push_value(2);
        } else {
            if let (Some(one), Some(other)) = (state.number(one), state.number(other)) {
                return Ok(one < other);
            }
            if let (Some(one), Some(other)) = (state.bytes(one), state.bytes(other)) {
                spend_bytes(frame, one.len().min(other.len()))?;
                return Ok(one < other);
            }
            // Metamethods, or an error.
            state.push_value(Frame::upvalue(MORE));
        }
        state.push_value(one);
        state.push_value(other);
        frame.call(2, 1)?;
        let is_less = state.is_true(-1);
        state.pop(1);
        Ok(is_less)
    }

    fn push(&self, at: usize) {
        self.frame.state.element(1, at);
    }

    /// Takes two values from the stack: the upper one becomes the first of these elements.
    fn set(&self, first: usize, second: usize) {
        self.frame.state.set_element(1, first);
        self.frame.state.set_element(1, second);
    }

    /// Puts the elements in front of and behind one of them that belong there. Returns the two parts, the smaller one
    /// first; nothing if they are sorted.
    fn split(&self, low: usize, high: usize) -> Result<Option<(Range, Range)>, Failure> {
        let state = self.frame.state;
        self.push(low);
        self.push(high);
        if self.is_less(-1, -2)? {
            self.set(low, high);
        } else {
            state.pop(2);
        }
        if high - low == 1 {
            return Ok(None);
        }
        let middle = low.midpoint(high);
        self.push(middle);
        self.push(low);
        if self.is_less(-2, -1)? {
            self.set(middle, low);
        } else {
            state.pop(1);
            self.push(high);
            if self.is_less(-1, -2)? {
                self.set(middle, high);
            } else {
                state.pop(2);
            }
        }
        if high - low == 2 {
            return Ok(None);
        }
        self.push(middle);
        state.push_value(-1);
        self.push(high - 1);
        self.set(middle, high - 1);
        let at = self.partition(low, high)?;
        let (before, behind) = ((low, at - 1), (at + 1, high));
        Ok(Some(if at - low < high - at { (before, behind) } else { (behind, before) }))
    }

    /// Moves elements in front of or behind the one on top of the stack, and returns its place.
    fn partition(&self, low: usize, high: usize) -> Result<usize, Failure> {
        let state = self.frame.state;
        let invalid = || Failure::Here(b"invalid order function for sorting".to_vec());
        let (mut up, mut down) = (low, high - 1);
        loop {
            up += 1;
            self.push(up);
            while self.is_less(-1, -2)? {
                if up > high {
                    return Err(invalid());
                }
                state.pop(1);
                up += 1;
                self.push(up);
            }
            down -= 1;
            self.push(down);
            while self.is_less(-3, -1)? {
                if down < low {
                    return Err(invalid());
                }
                state.pop(1);
                down -= 1;
                self.push(down);
            }
            if down < up {
                state.pop(3);
                break;
            }
            self.set(up, down);
        }
        self.push(high - 1);
        self.push(up);
        self.set(high - 1, up);
        Ok(up)
    }
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
