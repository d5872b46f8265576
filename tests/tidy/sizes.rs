//! Sizes: 800 lines per file, 70 lines of code per function.
//!
//! Lines of code are the lines that are left without comments, blank lines and the contents of string literals: neither
//! an explanation nor a script in a test makes a function complicated. Functions that are longer today are in
//! `long_functions.txt` with their length. The list is a ratchet: no entry may grow, no new one may be added, and one
//! that is no longer needed must be removed.

use std::collections::BTreeMap;
use std::fs;

use crate::source::{code_only, root, rust_files};
use crate::{Finding, assert_none};

const FILE_LINES: usize = 800;
const FUNCTION_LINES: usize = 70;
const RATCHET: &str = "tests/tidy/long_functions.txt";

/// A function: its name, the line it starts at, and its lines of code.
#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    line: usize,
    length: usize,
}

fn functions(text: &str) -> Vec<Function> {
    let code = code_only(text);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let stands_alone = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if !stands_alone || name.is_empty() {
            continue;
        }
        let Some(end) = end_of_body(&code, at) else { continue };
        let length = code[at..end].lines().filter(|l| !l.trim().is_empty()).count();
        found.push(Function { name, line: code[..at].matches('\n').count() + 1, length });
    }
    found
}

/// The offset behind a function's closing brace; `None` for a declaration without body.
fn end_of_body(code: &str, start: usize) -> Option<usize> {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for (offset, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b';' if braces == 0 && brackets == 0 => return None,
            b'{' => braces += 1,
            b'}' => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return Some(offset + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn check_file_length(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().count();
    if lines <= FILE_LINES {
        return Vec::new();
    }
    vec![Finding::new(
        path,
        lines,
        format!("{lines} lines, at most {FILE_LINES}: split it where a reader would look for two things"),
    )]
}

/// Compares long functions (`path name` to length) with the ratchet.
fn check_ratchet(long: &BTreeMap<String, usize>, ratchet: &BTreeMap<String, usize>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, length) in long {
        let allowed = ratchet.get(key).copied().unwrap_or(FUNCTION_LINES);
        if *length > allowed {
            let trouble =
                format!("{length} lines of code, at most {allowed}: move whole steps into functions of their own");
            findings.push(Finding { place: key.clone(), trouble });
        }
    }
    for (key, allowed) in ratchet {
        match long.get(key) {
            None => findings
                .push(Finding { place: key.clone(), trouble: format!("is short now: remove it from {RATCHET}") }),
            Some(length) if length < allowed => {
                let trouble = format!("has shrunk to {length}: write that into {RATCHET} (was {allowed})");
                findings.push(Finding { place: key.clone(), trouble });
            }
            Some(_) => {}
        }
    }
    findings
}

fn parse_ratchet(text: &str) -> BTreeMap<String, usize> {
    let lines = text.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty());
    let entry = |line: &str| {
        let (key, length) = line.rsplit_once(' ').expect("path name length");
        (key.to_owned(), length.parse().expect("a number of lines"))
    };
    lines.map(entry).collect()
}

#[test]
fn no_file_is_longer_than_eight_hundred_lines() {
    let findings: Vec<Finding> = rust_files().iter().flat_map(|f| check_file_length(&f.path, &f.text)).collect();
    assert_none(&findings);
}

#[test]
fn no_function_is_longer_than_the_ratchet_allows() {
    let mut long = BTreeMap::new();
    for file in rust_files() {
        for function in functions(&file.text).into_iter().filter(|f| f.length > FUNCTION_LINES) {
            long.insert(format!("{} {}", file.path, function.name), function.length);
        }
    }
    let ratchet = parse_ratchet(&fs::read_to_string(root().join(RATCHET)).expect("the ratchet file"));
    assert_none(&check_ratchet(&long, &ratchet));
}

#[test]
fn lengths_are_counted_in_lines_of_code() {
    let text = "impl X {\n    fn short(&self) -> [u8; 2] { [0; 2] }\n    fn declared(&self);\n    fn long(\n        a: u8,\n    ) {\n        // a comment\n\n        let s = \"\n{ not a brace\n\";\n        call(|| { a });\n    }\n}\n";
    let expected = [("short", 2, 1), ("long", 4, 7)];
    let found = functions(text);
    let found: Vec<(&str, usize, usize)> = found.iter().map(|f| (f.name.as_str(), f.line, f.length)).collect();
    assert_eq!(found, expected);
}

#[test]
fn long_files_and_functions_are_found_and_the_ratchet_only_shrinks() {
    assert_eq!(check_file_length("a.rs", &"x\n".repeat(800)), []);
    assert_eq!(check_file_length("a.rs", &"x\n".repeat(801)).len(), 1);
    let map =
        |entries: &[(&str, usize)]| entries.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect::<BTreeMap<_, _>>();
    assert_eq!(check_ratchet(&map(&[("a f", 80)]), &map(&[("a f", 80)])), []);
    assert_eq!(check_ratchet(&map(&[("a f", 71)]), &map(&[])).len(), 1, "a new long function");
    assert_eq!(check_ratchet(&map(&[("a f", 81)]), &map(&[("a f", 80)])).len(), 1, "an old one that grew");
    assert_eq!(check_ratchet(&map(&[("a f", 75)]), &map(&[("a f", 80)])).len(), 1, "one that shrank");
    assert_eq!(check_ratchet(&map(&[]), &map(&[("a f", 80)])).len(), 1, "one that is gone");
    assert_eq!(parse_ratchet("# why\na.rs f 80\n"), map(&[("a.rs f", 80)]));
}
