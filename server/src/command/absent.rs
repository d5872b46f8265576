//! The commands of Redis and Valkey that slotd lacks.
//!
//! A client that calls one of them should learn that it exists and is missing here, rather than suspect a typing error.
//! So the reply is the one for an unknown command, whose beginning clients match, with an added note. The lists are the
//! commands of Redis 7.0 to 8.4 and of Valkey 9.1; for modules, a prefix stands for all commands of a family.
//!
//! Invariant: no name here is that of a registered command (a test of the registry checks that).

/// What is added to the reply for an unknown command, after a dash; for a subcommand with its name, since the reply to
/// that ends with the name of another one, HELP.
pub(crate) const NOTE: &str = "not supported by slotd yet";

/// In lower case, separated by spaces.
pub(crate) const COMMANDS: &str = "\
    acl bgrewriteaof commandlog module slowlog vadd vcard vdim vemb vgetattr vinfo vismember vlinks vrandmember vrange \
    vrem vsetattr vsim";

/// The prefixes of the commands of Redis's modules, in lower case.
const MODULES: &[&str] = &["bf.", "cf.", "cms.", "ft.", "json.", "search.", "tdigest.", "topk.", "ts.", "timeseries."];

/// Missing subcommands of commands that are there, in lower case, separated by spaces.
pub(crate) const SUBCOMMANDS: &[(&str, &str)] = &[
    ("client", "capa import-source"),
    (
        "cluster",
        "\
         cancelslotmigrations getslotmigrations migrateslots migration syncslots",
    ),
    (
        "debug",
        "\
         aof-flush-sleep assert client-eviction clusterlink leak loadaof \
         mallctl mallctl-str oom panic replicate segfault \
         structsize",
    ),
    ("latency", "doctor graph history latest reset"),
];

/// The longest name that is looked up.
const NAME_MAX: usize = 64;

/// Whether Redis or Valkey has a command of this name that slotd lacks.
pub(crate) fn is_command(name: &[u8]) -> bool {
    lower(name).is_some_and(|name| {
        COMMANDS.split(' ').any(|known| known == name) || MODULES.iter().any(|family| name.starts_with(family))
    })
}

/// The same for a subcommand of an existing container.
pub(crate) fn is_subcommand(container: &str, word: &[u8]) -> bool {
    let container = SUBCOMMANDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(container));
    container.is_some_and(|(_, words)| lower(word).is_some_and(|word| words.split(' ').any(|known| known == word)))
}

fn lower(word: &[u8]) -> Option<String> {
    if word.len() > NAME_MAX { None } else { str::from_utf8(word).ok().map(str::to_ascii_lowercase) }
}
