//! CONFIG GET, SET, RESETSTAT, HELP: names, globs, units, and the texts of refusals.

use std::process::Command;

use integration::node::NodeSpec;
use integration::oracle::{Binary, slotd_is_stock};

use crate::check;

#[test]
fn config_get_and_set() {
    check(
        r#"
== arity
CONFIG
CONFIG GET
CONFIG SET
CONFIG SET maxmemory
CONFIG BAD
CONFIG HELP
CONFIG RESETSTAT
CONFIG RESETSTAT x
CONFIG REWRITE x
CONFIG REWRITE
== GET
CONFIG GET maxmemory
CONFIG GET MAXMEMORY
CONFIG GET nothing
CONFIG GET nothing*
{sorted} CONFIG GET list-*
{sorted} CONFIG GET maxmemory proto-max-bulk-len
{sorted} CONFIG GET maxmemory maxmem?ry
{shape} CONFIG GET port
CONFIG GET bind
CONFIG GET save
CONFIG GET appendonly
CONFIG GET databases
CONFIG GET timeout
CONFIG GET tcp-keepalive
CONFIG GET hz
CONFIG GET repl-backlog-size
CONFIG GET cluster-enabled
CONFIG GET cluster-node-timeout
CONFIG GET cluster-require-full-coverage
CONFIG GET cluster-allow-reads-when-down
CONFIG GET cluster-migration-barrier
CONFIG GET cluster-replica-validity-factor
CONFIG GET cluster-slave-validity-factor
CONFIG GET cluster-announce-ip
CONFIG GET cluster-announce-port
CONFIG GET cluster-announce-hostname
CONFIG GET cluster-preferred-endpoint-type
CONFIG GET dbfilename
CONFIG GET requirepass
CONFIG GET masterauth
CONFIG GET notify-keyspace-events
CONFIG GET maxmemory-policy
CONFIG GET lazyfree-lazy-user-del
CONFIG GET replica-read-only
CONFIG GET slave-read-only
CONFIG GET min-replicas-to-write
CONFIG GET repl-diskless-sync
CONFIG GET repl-timeout
CONFIG GET client-output-buffer-limit
CONFIG GET enable-debug-command
CONFIG GET loglevel
CONFIG GET maxclients
CONFIG GET rdbcompression
CONFIG GET rdbchecksum
== SET
!config maxmemory 100mb
CONFIG GET maxmemory
CONFIG SET maxmemory 1gb
CONFIG GET maxmemory
CONFIG SET maxmemory 1g
CONFIG GET maxmemory
CONFIG SET maxmemory 1kb
CONFIG GET maxmemory
CONFIG SET maxmemory 1k
CONFIG GET maxmemory
CONFIG SET maxmemory 1K
CONFIG SET maxmemory abc
CONFIG SET maxmemory -1
CONFIG SET maxmemory 1.5
CONFIG SET maxmemory 1xb
CONFIG SET maxmemory ""
CONFIG SET maxmemory gb
CONFIG SET maxmemory "1 "
CONFIG SET maxmemory +1
CONFIG SET maxmemory 0
CONFIG SET nothing 1
CONFIG SET hz 100
CONFIG GET hz
CONFIG SET hz 10
CONFIG SET hz abc
CONFIG SET timeout 100
CONFIG SET timeout -1
CONFIG SET timeout abc
CONFIG SET timeout 0
CONFIG SET databases 4
CONFIG SET port 99999
CONFIG SET appendonly maybe
CONFIG SET maxmemory-policy bogus
CONFIG SET maxmemory-policy noeviction
CONFIG SET list-max-listpack-size 128
CONFIG GET list-max-ziplist-size
CONFIG SET list-max-ziplist-size -2
CONFIG GET list-max-listpack-size
CONFIG SET repl-backlog-size 2mb
CONFIG GET repl-backlog-size
CONFIG SET repl-backlog-size 1mb
CONFIG SET slave-read-only no
CONFIG GET replica-read-only
CONFIG SET replica-read-only yes
CONFIG SET loglevel bogus
CONFIG SET cluster-node-timeout 0
CONFIG SET dir /nonexistent-directory
CONFIG SET save "100 10"
CONFIG GET save
CONFIG SET save "100 10 60 1000"
CONFIG GET save
CONFIG SET save "100"
CONFIG SET save "abc 1"
CONFIG SET save ""
CONFIG GET save
CONFIG SET proto-max-bulk-len 1mb
CONFIG SET proto-max-bulk-len 100
CONFIG SET proto-max-bulk-len 512mb
== several at once, all or nothing
CONFIG SET timeout 5 maxclients 5000
CONFIG GET timeout
CONFIG SET timeout 6 hz abc
CONFIG GET timeout
CONFIG SET timeout 6 timeout 7
CONFIG SET timeout 6 nothing 7
CONFIG SET timeout 6 hz
CONFIG GET timeout
CONFIG SET timeout 0 maxclients 10000
CONFIG SET client-output-buffer-limit "normal 0 0 0"
CONFIG SET client-output-buffer-limit "wrong 0 0 0"
CONFIG SET client-output-buffer-limit "normal 0 0"
CONFIG SET client-output-buffer-limit "pubsub 10mb 5mb 30"
CONFIG GET client-output-buffer-limit
CONFIG SET client-output-buffer-limit "pubsub 32mb 8mb 60"
"#,
    );
}

/// A refused start is reported in the log. Standard error is for crashes: the test suite of Redis takes any output
/// there for one.
#[test]
fn a_port_in_use_is_told_in_the_log() {
    let holder = NodeSpec::new(Binary::Slotd).start();
    for binary in [Binary::Stock, Binary::Slotd] {
        let port = holder.port().to_string();
        let output = Command::new(binary.path())
            .args(["--port", &port, "--bind", "127.0.0.1", "--dir"])
            .arg(holder.dir())
            .output()
            .expect("the server runs and ends");
        let log = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{binary:?}: {log}");
        assert!(log.contains(&format!("Failed listening on port {port} (TCP), aborting.")), "{binary:?}: {log}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{binary:?}");
    }
}

#[test]
fn what_follows_config_set_in_a_pipeline_obeys_it() {
    check(
        r#"
@raw !raw "CONFIG SET list-max-listpack-size 1\r\nRPUSH l 1 2 3\r\nDUMP l\r\nCONFIG SET list-max-listpack-size -2\r\nRPUSH m 1 2 3\r\nDUMP m\r\n"
@raw !read
@raw !read
@raw !read
@raw !read
@raw !read
@raw !read
== limits of the parser
@raw !raw "CONFIG SET proto-max-bulk-len 1mb\r\n*2\r\n$4\r\nECHO\r\n$2000000\r\n"
@raw !closed
CONFIG SET proto-max-bulk-len 512mb
"#,
    );
}

/// Whether the kernel gives the node's process transparent huge pages.
#[cfg(target_os = "linux")]
fn huge_pages(node: &integration::node::Node) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let field = status.lines().find_map(|line| line.strip_prefix("THP_enabled:"));
    field.expect("Linux 5.0 and later say THP_enabled").trim().to_owned()
}

/// A fresh node once had 12 of its 16 MB in huge pages that were cleared and never used.
#[cfg(target_os = "linux")]
#[test]
fn huge_pages_are_off_unless_disable_thp_says_no() {
    if slotd_is_stock() {
        eprintln!("Redis asks for it only where the kernel gives huge pages to everybody");
        return;
    }
    let off = NodeSpec::new(Binary::Slotd).start();
    assert_eq!(huge_pages(&off), "0");
    let left = NodeSpec::new(Binary::Slotd).with("disable-thp", "no").start();
    assert_eq!(huge_pages(&left), "1");
}
