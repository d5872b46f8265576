//! Error texts that clients can read.
//!
//! Clients match on these texts, so they are Redis 7.0's to the letter. A text starts with its code (`ERR`,
//! `WRONGTYPE`, ...); the reply writer adds the `-`. A text that only one command uses may be beside that command
//! instead.

use std::borrow::Cow;

use super::absent;

/// An error reply: the whole line after `-`. Bytes, since it may quote a client, and clients need not send UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CmdError(Cow<'static, [u8]>);

impl CmdError {
    /// A fixed text.
    pub(crate) const fn text(text: &'static str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }
    /// A text made at run time.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(Cow::Owned(text.into().into_bytes()))
    }
    /// A text that quotes a word of the client, byte for byte; see [`c_string`].
    pub(crate) fn quoting(before: &str, word: &[u8], after: &str) -> Self {
        Self(Cow::Owned([before.as_bytes(), c_string(word), after.as_bytes()].concat()))
    }
    /// A text made of bytes at run time.
    pub(crate) fn of_bytes(text: Vec<u8>) -> Self {
        Self(Cow::Owned(text))
    }
    /// The whole line.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// The first word, which INFO errorstats counts.
    pub(crate) fn code(&self) -> &str {
        self.0.split(|byte| *byte == b' ').next().and_then(|code| str::from_utf8(code).ok()).unwrap_or("ERR")
    }
}

impl std::fmt::Display for CmdError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// A word as Redis quotes it: it prints C strings, so what follows a zero byte is cut off.
pub(crate) fn c_string(word: &[u8]) -> &[u8] {
    word.split(|byte| *byte == 0).next().unwrap_or_default()
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub(crate) const $name: CmdError = CmdError::text($text);)*
    };
}

texts! {
    PSYNC_FAILOVER_TO_PRIMARY = "ERR PSYNC FAILOVER can't be sent to a master.";
    PSYNC_FAILOVER_ID = "ERR PSYNC FAILOVER replid must match my replid.";
    SYNC_FAILING_OVER = "NOMASTERLINK Can't SYNC while failing over";
    SYNC_NO_PRIMARY_LINK = "NOMASTERLINK Can't SYNC while not connected with my master";
    SYNC_WITHHELD = "NOMASTERLINK Can't SYNC before it is clear that I have all data";
    REPLCONF_NO_FILTER = "ERR Missing rdb-filter-only values";
    SYNC_FILTER_EOF = "ERR Filtered replica requires EOF capability";
    SYNC_PENDING_OUTPUT = "ERR SYNC and PSYNC are invalid with pending output";
    OUT_OF_RANGE_0_1 = "ERR value is out of range, value must between 0 and 1";
    REPLICAOF_IN_CLUSTER = "ERR REPLICAOF not allowed in cluster mode.";
    REPLICAOF_FAILING_OVER = "ERR REPLICAOF not allowed while failing over.";
    INVALID_PRIMARY_PORT = "ERR Invalid master port";
    WAIT_ON_REPLICA = "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.";
    WAITAOF_ON_REPLICA = "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated.";
    WAITAOF_WITHOUT_AOF = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
    FAILOVER_IN_CLUSTER = "ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.";
    FAILOVER_NONE = "ERR No failover in progress.";
    FAILOVER_TIMEOUT = "ERR FAILOVER timeout must be greater than 0";
    FAILOVER_IN_PROGRESS = "ERR FAILOVER already in progress.";
    FAILOVER_ON_REPLICA = "ERR FAILOVER is not valid when server is a replica.";
    FAILOVER_WITHOUT_REPLICAS = "ERR FAILOVER requires connected replicas.";
    FAILOVER_FORCE = "ERR FAILOVER with force option requires both a timeout and target HOST and IP.";
    FAILOVER_NO_TARGET = "ERR FAILOVER target HOST and PORT is not a replica.";
    FAILOVER_TARGET_OFFLINE = "ERR FAILOVER target replica is not online.";
    SAVE_IN_PROGRESS = "ERR Background save already in progress";
    WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value";
    SYNTAX = "ERR syntax error";
    NOT_INTEGER = "ERR value is not an integer or out of range";
    NOT_FLOAT = "ERR value is not a valid float";
    OUT_OF_RANGE = "ERR value is out of range";
    OUT_OF_RANGE_LONG = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
    HASH_NOT_INTEGER = "ERR hash value is not an integer";
    HASH_NOT_FLOAT = "ERR hash value is not a float";
    VALUE_NAN_OR_INF = "ERR value is NaN or Infinity";
    NOVALUES_WITHOUT_VALUES = "ERR NOVALUES option can only be used in HSCAN";
    COUNT_NOT_POSITIVE = "ERR COUNT must be > 0";
    LIMIT_NEGATIVE = "ERR LIMIT can't be negative";
    NUMKEYS_NOT_POSITIVE = "ERR numkeys should be greater than 0";
    OUT_OF_RANGE_POSITIVE = "ERR value is out of range, must be positive";
    INDEX_OUT_OF_RANGE = "ERR index out of range";
    OFFSET_OUT_OF_RANGE = "ERR offset is out of range";
    NO_SUCH_KEY = "ERR no such key";
    LCS_NOT_STRINGS = "ERR The specified keys must contain string values";
    LCS_LENGTH_AND_RANGES = "ERR If you want both the length and indexes, please just use IDX.";
    LCS_TOO_LONG = "ERR String too long for LCS";
    LCS_OVER_LIMIT = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
    LCS_NO_MEMORY = "ERR Insufficient memory, failed allocating transient memory for LCS";
    SAME_OBJECT = "ERR source and destination objects are the same";
    OVERFLOW = "ERR increment or decrement would overflow";
    DECR_OVERFLOW = "ERR decrement would overflow";
    NAN_OR_INF = "ERR increment would produce NaN or Infinity";
    STRING_TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    TIMEOUT_NOT_FLOAT = "ERR timeout is not a float or out of range";
    TIMEOUT_NOT_INTEGER = "ERR timeout is not an integer or out of range";
    TIMEOUT_OUT_OF_RANGE = "ERR timeout is out of range";
    TIMEOUT_NEGATIVE = "ERR timeout is negative";
    DB_OUT_OF_RANGE = "ERR DB index is out of range";
    INVALID_FIRST_DB = "ERR invalid first DB index";
    INVALID_SECOND_DB = "ERR invalid second DB index";
    NOT_32_BITS = "ERR value is out of range, value must between -2147483648 and 2147483647";
    MOVE_IN_CLUSTER = "ERR MOVE is not allowed in cluster mode";
    COPY_IN_CLUSTER = "ERR Copying to another database is not allowed in cluster mode";
    SWAPDB_IN_CLUSTER = "ERR SWAPDB is not allowed in cluster mode";
    EXPIRE_NX_WITH_OTHERS = "ERR NX and XX, GT or LT options at the same time are not compatible";
    EXPIRE_GT_WITH_LT = "ERR GT and LT options at the same time are not compatible";
    INVALID_IDLETIME = "ERR Invalid IDLETIME value, must be >= 0";
    INVALID_FREQ = "ERR Invalid FREQ value, must be >= 0 and <= 255";
    INVALID_TTL = "ERR Invalid TTL value, must be >= 0";
    LFU_SELECTED = "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.";
    LFU_NOT_SELECTED = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.";
    INVALID_CURSOR = "ERR invalid cursor";
    SELECT_IN_CLUSTER = "ERR SELECT is not allowed in cluster mode";
    OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'.";
    NO_AUTH = "NOAUTH Authentication required.";
    WRONG_PASS = "WRONGPASS invalid username-password pair or user is disabled.";
    NO_PROTO = "NOPROTO unsupported protocol version";
    READ_ONLY = "READONLY You can't write against a read only replica.";
    LOADING = "LOADING Redis is loading the dataset in memory";
    BUSY_KEY = "BUSYKEY Target key name already exists.";
    BAD_PAYLOAD = "ERR DUMP payload version or checksum are wrong";
    BAD_DATA_FORMAT = "ERR Bad data format";
    NESTED_MULTI = "ERR MULTI calls can not be nested";
    EXEC_WITHOUT_MULTI = "ERR EXEC without MULTI";
    DISCARD_WITHOUT_MULTI = "ERR DISCARD without MULTI";
    WATCH_IN_MULTI = "ERR WATCH inside MULTI is not allowed";
    EXEC_ABORT = "EXECABORT Transaction discarded because of previous errors.";
    CROSS_SLOT = "CROSSSLOT Keys in request don't hash to the same slot";
    TRY_AGAIN = "TRYAGAIN Multiple keys request during rehashing of slot";
    CLUSTER_DOWN = "CLUSTERDOWN The cluster is down";
    CLUSTER_DOWN_UNBOUND = "CLUSTERDOWN Hash slot not served";
    CLUSTER_DOWN_RO = "CLUSTERDOWN The cluster is down and only accepts read commands";
    CLUSTER_DISABLED = "ERR This instance has cluster support disabled";
    UNBLOCKED = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
    UNBLOCKED_ROLE = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
    BUSY_FUNCTION = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
    BUSY_SCRIPT = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
    MASTER_DOWN = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    NO_REPLICAS = "NOREPLICAS Not enough good replicas to write.";
    MISCONF_BGSAVE = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";
    NO_KEYS_MENTIONED = "ERR The command has no key arguments";
    INVALID_KEYS_ARITY = "ERR Invalid number of arguments specified for command";
    INVALID_KEYS_COMMAND = "ERR Invalid command specified";
    INVALID_KEYS_ARGUMENTS = "ERR Invalid arguments specified for command";
    NO_MULTI = "ERR Command not allowed inside a transaction";
    NO_SHUTDOWN = "ERR No shutdown in progress.";
    SHUTDOWN_FAILED = "ERR Errors trying to SHUTDOWN. Check logs.";
    DEBUG_DISABLED = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.";
    TEST_COMMANDS_DISABLED = "ERR SLOTD command not allowed. Set the enable-test-commands option to \"yes\" in the configuration file or on the command line, and then restart the server.";
    NO_NEIGHBOURS = "ERR SLOTD NODE is for the nodes of `slotd cluster`. This process runs one node alone: use SHUTDOWN or a signal.";
    NO_RESTART = "ERR failed to restart the server: only the nodes of `slotd cluster` are started again in their process.";
    NO_SUCH_NEIGHBOUR = "ERR No such node in this process: name it by its port, or by 8 digits or more of its id";
    PAUSE_TIME = "ERR The time of a pause must be a number of milliseconds above 0";
    PACKED_THRESHOLD = "ERR argument must be a memory value bigger than 1 and smaller than 4gb";
    RELOAD_OPTIONS = "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.";
    RELOAD_FAILED = "ERR Error trying to load the RDB dump";
    NOT_LISTPACK = "ERR Not a listpack encoded object.";
    /// Redis's error without an explanation.
    PLAIN = "ERR";
    NO_SUCH_CLIENT = "ERR No such client";
    INVALID_CLIENT_ID = "ERR Invalid client ID";
    CLIENT_ID_NOT_POSITIVE = "ERR client-id should be greater than 0";
    PAUSE_MODE = "ERR CLIENT PAUSE mode must be WRITE or ALL";
    UNBLOCK_REASON = "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR";
    NOT_TRACKING = "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled";
    CACHING_NOT_OPTIN = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
    CACHING_NOT_OPTOUT = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
    TRACKING_ONE_REDIRECT = "ERR A client can only redirect to a single other client";
    TRACKING_NO_REDIRECT = "ERR The client ID you want redirect to does not exist";
    TRACKING_PREFIX_WITHOUT_BCAST = "ERR PREFIX option requires BCAST mode to be enabled";
    TRACKING_SWITCH_BCAST = "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.";
    TRACKING_BCAST_OPT = "ERR OPTIN and OPTOUT are not compatible with BCAST";
    TRACKING_BOTH_OPT = "ERR You can't specify both OPTIN mode and OPTOUT mode";
    TRACKING_SWITCH_OPT = "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.";
}

/// `ERR unknown command ...`, with the beginning of the arguments, as Redis words it (at most 128 bytes of each part).
pub(crate) fn unknown_command(args: protocol::resp::Args<'_>) -> CmdError {
    let mut beginning = Vec::new();
    for word in args.iter().skip(1) {
        if beginning.len() >= 128 {
            break;
        }
        let room = 128 - beginning.len();
        beginning.push(b'\'');
        beginning.extend_from_slice(clipped(word, room));
        beginning.extend_from_slice(b"' ");
    }
    if absent::is_command(&args[0]) {
        beginning.extend_from_slice(b"- ");
        beginning.extend_from_slice(absent::NOTE.as_bytes());
    }
    let name = clipped(&args[0], 128);
    CmdError(Cow::Owned([b"ERR unknown command '", name, b"', with args beginning with: ", &beginning].concat()))
}

/// `ERR unknown subcommand 'x'. Try CONFIG HELP.`
pub(crate) fn unknown_subcommand(container: &str, word: &[u8]) -> CmdError {
    let help = format!("'. Try {} HELP.{}", container.to_ascii_uppercase(), note(container, word));
    CmdError::quoting("ERR unknown subcommand '", clipped(word, 128), &help)
}

/// Redis's error when a subcommand that checks its own words does not know them (`addReplySubcommandSyntaxError`).
pub(crate) fn unknown_or_arity(container: &str, word: &[u8]) -> CmdError {
    let help = format!("'. Try {container} HELP.{}", note(container, word));
    CmdError::quoting("ERR unknown subcommand or wrong number of arguments for '", clipped(word, 128), &help)
}

/// The end of the reply to an unknown subcommand.
fn note(container: &str, word: &[u8]) -> String {
    if !absent::is_subcommand(container, word) {
        return String::new();
    }
    let name = format!("{container} {}", String::from_utf8_lossy(word)).to_ascii_uppercase();
    format!(" - {name} is {}", absent::NOTE)
}

/// The beginning of a word, if Redis limits its length.
fn clipped(word: &[u8], limit: usize) -> &[u8] {
    let word = c_string(word);
    &word[..word.len().min(limit)]
}

/// `ERR Unknown client type 'x'`
pub(crate) fn unknown_client_type(word: &[u8]) -> CmdError {
    CmdError::quoting("ERR Unknown client type '", word, "'")
}

/// `ERR No such user 'x'`
pub(crate) fn no_such_user(word: &[u8]) -> CmdError {
    CmdError::quoting("ERR No such user '", word, "'")
}

/// `ERR Syntax error in HELLO option 'x'`
pub(crate) fn hello_option(word: &[u8]) -> CmdError {
    CmdError::quoting("ERR Syntax error in HELLO option '", word, "'")
}

/// CLIENT TRACKING with a prefix that overlaps another one; `which` says which kind the other is.
pub(crate) fn prefix_overlap(prefix: &[u8], which: &str, other: &[u8]) -> CmdError {
    let middle = format!("' overlaps with {which} prefix '");
    let end = b"'. Prefixes for a single client must not overlap.";
    CmdError(Cow::Owned([b"ERR Prefix '", c_string(prefix), middle.as_bytes(), c_string(other), end].concat()))
}

/// CONFIG SET of a directive that does not exist.
pub(crate) fn unknown_directive(word: &[u8]) -> CmdError {
    CmdError::quoting("ERR Unknown option or number of arguments for CONFIG SET - '", word, "'")
}

/// `ERR Unrecognized option 'x'`, and the error of CLIENT SETINFO for a value that would break the lines of CLIENT
/// LIST.
pub(crate) fn unrecognized_option(word: &[u8]) -> CmdError {
    CmdError::quoting("ERR Unrecognized option '", word, "'")
}

/// `ERR lib-name cannot contain spaces, newlines or special characters.`
pub(crate) fn special_characters(attribute: &[u8]) -> CmdError {
    CmdError::quoting("ERR ", attribute, " cannot contain spaces, newlines or special characters.")
}

/// `ERR wrong number of arguments for 'get' command`; `name` as [`super::Spec::full_name`] prints it.
pub(crate) fn wrong_arity(name: &str) -> CmdError {
    CmdError::new(format!("ERR wrong number of arguments for '{name}' command"))
}

/// A mistake in our own tables: the key specs of the command do not name a key that its handler used.
pub(crate) fn undeclared_key(name: &str) -> CmdError {
    CmdError::new(format!("ERR '{name}' used a key that it does not declare; nothing was done to that key"))
}

/// `ERR invalid expire time in 'set' command`
pub(crate) fn invalid_expire(name: &str) -> CmdError {
    CmdError::new(format!("ERR invalid expire time in '{name}' command"))
}

/// `ERR Unsupported option x` (EXPIRE and its kin).
pub(crate) fn unsupported_option(word: &[u8]) -> CmdError {
    CmdError::quoting("ERR Unsupported option ", word, "")
}

/// `MOVED 3999 127.0.0.1:6381`; an empty host says "the host you used".
pub(crate) fn moved(slot: u16, host: &str, port: u16) -> CmdError {
    CmdError::new(format!("MOVED {slot} {host}:{port}"))
}

/// `ASK 3999 127.0.0.1:6381`
pub(crate) fn ask(slot: u16, host: &str, port: u16) -> CmdError {
    CmdError::new(format!("ASK {slot} {host}:{port}"))
}

/// REPLCONF ip-address with a host name that is too long.
pub(crate) fn replconf_long_address(len: usize) -> CmdError {
    CmdError::new(format!("ERR REPLCONF ip-address provided by replica instance is too long: {len} bytes"))
}

/// REPLCONF rdb-filter-only with a part that cannot be asked for.
pub(crate) fn replconf_filter(word: &[u8]) -> CmdError {
    CmdError::quoting("ERR Unsupported rdb-filter-only option: ", word, "")
}

/// REPLCONF with an option that does not exist.
pub(crate) fn replconf_unknown(word: &[u8]) -> CmdError {
    CmdError::quoting("ERR Unrecognized REPLCONF option: ", word, "")
}
