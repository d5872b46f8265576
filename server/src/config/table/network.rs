//! Directives about listening, connections, passwords and TLS.

use super::checks;
use crate::config::directive::{
    Default, Directive, Kind, boolean, choice, directives, int, memory, optional, secret, text,
};

const INT_MAX: i64 = i32::MAX as i64;
const LONG_MAX: u64 = i64::MAX as u64;
const MB: i64 = 1 << 20;

directives! {
    first = 0;
    /// TCP port for clients; 0 listens on none.
    PORT = int("port", 0, 65535, 6379);
    /// Addresses to listen on; a leading `-` makes one optional, `*` means every IPv4 address, `::*` every IPv6 one.
    BIND = Directive::new("bind", Kind::Addresses, Default::Text("* -::*"));
    /// Source address of outgoing connections (replication, cluster bus).
    BIND_SOURCE_ADDR = optional("bind-source-addr");
    /// Path of a Unix socket to listen on.
    UNIXSOCKET = optional("unixsocket").immutable().no_effect();
    /// Octal permissions of the Unix socket; 0 leaves what the umask gives.
    UNIXSOCKETPERM = Directive::new("unixsocketperm", Kind::Octal { max: 0o777 }, Default::Number(0)).immutable().no_effect();
    /// Length of the kernel's queue of connections that were not accepted yet.
    TCP_BACKLOG = int("tcp-backlog", 0, INT_MAX, 511).immutable();
    /// Seconds of idleness after which TCP keepalive probes a client; 0 never.
    TCP_KEEPALIVE = int("tcp-keepalive", 0, INT_MAX, 300);
    /// Seconds after which an idle client is disconnected; 0 never.
    TIMEOUT = int("timeout", 0, INT_MAX, 0);
    /// The most clients at a time.
    MAXCLIENTS = int("maxclients", 1, u32::MAX as i64, 10000);
    /// Without password and explicit addresses, serve only clients of this machine.
    PROTECTED_MODE = boolean("protected-mode", true);
    /// SO_MARK of every socket; needs privileges.
    SOCKET_MARK_ID = int("socket-mark-id", 0, u32::MAX as i64, 0).immutable().no_effect();
    /// The most bytes of one client's requests that wait to be executed.
    CLIENT_QUERY_BUFFER_LIMIT = memory("client-query-buffer-limit", MB as u64, LONG_MAX, 1024 * MB);
    /// The longest single argument of a request, and so the longest string value.
    PROTO_MAX_BULK_LEN = memory("proto-max-bulk-len", MB as u64, LONG_MAX, 512 * MB);
    /// Disconnects a client whose unread replies exceed the hard limit, or the soft limit for so many seconds, by
    /// class.
    CLIENT_OUTPUT_BUFFER_LIMIT = Directive::new(
        "client-output-buffer-limit",
        Kind::OutputBufferLimits,
        Default::Text("normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
    );
    /// The most memory of all clients together, or a percentage of maxmemory; 0 is unlimited.
    MAXMEMORY_CLIENTS =
        Directive::new("maxmemory-clients", Kind::MemoryOrPercent { max_percent: 100 }, Default::Number(0)).no_effect();
    /// Threads that serve clients in Redis. slotd's workers are not I/O threads in this sense.
    IO_THREADS = int("io-threads", 1, 128, 1).immutable().no_effect();
    /// Whether Redis's I/O threads read and parse as well.
    IO_THREADS_DO_READS = boolean("io-threads-do-reads", false).immutable().no_effect();
    /// Password that clients must give with AUTH.
    REQUIREPASS = secret("requirepass");
    /// File of ACL users. Refused: a node that ignored it would serve users whom the file excludes.
    ACLFILE = text("aclfile", "").immutable().no_effect().check_text(checks::no_acl_file);
    /// Channels that a new ACL user may use.
    ACL_PUBSUB_DEFAULT = choice("acl-pubsub-default", &[("allchannels", 1), ("resetchannels", 0)], 0).no_effect();
    /// Length of ACL LOG.
    ACLLOG_MAX_LEN = int("acllog-max-len", 0, i64::MAX, 128).no_effect();
    /// TCP port for TLS clients; 0 for none.
    TLS_PORT = int("tls-port", 0, 65535, 0).no_effect();
    /// TLS on the cluster bus.
    TLS_CLUSTER = boolean("tls-cluster", false).no_effect();
    /// TLS towards the primary.
    TLS_REPLICATION = boolean("tls-replication", false).no_effect();
    /// Whether TLS clients must show a certificate.
    TLS_AUTH_CLIENTS = choice("tls-auth-clients", &[("no", 0), ("yes", 1), ("optional", 2)], 1).no_effect();
    /// Prefer the server's order of ciphers.
    TLS_PREFER_SERVER_CIPHERS = boolean("tls-prefer-server-ciphers", false).no_effect();
    /// Let TLS clients resume sessions.
    TLS_SESSION_CACHING = boolean("tls-session-caching", true).no_effect();
    /// How many TLS sessions are kept.
    TLS_SESSION_CACHE_SIZE = int("tls-session-cache-size", 0, INT_MAX, 20 * 1024).no_effect();
    /// Seconds that a TLS session is kept.
    TLS_SESSION_CACHE_TIMEOUT = int("tls-session-cache-timeout", 0, INT_MAX, 300).no_effect();
    /// The server's certificate.
    TLS_CERT_FILE = optional("tls-cert-file").no_effect();
    /// The key of the server's certificate.
    TLS_KEY_FILE = optional("tls-key-file").no_effect();
    /// Password of that key.
    TLS_KEY_FILE_PASS = optional("tls-key-file-pass").sensitive().no_effect();
    /// Certificate for outgoing connections.
    TLS_CLIENT_CERT_FILE = optional("tls-client-cert-file").no_effect();
    /// Key of the certificate for outgoing connections.
    TLS_CLIENT_KEY_FILE = optional("tls-client-key-file").no_effect();
    /// Password of that key.
    TLS_CLIENT_KEY_FILE_PASS = optional("tls-client-key-file-pass").sensitive().no_effect();
    /// Diffie-Hellman parameters.
    TLS_DH_PARAMS_FILE = optional("tls-dh-params-file").no_effect();
    /// File of trusted certificate authorities.
    TLS_CA_CERT_FILE = optional("tls-ca-cert-file").no_effect();
    /// Directory of trusted certificate authorities.
    TLS_CA_CERT_DIR = optional("tls-ca-cert-dir").no_effect();
    /// TLS versions that are offered.
    TLS_PROTOCOLS = optional("tls-protocols").no_effect();
    /// Ciphers of TLS 1.2 and older.
    TLS_CIPHERS = optional("tls-ciphers").no_effect();
    /// Ciphers of TLS 1.3.
    TLS_CIPHERSUITES = optional("tls-ciphersuites").no_effect();
}
