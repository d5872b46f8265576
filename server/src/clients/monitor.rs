//! MONITOR: the command. What monitors are shown, and when, is in [`crate::engine::monitor`].

use protocol::resp::Args;

use crate::command::{Arity, CmdError, Declared, Flags, Group, Traits};
use crate::engine::handler::{Handled, SessionCtx, SessionFn, SessionResult};

/// The command of this file.
pub(crate) static COMMANDS: &[Declared<SessionFn>] = &[Declared::new(
    "MONITOR",
    Arity::exactly(1),
    Group::Server,
    Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE),
    monitor as SessionFn,
)
.traits(Traits::TOUCHES_NO_DATA)
.since("1.0.0")
.summary("Listen for all requests received by the server in real time")
.complexity("")];

fn monitor(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    if ctx.session.in_exec {
        return Err(CmdError::text("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    // Redis does not answer a client that is a monitor already.
    if !ctx.session.is_monitor {
        ctx.engine.start_monitoring(ctx.session);
        ctx.reply.ok();
    }
    Ok(Handled::Done)
}
