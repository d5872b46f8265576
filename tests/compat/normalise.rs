//! Normalisers: what can be compared of replies that cannot be equal, such as times, ids, ports and random picks.
//!
//! Each is named in the script in front of its command, in braces, so that a reader sees where byte equality is given
//! up and how much of it:
//!
//! | text | compares |
//! |---|---|
//! | `{any}` | that there is a reply |
//! | `{type}` | the first byte |
//! | `{shape}` | types and lengths of arrays, no scalars |
//! | `{shape 7.0}` | the same without the times of consumers that Redis 7.2 has added |
//! | `{sorted}` | the elements without their order |
//! | `{near 50}` | a number, with this tolerance |
//! | `{code}` | the first word of an error |
//! | `{keys}` | names in `name=value` and `name:value` text; not those that Redis 7.2 has added to CLIENT LIST |
//! | `{names}` | the same, in any order |
//! | `{fields a b}` | these fields of INFO-like text |
//! | `{counts a b}` | the statistics of these commands in INFO commandstats, without times |
//! | `{consumers}` | XINFO GROUPS without the number of consumers: since Redis 7.2 there are also those that got nothing |
//! | `{listpack}` | an encoding; slotd may say `listpack`, as Redis 7.2 does, where Redis 7.0 says `hashtable` |
//! | `{monitor}` | a line of MONITOR, without its time and the port of its client |
//! | `{7.2 "+OK\r\n"}` | slotd alone, against this reply: Redis 7.2 differs from the oracle's 7.0 here |
//!
//! `{7.2}` expectations come from reading Redis 7.2; each documents a deliberate difference. They are skipped when
//! stock Redis plays slotd.

use integration::oracle::slotd_is_stock;
use integration::resp::{Value, parse, split_line};

/// See the module's essay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Normaliser {
    Exact,
    Any,
    Type,
    Shape,
    Shape70,
    Sorted,
    Near(i64),
    Code,
    Keys,
    Names,
    Fields(Vec<String>),
    Counts(Vec<String>),
    Consumers,
    Listpack,
    Monitor,
    Redis72(Vec<u8>),
}

impl Normaliser {
    /// Splits `{...} command` into the normaliser and the command.
    ///
    /// # Panics
    /// On an unknown name: the scripts are ours.
    pub(crate) fn split(text: &str) -> (Self, &str) {
        let Some((inside, rest)) = text.strip_prefix('{').and_then(|t| t.split_once("} ")) else {
            return (Self::Exact, text);
        };
        let (name, argument) = inside.split_once(' ').unwrap_or((inside, ""));
        let normaliser = match name {
            "any" => Self::Any,
            "type" => Self::Type,
            "shape" if argument == "7.0" => Self::Shape70,
            "shape" => Self::Shape,
            "sorted" => Self::Sorted,
            "near" => Self::Near(argument.parse().expect("a number")),
            "code" => Self::Code,
            "keys" => Self::Keys,
            "names" => Self::Names,
            "fields" => Self::Fields(argument.split(' ').map(str::to_owned).collect()),
            "counts" => Self::Counts(argument.split(' ').map(|name| format!("cmdstat_{name}:")).collect()),
            "consumers" => Self::Consumers,
            "listpack" => Self::Listpack,
            "monitor" => Self::Monitor,
            "7.2" => Self::Redis72(split_line(argument).concat()),
            _ => panic!("unknown normaliser {{{inside}}}"),
        };
        (normaliser, rest.trim())
    }

    /// Whether slotd's reply is equivalent to the oracle's.
    pub(crate) fn agree(&self, oracle: &[u8], slotd: &[u8]) -> bool {
        let silent = |reply: &[u8]| reply.first() == Some(&b'(');
        match self {
            Self::Exact => oracle == slotd,
            Self::Any => !silent(slotd),
            Self::Type => oracle.first() == slotd.first(),
            Self::Near(distance) => match (parse(oracle), parse(slotd)) {
                (Ok((Value::Int(a), _)), Ok((Value::Int(b), _))) => a.abs_diff(b) <= distance.unsigned_abs(),
                _ => false,
            },
            Self::Consumers => without_consumers(oracle) == without_consumers(slotd),
            Self::Listpack => oracle == slotd || (oracle == b"$9\r\nhashtable\r\n" && slotd == b"$8\r\nlistpack\r\n"),
            Self::Monitor => shown(oracle).is_some_and(|line| shown(slotd) == Some(line)),
            Self::Redis72(expected) => slotd_is_stock() || slotd == expected,
            Self::Shape
            | Self::Shape70
            | Self::Sorted
            | Self::Code
            | Self::Keys
            | Self::Names
            | Self::Fields(_)
            | Self::Counts(_) => match (parse(oracle), parse(slotd)) {
                (Ok((a, _)), Ok((b, _))) => self.reduce(&a) == self.reduce(&b),
                _ => oracle == slotd,
            },
        }
    }

    fn reduce(&self, value: &Value) -> String {
        match self {
            Self::Shape => shape(value),
            Self::Shape70 => shape(&without_later_times(value)),
            Self::Sorted => sorted(value),
            Self::Code => value.text().split(' ').next().unwrap_or_default().to_owned(),
            Self::Keys => names(&deep_text(value)).join(" "),
            Self::Names => {
                let text = deep_text(value);
                let mut names = names(&text);
                names.sort_unstable();
                names.join(" ")
            }
            Self::Fields(wanted) => {
                let text = deep_text(value);
                let field =
                    |f: &&str| f.split_once(['=', ':']).is_some_and(|(name, _)| wanted.iter().any(|w| w == name));
                text.split([' ', '\r', '\n']).filter(field).collect::<Vec<_>>().join(" ")
            }
            Self::Counts(commands) => {
                let text = deep_text(value);
                let mut lines: Vec<&str> =
                    text.lines().filter(|line| commands.iter().any(|name| line.starts_with(name))).collect();
                lines.sort_unstable();
                lines.join(",").split(',').filter(|field| !field.starts_with("usec")).collect::<Vec<_>>().join(",")
            }
            Self::Exact
            | Self::Any
            | Self::Type
            | Self::Near(_)
            | Self::Consumers
            | Self::Listpack
            | Self::Monitor
            | Self::Redis72(_) => {
                format!("{value:?}")
            }
        }
    }
}

/// XINFO without the fields that Redis 7.2 has added.
fn without_later_times(value: &Value) -> Value {
    let is_later = |name: &Value| matches!(name, Value::Bulk(name) if name == b"active-time" || name == b"inactive");
    match value {
        Value::Array(items) => {
            let is_left =
                |at: &usize| !is_later(&items[*at]) && !at.checked_sub(1).is_some_and(|at| is_later(&items[at]));
            Value::Array((0..items.len()).filter(is_left).map(|at| without_later_times(&items[at])).collect())
        }
        Value::Map(pairs) => {
            let left = pairs.iter().filter(|(name, _)| !is_later(name));
            Value::Map(left.map(|(name, value)| (name.clone(), without_later_times(value))).collect())
        }
        other => other.clone(),
    }
}

/// The reply of XINFO GROUPS in parts, between which there are numbers of consumers.
fn without_consumers(reply: &[u8]) -> Vec<&[u8]> {
    const NAME: &[u8] = b"$9\r\nconsumers\r\n:";
    let (mut parts, mut rest) = (Vec::new(), reply);
    while let Some(at) = rest.windows(NAME.len()).position(|window| window == NAME) {
        let (before, after) = rest.split_at(at + NAME.len());
        parts.push(before);
        rest = &after[after.iter().take_while(|byte| byte.is_ascii_digit()).count()..];
    }
    parts.push(rest);
    parts
}

/// A line of MONITOR: database, address without port, and the words. `None` if it is no such line.
pub(crate) fn shown(line: &[u8]) -> Option<(String, String, String)> {
    let text = std::str::from_utf8(line).ok()?.strip_prefix('+')?.strip_suffix("\r\n")?;
    let (time, rest) = text.split_once(" [")?;
    let (seconds, micros) = time.split_once('.')?;
    let is_number = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(seconds, 10) || !is_number(micros, 6) {
        return None;
    }
    let (from, words) = rest.split_once("] ")?;
    let (db, address) = from.split_once(' ')?;
    // What a script calls is from "lua".
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    Some((db.to_owned(), host.to_owned(), words.to_owned()))
}

/// The text of a scalar, or of all scalars in an aggregate.
fn deep_text(value: &Value) -> String {
    match value {
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            items.iter().map(deep_text).collect::<Vec<_>>().join("\n")
        }
        scalar => scalar.text(),
    }
}

fn names(text: &str) -> Vec<&str> {
    let name = |field: &'_ str| field.split_once(['=', ':']).map(|(name, _)| name.len());
    let fields = text.split([' ', '\r', '\n']).filter_map(|field| Some(&field[..name(field)?]));
    fields.filter(|name| !["lib-name", "lib-ver"].contains(name)).collect()
}

fn shape(value: &Value) -> String {
    let all = |items: &[Value]| items.iter().map(shape).collect::<Vec<_>>().join(" ");
    match value {
        Value::Simple(_) => "+".into(),
        Value::Error(text) => format!("-{}", text.split(' ').next().unwrap_or_default()),
        Value::Int(_) => ":".into(),
        Value::Bulk(_) => "$".into(),
        Value::Verbatim(_) => "=".into(),
        Value::Null => "_".into(),
        Value::Double(_) => ",".into(),
        Value::Bool(_) => "#".into(),
        Value::BigNumber(_) => "(".into(),
        Value::Array(items) => format!("*[{}]", all(items)),
        Value::Set(items) => format!("~[{}]", all(items)),
        Value::Push(items) => format!(">[{}]", all(items)),
        Value::Map(pairs) => {
            let pairs = pairs.iter().map(|(k, v)| format!("{} {}", shape(k), shape(v)));
            format!("%[{}]", pairs.collect::<Vec<_>>().join(" "))
        }
    }
}

fn sorted(value: &Value) -> String {
    let (kind, mut items): (&str, Vec<String>) = match value {
        Value::Array(items) => ("*", items.iter().map(sorted).collect()),
        Value::Set(items) => ("~", items.iter().map(sorted).collect()),
        Value::Push(items) => (">", items.iter().map(sorted).collect()),
        Value::Map(pairs) => ("%", pairs.iter().map(|(k, v)| format!("{k:?}={}", sorted(v))).collect()),
        scalar => return format!("{scalar:?}"),
    };
    items.sort();
    format!("{kind}[{}]", items.join(" "))
}

#[test]
fn normalisers_give_up_no_more_than_they_say() {
    let check = |text: &str, a: &[u8], b: &[u8]| Normaliser::split(&format!("{text} X")).0.agree(a, b);
    assert!(!check("", b":1\r\n", b":2\r\n"));
    assert!(check("{near 1}", b":1\r\n", b":2\r\n") && !check("{near 1}", b":1\r\n", b":3\r\n"));
    assert!(check("{sorted}", b"*2\r\n:1\r\n:2\r\n", b"*2\r\n:2\r\n:1\r\n"));
    assert!(!check("{sorted}", b"*2\r\n:1\r\n:2\r\n", b"*2\r\n:2\r\n:2\r\n"));
    assert!(!check("{sorted}", b"*1\r\n:1\r\n", b"~1\r\n:1\r\n"));
    assert!(
        check("{shape}", b"*1\r\n$1\r\na\r\n", b"*1\r\n$2\r\nab\r\n") && !check("{shape}", b"*1\r\n:1\r\n", b"*0\r\n")
    );
    let consumer = |fields: &str| format!("*1\r\n*{}\r\n{fields}", fields.matches('$').count() * 2).into_bytes();
    let (old, new) = ("$4\r\nidle\r\n:5\r\n", "$8\r\ninactive\r\n:-1\r\n");
    assert!(check("{shape 7.0}", &consumer(old), &consumer(&format!("{old}{new}"))));
    assert!(!check("{shape}", &consumer(old), &consumer(&format!("{old}{new}"))));
    assert!(!check("{shape 7.0}", &consumer(old), &consumer(&format!("{old}{old}"))));
    assert!(check("{code}", b"-ERR a\r\n", b"-ERR b\r\n") && !check("{code}", b"-ERR a\r\n", b"-MOVED a\r\n"));
    assert!(check("{fields b}", b"+a:1 b:2\r\n", b"+a:3 b:2\r\n") && !check("{fields b}", b"+b:1\r\n", b"+b:2\r\n"));
    assert!(!check("{any}", b":1\r\n", b"(silence)"));
    let groups =
        |consumers, pending| format!("*4\r\n$9\r\nconsumers\r\n:{consumers}\r\n$1\r\np\r\n:{pending}\r\n").into_bytes();
    assert!(check("{consumers}", &groups(1, 2), &groups(12, 2)) && !check("{consumers}", &groups(1, 2), &groups(1, 3)));
    let (table, pack, ints) = (b"$9\r\nhashtable\r\n", b"$8\r\nlistpack\r\n", b"$6\r\nintset\r\n");
    assert!(check("{listpack}", table, pack) && check("{listpack}", ints, ints));
    assert!(!check("{listpack}", pack, table) && !check("{listpack}", ints, pack));
    let stats = |calls: u32, usec: u32| format!("+cmdstat_a:calls={calls},usec={usec},failed_calls=0\r\n").into_bytes();
    assert!(check("{counts a}", &stats(1, 2), &stats(1, 3)) && !check("{counts a}", &stats(1, 2), &stats(2, 2)));
}
