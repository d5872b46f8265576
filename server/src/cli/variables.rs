//! The variables of the environment as they are, before anything is made of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// The variables of the process, by name.
pub(crate) type Variables = BTreeMap<String, Vec<u8>>;

/// A variable that means something to slotd, perhaps under the name that another image gives it.
pub(super) struct Meant {
    /// Its name in the environment.
    pub(super) name: String,
    /// The name that it stands for, without `SLOTD_`.
    pub(super) stands_for: String,
    /// Its value.
    pub(super) value: Vec<u8>,
}

/// The variables of this process; those whose name is no text mean nothing here.
pub(crate) fn of_process() -> Variables {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_vec()));
    std::env::vars_os().filter_map(text).collect()
}

/// The value of a variable that is not empty.
pub(super) fn set<'a>(variables: &'a Variables, name: &str) -> Option<&'a [u8]> {
    variables.get(name).map(Vec::as_slice).filter(|value| !value.is_empty())
}

/// The value of a variable that is on or off.
///
/// # Errors
/// It is neither.
pub(super) fn flag(variables: &Variables, name: &str) -> Result<Option<bool>, String> {
    let Some(value) = set(variables, name) else { return Ok(None) };
    let text = String::from_utf8_lossy(value);
    is_on(value).map(Some).ok_or_else(|| format!("{name}={text}: give yes or no"))
}

/// Whether a word means on or off, if it means either.
pub(super) fn is_on(value: &[u8]) -> Option<bool> {
    match value.to_ascii_lowercase().as_slice() {
        b"yes" | b"true" | b"1" | b"on" => Some(true),
        b"no" | b"false" | b"0" | b"off" => Some(false),
        _ => None,
    }
}

/// Whether Kubernetes made this variable for a service whose name starts with "slotd": `SLOTD_SERVICE_HOST`,
/// `SLOTD_SERVICE_PORT`, `SLOTD_SERVICE_PORT_CLIENT`, `SLOTD_PORT=tcp://10.0.0.1:6379`, `SLOTD_PORT_6379_TCP`,
/// `SLOTD_PORT_6379_TCP_ADDR`; and the same with `SLOTD_HEADLESS_` for a service "slotd-headless".
pub(super) fn is_injected(name: &str, value: &[u8]) -> bool {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let is_url = [&b"tcp://"[..], b"udp://", b"sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let of_port = || {
        let end = ["_PROTO", "_PORT", "_ADDR"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let start = ["_TCP", "_UDP", "_SCTP"].iter().find_map(|protocol| end.strip_suffix(protocol));
        start.and_then(|start| start.rsplit_once("_PORT_")).is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    };
    name.ends_with("_SERVICE_HOST")
        || (is_number && (name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_")))
        || (is_url && name.ends_with("_PORT"))
        || of_port()
}
