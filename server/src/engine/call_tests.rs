//! Tests of `call`: what a handler may touch is what its command declares, and what is queued is what was sent.

use crate::command::{Arity, Declared, Flags, Group, KeySpec, KeyedCtx, KeyedFn, Outcome};
use crate::testing::Bench;

/// Writes the key that it declares, and one that it does not.
fn both(ctx: &mut KeyedCtx<'_>, args: protocol::resp::Args<'_>) -> Result<Outcome, crate::command::CmdError> {
    for word in [&args[1], &args[2]] {
        let key = ctx.data.key(word);
        ctx.data.set_string(&key, crate::store::StringValue::Bytes(b"new"), crate::store::Ttl::Clear);
        ctx.data.effects.dirty += 1;
    }
    ctx.reply.ok();
    Ok(Outcome::Done)
}

static STRAY: &[Declared<KeyedFn>] =
    &[Declared::new("STRAY", Arity::exactly(3), Group::Generic, Flags::WRITE, both as KeyedFn).keys(&[KeySpec::at(1)])];

/// No words of a client may end a thread, whatever mistake there is in a table.
#[test]
fn a_key_that_is_not_declared_is_an_error_and_not_touched() {
    let mut bench = Bench::with_commands(&[], STRAY);
    bench.run("MSET a old b old");
    let refused = "-ERR 'stray' used a key that it does not declare; nothing was done to that key";
    assert_eq!(bench.run("STRAY a b"), refused);
    assert_eq!(bench.run("MGET a b"), "*2\r\n$3\r\nnew\r\n$3\r\nold");
    assert_eq!(bench.run("STRAY {b}c b"), "+OK", "the same slot is locked");
    bench.run("MSET a old b old");
    for line in ["MULTI", "SET x y", "STRAY a b"] {
        bench.run(line);
    }
    assert_eq!(bench.run("EXEC"), format!("*2\r\n+OK\r\n{refused}"));
    assert_eq!(bench.run("MGET a b"), "*2\r\n$3\r\nnew\r\n$3\r\nold");
}

/// A transaction over so many slots that it runs alone does what each command would do by itself.
#[test]
fn a_transaction_over_many_slots_finds_every_key() {
    let mut bench = Bench::new();
    bench.run("MULTI");
    for number in 0..100 {
        assert_eq!(bench.run(&format!("SET key:{number} {number}")), "+QUEUED");
        assert_eq!(bench.run(&format!("APPEND key:{number} x")), "+QUEUED");
    }
    assert_eq!(bench.run("MGET key:7 key:8 missing"), "+QUEUED");
    let replies = bench.run("EXEC");
    assert!(replies.starts_with("*201\r\n+OK\r\n:2\r\n"), "{replies}");
    assert!(replies.ends_with("*3\r\n$2\r\n7x\r\n$2\r\n8x\r\n$-1"), "{replies}");
    assert_eq!(bench.run("GET key:99"), "$3\r\n99x");
    assert_eq!(bench.run("DBSIZE"), ":100");
}
