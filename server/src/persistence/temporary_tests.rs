use std::io::{Read, Seek, Write};

use super::*;

/// The only directory of the test that makes it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("slotd-temporary-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }

    fn target(&self) -> PathBuf {
        self.0.join("dump.rdb")
    }

    fn files(&self) -> usize {
        std::fs::read_dir(&self.0).expect("the directory").count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// As of nodes that share a directory.
#[test]
fn everybody_has_a_file_of_his_own() {
    let folder = Folder::new("own");
    let mut made: Vec<(File, PathBuf)> = (0..40).map(|_| create(&folder.target()).expect("a file")).collect();
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
    let folder = Folder::new("left");
    for _ in 0..20 {
        let (mut file, _) = create(&folder.target()).expect("a file");
        assert_eq!(file.metadata().expect("facts").len(), 0, "nothing of the one before");
        file.write_all(b"half a snapshot").expect("written");
    }
    assert_eq!(folder.files(), 1);
}

#[test]
fn a_file_that_is_in_its_place_is_nobody_elses() {
    let folder = Folder::new("placed");
    let (mut file, path) = create(&folder.target()).expect("a file");
    file.write_all(b"a snapshot").expect("written");
    std::fs::rename(&path, folder.target()).expect("renamed");
    let (_other, other_path) = create(&folder.target()).expect("a file");
    assert_eq!(other_path, path, "the name is free again");
    assert_eq!(std::fs::read(folder.target()).expect("the snapshot"), b"a snapshot");
}

#[test]
fn a_file_without_a_name_leaves_nothing() {
    let folder = Folder::new("nameless");
    let (mut first, mut second) =
        (nameless(&folder.target()).expect("a file"), nameless(&folder.target()).expect("a file"));
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
    let folder = Folder::new("race");
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
