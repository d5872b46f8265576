//! Rules of saving: a save covers the changes up to its cut; what failed leaves the old file; a loaded file gives the same data.

use super::*;
use crate::base::clock::ManualClock;
use crate::engine::config::Config;
use crate::engine::registry::Registry;
use crate::store::Value;
use protocol::slot::key_slot;

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("slotd-persistence-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn node(directory: &Directory) -> Arc<Persistence> {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let engine = Engine::new(
        Registry::new(Vec::new()),
        Config::new(&directory.0),
        clock,
        1,
        5,
        crate::logging::NodeLog::new(None),
    );
    Persistence::new(engine)
}

fn set(persistence: &Persistence, key: &[u8], expire: Option<i64>) {
    let keyspace = &persistence.engine.keyspace;
    keyspace.lock(0, key_slot(key)).insert(keyspace.hash(key), key, Value::string(key.to_vec()), expire);
    persistence.engine.state.dirty.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn a_saved_data_set_is_loaded_again() {
    let directory = Directory::new("again");
    let first = node(&directory);
    (0..500).for_each(|n| set(&first, format!("key:{n}").as_bytes(), None));
    assert!(first.save_and_wait());
    assert_eq!(first.info().changes_since_last_save, 0);
    assert_eq!(std::fs::read_dir(&directory.0).expect("the directory").count(), 1, "no temporary file stays");
    let second = node(&directory);
    second.load(false).expect("our own file");
    assert_eq!(second.engine.keyspace.len(0), 500);
    assert_eq!(second.info().last_load_keys_loaded, 500);
}

#[test]
fn a_primary_drops_what_expired_meanwhile_and_a_replica_keeps_it() {
    let directory = Directory::new("expired");
    let first = node(&directory);
    set(&first, b"old", Some(1));
    set(&first, b"new", None);
    assert!(first.save_and_wait());
    let primary = node(&directory);
    primary.load(false).expect("our own file");
    assert_eq!(primary.engine.keyspace.len(0), 1);
    let replica = node(&directory);
    replica.load(true).expect("our own file");
    assert_eq!(replica.engine.keyspace.len(0), 2, "only the primary deletes");
}

#[test]
fn a_failed_save_leaves_the_old_file_and_closes_the_gate_for_writes() {
    let directory = Directory::new("failed");
    let persistence = node(&directory);
    set(&persistence, b"key", None);
    std::fs::create_dir(directory.0.join("dump.rdb")).expect("a directory in the file's place");
    let (told, done) = std::sync::mpsc::channel();
    persistence.start_save(true, Some(Box::new(move |saved| told.send(saved).expect("the test waits"))));
    assert!(!done.recv().expect("an answer"));
    assert!(persistence.engine.state.save_failed.load(Ordering::Relaxed));
    assert!(!persistence.info().last_bgsave_ok);
    assert_eq!(persistence.info().changes_since_last_save, 1, "nothing was saved");
    std::fs::remove_dir(directory.0.join("dump.rdb")).expect("removed again");
    assert!(persistence.save_and_wait());
    assert!(!persistence.engine.state.save_failed.load(Ordering::Relaxed), "a good save opens it again");
}

#[test]
fn a_damaged_file_keeps_the_node_from_starting() {
    let directory = Directory::new("damaged");
    let persistence = node(&directory);
    set(&persistence, b"key", None);
    assert!(persistence.save_and_wait());
    let path = directory.0.join("dump.rdb");
    let bytes = std::fs::read(&path).expect("the file");
    std::fs::write(&path, &bytes[..bytes.len() - 3]).expect("cut short");
    assert_eq!(node(&directory).load(false).expect_err("it is short"), LoadError::ShortRead);
}
