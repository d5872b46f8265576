//! `cmsgpack`: MessagePack, with the bytes and errors of lua-cmsgpack 0.4.0.

mod pack;
mod unpack;

use crate::script::lua::HostFn;

/// The functions, by name.
pub(super) const FUNCTIONS: &[(&[u8], HostFn)] = &[
    (b"pack", pack::pack),
    (b"unpack", unpack::unpack),
    (b"unpack_one", unpack::unpack_one),
    (b"unpack_limit", unpack::unpack_limit),
];

/// What the library says about the one that it stands for.
pub(super) const TEXTS: &[(&[u8], &[u8])] = &[
    (b"_NAME", b"cmsgpack"),
    (b"_VERSION", b"lua-cmsgpack 0.4.0"),
    (b"_COPYRIGHT", b"Copyright (C) 2012, Salvatore Sanfilippo"),
    (b"_DESCRIPTION", b"MessagePack C implementation for Lua"),
];

#[cfg(test)]
#[path = "msgpack_tests.rs"]
mod tests;
