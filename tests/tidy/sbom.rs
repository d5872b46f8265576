//! `deploy/sbom.cdx.json` lists what the binary is made of: the packages that Cargo links, with licences and checksums.
//!
//! The image carries it, in the form of CycloneDX. It is part of the sources, so that an image around a binary that is
//! there has it, too, and nothing has to be installed to build one. It has no date and no serial number: it changes
//! when a dependency does. `UPDATE_DOCS=1 cargo test -p integration --test tidy sbom` writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::source::root;

/// Packages whose code is in the binary although Cargo only builds with them: they hold sources in C.
const COMPILED_IN: [&str; 1] = ["lua-src"];

const FILE: &str = "deploy/sbom.cdx.json";

/// A package that is linked: its name, version and licence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    license: String,
}

impl Package {
    fn reference(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }
}

/// What `cargo tree` says of a package along these edges: a line for each dependency, with its depth in front.
fn tree(package: &str, edges: &str, more: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--offline", "--target", "x86_64-unknown-linux-gnu", "--edges", edges])
        .args(["--prefix", "depth", "--format", "|{p}|{l}", "--package", package])
        .args(more)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// A line of it: `2|bytes v1.12.1|MIT`. A package that was shown before ends with `(*)`.
fn parse(line: &str) -> Option<(usize, Package)> {
    let mut parts = line.split('|');
    let depth = parts.next()?.parse().ok()?;
    let mut words = parts.next()?.split(' ');
    let (name, version) = (words.next()?.to_owned(), words.next()?.trim_start_matches('v').to_owned());
    // Older packages write a slash.
    let license = parts.next()?.trim_end_matches("(*)").trim().replace('/', " OR ");
    Some((depth, Package { name, version, license }))
}

/// The packages, each with those that it uses itself. The first line of a tree is its root.
fn graph(tree: &str) -> BTreeMap<Package, BTreeSet<String>> {
    let (mut graph, mut path): (BTreeMap<Package, BTreeSet<String>>, Vec<Package>) = Default::default();
    for (depth, package) in tree.lines().filter_map(parse) {
        path.truncate(depth);
        if let Some(user) = path.last() {
            graph.entry(user.clone()).or_default().insert(package.reference());
        }
        graph.entry(package.clone()).or_default();
        path.push(package);
    }
    graph
}

/// The checksums in Cargo.lock, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let blocks = lock.split("[[package]]").filter_map(|block| {
        let value = |key: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""))?;
            Some(line.trim_end_matches('"').to_owned())
        };
        Some(((value("name")?, value("version")?), value("checksum")?))
    });
    blocks.collect()
}

fn sbom(graph: &BTreeMap<Package, BTreeSet<String>>, sums: &BTreeMap<(String, String), String>) -> Value {
    let component = |package: &Package| {
        let mut component = json!({
            "type": "library",
            "bom-ref": package.reference(),
            "name": package.name,
            "version": package.version,
            "licenses": [{ "expression": package.license }],
            "purl": package.reference(),
        });
        if let Some(sum) = sums.get(&(package.name.clone(), package.version.clone())) {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
        }
        component
    };
    let (own, others): (Vec<&Package>, Vec<&Package>) = graph.keys().partition(|package| package.name == "slotd");
    let mut subject = own.first().map_or(Value::Null, |package| component(package));
    subject["type"] = json!("application");
    let uses =
        |(package, uses): (&Package, &BTreeSet<String>)| json!({ "ref": package.reference(), "dependsOn": uses });
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": subject },
        "components": others.into_iter().map(component).collect::<Vec<_>>(),
        "dependencies": graph.iter().map(uses).collect::<Vec<_>>(),
    })
}

#[test]
fn the_list_of_components_is_that_of_the_binary() {
    let mut found = graph(&tree("slotd", "normal,no-proc-macro", &[]));
    for name in COMPILED_IN {
        let package = graph(&tree(name, "normal,build", &["--depth", "0"])).into_keys().next();
        let package = package.expect("it is in Cargo.lock");
        found.entry(package).or_default();
    }
    assert!(found.len() > 30, "{found:?}");
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("readable");
    let text = serde_json::to_string_pretty(&sbom(&found, &checksums(&lock))).expect("JSON") + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join(FILE), &text).expect("writable");
    }
    let there = fs::read_to_string(root().join(FILE)).unwrap_or_default();
    assert!(
        there == text,
        "{FILE} is not that of Cargo.lock: UPDATE_DOCS=1 cargo test -p integration --test tidy sbom"
    );
}

#[test]
fn a_tree_of_cargo_is_read_with_its_edges_and_checksums() {
    let text = "0|slotd v0.1.0 (/src/server)|MIT\n1|bytes v1.2.3|MIT/Apache-2.0\n1|tokio v1.0.0|MIT\n2|bytes v1.2.3|MIT/Apache-2.0 (*)\n";
    let found = graph(text);
    let of = |name: &str| found.iter().find(|(package, _)| package.name == name).expect(name);
    assert_eq!(found.len(), 3);
    assert_eq!(of("bytes").0.license, "MIT OR Apache-2.0");
    assert_eq!(of("slotd").1.len(), 2);
    assert_eq!(of("tokio").1.iter().collect::<Vec<_>>(), ["pkg:cargo/bytes@1.2.3"]);
    let sums = checksums(
        "[[package]]\nname = \"bytes\"\nversion = \"1.2.3\"\nchecksum = \"ab\"\n\n[[package]]\nname = \"slotd\"\nversion = \"0.1.0\"\n",
    );
    assert_eq!(sums.len(), 1);
    let written = sbom(&found, &sums);
    assert_eq!(written["metadata"]["component"]["type"], "application");
    assert_eq!(written["components"].as_array().map(Vec::len), Some(2));
    assert_eq!(written["components"][0]["hashes"][0]["content"], "ab");
}
