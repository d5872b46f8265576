//! What scripts share stays as it is, whatever they do to it.

use protocol::resp::OwnedArgs;
use protocol::resp::reply::{Protocol, Reply};

use super::*;
use crate::script::alone::drive;
use crate::script::source::Script;

/// Everything that can be reached from the globals without calling anything but `pairs` and `getmetatable`.
const WORLD: &str = r#"
local seen, lines = {}, {}
-- Lua's own `next`, which sees a stand-in as the empty table that it is.
local raw_next = pairs({})
local function walk(name, value)
  if value == KEYS or value == ARGV then return end
  lines[#lines + 1] = name .. "=" .. tostring(value)
  local meta = getmetatable(value)
  if meta ~= nil then lines[#lines + 1] = name .. " has " .. tostring(meta) end
  if type(value) ~= "table" or seen[value] then return end
  seen[value] = true
  if pairs(value) ~= raw_next then lines[#lines + 1] = name .. " itself has " .. tostring(raw_next(value)) end
  if type(meta) == "table" then walk("meta " .. name, meta) end
  for k, v in pairs(value) do walk(name .. "." .. tostring(k), v) end
end
walk("_G", _G)
walk("strings", getmetatable(""))
table.sort(lines)
return table.concat(lines, "\n")
"#;

/// Hands every shared table to every function, in several places, and tries to change whatever comes back.
const ATTACK: &str = r##"
local tables, functions = {}, {}
local function gather(value)
  if type(value) == "function" then functions[#functions + 1] = value end
  if type(value) ~= "table" or value == KEYS or value == ARGV or tables[value] then return end
  tables[value] = true
  gather(getmetatable(value))
  for _, v in pairs(value) do gather(v) end
end
gather(_G)
gather(getmetatable(""))
local shared = {}
for t in pairs(tables) do shared[#shared + 1] = t end
local calls = 0
local function evil()
  calls = calls + 1
  -- A reader of `load` ends some time.
  if calls % 2 == 0 then return "evil" end
end
local known, spoil_all = {}, nil
for _, f in ipairs(functions) do known[f] = true end
local function spoil(value, depth)
  if value == nil or known[value] or depth > 3 then return end
  known[value] = true
  if type(value) == "function" then
    for _, t in ipairs(shared) do spoil_all(depth + 1, pcall(value, t)) end
    spoil_all(depth + 1, pcall(value))
  end
  if type(value) ~= "table" then return end
  pcall(function() value.call = evil end)
  pcall(function() value.evil = evil end)
  pcall(function() value.__index = evil end)
  pcall(function() value[1] = evil end)
  pcall(function() value[#value + 1] = evil end)
  for k in pairs(value) do pcall(function() value[k] = evil end) end
  for k in next, value do pcall(function() value[k] = nil end) end
  pcall(setmetatable, value, nil)
  pcall(setmetatable, value, {__index = evil})
  pcall(rawset, value, "call", evil)
  pcall(table.insert, value, evil)
  pcall(table.insert, value, 1, evil)
  pcall(table.remove, value)
  pcall(table.remove, value, 1)
  pcall(table.sort, value, evil)
  pcall(table.foreach, value, function(k) value[k] = evil end)
  spoil(getmetatable(value), depth + 1)
end
spoil_all = function(depth, ...)
  for i = 1, select("#", ...) do spoil((select(i, ...)), depth) end
end
for _, f in ipairs(functions) do
  for _, t in ipairs(shared) do
    spoil_all(0, pcall(f, t))
    spoil_all(0, pcall(f, t, "x"))
    spoil_all(0, pcall(f, t, nil))
    spoil_all(0, pcall(f, t, "call", evil))
    spoil_all(0, pcall(f, t, 1, evil))
    spoil_all(0, pcall(f, t, {}))
    spoil_all(0, pcall(f, t, evil))
    spoil_all(0, pcall(f, evil, t))
    spoil_all(0, pcall(f, "x", t))
    spoil_all(0, pcall(f, 1, t))
    spoil_all(0, pcall(f, "x", "x", t))
    spoil_all(0, pcall(f, {t, x = t}))
    spoil_all(0, pcall(f, function(...) spoil_all(1, ...) return ... end, t))
    spoil_all(0, pcall(f, setmetatable({}, {__index = t, __call = evil})))
    spoil_all(0, pcall(f, setmetatable({}, t)))
    spoil_all(0, xpcall(function() f(t) end, function(...) spoil_all(1, ...) return ... end))
    spoil_all(0, coroutine.resume(coroutine.create(function() return f(t) end)))
    spoil_all(0, pcall(error, t))
  end
end
return #functions * #shared
"##;

fn run(vm: &mut Vm, source: &str) -> String {
    let script = Script::new(source.as_bytes()).expect("its first line is right");
    let none = OwnedArgs::from_slices::<&str>(&[]);
    vm.begin(&script, none.view(), none.view()).expect("it compiles");
    drive(vm, usize::MAX, b"", |vm| vm.reply(|out, _| out.extend_from_slice(b"-ERR no\r\n")));
    let mut out = Vec::new();
    vm.write_result(script.name(), &mut Reply::new(&mut out, Protocol::Resp2));
    String::from_utf8_lossy(&out).into_owned()
}

fn machine(kind: VmKind) -> Vm {
    Vm::new(&VmOptions { kind, memory_limit: 64 << 20, ..VmOptions::default() }).expect("there is memory")
}

#[test]
fn no_function_hands_out_what_scripts_share() {
    for kind in [VmKind::Scripts, VmKind::Functions] {
        let mut vm = machine(kind);
        let before = run(&mut vm, WORLD);
        assert!(before.contains(".call=function"), "{before}");
        for table in ["_G", "redis", "string", "getmetatable('')", "getmetatable(_G)"] {
            run(&mut vm, &format!("error({table})"));
            run(&mut vm, &format!("xpcall(function() error({table}) end, rawget(_G, '__redis__err__handler'))"));
        }
        let done = run(&mut vm, ATTACK);
        assert!(done.starts_with(':') && done != ":0\r\n", "{done}");
        let after = run(&mut vm, WORLD);
        let (before, after): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
        let changed: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
        assert!(before[1..] == after[1..], "{kind:?}: {changed:?}, {} and {} lines", before.len(), after.len());
    }
}

#[test]
fn an_error_is_not_written_into_what_scripts_share() {
    let mut vm = machine(VmKind::Scripts);
    for table in ["redis", "_G", "string"] {
        let reply = run(&mut vm, &format!("error({table})"));
        assert!(reply.starts_with("-ERR err_handler_def:10: Attempt to modify a readonly table script: "), "{reply}");
        assert!(reply.ends_with(", on @err_handler_def:10.\r\n"), "{reply}");
    }
    assert_eq!(
        run(&mut vm, "return {tostring(rawget(_G, 'line')), tostring(redis.source)}"),
        "*2\r\n$3\r\nnil\r\n$3\r\nnil\r\n"
    );
}

#[test]
fn pairs_walks_through_what_scripts_share_without_handing_it_out() {
    let mut vm = machine(VmKind::Scripts);
    for (source, reply) in [
        ("local f, r = pairs(redis) return tostring(r == redis)", "$4\r\ntrue\r\n"),
        ("local f, r = pairs(redis) r.call = 1", "-ERR user_script:1: Attempt to modify a readonly table"),
        ("setmetatable(select(2, pairs(_G)), nil)", "-ERR Attempt to modify a readonly table"),
        ("local n = 0 for k, v in pairs(math) do n = n + 1 end return n", ":31\r\n"),
        ("local f = pairs({}) return tostring(f(redis))", "$3\r\nnil\r\n"),
        ("local f = pairs(redis) local t = {} for k, v in f, {a = 1} do t[1] = k end return t[1]", "$1\r\na\r\n"),
    ] {
        let got = run(&mut vm, source);
        assert!(got.starts_with(reply), "{source}: {got}");
    }
}
