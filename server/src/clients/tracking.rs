//! CLIENT TRACKING, CACHING, GETREDIR and TRACKINGINFO.
//!
//! Redis: networking.c, `clientCommand`.

use protocol::resp::Args;

use crate::base::number::parse_i64;
use crate::command::{Arity, CmdError, Declared, Flags, Group, error};
use crate::engine::handler::{Handled, SessionCtx, SessionFn, SessionResult};
use crate::session::client::ClientId;
use crate::session::client::tracker::Mode;
use crate::session::tracking::OwnPrefixes;

const OWN: Flags = Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE);

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<SessionFn>] = &[
    Declared::sub("CLIENT", "CACHING", Arity::exactly(3), Group::Connection, OWN, caching as SessionFn)
        .since("6.0.0")
        .summary("Instruct the server about tracking or not keys in the next request")
        .complexity("O(1)")
        .syntax("mode:<'yes|'no>"),
    Declared::sub("CLIENT", "GETREDIR", Arity::exactly(2), Group::Connection, OWN, get_redir as SessionFn)
        .since("6.0.0")
        .summary("Get tracking notifications redirection client ID if any")
        .complexity("O(1)"),
    Declared::sub("CLIENT", "TRACKING", Arity::at_least(3), Group::Connection, OWN, tracking as SessionFn)
        .since("6.0.0")
        .summary("Enable or disable server assisted client side caching support")
        .complexity("O(1). Some options may introduce additional complexity.")
        .syntax("status:<'on|'off> [REDIRECT=client-id:integer] [PREFIX=prefix:string++] ['bcast] ['optin] ['optout] ['noloop]"),
    Declared::sub("CLIENT", "TRACKINGINFO", Arity::exactly(2), Group::Connection, OWN, tracking_info as SessionFn)
        .since("6.2.0")
        .summary("Return information about server assisted client side caching for the current connection")
        .complexity("O(1)"),
];

/// What CLIENT TRACKING asks for.
struct Wanted<'a> {
    mode: Mode,
    redirect: ClientId,
    prefixes: Vec<&'a [u8]>,
}

impl<'a> Wanted<'a> {
    fn parse(ctx: &SessionCtx<'_, '_>, args: Args<'a>) -> Result<Self, CmdError> {
        let mut wanted = Self { mode: Mode::OFF, redirect: 0, prefixes: Vec::new() };
        let mut at = 3;
        while let Some(option) = args.get(at) {
            let value = args.get(at + 1);
            match (option.to_ascii_uppercase().as_slice(), value) {
                (b"REDIRECT", Some(value)) => {
                    if wanted.redirect != 0 {
                        return Err(error::TRACKING_ONE_REDIRECT);
                    }
                    let id = parse_i64(value).ok_or(error::NOT_INTEGER)?;
                    // The target may disconnect later; requiring that it exists now catches mistakes.
                    let known = u64::try_from(id).ok().filter(|id| ctx.engine.clients.get(*id).is_some());
                    wanted.redirect = known.ok_or(error::TRACKING_NO_REDIRECT)?;
                    at += 1;
                }
                (b"PREFIX", Some(value)) => {
                    wanted.prefixes.push(value);
                    at += 1;
                }
                (b"BCAST", _) => wanted.mode = wanted.mode.and(Mode::BCAST),
                (b"OPTIN", _) => wanted.mode = wanted.mode.and(Mode::OPTIN),
                (b"OPTOUT", _) => wanted.mode = wanted.mode.and(Mode::OPTOUT),
                (b"NOLOOP", _) => wanted.mode = wanted.mode.and(Mode::NOLOOP),
                _ => return Err(error::SYNTAX),
            }
            at += 1;
        }
        Ok(wanted)
    }

    /// Whether the request is valid in itself, and for a client that tracks in the mode `now`.
    fn check(&self, now: Mode) -> Result<(), CmdError> {
        let mode = self.mode;
        if !mode.has(Mode::BCAST) && !self.prefixes.is_empty() {
            return Err(error::TRACKING_PREFIX_WITHOUT_BCAST);
        }
        if now.has(Mode::ON) && now.has(Mode::BCAST) != mode.has(Mode::BCAST) {
            return Err(error::TRACKING_SWITCH_BCAST);
        }
        if mode.has(Mode::BCAST) && mode.has(Mode::OPTIN.and(Mode::OPTOUT)) {
            return Err(error::TRACKING_BCAST_OPT);
        }
        if mode.has(Mode::OPTIN) && mode.has(Mode::OPTOUT) {
            return Err(error::TRACKING_BOTH_OPT);
        }
        let switches = |from, to| now.has(from) && mode.has(to);
        if switches(Mode::OPTIN, Mode::OPTOUT) || switches(Mode::OPTOUT, Mode::OPTIN) {
            return Err(error::TRACKING_SWITCH_OPT);
        }
        Ok(())
    }
}

/// The first of the new prefixes that overlaps with one that the client has, or with a later new one.
fn check_prefixes(own: Option<&OwnPrefixes>, new: &[&[u8]]) -> Result<(), CmdError> {
    let mut later = OwnPrefixes::default();
    let mut clash = None;
    for (at, name) in new.iter().enumerate().rev() {
        let with_own = own.and_then(|own| own.overlap(name));
        if with_own.is_some() || later.overlap(name).is_some() {
            clash = Some((at, *name, with_own));
        }
        later.insert(name);
    }
    let Some((at, name, with_own)) = clash else { return Ok(()) };
    if let Some(other) = with_own {
        return Err(error::prefix_overlap(name, "an existing", other));
    }
    let overlaps = |other: &&&[u8]| other.starts_with(name) || name.starts_with(other);
    let other = new[at + 1..].iter().find(overlaps).expect("one of the later ones was found to overlap");
    Err(error::prefix_overlap(name, "another provided", other))
}

fn tracking(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let wanted = Wanted::parse(ctx, args)?;
    if args[2].eq_ignore_ascii_case(b"ON") {
        wanted.check(ctx.session.handle.tracker.mode())?;
        check_prefixes(ctx.session.tracking.as_ref().map(|own| &own.prefixes), &wanted.prefixes)?;
        ctx.engine.tracking.enable(ctx.session, wanted.mode, wanted.redirect, &wanted.prefixes);
    } else if args[2].eq_ignore_ascii_case(b"OFF") {
        ctx.engine.tracking.disable(ctx.session);
    } else {
        return Err(error::SYNTAX);
    }
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn caching(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let mode = ctx.session.handle.tracker.mode();
    if !mode.has(Mode::ON) {
        return Err(error::NOT_TRACKING);
    }
    let (needed, problem) = match args[2].to_ascii_uppercase().as_slice() {
        b"YES" => (Mode::OPTIN, error::CACHING_NOT_OPTIN),
        b"NO" => (Mode::OPTOUT, error::CACHING_NOT_OPTOUT),
        _ => return Err(error::SYNTAX),
    };
    if !mode.has(needed) {
        return Err(problem);
    }
    ctx.session.caching = true;
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn get_redir(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    ctx.reply.int(ctx.session.handle.tracker.told_redirect());
    Ok(Handled::Done)
}

fn tracking_info(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    let (mode, caching) = (ctx.session.handle.tracker.mode(), ctx.session.caching);
    let flags: Vec<&str> = [
        (mode.has(Mode::ON), "on"),
        (!mode.has(Mode::ON), "off"),
        (mode.has(Mode::BCAST), "bcast"),
        (mode.has(Mode::OPTIN), "optin"),
        (mode.has(Mode::OPTIN) && caching, "caching-yes"),
        (mode.has(Mode::OPTOUT), "optout"),
        (mode.has(Mode::OPTOUT) && caching, "caching-no"),
        (mode.has(Mode::NOLOOP), "noloop"),
        (mode.has(Mode::BROKEN), "broken_redirect"),
    ]
    .into_iter()
    .filter_map(|(is, word)| is.then_some(word))
    .collect();
    ctx.reply.map(3);
    ctx.reply.bulk_str("flags");
    ctx.reply.set(flags.len());
    flags.into_iter().for_each(|flag| ctx.reply.bulk_str(flag));
    ctx.reply.bulk_str("redirect");
    ctx.reply.int(ctx.session.handle.tracker.told_redirect());
    ctx.reply.bulk_str("prefixes");
    let names = ctx.session.tracking.iter().flat_map(|own| own.prefixes.iter());
    ctx.reply.array(ctx.session.tracking.as_ref().map_or(0, |own| own.prefixes.iter().len()));
    names.for_each(|name| ctx.reply.bulk(name));
    Ok(Handled::Done)
}
