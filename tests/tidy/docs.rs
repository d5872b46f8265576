//! Documents: the required ones exist, the set-up is really two commands, and what they say of the sources is so: every
//! test and path that they name exists, and the map gives each module its rank.

use std::fs;

use crate::ranks::RANKS;
use crate::source::{code_only, files, root, rust_files};
use crate::{Finding, assert_none};

/// Files that every reader may expect.
const EXPECTED: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "deny.toml",
    "rustfmt.toml",
    ".ci/run",
];

/// The two commands that are the whole set-up.
const COMMANDS: &[&str] = &["cargo run --release -- cluster", "tests/run"];

/// Names in backquotes that look like a test's: `three_or_more_words`, perhaps behind a path of modules.
fn named_tests(text: &str) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for quoted in line.split('`').skip(1).step_by(2) {
            let name = quoted.rsplit("::").next().unwrap_or_default();
            let plain =
                !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if plain && name.matches('_').count() >= 3 {
                names.push((number + 1, name.to_owned()));
            }
        }
    }
    names
}

fn check_named_tests(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let missing = named_tests(text).into_iter().filter(|(_, name)| !exists(name));
    missing
        .map(|(line, name)| Finding::new(path, line, format!("names `{name}`, which is no function of this tree")))
        .collect()
}

/// Modules of the server that the map does not mention.
fn check_map(map: &str, modules: &[String]) -> Vec<Finding> {
    let unmapped = modules.iter().filter(|m| !map.contains(&format!("`{m}`")) && !map.contains(&format!("{m}/")));
    unmapped.map(|m| Finding::new("ARCHITECTURE.md", 1, format!("does not mention server/src/{m}"))).collect()
}

/// The documents whose paths are checked.
const MAPS: &[&str] = &["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/adding-a-type.md"];

/// Where the paths of documents begin: at the root, in the server's modules, or in a room that the text is about.
const BASES: &[&str] = &["", "server/src/", "gossip/", "protocol/", "tests/", "server/src/store/"];

/// What is in backquotes, by line.
fn quoted(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines.flat_map(|(number, line)| line.split('`').skip(1).step_by(2).map(move |quoted| (number + 1, quoted)))
}

/// The part of a quoted text that has to exist, if it looks like a source or a folder: `a/b.rs`, `a/b/`, `a/b`. A place
/// for a name (`a/<family>.rs`) stands for any file of its folder.
fn path_in(quoted: &str) -> Option<&str> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.' | '<' | '>');
    if !quoted.contains('/') || quoted.starts_with('/') || !quoted.chars().all(known) {
        return None;
    }
    match quoted.find('<') {
        None => Some(quoted.trim_end_matches('/')),
        Some(at) => quoted[..at].rfind('/').map(|end| &quoted[..end]),
    }
}

fn check_paths(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let gone = quoted(text).filter(|(_, quoted)| {
        path_in(quoted).is_some_and(|named| !BASES.iter().any(|base| exists(&format!("{base}{named}"))))
    });
    gone.map(|(line, quoted)| Finding::new(path, line, format!("names `{quoted}`, which is not in the tree"))).collect()
}

/// The modules of the map's table with their ranks, in its order.
fn ranks_in(map: &str) -> Vec<(usize, &str)> {
    let rows = map.lines().filter_map(|line| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        Some((cells.next()?.parse().ok()?, cells.next()?))
    });
    let is_module = |(_, name): &(usize, &str)| name.starts_with(|c: char| c.is_ascii_lowercase());
    rows.flat_map(|(rank, modules)| modules.split('`').skip(1).step_by(2).map(move |module| (rank, module)))
        .filter(is_module)
        .collect()
}

/// Differences between the map's table of ranks and the ranks that are enforced.
fn check_ranks(map: &str, ranks: &[&[&str]]) -> Vec<Finding> {
    // The table of ranks is the first one with numbers.
    let table = map.split("\n## ").find(|section| !ranks_in(section).is_empty()).unwrap_or_default();
    let shown = ranks_in(table);
    let mut findings = Vec::new();
    if !shown.is_sorted_by_key(|(rank, _)| *rank) {
        findings.push(Finding::new("ARCHITECTURE.md", 1, "the ranks are not in ascending order"));
    }
    // `lib` only names the modules.
    let enforced = ranks.iter().enumerate().flat_map(|(rank, row)| row.iter().map(move |module| (rank, *module)));
    let enforced: Vec<(usize, &str)> = enforced.filter(|(_, module)| *module != "lib").collect();
    let mut differ = |these: &[(usize, &str)], others: &[(usize, &str)], text: &str| {
        let alone = these.iter().filter(|entry| !others.contains(entry));
        findings.extend(alone.map(|(rank, m)| Finding::new("ARCHITECTURE.md", 1, format!("{text} `{m}` rank {rank}"))));
    };
    differ(&shown, &enforced, "tests/tidy/ranks.rs does not give");
    differ(&enforced, &shown, "does not give");
    findings
}

#[test]
fn the_ranks_of_the_map_are_those_that_are_enforced() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    assert_none(&check_ranks(&map, RANKS));
}

#[test]
fn paths_that_documents_name_exist() {
    let exists = |path: &str| root().join(path).exists();
    let documents = files(|path| MAPS.contains(&path));
    assert_eq!(documents.len(), MAPS.len());
    let findings: Vec<Finding> = documents.iter().flat_map(|f| check_paths(&f.path, &f.text, exists)).collect();
    assert_none(&findings);
}

/// The links of a text, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(number, line)| {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            targets.map(move |(target, _)| (number + 1, target))
        })
        .collect()
}

/// The names that GitHub gives the headings of a text.
fn anchors(text: &str) -> Vec<String> {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings.map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

/// Links from the document at `path` to others that are not there, or to headings that they lack.
fn check_links(path: &str, text: &str, read: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let is_wrong = |target: &str| {
        if target.contains("://") {
            return false;
        }
        let (file, heading) = target.split_once('#').map_or((target, None), |(file, name)| (file, Some(name)));
        let place = match (file.strip_prefix("../"), folder) {
            _ if file.is_empty() => path.to_owned(),
            (Some(above), _) => above.to_owned(),
            (None, "") => file.to_owned(),
            (None, folder) => format!("{folder}/{file}"),
        };
        read(&place).is_none_or(|text| heading.is_some_and(|name| !anchors(&text).iter().any(|there| there == name)))
    };
    let wrong = links(text).into_iter().filter(|(_, target)| is_wrong(target));
    wrong.map(|(line, target)| Finding::new(path, line, format!("links to {target}, which is not there"))).collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let read = |path: &str| fs::read(root().join(path)).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let documents = files(|path| path.ends_with(".md"));
    let findings: Vec<Finding> = documents.iter().flat_map(|f| check_links(&f.path, &f.text, read)).collect();
    assert_none(&findings);
}

#[test]
fn the_documents_that_must_be_there_are_there() {
    let missing =
        EXPECTED.iter().filter(|path| fs::read_to_string(root().join(path)).map_or(true, |t| t.trim().is_empty()));
    let findings: Vec<Finding> = missing.map(|path| Finding::new(path, 1, "is missing or empty")).collect();
    assert_none(&findings);
}

#[test]
fn the_readme_shows_the_two_commands_first() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    for command in COMMANDS {
        let at = readme.find(command).unwrap_or_else(|| panic!("README.md does not show `{command}`"));
        assert!(readme[..at].lines().count() < 60, "`{command}` comes too late");
    }
}

/// Compose takes the name of a project from the file's directory: 1.29, which Debian has, refuses one in the file. Two
/// files in one directory would be one project, and each would call the services of the other orphans.
#[test]
fn compose_files_are_projects_of_their_own() {
    let compose = files(|path| path.ends_with("compose.yml"));
    let folder =
        |path: &str| path.rsplit_once('/').map_or("", |(folder, _)| folder.rsplit('/').next().unwrap_or("")).to_owned();
    let mut projects: Vec<String> = compose.iter().map(|file| folder(&file.path)).collect();
    let many = projects.len();
    projects.sort_unstable();
    projects.dedup();
    assert!(many >= 4 && projects.len() == many, "{projects:?} are the projects of {many} files");
    let named = compose.iter().filter(|file| file.text.lines().any(|line| line.starts_with("name:")));
    assert_eq!(named.count(), 0, "Compose 1.29 reads all of them");
}

#[test]
fn tests_that_documents_name_exist() {
    let code: String = rust_files().iter().map(|f| code_only(&f.text)).collect();
    let exists = |name: &str| code.contains(&format!("fn {name}(")) || code.contains(&format!("fn {name}<"));
    let documents = files(|path| path.ends_with(".md"));
    let findings: Vec<Finding> = documents.iter().flat_map(|f| check_named_tests(&f.path, &f.text, exists)).collect();
    assert_none(&findings);
}

#[test]
fn the_architecture_map_mentions_every_module_of_the_server() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let entries = fs::read_dir(root().join("server/src")).expect("server/src");
    let modules: Vec<String> =
        entries.flatten().filter(|e| e.path().is_dir()).map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    assert_none(&check_map(&map, &modules));
}

#[test]
fn each_check_fires_on_a_bad_sample() {
    let text = "Guarded by `sim::no_two_primaries_of_a_slot` and `store::entry`, see `cluster_node_timeout`.\n";
    assert_eq!(named_tests(text), [(1, "no_two_primaries_of_a_slot".to_owned())]);
    assert_eq!(check_named_tests("A.md", text, |_| false).len(), 1);
    assert_eq!(check_named_tests("A.md", text, |_| true), []);
    let modules = ["base".to_owned(), "store".to_owned()];
    assert_eq!(check_map("`base` is the lowest", &modules).len(), 1);
    assert_eq!(check_map("base/ and `store`", &modules), []);
    let exists = |path: &str| ["server/src/store/slot.rs", "server/src/store", "tests/sim"].contains(&path);
    let good = "`store/slot.rs`, `store/`, `tests/sim`, `store/<type>.rs`, `tests/run --list`, `GET`, `/etc/x.rs`";
    assert_eq!(check_paths("A.md", good, exists), []);
    assert_eq!(check_paths("A.md", "`store/slots.rs`, `tests/simulator`,\n`sore/<type>.rs`", exists).len(), 3);
    let read = |path: &str| (path == "docs/B.md").then(|| "# B\n\n### Redis 7.2, and `GET`\n".to_owned());
    let good = "[a](B.md), [b](B.md#redis-72-and-get), [c](https://x/y#z)";
    assert_eq!(check_links("docs/A.md", good, read), []);
    assert_eq!(check_links("A.md", "[a](docs/B.md#b)", read), []);
    assert_eq!(check_links("docs/A.md", "[a](C.md), [b](B.md#redis),\n[c](../B.md)", read).len(), 3);
    let ranks: &[&[&str]] = &[&["base"], &["store", "runtime"], &["lib", "main"]];
    let map = |rows: &str| format!("# A\n\n## Rooms\n| rank | module |\n|---|---|\n{rows}\n## Rules\n| 7 | `x` |\n");
    assert_eq!(check_ranks(&map("| 0 | `base` | a |\n| 1 | `store`, `runtime` |\n| 2 | `main` |"), ranks), []);
    assert_eq!(check_ranks(&map("| 1 | `store`, `runtime` |\n| 0 | `base` |\n| 2 | `main` |"), ranks).len(), 1);
    assert_eq!(check_ranks(&map("| 0 | `base` |\n| 1 | `runtime` |\n| 2 | `main` |"), ranks).len(), 1);
    assert_eq!(check_ranks(&map("| 0 | `base`, `store` |\n| 1 | `runtime` |\n| 2 | `main` |"), ranks).len(), 2);
}

/// Names of the directives that a table declares as having an effect: `NAME = ...;` without `no_effect`.
fn effective_directives(table: &str) -> Vec<String> {
    let mut names = Vec::new();
    let code = code_only(table);
    for declaration in code.split(';') {
        let Some((before, value)) = declaration.split_once(" = ") else { continue };
        let name = before.split_whitespace().last().unwrap_or_default();
        let is_id = name.len() > 1 && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        if is_id && !value.contains("no_effect") {
            names.push(name.to_owned());
        }
    }
    names
}

/// A directive that claims an effect although nothing reads it misleads its user.
#[test]
fn a_directive_that_nothing_reads_says_so() {
    let sources = rust_files();
    let is_test = |path: &str| path.ends_with("_tests.rs") || path.contains("/tests/");
    let (tables, code): (Vec<_>, Vec<_>) = sources
        .iter()
        .filter(|file| file.path.starts_with("server/src/") && !is_test(&file.path))
        .partition(|file| file.path.starts_with("server/src/config/table/"));
    let code: Vec<String> = code.iter().map(|file| code_only(&file.text)).collect();
    let mut declared = 0;
    let mut findings = Vec::new();
    for table in tables {
        for name in effective_directives(&table.text) {
            declared += 1;
            let used = format!("ids::{name}");
            let reads = |text: &String| {
                text.match_indices(&used)
                    .any(|(at, _)| !text[at + used.len()..].starts_with(|c: char| c.is_ascii_uppercase() || c == '_'))
            };
            if !code.iter().any(reads) {
                findings.push(Finding::new(&table.path, 1, format!("{name} has no reader: call it `no_effect`")));
            }
        }
    }
    assert!(declared > 50, "the tables were read: {declared}");
    assert_none(&findings);
}

#[test]
fn the_check_of_directives_tells_those_without_effect() {
    let table = "/// Doc.\nAA_B = int(\"aa-b\", 0, 1, 0);\n/// Doc.\nCC = boolean(\"cc\", true)\n    .no_effect();\n";
    assert_eq!(effective_directives(table), ["AA_B"]);
}
