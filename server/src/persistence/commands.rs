//! SAVE, BGSAVE, LASTSAVE.
//!
//! The handlers only start work and report its result: saving runs on a separate thread beside running commands, so
//! SAVE replies later instead of stopping the node. One snapshot runs at a time, and a full sync counts as one: other
//! requests are refused meanwhile, as in Redis.

use protocol::resp::Args;
use protocol::resp::reply::Reply;

use super::{Begun, Busy, Persistence};
use crate::command::{Arity, Categories, Declared, Flags, Group, Spec, error};
use crate::engine::handler::{Handled, SessionCtx, SessionResult};

/// A handler of this subsystem.
pub(crate) type PersistenceFn = fn(&Persistence, &mut SessionCtx<'_, '_>, Args<'_>) -> SessionResult;

const ADMIN: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::NO_ASYNC_LOADING);

/// The commands of this subsystem.
pub(crate) static COMMANDS: &[Declared<PersistenceFn>] = &[
    Declared::new("SAVE", Arity::exactly(1), Group::Server, ADMIN.and(Flags::NO_MULTI), save as PersistenceFn)
        .since("1.0.0")
        .summary("Synchronously save the dataset to disk")
        .complexity("O(N) where N is the total number of keys in all databases"),
    Declared::new("BGSAVE", Arity::at_least(1), Group::Server, ADMIN, bgsave as PersistenceFn)
        .since("1.0.0")
        .summary("Asynchronously save the dataset to disk")
        .complexity("O(1)")
        .syntax("['schedule@3.2.2]")
        .history(&[("3.2.2", "Added the `SCHEDULE` option.")]),
    Declared::new(
        "LASTSAVE",
        Arity::exactly(1),
        Group::Server,
        Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
        lastsave as PersistenceFn,
    )
    .acl(Categories::ADMIN)
    .since("1.0.0")
    .summary("Get the UNIX time stamp of the last successful save to disk")
    .complexity("O(1)")
    .tips(&["nondeterministic_output"]),
];

/// The specs, in the order of the handlers' indexes.
pub(crate) fn specs() -> Vec<&'static Spec> {
    COMMANDS.iter().map(|declared| &declared.spec).collect()
}

fn save(this: &Persistence, ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    let protocol = ctx.session.protocol;
    let (told, done) = tokio::sync::oneshot::channel();
    let tell = move |saved| {
        // The client may have disconnected meanwhile.
        let _ = told.send(saved);
    };
    // Only this client waits; others are served while the snapshot is written.
    this.start_for_client(Box::new(tell)).map_err(|Busy| error::SAVE_IN_PROGRESS)?;
    Ok(Handled::Wait(Box::pin(async move {
        let mut out = Vec::new();
        match done.await {
            Ok(true) => Reply::new(&mut out, protocol).ok(),
            Ok(false) | Err(_) => Reply::new(&mut out, protocol).error("ERR"),
        }
        out
    })))
}

fn bgsave(this: &Persistence, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    // SCHEDULE is for a running rewrite of the append-only file; there is none here.
    match args.get(1) {
        None => {}
        Some(word) if args.len() == 2 && word.eq_ignore_ascii_case(b"schedule") => {}
        Some(_) => return Err(error::SYNTAX),
    }
    if ctx.session.in_exec && !this.snapshots.is_busy() {
        // There is no moment for a cut between the commands of a transaction.
        this.schedule();
        ctx.reply.simple("Background saving scheduled");
        return Ok(Handled::Done);
    }
    let (tell, begun) = tokio::sync::oneshot::channel();
    let tell: Begun = Box::new(move || _ = tell.send(()));
    this.start_background(Some(tell)).map_err(|Busy| error::SAVE_IN_PROGRESS)?;
    if ctx.session.in_exec {
        ctx.reply.simple("Background saving started");
        return Ok(Handled::Done);
    }
    // What a client writes after this reply is not in the file: Redis forks before it replies.
    let protocol = ctx.session.protocol;
    Ok(Handled::Wait(Box::pin(async move {
        let _ = begun.await;
        let mut out = Vec::new();
        Reply::new(&mut out, protocol).simple("Background saving started");
        out
    })))
}

fn lastsave(this: &Persistence, ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    ctx.reply.int(this.info().last_save_time);
    Ok(Handled::Done)
}
