//! What scripts hand to their libraries: any bytes are decoded or refused; what was decoded can be encoded, and is
//! decoded again. Formats and patterns are foreign as well.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use protocol::resp::Protocol;
use slotd::parts::Script;

thread_local! {
    static MACHINE: RefCell<Script> = RefCell::new(Script::new(64 << 20, 200).expect("there is memory"));
}

/// ARGV: data, and a format or pattern. What the libraries refuse is an error that pcall catches; other results that
/// are wrong are errors of the script.
const SCRIPT: &[u8] = br#"
local data, form = ARGV[1], ARGV[2]
local is, value = pcall(cjson.decode, data)
if is then
  local written, text = pcall(cjson.encode, value)
  if written then assert(pcall(cjson.decode, text), 'cjson') end
end
local function pack(is, ...)
  if is and select('#', ...) > 0 then
    local packed, bytes = pcall(cmsgpack.pack, ...)
    local again, problem = true, nil
    if packed then again, problem = pcall(cmsgpack.unpack, bytes) end
    -- A table below the sixteenth level is packed as nil, as in Redis, and that is no key.
    assert(again or tostring(problem):find('table index is nil', 1, true), 'cmsgpack')
  end
end
pack(pcall(cmsgpack.unpack, data))
pcall(cmsgpack.unpack_limit, data, 2, #form)
pcall(struct.unpack, form, data)
pcall(struct.pack, form, #data, data, 1.5, data)
pcall(struct.size, form)
pcall(string.format, form, #data, data, 1.5)
local at, to = string.find(data, form, 1, true)
if at then assert(data:sub(at, to) == form, 'find') end
pcall(string.find, data, form)
pcall(string.gsub, data, form, form)
for word in data:gmatch('%w+') do pcall(bit.band, word, form) end
pcall(tonumber, data, #form)
return 1
"#;

fuzz_target!(|data: &[u8]| {
    let Some((&len, rest)) = data.split_first() else { return };
    let (form, data) = rest.split_at(usize::from(len % 32).min(rest.len()));
    MACHINE.with_borrow_mut(|machine| {
        let reply = machine.run(SCRIPT, &[data, form], Protocol::Resp2);
        let text = reply.escape_ascii().to_string();
        assert!(reply == b":1\r\n" || text.contains("killed") || text.contains("not enough memory"), "{text}");
    });
});
