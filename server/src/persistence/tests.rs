//! Rules of saving: a save covers the changes up to its cut; a failed save leaves the old file; a loaded file gives the
//! same data.

use super::*;
use crate::base::clock::ManualClock;
use crate::base::test_dir::TestDir;
use crate::config::Config;
use crate::engine::registry::Registry;
use crate::store::Value;
use protocol::slot::key_slot;

fn node(directory: &TestDir) -> Arc<Persistence> {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let engine = Engine::new(
        Arc::new(Registry::new(Vec::new())),
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

fn save_and_wait(persistence: &Persistence, purpose: SaveFor) -> bool {
    let (told, done) = std::sync::mpsc::channel();
    let tell = move |saved| told.send(saved).expect("the test waits");
    persistence.start_unless_busy(purpose, Some(Box::new(tell)), None).expect("nothing else is saved");
    done.recv().expect("an answer")
}

#[test]
fn a_saved_data_set_is_loaded_again() {
    let directory = TestDir::new("saves-again");
    let first = node(&directory);
    (0..500).for_each(|n| set(&first, format!("key:{n}").as_bytes(), None));
    assert!(save_and_wait(&first, SaveFor::Client));
    assert_eq!(first.info().changes_since_last_save, 0);
    assert_eq!(directory.files(), 1, "no temporary file stays");
    let second = node(&directory);
    second.load(false).expect("our own file");
    assert_eq!(second.engine.keyspace.len(0), 500);
    assert_eq!(second.info().last_load_keys_loaded, 500);
}

#[test]
fn a_primary_drops_what_expired_meanwhile_and_a_replica_keeps_it() {
    let directory = TestDir::new("saves-expired");
    let first = node(&directory);
    set(&first, b"old", Some(1));
    set(&first, b"new", None);
    assert!(save_and_wait(&first, SaveFor::Client));
    let primary = node(&directory);
    primary.load(false).expect("our own file");
    assert_eq!(primary.engine.keyspace.len(0), 1);
    let replica = node(&directory);
    replica.load(true).expect("our own file");
    assert_eq!(replica.engine.keyspace.len(0), 2, "only the primary deletes");
}

#[test]
fn a_failed_save_leaves_the_old_file_and_closes_the_gate_for_writes() {
    let directory = TestDir::new("saves-failed");
    let persistence = node(&directory);
    set(&persistence, b"key", None);
    std::fs::create_dir(directory.0.join("dump.rdb")).expect("a directory in the file's place");
    assert!(!save_and_wait(&persistence, SaveFor::Background));
    assert!(persistence.engine.state.save_failed.load(Ordering::Relaxed));
    assert!(!persistence.info().last_bgsave_ok);
    assert_eq!(persistence.info().changes_since_last_save, 1, "nothing was saved");
    std::fs::remove_dir(directory.0.join("dump.rdb")).expect("removed again");
    assert!(save_and_wait(&persistence, SaveFor::Client));
    assert!(!persistence.engine.state.save_failed.load(Ordering::Relaxed), "a good save opens it again");
}

#[test]
fn a_damaged_file_keeps_the_node_from_starting() {
    let directory = TestDir::new("saves-damaged");
    let persistence = node(&directory);
    set(&persistence, b"key", None);
    assert!(save_and_wait(&persistence, SaveFor::Client));
    let path = directory.0.join("dump.rdb");
    let bytes = std::fs::read(&path).expect("the file");
    std::fs::write(&path, &bytes[..bytes.len() - 3]).expect("cut short");
    assert_eq!(node(&directory).load(false).expect_err("it is short"), LoadError::ShortRead);
}

#[test]
fn a_file_never_gives_way_to_an_older_one() {
    let directory = TestDir::new("saves-older");
    let persistence = node(&directory);
    set(&persistence, b"key", None);
    let old = persistence.note_cut();
    let mut file = persistence.new_file().expect("the directory is writable");
    file.write(b"what was there before the flush").expect("written");
    // All keys are removed, and the file is emptied, before the old save is finished.
    persistence.engine.state.dirty.fetch_add(1, Ordering::Relaxed);
    let later = persistence.note_cut();
    let empty = persistence.new_file().expect("the directory is writable");
    persistence.put_in_place(empty, later).expect("it is the first");
    assert_eq!(persistence.info().changes_since_last_save, 0);
    assert!(persistence.put_in_place(file, old).is_err());
    assert_eq!(std::fs::read(directory.0.join("dump.rdb")).expect("in place"), b"");
    assert_eq!(persistence.info().changes_since_last_save, 0, "nothing is counted twice");
    assert_eq!(directory.files(), 1, "no temporary file stays");
}

#[test]
fn a_second_snapshot_is_refused_while_one_runs() {
    let directory = TestDir::new("saves-busy");
    let persistence = node(&directory);
    set(&persistence, b"key", None);
    let (told, done) = std::sync::mpsc::channel();
    // The first one ends only when the test lets it.
    let (release, held) = std::sync::mpsc::channel::<()>();
    let tell = move |saved| {
        told.send(saved).expect("the test waits");
    };
    let wait = move || held.recv().expect("the test releases it");
    persistence.snapshots.submit(Box::new(Slow { wait: Some(Box::new(wait)) }));
    assert_eq!(persistence.start_background(None), Err(Busy));
    assert_eq!(persistence.start_for_client(Box::new(|_| ())), Err(Busy));
    // The last save does not wait for it: the job is cancelled.
    persistence.start_last_save(PausePurpose::Shutdown, Box::new(tell));
    release.send(()).expect("it waits");
    assert!(done.recv().expect("an answer"));
    assert_eq!(
        persistence.engine.state.paused(0).0,
        crate::engine::state::PauseKind::Writes,
        "nothing is written after its cut"
    );
}

/// A snapshot without a consumer, which waits before its first bytes.
struct Slow {
    wait: Option<Box<dyn FnOnce() + Send>>,
}

impl snapshot::SnapshotJob for Slow {
    fn is_save(&self) -> bool {
        false
    }

    fn at_cut(&mut self) {
        if let Some(wait) = self.wait.take() {
            wait();
        }
    }

    fn chunk(&mut self, _bytes: Vec<u8>) -> std::io::Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>, result: std::io::Result<()>) -> snapshot::Announce {
        assert!(result.is_err(), "the last save goes first");
        Box::new(|| ())
    }
}
