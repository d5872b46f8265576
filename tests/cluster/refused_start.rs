//! A refused start of `slotd cluster` leaves the directory unchanged: the next start finds what was there before, and
//! nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use integration::one_process::{OneProcess, TestDir};
use integration::oracle::slotd_is_stock;

/// Every file and directory below, with the contents of the files.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(tree(&path));
            found.insert(path, None);
        } else {
            let bytes = fs::read(&path).expect("readable");
            found.insert(path, Some(bytes));
        }
    }
    found
}

fn refused(temporary: &TestDir, args: &[&str]) {
    let mut process = OneProcess::spawn(temporary, args);
    assert_eq!(process.wait_end(), Some(1), "{args:?}");
    assert!(process.next_line(integration::wait::secs(5)).is_none_or(|line| line["ready"].is_null()), "{args:?}");
}

#[test]
fn a_start_in_another_shape_changes_nothing() {
    if slotd_is_stock() {
        return;
    }
    let (temporary, dir) = (TestDir::new(), TestDir::new());
    let data = dir.path().join("cluster").display().to_string();
    let mut first = OneProcess::start(&temporary, &["--dir", &data]);
    first.signal("TERM");
    assert_eq!(first.wait_end(), Some(0));
    let before = tree(dir.path());
    assert!(before.len() >= 12, "six directories with a nodes.conf each: {before:?}");
    for (shards, replicas) in [("3", "2"), ("4", "1"), ("4", "0"), ("3", "0"), ("10", "2"), ("1", "1")] {
        refused(&temporary, &["--dir", &data, "--shards", shards, "--replicas", replicas]);
        assert_eq!(tree(dir.path()), before, "{shards} {replicas}");
    }
    // One of them is missing, so the shape is wrong as well.
    fs::remove_dir_all(dir.path().join("cluster/node-2")).expect("it was there");
    let before = tree(dir.path());
    refused(&temporary, &["--dir", &data]);
    assert_eq!(tree(dir.path()), before);
}

#[test]
fn a_start_that_fails_takes_away_what_it_made() {
    if slotd_is_stock() {
        return;
    }
    let (temporary, dir) = (TestDir::new(), TestDir::new());
    let data = dir.path().join("new/cluster").display().to_string();
    // With enough ports above it for six nodes and their buses.
    let taken = (20_000..30_000).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()).expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let in_the_middle = (port - 3).to_string();
    let wrong: [&[&str]; 4] = [
        &["--port", &in_the_middle],
        &["--maxclients", "none"],
        &["--bind", "198.51.100.1"],
        &["--dbfilename", "no/name"],
    ];
    for args in wrong {
        refused(&temporary, &[&["--dir", &data], args].concat());
        assert_eq!(tree(dir.path()), BTreeMap::new(), "{args:?}");
    }
    // Files that others have put there stay.
    fs::create_dir_all(dir.path().join("new/cluster/node-1")).expect("writable");
    fs::write(dir.path().join("new/cluster/node-1/mine"), b"x").expect("writable");
    let before = tree(dir.path());
    refused(&temporary, &["--dir", &data, "--port", &in_the_middle]);
    assert_eq!(tree(dir.path()), before);
}

#[test]
fn a_start_beside_a_running_cluster_or_on_damage_makes_nothing_new() {
    if slotd_is_stock() {
        return;
    }
    let (temporary, dir) = (TestDir::new(), TestDir::new());
    let data = dir.path().display().to_string();
    let mut first = OneProcess::start(&temporary, &["--dir", &data]);
    let names = |dir: &TestDir| tree(dir.path()).into_keys().collect::<Vec<_>>();
    let before = names(&dir);
    refused(&temporary, &["--dir", &data]);
    refused(&temporary, &["--dir", &data, "--shards", "4"]);
    assert_eq!(names(&dir), before);
    first.signal("TERM");
    assert_eq!(first.wait_end(), Some(0));
    let before = names(&dir);
    fs::write(dir.path().join("node-1/nodes.conf"), b"damaged").expect("writable");
    for args in [&[][..], &["--shards", "4"][..]] {
        refused(&temporary, &[&["--dir", &data], args].concat());
        assert_eq!(names(&dir), before, "{args:?}");
    }
}
