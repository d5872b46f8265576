//! Lua 5.1, made safe: all that touches its C interface.
//!
//! What has to hold so that it is sound:
//! - **No jump over Rust.** Lua raises errors by `longjmp`. A function of ours ends by an error only in its entry
//!   ([`frame`]), where nothing is left to drop; in between it uses operations that cannot raise ([`state`]), and calls
//!   Lua code in protected calls only.
//! - **One at a time.** A state is used by the thread that owns its machine, either on the script's own stack or, while
//!   that is suspended, by the driver ([`shared`]).
//! - **Nothing is unwound.** A script's stack is left only when its Lua code has ended.
//!
//! [`super::machine`] obeys the same rules.

mod frame;
mod memory;
mod shared;
mod state;
mod to_number;

pub(super) use frame::{
    Failure, Frame, HostFn, Returns, check_end, push_choice, push_error_table, push_function, push_less,
};
pub(super) use memory::{NOT_ENOUGH, allocate};
pub(crate) use shared::Turn;
pub(super) use shared::{Settings, Shared};
pub(super) use state::{Kind, State};
pub(super) use to_number::push_to_number;
