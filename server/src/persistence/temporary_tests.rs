//! Ownership of temporary files: each of any number of makers has its own file, and an abandoned one is reused.

use std::io::{Read, Seek, Write};

use super::*;
use crate::base::test_dir::TestDir;

fn target(folder: &TestDir) -> PathBuf {
    folder.0.join("dump.rdb")
}

/// As with nodes that share a directory.
#[test]
fn everybody_has_a_file_of_his_own() {
    let folder = TestDir::new("temporary-own");
    let mut made: Vec<(File, PathBuf)> = (0..40).map(|_| create(&target(&folder)).expect("a file")).collect();
    made.iter_mut().enumerate().for_each(|(number, (file, _))| write!(file, "{number}").expect("written"));
    for (number, (file, path)) in made.iter_mut().enumerate() {
        assert_eq!(std::fs::read_to_string(&*path).expect("it has a name"), number.to_string());
        file.rewind().expect("files can");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("it is for reading, too");
        assert_eq!(text, number.to_string());
    }
}

#[test]
fn what_a_crash_left_is_used_again() {
    let folder = TestDir::new("temporary-left");
    for _ in 0..20 {
        let (mut file, _) = create(&target(&folder)).expect("a file");
        assert_eq!(file.metadata().expect("facts").len(), 0, "nothing of the one before");
        file.write_all(b"half a snapshot").expect("written");
    }
    assert_eq!(folder.files(), 1);
}

#[test]
fn a_file_that_is_in_its_place_is_nobody_elses() {
    let folder = TestDir::new("temporary-placed");
    let (mut file, path) = create(&target(&folder)).expect("a file");
    file.write_all(b"a snapshot").expect("written");
    std::fs::rename(&path, target(&folder)).expect("renamed");
    let (_other, other_path) = create(&target(&folder)).expect("a file");
    assert_eq!(other_path, path, "the name is free again");
    assert_eq!(std::fs::read(target(&folder)).expect("the snapshot"), b"a snapshot");
}

#[test]
fn a_file_without_a_name_leaves_nothing() {
    let folder = TestDir::new("temporary-nameless");
    let (mut first, mut second) =
        (nameless(&target(&folder)).expect("a file"), nameless(&target(&folder)).expect("a file"));
    first.write_all(b"first").expect("written");
    second.write_all(b"second").expect("written");
    assert_eq!(folder.files(), 0);
    first.rewind().expect("files can");
    let mut text = String::new();
    first.read_to_string(&mut text).expect("read");
    assert_eq!(text, "first");
}

#[test]
fn many_who_take_and_place_files_at_once_never_share_one() {
    let folder = TestDir::new("temporary-race");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let target = folder.0.join(format!("dump-{thread}.rdb"));
            scope.spawn(move || {
                for round in 0..200 {
                    let text = format!("{thread} {round}");
                    let (mut file, path) = create(&target).expect("a file");
                    file.write_all(text.as_bytes()).expect("written");
                    std::fs::rename(&path, &target).expect("nobody else has it");
                    drop(file);
                    assert_eq!(std::fs::read_to_string(&target).expect("it is there"), text);
                }
            });
        }
    });
}
