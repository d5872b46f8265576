//! SAVE, BGSAVE, LASTSAVE.
//!
//! The handlers only start work and say what came of it: saving happens on a thread of its own beside running commands, so
//! SAVE answers later instead of stopping the node, and one save runs at a time.

use protocol::resp::Args;
use protocol::resp::reply::Reply;

use super::Persistence;
use crate::command::{Arity, Declared, Flags, Group, Spec, error};
use crate::engine::session::{Handled, SessionCtx, SessionResult};

/// A handler of this subsystem.
pub type PersistenceFn = fn(&Persistence, &mut SessionCtx<'_, '_>, Args<'_>) -> SessionResult;

const ADMIN: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::NO_ASYNC_LOADING);

/// The commands of this subsystem.
pub static COMMANDS: &[Declared<PersistenceFn>] = &[
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
        Flags::LOADING.and(Flags::STALE).and(Flags::FAST).and(Flags::ACL_ADMIN),
        lastsave as PersistenceFn,
    )
    .since("1.0.0")
    .summary("Get the UNIX time stamp of the last successful save to disk")
    .complexity("O(1)")
    .tips(&["nondeterministic_output"]),
];

/// The specs, in the order of the handlers' indexes.
pub fn specs() -> Vec<&'static Spec> {
    COMMANDS.iter().map(|declared| &declared.spec).collect()
}

fn save(this: &Persistence, ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    if this.snapshots.is_saving() {
        return Err(error::SAVE_IN_PROGRESS);
    }
    let protocol = ctx.session.protocol;
    let (told, done) = tokio::sync::oneshot::channel();
    // Only this client waits: the others are served while its snapshot is written.
    this.start_save(
        false,
        Some(Box::new(move |saved| {
            // The client may have left meanwhile.
            let _ = told.send(saved);
        })),
    );
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
    let schedule = match args.get(1) {
        None => false,
        Some(word) if args.len() == 2 && word.eq_ignore_ascii_case(b"schedule") => true,
        Some(_) => return Err(error::SYNTAX),
    };
    if this.snapshots.is_saving() {
        return Err(error::SAVE_IN_PROGRESS);
    }
    if schedule && this.snapshots.is_busy() {
        // The queue of snapshots is the schedule.
        this.start_save(true, None);
        ctx.reply.simple("Background saving scheduled");
        return Ok(Handled::Done);
    }
    this.start_save(true, None);
    ctx.reply.simple("Background saving started");
    Ok(Handled::Done)
}

fn lastsave(this: &Persistence, ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    ctx.reply.int(this.info().last_save_time);
    Ok(Handled::Done)
}
