//! Tests of nodes.conf on disk.

use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("slotd-conf-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

#[test]
fn a_text_tells_whose_it_is() {
    assert!(is_new(b" \n\0\0"));
    assert_eq!(is_of_replica(b""), Ok(false));
    let (a, b) = ("a".repeat(40), "b".repeat(40));
    let text = |replica: &str, primary: &str| {
        format!(
            "{a} 127.0.0.1:1@10001 {replica}slave {b} 0 0 1 connected\n{b} 127.0.0.1:2@10002 {primary}master - 0 0 1 connected 0-16383\nvars currentEpoch 1 lastVoteEpoch 0\n"
        )
    };
    assert_eq!(is_of_replica(text("myself,", "").as_bytes()), Ok(true));
    assert_eq!(is_of_replica(text("", "myself,").as_bytes()), Ok(false));
    assert_eq!(is_of_replica(b"damaged\n").expect_err("no line of a node").line, 1);
}

#[test]
fn a_second_node_is_refused_before_and_after_a_save() {
    let folder = folder("lock");
    let path = folder.join("nodes.conf");
    let (mut first, text) = ConfFile::open(&path, true).expect("the first node opens it");
    assert!(text.is_empty());
    assert!(matches!(ConfFile::open(&path, true), Err(ConfFileError::InUse(_))));
    first.save("one\n", true).expect("saved");
    assert!(matches!(ConfFile::open(&path, true), Err(ConfFileError::InUse(_))), "the lock is on the replacement too");
    assert_eq!(first.take_replaced().len(), 1);
    for _ in 0..3 * KEPT {
        first.save("one\n", false).expect("saved");
    }
    assert!(first.take_replaced().len() <= KEPT, "replaced files do not pile up");
    drop(first);
    let (_second, text) = ConfFile::open(&path, true).expect("free again");
    assert_eq!(text, b"one\n");
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn a_file_that_goes_with_its_process_is_written_without_making_or_deleting_one() {
    let folder = folder("in-place");
    let path = folder.join("nodes.conf");
    let (mut file, _) = ConfFile::open(&path, false).expect("it opens");
    let inode = || std::fs::metadata(&path).expect("it is there").ino();
    let first = inode();
    let mut longest = 0;
    for text in ["a text\n", "longer than the first text\n", "short\n", ""] {
        file.save(text, true).expect("saved");
        longest = longest.max(text.len());
        // It keeps its length, and with it the blocks that a full disk may not have later.
        let rest = "\n".repeat(longest - text.len());
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), format!("{text}{rest}"));
        assert!(matches!(ConfFile::open(&path, false), Err(ConfFileError::InUse(_))), "it is still locked");
    }
    assert_eq!((inode(), std::fs::read_dir(&folder).expect("a folder").count()), (first, 1));
    assert!(file.take_replaced().is_empty());
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn a_text_that_is_written_over_reads_as_the_new_one_and_stays_within_its_room() {
    let folder = folder("over");
    let path = folder.join("nodes.conf");
    let line = |id: char, tail: &str| format!("{} 127.0.0.1:1@10001 {tail}\n", id.to_string().repeat(40));
    let myself = line('a', "myself,master - 0 0 1 connected 0-16383");
    let vars = "vars currentEpoch 1 lastVoteEpoch 0\n";
    let short = format!("{myself}{vars}");
    let long = format!("{myself}{}{vars}", line('b', "master,fail - 0 0 2 connected"));
    let (mut file, _) = ConfFile::open(&path, true).expect("opened");
    file.save(&short, true).expect("saved");
    for text in [&long, &short, &long] {
        file.overwrite(text.as_bytes(), true).expect("there is room in the first page");
        let found = std::fs::read(&path).expect("readable");
        assert_eq!(NodesConf::parse(&found), NodesConf::parse(text.as_bytes()));
    }
    let blocks = |path: &Path| std::fs::metadata(path).expect("there").blocks() * 512;
    let room = blocks(&path) as usize;
    let before = std::fs::read(&path).expect("readable");
    let error = file.overwrite(&vec![b'\n'; room + 1], true).expect_err("more than its blocks");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(std::fs::read(&path).expect("readable"), before, "as it was");
    // A text that fills its last page has room to grow all the same.
    for length in [PAGE - 1, PAGE, 3 * PAGE - 100] {
        file.save(&"\n".repeat(length), false).expect("saved");
        assert!(blocks(&path) as usize >= length + length / 8 + 512, "{length}: {}", blocks(&path));
    }
    std::fs::remove_dir_all(folder).expect("removed");
}
