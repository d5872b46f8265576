//! Random Lua programs: what surrounds the commands of a random script.
//!
//! A program calls a few commands of the grammar ([`super::random_words`]) and does something with what they return:
//! keeps it, branches on it, loops over it, passes it on, takes it through the libraries, and returns it in one of the
//! many forms that become a reply. Most of what is done is right; the rest raises errors, whose texts must be Redis's.
//!
//! What is each server's own is made equal in the program itself: the order of a table's fields (`sorted`), how much
//! time is left (`near`), and how a payload looks (`size`). Nothing shows the address of a table.

use std::fmt::Write as _;

use super::random::{Command, Grammar};

/// What keys are called in the grammar.
const KEYS: &[&str] =
    &["a", "b", "{a}2", "c", "l", "m", "{l}2", "n", "h", "k", "x", "f", "g", "q", "{q}2", "{h}2", "{h}3"];
/// The longest word that is written into a program; longer ones are arguments.
const LITERAL: usize = 100;
/// Statements are nested as deep as this, and values.
const DEPTH: u32 = 2;

/// What every program begins with, in one line: messages name lines.
const PRELUDE: &str = "local r={} local function sorted(v) if type(v)~='table' or v.err then return v end local t={} \
local function add(x) if type(x)~='table' then t[#t+1]=tostring(x) else for k,y in pairs(x) do \
if type(k)~='number' then t[#t+1]=k end add(y) end end end add(v) table.sort(t) return t end \
local function near(v) if type(v)=='number' and v>1000 then return 1001 end return v end \
local function size(v) if type(v)=='string' then return #v end return v end \
local function str(v) if type(v)=='table' or type(v)=='function' then return type(v) end return tostring(v) end \
local function num(v) return tonumber(v) or 7 end \
local function list(v) if type(v)=='table' then return v end return {v} end ";

/// A program with the words that come along.
pub(super) struct Program {
    pub(super) source: String,
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) args: Vec<Vec<u8>>,
}

/// Writes a program.
pub(super) struct Writer<'a> {
    grammar: &'a mut Grammar,
    program: Program,
    /// The variables that can be seen here, and how many there were.
    seen: Vec<String>,
    named: u32,
    calls_left: u64,
    /// Whether all keys are put into one slot.
    one_slot: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(grammar: &'a mut Grammar, one_slot: bool) -> Self {
        let calls_left = 1 + grammar.0.below(6);
        let program = Program { source: PRELUDE.to_owned(), keys: Vec::new(), args: Vec::new() };
        Self { grammar, program, seen: Vec::new(), named: 0, calls_left, one_slot }
    }

    pub(super) fn write(mut self) -> Program {
        if self.grammar.rarely(3) {
            self.line("redis.setresp(3)");
        }
        while self.calls_left > 0 {
            self.statement(DEPTH);
        }
        let value = self.value(DEPTH);
        match self.grammar.0.below(8) {
            0 => self.line(&format!("return {value}")),
            1 => self.line(&format!("return {{r,{value}}}")),
            2 => self.line(&format!("return {{{value},r}}")),
            3 if self.grammar.rarely(2) => {}
            _ => self.line("return r"),
        }
        self.program
    }

    fn line(&mut self, text: &str) {
        self.program.source.push('\n');
        self.program.source.push_str(text);
    }

    fn below(&mut self, n: u64) -> u64 {
        self.grammar.0.below(n)
    }

    fn name(&mut self) -> String {
        self.named += 1;
        format!("v{}", self.named)
    }

    /// A variable, or something instead if there is none.
    fn variable(&mut self) -> String {
        if self.seen.is_empty() {
            return self.grammar.pick(&["KEYS", "ARGV", "KEYS[1]", "ARGV[1]"]).to_owned();
        }
        let at = self.below(self.seen.len() as u64) as usize;
        self.seen[at].clone()
    }

    /// Statements in a block of their own.
    fn block(&mut self, depth: u32) {
        let seen = self.seen.len();
        for _ in 0..=self.below(2) {
            self.statement(depth);
        }
        self.seen.truncate(seen);
    }

    fn statement(&mut self, depth: u32) {
        match self.below(if depth == 0 { 10 } else { 16 }) {
            0..=2 => {
                let (call, name) = (self.call(), self.name());
                self.line(&format!("local {name}={call}"));
                self.seen.push(name);
            }
            3..=5 => {
                let call = self.call();
                self.line(&format!("r[#r+1]={call}"));
            }
            6 => {
                let call = self.call();
                self.line(&call);
            }
            7 => {
                let (value, name) = (self.value(DEPTH), self.name());
                self.line(&format!("local {name}={value}"));
                self.seen.push(name);
            }
            8 => {
                let value = self.value(DEPTH);
                self.line(&format!("r[#r+1]={value}"));
            }
            9 => self.rare_statement(),
            10 | 11 => {
                let condition = self.condition();
                self.line(&format!("if {condition} then"));
                self.block(depth - 1);
                if self.grammar.rarely(2) {
                    self.line("else");
                    self.block(depth - 1);
                }
                self.line("end");
            }
            12 | 13 => self.repeated(depth),
            _ => {
                let name = self.name();
                self.line(&format!("local {name},e{name}=pcall(function()"));
                self.block(depth - 1);
                if self.grammar.rarely(2) {
                    let value = self.value(1);
                    self.line(&format!("return {value}"));
                }
                self.line("end)");
                self.line(&format!("r[#r+1]={name} r[#r+1]=e{name}"));
                self.seen.push(format!("e{name}"));
            }
        }
    }

    fn rare_statement(&mut self) {
        let value = self.value(1);
        let text = match self.below(14) {
            0 | 1 => format!("if {value} then return {value} end"),
            // Of a table that is no error Redis 7.0.15 dies.
            2 => self.grammar.pick(&["error(str(%))", "error({err=str(%)})"]).replace('%', &value),
            3 => "redis.setresp(3)".to_owned(),
            4 => "redis.setresp(2)".to_owned(),
            5 => "redis.setresp(4)".to_owned(),
            6 => "r[#r+1]=redis.replicate_commands()".to_owned(),
            7 => "redis.set_repl(redis.REPL_ALL)".to_owned(),
            8 => "redis.set_repl(5)".to_owned(),
            9 => format!("redis.log(redis.LOG_DEBUG,str({value}))"),
            10 => format!("g={value}"),
            11 => "r[#r+1]=g".to_owned(),
            12 => format!("assert({value},'asserted')"),
            // Not what is there already: some of it must be numbers.
            _ => format!("ARGV[#ARGV+1]=str({value})"),
        };
        self.line(&text);
    }

    fn repeated(&mut self, depth: u32) {
        let (name, variable) = (self.name(), self.variable());
        let times = 1 + self.below(3);
        let head = match self.below(3) {
            0 => format!("for {name}=1,{times} do"),
            1 => format!("for _,{name} in ipairs(list({variable})) do if _>3 then break end"),
            _ => format!("local {name}=0 while {name}<{times} do {name}={name}+1"),
        };
        self.line(&head);
        let seen = self.seen.len();
        self.seen.push(name);
        self.block(depth - 1);
        self.seen.truncate(seen);
        self.line("end");
    }

    fn condition(&mut self) -> String {
        let (a, b) = (self.variable(), self.value(0));
        match self.below(7) {
            0 => format!("type({a})=='table' and {a}.err"),
            1 => format!("type({a})=='{}'", self.grammar.pick(&["string", "number", "boolean", "table", "nil"])),
            2 => format!("{a}=={b}"),
            3 => format!("not {a}"),
            4 => format!("num({a})<{}", self.grammar.pick(&["0", "2", "10"])),
            5 => format!("{a}<{b}"),
            _ => a,
        }
    }

    /// A call of a command, as an expression.
    fn call(&mut self) -> String {
        self.calls_left = self.calls_left.saturating_sub(1);
        let words = self.command();
        let name = String::from_utf8_lossy(&words[0]).to_ascii_uppercase();
        // The order of texts in a set is each server's own, and Redis 7.2 takes one more word.
        let fixed = ["SADD", "SMOVE", "SPOP", "ZRANK", "ZREVRANK"].contains(&name.as_str());
        let mut words: Vec<String> = words.iter().map(|word| self.argument(word, fixed)).collect();
        if !fixed && self.grammar.rarely(20) {
            words.push(format!("unpack(list({}))", self.variable()));
        }
        let words = words.join(",");
        let call = match self.below(5) {
            0 | 1 => format!("redis.call({words})"),
            2 if self.grammar.rarely(3) => format!("select(2,pcall(redis.call,{words}))"),
            _ => format!("redis.pcall({words})"),
        };
        match name.as_str() {
            "HGETALL" | "HKEYS" | "HVALS" | "HSCAN" | "HRANDFIELD" | "KEYS" => format!("sorted({call})"),
            "TTL" | "PTTL" | "EXPIRETIME" | "PEXPIRETIME" => format!("near({call})"),
            "DUMP" => format!("size({call})"),
            _ => call,
        }
    }

    /// Most are commands that scripts may call.
    fn command(&mut self) -> Command {
        loop {
            let words = self.grammar.command();
            // A set of flags has tables as keys, which come in the order of their addresses.
            if words.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"GETKEYSANDFLAGS")) {
                continue;
            }
            let name = words[0].to_ascii_uppercase();
            let refused: [&[u8]; 16] = [
                b"MULTI",
                b"EXEC",
                b"DISCARD",
                b"WATCH",
                b"UNWATCH",
                b"CONFIG",
                b"HELLO",
                b"CLIENT",
                b"CLUSTER",
                b"DEBUG",
                b"PFDEBUG",
                b"FAILOVER",
                b"REPLICAOF",
                b"AUTH",
                b"WAIT",
                b"NOSUCH",
            ];
            if !refused.contains(&name.as_slice()) || self.grammar.rarely(20) {
                return words;
            }
        }
    }

    /// A word of a command: itself, a place where it is, a number, or something else.
    fn argument(&mut self, word: &[u8], fixed: bool) -> String {
        let text = std::str::from_utf8(word).ok();
        let is_key = text.is_some_and(|text| KEYS.contains(&text));
        let tagged = (is_key && self.one_slot).then(|| [b"{a}", word].concat());
        let word = tagged.as_deref().unwrap_or(word);
        let number = text.filter(|text| text.parse::<i32>().is_ok_and(|number| number.to_string() == *text));
        match self.below(12) {
            0..=4 if is_key || self.grammar.rarely(10) => self.placed(word, true),
            5 | 6 => self.placed(word, false),
            7 | 8 if number.is_some() => number.expect("it was tested").to_owned(),
            9 if !fixed && self.grammar.rarely(2) => self.variable(),
            10 if !fixed && self.grammar.rarely(6) => self.number(),
            11 if !fixed && self.grammar.rarely(8) => self.value(1),
            _ if word.len() <= LITERAL => literal(word),
            _ => self.placed(word, false),
        }
    }

    fn placed(&mut self, word: &[u8], is_key: bool) -> String {
        let (list, name) = if is_key { (&mut self.program.keys, "KEYS") } else { (&mut self.program.args, "ARGV") };
        let at = list.iter().position(|known| known == word).unwrap_or_else(|| {
            list.push(word.to_vec());
            list.len() - 1
        });
        format!("{name}[{}]", at + 1)
    }

    fn number(&mut self) -> String {
        let numbers = [
            "0",
            "1",
            "-1",
            "2",
            "3",
            "12.5",
            "0.1",
            "1e20",
            "1e15",
            "123456789012345678",
            "9007199254740993",
            "-0.5",
            "2^31",
            "2^32+1",
            "2^53",
            "1/3",
            "1/0",
            "-1/0",
            "-0",
            "255",
            "65536",
            "1e300",
            "2^63",
            "-2^63",
            "1e-7",
        ];
        self.grammar.pick(&numbers).to_owned()
    }

    fn text(&mut self) -> String {
        let mut words = Command::new();
        self.grammar.class("value", &mut words);
        words.truncate(1);
        if words[0].len() > LITERAL { self.placed(&words.remove(0), false) } else { literal(&words[0]) }
    }

    /// Any value.
    fn value(&mut self, depth: u32) -> String {
        if depth == 0 {
            return match self.below(8) {
                0..=3 => self.variable(),
                4 => self.number(),
                5 => self.text(),
                _ => self
                    .grammar
                    .pick(&["true", "false", "nil", "cjson.null", "{}", "''", "#KEYS", "#ARGV", "#r"])
                    .into(),
            };
        }
        match self.below(20) {
            0..=4 => self.value(0),
            5 | 6 => self.table(depth - 1),
            7 | 8 => self.typed(depth - 1),
            9..=11 => self.computed(depth - 1),
            12 | 13 => self.json(depth - 1),
            14 | 15 => self.message(depth - 1),
            16 => self.packed(depth - 1),
            17 => self.bits(),
            18 => self.string_function(),
            _ => format!("{{pcall(function() return {} end)}}", self.computed(depth - 1)),
        }
    }

    fn values(&mut self, depth: u32, most: u64) -> String {
        let values: Vec<String> = (0..self.below(most + 1)).map(|_| self.value(depth)).collect();
        values.join(",")
    }

    fn table(&mut self, depth: u32) -> String {
        let values = self.values(depth, 4);
        match self.below(6) {
            0 => format!("{{{values},n={}}}", self.value(depth)).replace("{,", "{"),
            1 => format!("{{[1]={},[3]={}}}", self.value(depth), self.value(depth)),
            2 => format!("{{a={},['1']={}}}", self.value(depth), self.value(depth)),
            3 => format!("setmetatable({{{values}}},{{__index=function() return 'indexed' end}})"),
            _ => format!("{{{values}}}"),
        }
    }

    /// The tables that are replies of other types.
    fn typed(&mut self, depth: u32) -> String {
        let (value, other) = (self.value(depth), self.value(depth));
        match self.below(14) {
            0 => format!("{{ok={value}}}"),
            1 => format!("{{err={value}}}"),
            2 => format!("redis.status_reply({value})"),
            3 => format!("redis.error_reply({value})"),
            4 => format!("redis.error_reply('{}')", self.grammar.pick(&["", "-", "E", "-MY x", "MY x y", "ERR a"])),
            5 => format!("{{double={value}}}"),
            6 => format!("{{double=num({value})}}"),
            7 => format!("{{map={{[str({value})]={other}}}}}"),
            8 => format!("{{map={other}}}"),
            9 => format!("{{set={{[str({value})]=true}}}}"),
            10 => format!("{{set={other}}}"),
            11 => format!("{{big_number={value}}}"),
            12 => format!("{{verbatim_string={{format='txt',string={value}}}}}"),
            _ => format!("{{verbatim_string={value}}}"),
        }
    }

    fn computed(&mut self, depth: u32) -> String {
        let (a, b) = (self.value(depth), self.value(depth));
        match self.below(16) {
            0 => format!("str({a})"),
            1 => format!("type({a})"),
            2 => format!("#{a}"),
            3 => format!("#list({a})"),
            4 => format!("tonumber({a})"),
            5 => format!("str({a})..str({b})"),
            6 => format!("({a})..({b})"),
            7 => format!("({a}){}({b})", self.grammar.pick(&["+", "-", "*", "<", "==", " and ", " or "])),
            8 => format!("num({a}){}num({b})", self.grammar.pick(&["+", "-", "*", "/", "%", "^", "<"])),
            9 => format!("redis.sha1hex({a})"),
            10 => format!("table.concat(list({a}),',')"),
            11 => format!("select('#',unpack(list({a})))"),
            12 => format!("({a})[1]"),
            13 => format!("list({a})[1]"),
            14 => format!("next(list({a}))"),
            _ => format!("{{unpack(list({a}))}}"),
        }
    }

    fn json(&mut self, depth: u32) -> String {
        let value = self.value(depth);
        match self.below(6) {
            0 | 1 => format!("cjson.encode({value})"),
            2 => format!("cjson.decode(cjson.encode({value}))"),
            3 => format!("cjson.decode({value})"),
            4 => format!("cjson.encode(list({value}))"),
            _ => {
                let texts = [
                    "[1,2.5,-3e2,\"x\"]",
                    "{\"a\":[],\"b\":null}",
                    "[true,false,null]",
                    "\"\\u00e9\\ud83d\\ude00\"",
                    "[1",
                    "{\"a\"}",
                    "{\"1\":2}",
                    " 5 ",
                    "nan",
                    "[0x10]",
                    "[1,]",
                    "\"\\x\"",
                    "[[[]]]",
                    "01",
                    "1e999",
                    "-",
                    "tru",
                    "\"a\nb\"",
                    "{}",
                    "[infinity]",
                    "",
                    "[1 2]",
                    "{\"a\":1,\"a\":2}",
                ];
                format!("cjson.decode({})", literal(self.grammar.pick(&texts).as_bytes()))
            }
        }
    }

    fn message(&mut self, depth: u32) -> String {
        let value = self.value(depth);
        match self.below(8) {
            0 | 1 => format!("cmsgpack.pack({value})"),
            2 => format!("cmsgpack.pack({})", self.values(depth, 3)),
            3 | 4 => format!("cmsgpack.unpack(cmsgpack.pack({value}))"),
            5 => format!("cmsgpack.unpack({value})"),
            6 => format!("{{cmsgpack.unpack_one(cmsgpack.pack({value}),{})}}", self.number()),
            _ => {
                format!("{{cmsgpack.unpack_limit(cmsgpack.pack({value},1,2),{})}}", self.grammar.pick(&["1", "2", "9"]))
            }
        }
    }

    fn packed(&mut self, depth: u32) -> String {
        let mut format = String::new();
        for _ in 0..=self.below(4) {
            let parts = [
                "b", "B", "h", "H", "i4", "I4", "l", "L", "i8", "f", "d", "s", "c3", "c0", "x", ">", "<", "!4", "I2",
                " ", "T", "q", "i99", "!3",
            ];
            let _ = write!(format, "{}", self.grammar.pick(&parts));
        }
        match self.below(4) {
            0 => format!("struct.pack('{format}',{})", self.value(depth)),
            1 => format!("struct.pack('{format}',num({}),num({}),'abc')", self.value(depth), self.value(depth)),
            2 => format!("struct.size('{format}')"),
            _ => format!("{{struct.unpack('{format}',str({})..'0123456789')}}", self.value(depth)),
        }
    }

    fn bits(&mut self) -> String {
        let (a, b) = (self.value(0), self.number());
        match self.below(5) {
            0 => format!("bit.{}(num({a}),{b})", self.grammar.pick(&["band", "bor", "bxor"])),
            1 => format!("bit.{}(num({a}),{b})", self.grammar.pick(&["lshift", "rshift", "arshift", "rol", "ror"])),
            2 => format!("bit.{}(num({a}))", self.grammar.pick(&["bnot", "bswap", "tobit", "tohex"])),
            3 => format!("bit.tohex(num({a}),{b})"),
            _ => format!("bit.{}({a})", self.grammar.pick(&["bnot", "tobit", "tohex", "band"])),
        }
    }

    fn string_function(&mut self) -> String {
        let (a, b) = (self.value(0), self.value(0));
        match self.below(12) {
            0 => format!("string.sub(str({a}),{},{})", self.number(), self.number()),
            1 => format!("string.upper({a})"),
            2 => format!("string.format('%s|%5s|%q',str({a}),str({b}),str({a}))"),
            3 => format!(
                "string.format('{}',num({a}))",
                self.grammar.pick(&["%d", "%5.2f", "%g", "%x", "%i", "%e", "%u"])
            ),
            4 => format!("string.format('{}',{a})", self.grammar.pick(&["%d", "%s", "%c", "%q", "%y", "%"])),
            5 => format!("{{string.find(str({a}),str({b}),1,true)}}"),
            6 => format!(
                "{{string.find(str({a}),'{}')}}",
                self.grammar.pick(&["(%d+)", "^(a)(b)", "[^%w]", "%", "[a", "()"])
            ),
            7 => format!("{{string.gsub(str({a}),'{}','<%0>')}}", self.grammar.pick(&["%d", "a", ".", "", "b*"])),
            8 => format!("string.rep(str({a}),{})", self.grammar.pick(&["0", "2", "-1", "3"])),
            9 => format!("{{string.byte(str({a}),1,3)}}"),
            10 => format!("string.reverse(str({a}))"),
            _ => format!("str({a}):len()"),
        }
    }
}

/// A string of Lua with these bytes.
fn literal(bytes: &[u8]) -> String {
    let mut text = String::from("'");
    for &byte in bytes {
        match byte {
            b'\'' | b'\\' | 0..=31 | 127.. => _ = write!(text, "\\{byte:03}"),
            _ => text.push(char::from(byte)),
        }
    }
    text.push('\'');
    text
}
