//! The sources to check, and Rust text without its comments and strings.
//!
//! A full parser would add a dependency and a second to the start; the checks only need to know what is code.
//! [`code_only`] blanks comments, string and character literals, keeping every line break, so that line numbers stay
//! valid.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A file of the repository.
pub(crate) struct File {
    /// Path from the root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root").to_path_buf()
}

/// All text files whose path passes `wanted`, in order of their paths. Build products and fuzzing corpora are left out.
pub(crate) fn files(wanted: impl Fn(&str) -> bool) -> Vec<File> {
    let root = root();
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    found.retain(|path| wanted(path));
    found.sort();
    let read = |path: String| Some(File { text: fs::read_to_string(root.join(&path)).ok()?, path });
    found.into_iter().filter_map(read).collect()
}

/// All Rust sources.
pub(crate) fn rust_files() -> Vec<File> {
    let files = files(|path| path.ends_with(".rs"));
    assert!(files.len() > 50, "the walk found the sources");
    files
}

fn walk(root: &Path, dir: &Path, found: &mut Vec<String>) {
    let skipped = ["target", ".git", "corpus", "artifacts", "proptest-regressions", "node_modules"];
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if skipped.iter().any(|s| name == *s) {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, found);
        } else if let Ok(relative) = path.strip_prefix(root) {
            found.push(relative.to_string_lossy().replace('\\', "/"));
        }
    }
}

/// The text with comments and the contents of literals replaced by blanks.
pub(crate) fn code_only(text: &str) -> String {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0, out: Vec::with_capacity(text.len()) };
    while reader.at < reader.bytes.len() {
        reader.step();
    }
    String::from_utf8(reader.out).expect("only ASCII was written in place of literals")
}

/// Code without white space that means nothing, so that a search finds an expression however it is wrapped. Between two
/// words one blank is left.
pub(crate) struct Squeezed {
    pub(crate) code: String,
    /// The line that each byte is in.
    lines: Vec<usize>,
}

impl Squeezed {
    pub(crate) fn new(text: &str) -> Self {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let mut squeezed = Self { code: String::new(), lines: Vec::new() };
        let mut is_apart = false;
        for (number, line) in code_only(text).lines().enumerate() {
            for c in line.chars() {
                if c.is_whitespace() {
                    is_apart = true;
                    continue;
                }
                if std::mem::take(&mut is_apart) && is_word(c) && squeezed.code.ends_with(is_word) {
                    squeezed.code.push(' ');
                }
                squeezed.code.push(c);
                squeezed.lines.resize(squeezed.code.len(), number + 1);
            }
            is_apart = true;
        }
        squeezed
    }

    /// Where this occurs, and in which line it begins. White space counts no more than in the code.
    pub(crate) fn find(&self, wanted: &str) -> Vec<(Range<usize>, usize)> {
        let wanted = Self::new(wanted).code;
        self.code.match_indices(&wanted).map(|(at, found)| (at..at + found.len(), self.lines[at])).collect()
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    out: Vec<u8>,
}

impl Reader<'_> {
    fn step(&mut self) {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(b"//") {
            let end = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
            self.blank(end);
        } else if rest.starts_with(b"/*") {
            self.blank(block_comment(rest));
        } else if let Some(len) = raw_string(rest)
            && !self.follows_identifier()
        {
            self.blank(len);
        } else if rest[0] == b'"' {
            self.blank(quoted(rest, b'"'));
        } else if rest[0] == b'\'' && is_character(rest) {
            self.blank(quoted(rest, b'\''));
        } else {
            self.out.push(rest[0]);
            self.at += 1;
        }
    }

    fn follows_identifier(&self) -> bool {
        self.out.last().is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
    }

    fn blank(&mut self, len: usize) {
        for &byte in &self.bytes[self.at..self.at + len] {
            self.out.push(if byte == b'\n' { b'\n' } else { b' ' });
        }
        self.at += len;
    }
}

/// Length of a block comment; they nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Length of a raw string (`r"`, `r#"`, `br#"`), if there is one.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let start = match rest {
        [b'b', b'r', ..] => 2,
        [b'r', ..] => 1,
        _ => return None,
    };
    let hashes = rest[start..].iter().take_while(|&&b| b == b'#').count();
    if rest.get(start + hashes) != Some(&b'"') {
        return None;
    }
    let mut end = vec![b'"'];
    end.resize(hashes + 1, b'#');
    let body = start + hashes + 1;
    let close = rest[body..].windows(end.len()).position(|w| w == end)?;
    Some(body + close + end.len())
}

/// Length of a literal with escapes, its quotes included.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Whether a quote begins a character (`'a'`, `'\n'`, `'é'`) and not a lifetime.
fn is_character(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(byte) if byte.is_ascii() => rest.get(2) == Some(&b'\''),
        Some(_) => rest[1..].iter().take(5).any(|&b| b == b'\''),
        None => false,
    }
}

#[test]
fn comments_and_literals_are_blanked_and_lines_stay() {
    let text = "let a = \"// no\\\" comment\"; // yes\nlet b = 'x'; /* a /* nested */ one\n*/ let c: &'static str = r#\"raw \"quoted\" \"#;\nlet d = '\\'';";
    let code = code_only(text);
    assert_eq!(code.lines().count(), text.lines().count());
    assert!(!code.contains("comment") && !code.contains("yes") && !code.contains("nested") && !code.contains("raw"));
    assert!(code.contains("let c: &'static str") && code.contains("let d =") && code.contains("let b ="));
}

#[test]
fn squeezed_code_keeps_its_line_numbers() {
    let squeezed = Squeezed::new("// a.lock()\nlet b = a // x\n    .lock( 1 )\n    .now();\n");
    assert_eq!(squeezed.code, "let b=a.lock(1).now();");
    assert_eq!(squeezed.find("a .lock("), [(6..13, 2)]);
    assert_eq!(squeezed.find(".now"), [(15..19, 4)]);
    assert_eq!(squeezed.find("letb"), []);
}
