//! Scripts against their results, with a driver that answers each command by an echo of it.

use protocol::resp::OwnedArgs;
use protocol::resp::reply::{Protocol, Reply};

use super::*;
use crate::script::alone::drive;
use crate::script::source::Script;

/// Runs a script. Its commands are answered with what `answer` writes; after `pauses` it is stopped.
fn run_with(source: &str, answer: impl Fn(&[Vec<u8>], &mut Reply<'_>), pauses: usize) -> String {
    let options = VmOptions { memory_limit: 64 << 20, version: "7.2.4".to_owned(), ..VmOptions::default() };
    let mut vm = Vm::new(&options).expect("there is memory");
    run_on(&mut vm, source, answer, pauses)
}

#[test]
fn a_machine_does_not_keep_a_long_reply() {
    let mut vm = Vm::new(&VmOptions { memory_limit: 1 << 26, ..VmOptions::default() }).expect("there is memory");
    run_on(&mut vm, "return #redis.call('x')", |_, reply| reply.bulk(&[b'x'; 1 << 20]), 100);
    assert!(vm.shared.reply.borrow().capacity() >= 1 << 20);
    vm.trim();
    assert_eq!(vm.shared.reply.borrow().capacity(), 0);
}

fn run_on(vm: &mut Vm, source: &str, answer: impl Fn(&[Vec<u8>], &mut Reply<'_>), pauses: usize) -> String {
    let script = match Script::new(source.as_bytes()) {
        Ok(script) => script,
        Err(problem) => return String::from_utf8_lossy(&problem).into_owned(),
    };
    let (keys, args) = (OwnedArgs::from_slices(&["k1", "k2"]), OwnedArgs::from_slices(&["a1"]));
    if let Err(problem) = vm.begin(&script, keys.view(), args.view()) {
        return String::from_utf8_lossy(&problem).into_owned();
    }
    drive(vm, pauses, b"ERR Error running script: killed", |vm| {
        let words: Vec<Vec<u8>> = vm.words().view().iter().map(<[u8]>::to_vec).collect();
        vm.reply(|out, protocol| answer(&words, &mut Reply::new(out, protocol)));
    });
    let mut out = Vec::new();
    vm.write_result(script.name(), &mut Reply::new(&mut out, Protocol::Resp2));
    String::from_utf8_lossy(&out).replace("\r\n", "|").replace(script.name(), "SHA")
}

fn run(source: &str) -> String {
    run_within(64 << 20, source)
}

fn run_within(memory_limit: usize, source: &str) -> String {
    let echo = |words: &[Vec<u8>], reply: &mut Reply<'_>| {
        reply.array(words.len());
        words.iter().for_each(|word| reply.bulk(word));
    };
    let options = VmOptions { memory_limit, version: "7.2.4".to_owned(), ..VmOptions::default() };
    let mut vm = Vm::new(&options).expect("there is memory");
    run_on(&mut vm, source, echo, 1000)
}

#[test]
fn values_become_replies() {
    for (source, reply) in [
        ("return 1", ":1|"),
        ("return {1,2,{3,'x'},nil,4}", "*3|:1|:2|*2|:3|$1|x|"),
        (
            "return {1.9,-1.9,3.99e15,1e300,0/0}",
            "*5|:1|:-1|:3990000000000000|:-9223372036854775808|:-9223372036854775808|",
        ),
        ("return true", ":1|"),
        ("return false", "$-1|"),
        ("return", "$-1|"),
        ("return {double=3.5}", "$3|3.5|"),
        ("return {map={a=1}}", "*2|$1|a|:1|"),
        ("return {ok='x\\ny'}", "+x y|"),
        ("return {err='x\\ny'}", "-x y|"),
        ("return redis.error_reply('bar')", "-ERR bar|"),
        ("return redis.error_reply('-bar x')", "-bar x|"),
        ("return redis.status_reply('ok')", "+ok|"),
        ("return {KEYS[1],KEYS[2],#KEYS,ARGV[1],#ARGV}", "*5|$2|k1|$2|k2|:2|$2|a1|:1|"),
        ("return redis.call('set','a',0.1,10,1e20)", "*5|$3|set|$1|a|$19|0.10000000000000001|$2|10|$5|1e+20|"),
        ("return redis.sha1hex('')", "$40|da39a3ee5e6b4b0d3255bfef95601890afd80709|"),
        ("return redis.sha1hex(false)", "$40|da39a3ee5e6b4b0d3255bfef95601890afd80709|"),
        ("return math.random()..','..math.random()", "$33|0.39646477363839,0.84048536971234|"),
    ] {
        assert_eq!(run(source), reply, "{source}");
    }
}

#[test]
fn errors_say_where_they_are() {
    for (source, reply) in [
        ("a=10", "-ERR user_script:1: Attempt to modify a readonly table script: SHA, on @user_script:1.|"),
        (
            "return a",
            "-ERR user_script:1: Script attempted to access nonexistent global variable 'a' script: SHA, on @user_script:1.|",
        ),
        ("redis.x=1", "-ERR user_script:1: Attempt to modify a readonly table script: SHA, on @user_script:1.|"),
        ("rawset(_G,'x',1)", "-ERR Attempt to modify a readonly table script: SHA, on @user_script:1.|"),
        ("table.insert(redis,1)", "-ERR Attempt to modify a readonly table script: SHA, on @user_script:1.|"),
        ("setmetatable(_G,{})", "-ERR Attempt to modify a readonly table script: SHA, on @user_script:1.|"),
        (
            "getmetatable('').__index=1",
            "-ERR user_script:1: Attempt to modify a readonly table script: SHA, on @user_script:1.|",
        ),
        (
            "getmetatable('').__index.upper=1",
            "-ERR user_script:1: Attempt to modify a readonly table script: SHA, on @user_script:1.|",
        ),
        ("return 1 +", "user_script:1: unexpected symbol near '<eof>'"),
        ("error('x')", "-ERR user_script:1: x script: SHA, on @user_script:1.|"),
        ("error({err='My err'})", "-My err script: SHA, on @user_script:1.|"),
        ("error({1})", "-ERR unknown error script: SHA, on @user_script:1.|"),
        ("error()", "-ERR nil script: SHA, on @user_script:1.|"),
        (
            "\n\nreturn redis.call()",
            "-ERR Please specify at least one argument for this redis lib call script: SHA, on @user_script:3.|",
        ),
        ("return redis.pcall({})", "-ERR Lua redis lib command arguments must be strings or integers|"),
        ("return {pcall(error,'x')}", "*2|$-1|$1|x|"),
        (
            "local ok,e=pcall(function() local x=nil; return x.y end) return e",
            "$55|user_script:1: attempt to index local 'x' (a nil value)|",
        ),
        ("return tostring(loadstring(string.dump(function() return 1 end)))", "$3|nil|"),
        ("return loadstring('return 5')()", ":5|"),
        (
            "return loadstring('x=5')()",
            "-ERR [string \"x=5\"]:1: Attempt to modify a readonly table script: SHA, on x=5:1.|",
        ),
        (
            "return pairs(1)",
            "-ERR user_script:1: bad argument #1 to 'pairs' (table expected, got number) script: SHA, on @user_script:1.|",
        ),
        ("#!lua flags=foo\nreturn 1", "Unexpected flag in script shebang: foo"),
        ("#!lua\nerror('x')", "-ERR user_script:2: x script: SHA, on @user_script:2.|"),
    ] {
        assert_eq!(run(source), reply, "{source}");
    }
}

#[test]
fn an_error_of_a_command_ends_a_script_or_is_returned() {
    let fail = |_: &[Vec<u8>], reply: &mut Reply<'_>| reply.error("WRONGTYPE bad");
    for (source, wanted) in [
        ("return redis.call('x')", "-WRONGTYPE bad script: SHA, on @user_script:1.|"),
        ("return redis.pcall('x')", "-WRONGTYPE bad|"),
        ("return {pcall(redis.call,'x')}", "*2|$-1|$13|WRONGTYPE bad|"),
    ] {
        assert_eq!(run_with(source, fail, 0), wanted);
    }
}

#[test]
fn a_script_that_does_not_end_can_be_stopped_wherever_it_is() {
    for source in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "repeat local ok = pcall(redis.call, 'x') until false",
        "local t = {} for i = 1, 100 do t[i] = i end table.sort(t, function() while true do end end)",
        "string.gsub('aaa', 'a', function() while true do end end)",
        "local co = coroutine.wrap(function() while true do end end) while true do pcall(co) end",
    ] {
        let reply = run_with(source, |_, reply| reply.ok(), 5);
        assert!(reply.starts_with("-ERR Error running script: killed"), "{source}: {reply}");
    }
}

#[test]
fn a_script_cannot_take_more_memory_than_it_may() {
    for source in [
        "local t = {} while true do t[#t+1] = string.rep('x', 1000) .. #t end",
        "return string.rep('x', 1e9)",
        "local s = 'x' while true do s = s .. s end",
        "local s = string.rep('x', 3e6) return s..s..s..s..s..s..s",
    ] {
        let reply = run_within(8 << 20, source);
        assert!(reply.contains("ERR not enough memory (script-memory-limit)"), "{source}: {reply:.200}");
    }
}

#[test]
fn a_text_that_takes_long_to_compile_is_given_up() {
    let mut vm = Vm::new(&VmOptions { memory_limit: 64 << 20, ..VmOptions::default() }).expect("there is memory");
    // The parser's work is quadratic in such a text.
    let text = format!("local x x=x{}", " or x".repeat(20_000));
    let script = Script::new(text.as_bytes()).expect("it is right");
    let mut left = 100;
    let checked = vm.check(&script, &mut || {
        left -= 1;
        left > 0
    });
    assert_eq!(checked, Err(b"it takes too long to compile".to_vec()));
    assert_eq!(vm.check(&script, &mut || true), Ok(()));
    assert_eq!(run_on(&mut vm, "return 1", |_, _| {}, 0), ":1|");
    // What a script compiles pauses, and ends with it.
    let source = "local t='local x x=x'..string.rep(' or x',20000) return {pcall(loadstring,t)}";
    let reply = run_with(source, |_, _| {}, 50);
    assert!(reply.starts_with("-ERR Error running script: killed"), "{reply:.200}");
    let reply =
        run_with("local t='local x=1 '..string.rep('x=x+1 ',2000)..'return x' return loadstring(t)()", |_, _| {}, 1000);
    assert_eq!(reply, ":2001|");
}

#[test]
fn a_machine_is_as_new_after_each_script() {
    let options = VmOptions { memory_limit: 64 << 20, version: "7.2.4".to_owned(), ..VmOptions::default() };
    let mut vm = Vm::new(&options).expect("there is memory");
    let echo = |_: &[Vec<u8>], reply: &mut Reply<'_>| reply.ok();
    run_on(&mut vm, "redis.setresp(3) redis.set_repl(0) error('x')", echo, 0);
    assert_eq!(vm.repl(), 0);
    for _ in 0..3 {
        assert_eq!(
            run_on(&mut vm, "return {redis.call('x'), math.random() == math.random(), false}", echo, 0),
            "*3|+OK|$-1|$-1|"
        );
        assert_eq!(vm.repl(), 3);
    }
    run_on(&mut vm, "while true do end  ", echo, 3);
    assert_eq!(run_on(&mut vm, "local n = 0 for i = 1, 1e6 do n = n + i end return n", echo, 10_000), ":500000500000|");
}

#[test]
fn replies_of_commands_are_within_the_memory_of_a_script() {
    let number = std::cell::Cell::new(0u8);
    let long = |_: &[Vec<u8>], reply: &mut Reply<'_>| {
        number.set(number.get().wrapping_add(1));
        // Lua has equal texts once.
        reply.bulk(&vec![number.get(); 1 << 20]);
    };
    let many = |_: &[Vec<u8>], reply: &mut Reply<'_>| {
        reply.array(5_000_000);
        (0..5_000_000).for_each(|_| reply.int(1));
    };
    let reply = run_with("local a = {} for i = 1, 200 do a[i] = redis.call('x') end return #a", long, 10_000);
    assert!(reply.starts_with("-ERR not enough memory"), "{reply:.200}");
    let reply = run_with("local n = 0 for i = 1, 200 do n = n + #redis.call('x') end return n", long, 10_000);
    assert_eq!(reply, ":209715200|");
    let reply = run_with("return #redis.call('x')", many, 10_000);
    assert!(reply.starts_with("-ERR not enough memory"), "{reply:.200}");
}

#[test]
fn a_script_can_be_stopped_while_a_long_reply_becomes_a_table() {
    let many = |_: &[Vec<u8>], reply: &mut Reply<'_>| {
        reply.array(1_000_000);
        (0..1_000_000).for_each(|_| reply.int(1));
    };
    assert_eq!(run_with("return #redis.call('x')", many, 1000), ":1000000|");
    let reply = run_with("return #redis.call('x')", many, 20);
    assert!(reply.starts_with("-ERR Error running script: killed"), "{reply:.200}");
}
