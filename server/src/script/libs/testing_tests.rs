//! Runs scripts for the tests of the libraries, and shows what they return.

use protocol::resp::OwnedArgs;
use protocol::resp::reply::{Protocol, Reply};

use crate::script::alone::drive;
use crate::script::machine::{Vm, VmOptions};
use crate::script::source::Script;

/// Memory of the machines, bytes.
pub(in crate::script) const MEMORY: usize = 64 << 20;

/// Shows values: texts with escapes, tables with their fields in the order of Lua.
const SHOW: &str = r##"
local function byte(c) return string.format("\\%03d", string.byte(c)) end
local function show(v, d)
  if type(v) == "string" then return '"' .. string.gsub(v, "[^%w%p ]", byte) .. '"' end
  if type(v) == "number" then return string.format("%.17g", v) end
  if type(v) ~= "table" then return tostring(v) end
  if d > 8 then return "..." end
  local t = {}
  for k, x in pairs(v) do t[#t + 1] = show(k, d + 1) .. "=" .. show(x, d + 1) end
  return "{" .. table.concat(t, ",") .. "}"
end
local function all(...)
  local t = {}
  for i = 1, select("#", ...) do t[i] = show((select(i, ...)), 0) end
  return table.concat(t, " ")
end
"##;

/// Runs a script, which is stopped when it was asked to pause so often. Returns its reply, and how often it was.
pub(in crate::script) fn run(source: &str, most_pauses: usize) -> (String, usize) {
    run_within(MEMORY, source, most_pauses)
}

/// The same with so much memory.
pub(in crate::script) fn run_within(memory_limit: usize, source: &str, most_pauses: usize) -> (String, usize) {
    let options = VmOptions { memory_limit, version: "7.2.4".to_owned(), ..VmOptions::default() };
    let mut vm = Vm::new(&options).expect("there is memory");
    let script = Script::new(source.as_bytes()).expect("its first line is right");
    let none = OwnedArgs::from_slices::<&str>(&[]);
    vm.begin(&script, none.view(), none.view()).expect("it compiles");
    let pauses = drive(&mut vm, most_pauses, b"ERR killed", |vm| vm.reply(|out, _| out.extend_from_slice(b":1\r\n")));
    let mut out = Vec::new();
    vm.write_result(script.name(), &mut Reply::new(&mut out, Protocol::Resp2));
    (String::from_utf8_lossy(&out).into_owned(), pauses)
}

/// What an expression is, after `true`, or the error that it ends with, after `false`.
pub(in crate::script) fn show(expression: &str) -> String {
    let source = format!("{SHOW}return all(pcall(function() return {expression} end))");
    let (reply, _) = run(&source, usize::MAX);
    let text = reply.split_once("\r\n").map_or(reply.as_str(), |(_, text)| text);
    text.trim_end_matches("\r\n").to_owned()
}

/// Compares expressions with what Redis 7.0.15 makes of them.
pub(in crate::script) fn check(cases: &[(&str, &str)]) {
    for (expression, wanted) in cases {
        assert_eq!(show(expression), *wanted, "{expression}");
    }
}

/// Sees to it that a script can be stopped while it is in one call of a library, and pauses often until then.
pub(in crate::script) fn check_stops(sources: &[&str]) {
    for source in sources {
        let (reply, _) = run(source, 20);
        assert!(reply.starts_with("-ERR killed"), "{source}: {reply:.200}");
    }
}

/// Sees to it that a script does not get the memory that it wants.
pub(in crate::script) fn check_memory(sources: &[&str]) {
    for source in sources {
        let (reply, _) = run(source, usize::MAX);
        assert!(reply.contains("not enough memory"), "{source}: {reply:.200}");
    }
}

/// Sees to it that a script pauses at least so often, since its instructions take long.
pub(in crate::script) fn check_pauses(cases: &[(&str, usize)]) {
    for (source, wanted) in cases {
        let (reply, pauses) = run(source, usize::MAX);
        assert!(!reply.starts_with('-'), "{source}: {reply:.200}");
        assert!(pauses >= *wanted, "{source}: {pauses}");
    }
}
