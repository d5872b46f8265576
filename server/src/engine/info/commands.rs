//! The command INFO.
//!
//! The command only chooses sections and writes the text: what the fields are, and where their values come from, is declared
//! once in [`super`], so that INFO, its sections and the exporters that read it cannot disagree.

use protocol::resp::Args;

use crate::command::{Arity, Declared, Flags, Group};
use crate::engine::session::{Handled, SessionCtx, SessionFn, SessionResult};

/// The commands of this file.
pub static COMMANDS: &[Declared<SessionFn>] = &[Declared::new(
    "INFO",
    Arity::at_least(1),
    Group::Server,
    Flags::LOADING.and(Flags::STALE).and(Flags::ACL_DANGEROUS),
    info as SessionFn,
)
.summary("Get information and statistics about the server")
.syntax("[section:string+]")
.history(&[("7.0.0", "Added support for taking multiple section arguments.")])
.tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])];

fn info(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let text = super::text(ctx, args.iter().skip(1));
    ctx.reply.verbatim(*b"txt", text.as_bytes());
    Ok(Handled::Done)
}
