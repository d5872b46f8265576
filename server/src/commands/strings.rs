//! String commands.

use protocol::resp::Args;

use crate::command::{
    Arity, CmdResult, Declared, Flags, Group, KeySpec, KeyedCtx, KeyedFn, NotifyClass, error, outcome::DONE,
};
use crate::store::{StringValue, Ttl, ValueRef};

/// The commands of this file.
pub static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("GET", Arity::exactly(2), Group::String, Flags::READONLY.and(Flags::FAST), get as KeyedFn)
        .summary("Returns the string value of a key.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key"),
    Declared::new("SET", Arity::at_least(3), Group::String, Flags::WRITE.and(Flags::DENYOOM), set as KeyedFn)
        .summary("Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.")
        .keys(&[KeySpec::at(1).ow().update()])
        .syntax("key:key value:string"),
];

fn get(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    match ctx.data.read(&key).map(|entry| entry.value()) {
        None => ctx.reply.null(),
        Some(ValueRef::Int(number)) => ctx.reply.bulk_int(number),
        Some(ValueRef::Str(bytes)) => ctx.reply.bulk(bytes),
        Some(ValueRef::List(_)) => return Err(error::WRONG_TYPE),
    }
    DONE
}

fn set(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    ctx.data.slot(&key).set_string(key.hash, key.bytes, StringValue::encode(&args[2]), Ttl::Clear);
    ctx.data.changed(&key, NotifyClass::String, "set");
    ctx.reply.ok();
    DONE
}
