//! Tidy: rules of the project that the compiler does not know, checked over the sources.
//!
//! | module | rule |
//! |---|---|
//! | `ranks` | inside `server/src` a module uses only modules of lower rank |
//! | `circles` | inside a room no files depend on each other in circles (four rooms still have some) |
//! | `sizes` | files have at most 800 lines, functions at most 70 lines of code (a ratchet: `long_functions.txt` may only shrink) |
//! | `wording` | every file opens with a `//!` essay; prose has at most 120 columns; no leftovers; no `unsafe` outside its rooms; no paths of a developer's machine |
//! | `purity` | `protocol` and `gossip` touch no clock, socket, file, thread or runtime, in their sources and in their dependencies |
//! | `control` | what runs on the control thread names no call that waits |
//! | `names` | no gate asks for a command by its name |
//! | `docs` | the required documents exist, and so do the tests and paths that they name; the map's ranks are the true ones |
//! | `sbom` | the list of components that the image carries is that of Cargo.lock |
//!
//! Each check is a function from text to findings, so each has a test that it *fires* on a bad sample: a check that
//! cannot fail protects nothing. The checks read code without comments and strings (`source.rs`), so that prose may
//! name what code may not use.

mod circles;
mod control;
mod docs;
mod names;
mod purity;
mod ranks;
mod sbom;
mod sizes;
mod source;
mod wording;

/// One violation: where, what, and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    place: String,
    trouble: String,
}

impl Finding {
    fn new(path: &str, line: usize, trouble: impl Into<String>) -> Self {
        Self { place: format!("{path}:{line}"), trouble: trouble.into() }
    }
}

/// Fails with all findings, one per line.
#[track_caller]
fn assert_none(findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(|f| format!("{}: {}", f.place, f.trouble)).collect();
    assert!(lines.is_empty(), "{} findings:\n{}", lines.len(), lines.join("\n"));
}
