//! Rules for single directives that their kind cannot express, with Redis's reasons.

use protocol::bus::{IP_TEXT_ROOM, IpText};

use crate::config::audience;
use crate::config::file::NO_ACL;

/// Redis's longest host name, its terminator included.
const HOST_MAX: usize = 256;

fn is_base_name(name: &[u8]) -> bool {
    !name.iter().any(|byte| matches!(byte, b'/' | b'\\'))
}

pub(super) fn rdb_file_name(name: &[u8]) -> Result<(), &'static str> {
    if is_base_name(name) { Ok(()) } else { Err("dbfilename can't be a path, just a filename") }
}

pub(super) fn aof_file_name(name: &[u8]) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("appendfilename can't be empty");
    }
    if is_base_name(name) { Ok(()) } else { Err("appendfilename can't be a path, just a filename") }
}

pub(super) fn aof_directory_name(name: &[u8]) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("appenddirname can't be empty");
    }
    if is_base_name(name) { Ok(()) } else { Err("appenddirname can't be a path, just a dirname") }
}

pub(super) fn announced_host_name(name: &[u8]) -> Result<(), &'static str> {
    if name.len() >= HOST_MAX {
        return Err("Hostnames must be less than 256 characters");
    }
    if name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
        Ok(())
    } else {
        Err("Hostnames may only contain alphanumeric characters, hyphens or dots")
    }
}

/// Redis 7.2's rule, and beyond it no space, comma or `=`, which would break the node's line in nodes.conf.
pub(super) fn announced_node_name(name: &[u8]) -> Result<(), &'static str> {
    let allowed = |byte: &u8| byte.is_ascii_graphic() && !b"!#$%&()*+:;<>?@[]^{|}~,=\"'\\".contains(byte);
    if name.iter().all(allowed) { Ok(()) } else { Err("Announced human node name contained invalid character") }
}

/// Stricter than Redis 7.0, in the words of Valkey 9: only characters that fit into a packet and into nodes.conf, on
/// this node and on every peer. A NUL would cut the address short.
pub(super) fn announced_address(address: &[u8]) -> Result<(), &'static str> {
    if address.len() >= IP_TEXT_ROOM {
        return Err("cluster-announce-ip is too long");
    }
    let text = str::from_utf8(address).ok().and_then(|text| text.parse::<IpText>().ok());
    text.map(|_| ()).ok_or("cluster-announce-ip contains invalid character")
}

/// Rules of `announce-client`.
pub(super) fn audiences(rules: &[u8]) -> Result<(), &'static str> {
    let text = str::from_utf8(rules).map_err(|_| "announce-client is no text")?;
    audience::parse(text).map(drop)
}

pub(super) fn ipv4_address(address: &[u8]) -> Result<(), &'static str> {
    parsed::<core::net::Ipv4Addr>(address).ok_or("Invalid IPv4 address")
}

pub(super) fn ipv6_address(address: &[u8]) -> Result<(), &'static str> {
    parsed::<core::net::Ipv6Addr>(address).ok_or("Invalid IPv6 address")
}

fn parsed<T: core::str::FromStr>(text: &[u8]) -> Option<()> {
    str::from_utf8(text).ok()?.parse::<T>().ok().map(|_| ())
}

pub(super) fn no_defragmentation(enabled: i64) -> Result<(), &'static str> {
    if enabled == 0 {
        return Ok(());
    }
    Err("Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified Jemalloc \
         like the one shipped by default with the Redis source distribution")
}

/// Bits of `shutdown-on-sigint` and `shutdown-on-sigterm`.
pub(super) const SHUTDOWN_FLAGS: crate::config::directive::Names =
    &[("default", 0), ("save", 1), ("nosave", 2), ("now", 4), ("force", 8)];

pub(super) fn shutdown_flags(flags: i64) -> Result<(), &'static str> {
    if flags & 3 == 3 { Err("shutdown options SAVE and NOSAVE can't be used simultaneously") } else { Ok(()) }
}

/// Three numbers, as clients compare them.
pub(super) fn version(text: &[u8]) -> Result<(), &'static str> {
    let is_number = |part: &[u8]| (1..=5).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    let mut parts = text.split(|byte| *byte == b'.');
    let is_version = parts.clone().count() == 3 && parts.all(is_number);
    if is_version { Ok(()) } else { Err("must be three numbers with points between them, such as 7.2.4") }
}

/// `{variable}` must be closed and known, `{{` is a brace, and the result must not be blank.
pub(super) fn process_title(template: &[u8]) -> Result<(), &'static str> {
    const INVALID: &str = "template format is invalid or contains unknown variables";
    let mut visible = false;
    let mut rest = template;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'{' {
            visible |= byte != b' ';
        } else if rest.first() == Some(&b'{') {
            visible = true;
            rest = &rest[1..];
        } else {
            let end = rest.iter().position(|b| *b == b'}').ok_or(INVALID)?;
            match &rest[..end] {
                // Redis tries the template with an empty title and, outside a cluster, the mode is empty too.
                b"title" | b"server-mode" => {}
                b"listen-addr" | b"config-file" | b"port" | b"tls-port" | b"unixsocket" => visible = true,
                _ => return Err(INVALID),
            }
            rest = &rest[end + 1..];
        }
    }
    if visible { Ok(()) } else { Err(INVALID) }
}

/// Ignoring the file would open the server to every client.
pub(super) fn no_acl_file(path: &[u8]) -> Result<(), &'static str> {
    if path.is_empty() { Ok(()) } else { Err(NO_ACL) }
}
