//! Wording: what every file must contain, and what no file may contain.

use crate::source::{File, code_only, files, rust_files};
use crate::{Finding, assert_none};

/// Leftovers, each with what to do instead. Written in two halves so that this file is not a finding itself.
const LEFTOVERS: &[(&str, &str)] = &[
    (concat!("FIX", "ME"), "mend it, or open an issue and say what is known here"),
    (concat!("XX", "X:"), "say what is wrong"),
    (concat!("db", "g!("), "use tracing, or remove it"),
    (concat!("to", "do!("), "finish it"),
    (concat!("unimple", "mented!("), "finish it, or make the case unrepresentable"),
];

/// Where `unsafe` is allowed: its blocks are few, each with its reason. (ARCHITECTURE.md, invariant 13.)
const UNSAFE_ROOMS: &[&str] = &[
    "server/src/base/allocator.rs",
    "server/src/base/bits.rs",
    "server/src/base/cache.rs",
    "server/src/base/mapping.rs",
    "server/src/script/lua/",
    "server/src/script/machine/",
    "server/src/store/entry.rs",
    "server/src/store/entry/",
    "server/src/store/keyspace.rs",
];

/// The width of the page, as in rustfmt.toml; rustfmt leaves comments as they are.
const COLUMNS: usize = 120;

/// Traces of a developer's machine.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/tmp/", "wt"),
    concat!("/tmp/", "target"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

fn check_essay(path: &str, text: &str) -> Vec<Finding> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let words =
        text.lines().take_while(|l| l.starts_with("//!")).map(|l| l.split_whitespace().count() - 1).sum::<usize>();
    // A sibling file of tests shares its subject's essay; a sentence on what is tested will do.
    let enough = if path.ends_with("_tests.rs") { 2 } else { 4 };
    if first.starts_with("//!") && words >= enough {
        return Vec::new();
    }
    vec![Finding::new(
        path,
        1,
        "opens without an essay: say in `//!` what this is, why this way, and what always holds",
    )]
}

fn check_leftovers(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (word, instead) in LEFTOVERS {
            if line.contains(word) {
                findings.push(Finding::new(path, number + 1, format!("{word}: {instead}")));
            }
        }
    }
    findings
}

/// The lines of code that say `unsafe`.
fn unsafe_lines(text: &str) -> Vec<usize> {
    let code = code_only(text);
    let is_word = |at: usize| {
        let bounded = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        bounded(code[..at].chars().next_back()) && bounded(code[at + 6..].chars().next())
    };
    let places = code.match_indices("unsafe").filter(|(at, _)| is_word(*at));
    places.map(|(at, _)| code[..at].matches('\n').count() + 1).collect()
}

fn check_unsafe(path: &str, text: &str) -> Vec<Finding> {
    if UNSAFE_ROOMS.iter().any(|room| path.starts_with(room)) {
        return Vec::new();
    }
    let trouble = "`unsafe` belongs into store::entry, store::keyspace, script, base::allocator, base::bits, base::cache or base::mapping only";
    unsafe_lines(text).into_iter().map(|line| Finding::new(path, line, trouble)).collect()
}

/// Rooms of [`UNSAFE_ROOMS`] without `unsafe`.
fn check_unsafe_rooms(rooms: &[&str], files: &[File]) -> Vec<Finding> {
    let is_needed = |room: &str| files.iter().any(|f| f.path.starts_with(room) && !unsafe_lines(&f.text).is_empty());
    let idle = rooms.iter().filter(|room| !is_needed(room));
    idle.map(|room| Finding::new(room, 1, "has no `unsafe`: take it off the list of rooms that may")).collect()
}

/// Lines of comments that are wider than code may be. Tables and what is in a fence (diagrams, formats) may be wider.
fn check_comment_width(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut is_fenced = false;
    for (number, line) in text.lines().enumerate() {
        let Some(comment) = line.trim_start().strip_prefix("//") else {
            is_fenced = false;
            continue;
        };
        let prose = comment.trim_start_matches(['/', '!']).trim_start();
        if prose.starts_with("```") {
            is_fenced = !is_fenced;
        }
        if !is_fenced && !prose.starts_with('|') && line.chars().count() > COLUMNS {
            findings.push(Finding::new(path, number + 1, format!("is wider than {COLUMNS} columns: wrap it")));
        }
    }
    findings
}

fn check_machine_paths(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if MACHINE_PATHS.iter().any(|trace| line.contains(trace)) {
            findings.push(Finding::new(
                path,
                number + 1,
                "names a path of one machine: use a relative path or a variable",
            ));
        }
        if path == "Cargo.lock"
            && line.starts_with("source = ")
            && !line.contains("registry+https://github.com/rust-lang/crates.io-index")
        {
            findings.push(Finding::new(path, number + 1, "comes from a registry of one machine"));
        }
    }
    findings
}

#[test]
fn every_source_opens_with_an_essay() {
    assert_none(&over(&rust_files(), check_essay));
}

#[test]
fn no_leftovers() {
    assert_none(&over(&rust_files(), check_leftovers));
}

#[test]
fn unsafe_code_stays_in_its_rooms() {
    assert_none(&over(&rust_files(), check_unsafe));
    assert_none(&check_unsafe_rooms(UNSAFE_ROOMS, &rust_files()));
}

#[test]
fn comments_are_no_wider_than_code() {
    assert_none(&over(&rust_files(), check_comment_width));
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    // Bytes that are not text are skipped by the reader; so are the build's own outputs.
    assert_none(&over(&files(|path| !path.ends_with(".rdb")), check_machine_paths));
}

fn over(files: &[File], check: fn(&str, &str) -> Vec<Finding>) -> Vec<Finding> {
    files.iter().flat_map(|f| check(&f.path, &f.text)).collect()
}

#[test]
fn each_check_fires_on_a_bad_sample() {
    assert_eq!(check_essay("a.rs", "use std::fs;\n").len(), 1);
    assert_eq!(check_essay("a.rs", "").len(), 1);
    assert_eq!(check_essay("a.rs", "//! Lists.\n").len(), 1, "a word is no essay");
    assert_eq!(
        check_essay("a.rs", "\n//! Lists: what they are, and why so.\n"),
        [Finding::new("a.rs", 1, check_essay("a.rs", "")[0].trouble.clone())]
    );
    assert_eq!(check_essay("a.rs", "//! Lists: what they are, and why so.\nuse x;\n"), []);
    assert_eq!(check_essay("a_tests.rs", "//! Of lists.\n"), []);
    assert_eq!(check_essay("a_tests.rs", "use x;\n").len(), 1);
    for (word, _) in LEFTOVERS {
        assert_eq!(check_leftovers("a.rs", &format!("let a = 1;\n// {word} later")).len(), 1, "{word}");
    }
    assert_eq!(check_unsafe("server/src/net/mod.rs", "fn f() { unsafe { g() } }").len(), 1);
    assert_eq!(check_unsafe("server/src/net/mod.rs", "#![deny(unsafe_op_in_unsafe_fn)] // unsafe"), []);
    assert_eq!(check_unsafe("server/src/store/entry/word.rs", "unsafe { g() }"), []);
    let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
    let files = [file("a/b.rs", "unsafe { g() }"), file("c/d.rs", "// unsafe\n#![forbid(unsafe_code)]")];
    assert_eq!(check_unsafe_rooms(&["a/"], &files), []);
    assert_eq!(check_unsafe_rooms(&["a/", "c/", "e.rs"], &files).len(), 2);
    let (wide, fits) = ("x".repeat(117), "é".repeat(116));
    assert_eq!(check_comment_width("a.rs", &format!("    // x\n/// {wide}\n// {wide}{wide}\n")).len(), 2);
    let good =
        format!("/// {fits}\n//! ```text\n//! {wide}\n//! ```\n//! | {wide} |\nlet a = \"{wide}{wide}\"; // b\n");
    assert_eq!(check_comment_width("a.rs", &good), []);
    for trace in MACHINE_PATHS {
        assert_eq!(check_machine_paths("README.md", &format!("cd {trace}x")).len(), 1, "{trace}");
    }
    assert_eq!(check_machine_paths("Cargo.lock", "source = \"sparse+http://mirror/\"").len(), 1);
}
