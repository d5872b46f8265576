//! Set commands: add, remove, test, count and move members.
//!
//! Commands that pick members or walk over them are in [`super::set_picks`], those that combine sets in
//! [`super::set_algebra`]. The set itself is in [`crate::store::types::set`]; this file gives its operations words,
//! replies and events. A key whose set becomes empty is removed at once ([`Data::edit`]). Redis: t_set.c.

use protocol::resp::Args;

use super::lists::write_element;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Data, Declared, Edit, Flags, Group, KeySpec, KeyedCtx, KeyedFn, NotifyClass, error,
};
use crate::store::EntryRef;
use crate::store::types::set::{Set, SetRef};

const READ: Flags = Flags::READONLY.and(Flags::FAST);
const CHANGE: Flags = Flags::WRITE.and(Flags::FAST);

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("SADD", Arity::at_least(3), Group::Set, CHANGE.and(Flags::DENYOOM), sadd as KeyedFn)
        .since("1.0.0")
        .summary("Add one or more members to a set")
        .complexity("O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.")
        .keys(&[KeySpec::at(1).rw().insert()])
        .syntax("key:key member:string+")
        .history(&[("2.4.0", "Accepts multiple `member` arguments.")]),
    Declared::new("SREM", Arity::at_least(3), Group::Set, CHANGE, srem as KeyedFn)
        .since("1.0.0")
        .summary("Remove one or more members from a set")
        .complexity("O(N) where N is the number of members to be removed.")
        .keys(&[KeySpec::at(1).rw().delete()])
        .syntax("key:key member:string+")
        .history(&[("2.4.0", "Accepts multiple `member` arguments.")]),
    Declared::new("SISMEMBER", Arity::exactly(3), Group::Set, READ, sismember as KeyedFn)
        .since("1.0.0")
        .summary("Determine if a given value is a member of a set")
        .complexity("O(1)")
        .keys(&[KeySpec::at(1).ro()])
        .syntax("key:key member:string"),
    Declared::new("SMISMEMBER", Arity::at_least(3), Group::Set, READ, smismember as KeyedFn)
        .since("6.2.0")
        .summary("Returns the membership associated with the given elements for a set")
        .complexity("O(N) where N is the number of elements being checked for membership")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key member:string+"),
    Declared::new("SCARD", Arity::exactly(2), Group::Set, READ, scard as KeyedFn)
        .since("1.0.0")
        .summary("Get the number of members in a set")
        .complexity("O(1)")
        .keys(&[KeySpec::at(1).ro()])
        .syntax("key:key"),
    Declared::new("SMEMBERS", Arity::exactly(2), Group::Set, Flags::READONLY, smembers as KeyedFn)
        .since("1.0.0")
        .summary("Get all the members in a set")
        .complexity("O(N) where N is the set cardinality.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key")
        .tips(&["nondeterministic_output_order"]),
    Declared::new("SMOVE", Arity::exactly(4), Group::Set, CHANGE, smove as KeyedFn)
        .since("1.0.0")
        .summary("Move a member from one set to another")
        .complexity("O(1)")
        .keys(&[KeySpec::at(1).rw().access().delete(), KeySpec::at(2).rw().insert()])
        .syntax("source:key destination:key member:string"),
];

/// The set in an entry, for reading.
pub(super) fn set_of(entry: EntryRef<'_>) -> Result<SetRef<'_>, CmdError> {
    entry.collection::<Set>().ok_or(error::WRONG_TYPE)
}

/// Finds the set at the command's key, for reading.
#[inline]
pub(super) fn read<'d>(data: &'d mut Data<'_>, word: &[u8]) -> Result<Option<SetRef<'d>>, CmdError> {
    let key = data.key(word);
    data.read(&key).map(set_of).transpose()
}

/// The result of an edit: the event, and how many changes it counts as.
pub(super) fn changed<R>(event: &'static str, count: usize, result: R) -> Edit<R> {
    Edit::of(NotifyClass::Set, event, count, result)
}

fn sadd(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let limits = &ctx.limits.set;
    let added = ctx.data.edit_or_create(&key, Set::new, |set: &mut Set| {
        if args.len() > 3 {
            set.expect(args.len() - 2, &args[2], limits);
        }
        match set.add_all(args.len() - 2, args.skip(2).iter(), limits) {
            0 => Edit::none(0),
            added => changed("sadd", added, added),
        }
    })?;
    ctx.reply.int(added as i64);
    DONE
}

fn srem(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let removed =
        ctx.data.edit(&key, |set: &mut Set| match args.skip(2).iter().filter(|member| set.remove(member)).count() {
            0 => Edit::none(0),
            removed => changed("srem", removed, removed),
        })?;
    ctx.reply.int(removed.unwrap_or(0) as i64);
    DONE
}

fn sismember(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let is_member = read(&mut ctx.data, &args[1])?.is_some_and(|set| set.contains(&args[2]));
    ctx.reply.int(i64::from(is_member));
    DONE
}

fn smismember(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let set = read(&mut ctx.data, &args[1])?;
    let members = args.skip(2);
    ctx.reply.array(members.len());
    for member in members {
        ctx.reply.int(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    DONE
}

fn scard(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let len = read(&mut ctx.data, &args[1])?.map_or(0, SetRef::len);
    ctx.reply.int(len as i64);
    DONE
}

fn smembers(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let set = read(&mut ctx.data, &args[1])?;
    ctx.reply.set(set.map_or(0, SetRef::len));
    if let Some(set) = set {
        set.iter().for_each(|member| write_element(&mut ctx.reply, member));
    }
    DONE
}

fn smove(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let (source, target, member) = (ctx.data.key(&args[1]), ctx.data.key(&args[2]), &args[3]);
    // Both are looked up before anything else: looking up removes what has expired.
    let holds = |data: &mut Data<'_>, key| data.peek(key).map(|entry| set_of(entry).map(|set| set.contains(member)));
    let (source_has, target_has) = (holds(&mut ctx.data, &source), holds(&mut ctx.data, &target));
    let Some(source_has) = source_has else {
        ctx.reply.int(0);
        return DONE;
    };
    let (source_has, _) = (source_has?, target_has.transpose()?);
    if source_has && source.bytes != target.bytes {
        ctx.data.edit(&source, |set: &mut Set| {
            set.remove(member);
            changed("srem", 1, ())
        })?;
        let limits = &ctx.limits.set;
        ctx.data.edit_or_create(&target, Set::new, |set: &mut Set| {
            if set.add(member, limits) { changed("sadd", 1, ()) } else { Edit::none(()) }
        })?;
    }
    ctx.reply.int(i64::from(source_has));
    DONE
}
