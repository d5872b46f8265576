//! Tests of CONFIG GET and SET as functions: all or nothing, hooks, generations.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

mod docs;
mod file;
mod later;
mod rewrite;

/// A directory for one test, removed at its end.
pub(super) struct TempDir(pub(super) PathBuf);

impl TempDir {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!(
            "slotd-config-{name}-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        Self(std::fs::canonicalize(path).expect("it was just made"))
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("the directory is ours");
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn get(config: &Config, name: &str) -> String {
    let found = config.get_matching(&[name.as_bytes()]);
    assert_eq!(found.len(), 1, "{name}");
    String::from_utf8_lossy(&found[0].1).into_owned()
}

#[track_caller]
fn fails(config: &Config, pairs: &[(&str, &str)], text: &str) {
    let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
    let error = config.set_many(&pairs, Setter::default()).expect_err(text);
    assert_eq!(error.to_string(), text);
}

#[test]
fn what_is_set_and_has_no_effect_is_told() {
    let config = Config::new("/");
    assert_eq!(config.without_effect(), Vec::<String>::new(), "nothing is set");
    let options = b"appendonly yes\nhz 20\nio-threads 4\nappendfsync everysec\ntls-key-file-pass secret".to_vec();
    config.load_values(&super::file::Sources { options, ..super::file::Sources::default() }).expect("all are known");
    let told = config.without_effect();
    assert_eq!(
        told,
        [
            "WARNING 'io-threads 4' has no effect in slotd: the directive is accepted and not obeyed",
            "WARNING 'tls-key-file-pass (redacted)' has no effect in slotd: the directive is accepted and not obeyed",
            "WARNING 'appendonly yes' has no effect in slotd: there is no append-only file, snapshots are all there is",
        ],
        "not what is obeyed, not a default, and no password"
    );
    config.set("maxmemory-clients", "1mb").expect("known");
    let told = config.without_effect_of([b"hz".as_slice(), b"MAXMEMORY-CLIENTS", b"nosuch"]);
    assert!(told.len() == 1 && told[0].starts_with("WARNING 'maxmemory-clients 1048576' has no effect"), "{told:?}");
}

#[test]
fn what_only_a_cluster_obeys_is_told_to_a_node_without_one() {
    for (options, lines) in [
        ("announce-client auto", &["WARNING 'announce-client auto' has no effect: cluster-enabled is no"][..]),
        ("cluster-enabled yes\nannounce-client auto", &[]),
        ("cluster-enabled no", &[]),
    ] {
        let config = Config::new("/");
        let options = options.as_bytes().to_vec();
        config.load_values(&super::file::Sources { options, ..super::file::Sources::default() }).expect("known");
        assert_eq!(config.without_effect(), lines);
        assert_eq!(config.without_effect_of([b"Announce-Client".as_slice()]), lines);
    }
}

#[test]
fn names_are_unique() {
    let mut names: Vec<&str> = table::all().flat_map(|(_, directive)| directive.names()).collect();
    let before = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), before);
}

/// The names that stock 7.0.15 answers to `CONFIG GET *`.
const STOCK_NAMES: &str = include_str!("stock_names.txt");

#[test]
fn a_star_shows_exactly_the_names_and_defaults_of_redis_7_0() {
    let config = Config::new("/");
    let mut ours: Vec<String> = config
        .get_matching(&[b"*"])
        .into_iter()
        .map(|(name, value)| [String::from_utf8_lossy(&name), String::from_utf8_lossy(&value)].join("\t"))
        .collect();
    ours.sort();
    let stock: Vec<&str> = STOCK_NAMES.lines().collect();
    assert_eq!(ours, stock);
}

#[test]
fn get_takes_patterns_and_exact_names_and_answers_each_once() {
    let config = Config::new("/");
    let found = config.get_matching(&[b"maxmemory", b"MAXmemory*", b"bind", b"*of", b"PORT", b"port"]);
    let names: Vec<String> = found.iter().map(|(n, _)| String::from_utf8_lossy(n).into_owned()).collect();
    for name in ["maxmemory", "maxmemory-samples", "maxmemory-clients", "bind", "slaveof", "replicaof"] {
        assert_eq!(names.iter().filter(|n| *n == name).count(), 1, "{name}");
    }
    assert!(names.contains(&"PORT".to_owned()) && !names.contains(&"port".to_owned()), "as it was typed first");
    assert!(config.get_matching(&[b"no-such-directive"]).is_empty());
}

#[test]
fn hidden_directives_need_their_exact_name() {
    let config = Config::new("/");
    assert!(!config.get_matching(&[b"*"]).iter().any(|(name, _)| name == b"key-load-delay"));
    assert_eq!(get(&config, "key-load-delay"), "0");
}

#[test]
fn set_refuses_in_the_words_of_redis() {
    let config = Config::new("/");
    fails(&config, &[("foo", "1")], "ERR Unknown option or number of arguments for CONFIG SET - 'foo'");
    let prefix = |name: &str| format!("ERR CONFIG SET failed (possibly related to argument '{name}') - ");
    fails(&config, &[("Databases", "5")], &(prefix("Databases") + "can't set immutable config"));
    fails(&config, &[("dir", "/")], &(prefix("dir") + "can't set protected config"));
    fails(&config, &[("TimeOut", "5"), ("timeout", "6")], &(prefix("timeout") + "duplicate parameter"));
    let integer = "argument couldn't be parsed into an integer";
    fails(&config, &[("TimeOut", "abc")], &(prefix("timeout") + integer));
    fails(&config, &[("LUA-time-limit", "x")], &(prefix("lua-time-limit") + integer));
    fails(&config, &[("port", "7991"), ("dbfilename", "x")], &(prefix("dbfilename") + "can't set protected config"));
}

#[test]
fn protected_directives_follow_enable_protected_configs() {
    let config = Config::new("/");
    let set = |config: &Config, local| config.set_many(&[(b"dbfilename", b"x")], Setter { local, loading: false });
    config.record(ids::ENABLE_PROTECTED_CONFIGS, "local").expect("a known name");
    assert!(set(&config, true).is_ok());
    assert!(set(&config, false).is_err());
    config.record(ids::ENABLE_PROTECTED_CONFIGS, "yes").expect("a known name");
    assert!(set(&config, false).is_ok());
}

#[test]
fn loading_refuses_what_it_must_and_nothing_else() {
    let config = Config::new("/");
    config.record(ids::ENABLE_PROTECTED_CONFIGS, "yes").expect("a known name");
    let loading = Setter { local: false, loading: true };
    assert_eq!(config.set_many(&[(b"loglevel", b"debug")], loading), Ok(()));
    let error = config.set_many(&[(b"dir", b"asdf")], loading).expect_err("refused while loading");
    assert_eq!(error.to_string(), "LOADING Redis is loading the dataset in memory");
}

#[test]
fn set_is_all_or_nothing() {
    let config = Config::new("/");
    let before = config.generation();
    fails(
        &config,
        &[("maxmemory", "10000001"), ("maxmemory-clients", "200%"), ("client-query-buffer-limit", "invalid")],
        "ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - \
         percentage argument must be less or equal to 100",
    );
    assert_eq!(config.memory(ids::MAXMEMORY), 0);
    assert_eq!(config.generation(), before, "nothing changed, so no snapshot is out of date");
}

#[test]
fn a_refusing_hook_takes_everything_back_and_tells_the_hooks_again() {
    let config = Config::new("/");
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    config.on_change(&[ids::MAXMEMORY, ids::HZ], move |config, _| {
        seen.fetch_add(1 + config.memory(ids::MAXMEMORY) as usize, Ordering::SeqCst);
        Ok(())
    });
    config.on_change(&[ids::PORT], |config, _| match config.int(ids::PORT) {
        1 => Err("Unable to listen on this port. Check server logs.".into()),
        _ => Ok(()),
    });
    let before = config.generation();
    fails(
        &config,
        &[("maxmemory", "100"), ("hz", "20"), ("PORT", "1")],
        "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs.",
    );
    assert_eq!((config.int(ids::PORT), config.int(ids::HZ), config.memory(ids::MAXMEMORY)), (6379, 10, 0));
    assert_eq!(calls.load(Ordering::SeqCst), 102, "once with the new values, once with the old ones");
    assert!(config.generation() > before, "who has seen the new values must look again");
}

#[test]
fn hooks_run_only_for_what_has_changed() {
    let config = Config::new("/");
    config.on_change(&[ids::PORT], |_, _| Err("always".into()));
    assert_eq!(config.set("port", "6379"), Ok(()), "the value it has");
    assert_eq!(config.set("hz", "11"), Ok(()));
    assert!(config.set("port", "1").is_err());
}

#[test]
fn hz_is_kept_in_bounds() {
    let config = Config::new("/");
    config.set("hz", "1000").expect("accepted");
    assert_eq!(get(&config, "hz"), "500");
    config.set("hz", "0").expect("accepted");
    assert_eq!(get(&config, "hz"), "1");
}

#[test]
fn aliases_are_the_same_value() {
    let config = Config::new("/");
    config.set("slave-priority", "7").expect("accepted");
    assert_eq!(get(&config, "replica-priority"), "7");
    config.record(ids::REPLICAOF, "10.0.0.1 7000").expect("well formed");
    assert_eq!(get(&config, "slaveof"), "10.0.0.1 7000");
    assert_eq!(config.replica_of(), Some(("10.0.0.1".into(), 7000)));
    config.record(ids::REPLICAOF, "no one").expect("well formed");
    assert_eq!(config.replica_of(), None);
}

#[test]
fn structured_values() {
    let config = Config::new("/");
    assert_eq!(config.save_points()[1], SavePoint { seconds: 300, changes: 100 });
    config.set("save", "").expect("accepted");
    assert!(config.save_points().is_empty());
    config.set("client-output-buffer-limit", "pubsub 1mb 2kb 3").expect("accepted");
    let limits = config.buffer_limits();
    assert_eq!(limits.pubsub, BufferLimit { hard_bytes: 1 << 20, soft_bytes: 2048, soft_seconds: 3 });
    assert_eq!(limits.replica.soft_seconds, 60);
    assert_eq!(config.bind_addresses(), ["*", "-::*"]);
    assert_eq!(&*config.bytes(ids::LATENCY_TRACKING_INFO_PERCENTILES), b"50 99 99.9");
    assert_eq!(config.choice(ids::CLUSTER_PREFERRED_ENDPOINT_TYPE), "ip");
    assert_eq!(config.path(ids::DBFILENAME), Path::new("/dump.rdb"));
}

#[test]
fn secrets_are_binary_and_sensitive() {
    let config = Config::new("/");
    config.set_many(&[(b"requirepass", b"a\xff\0b")], Setter::default()).expect("any bytes");
    assert_eq!(&*config.bytes(ids::REQUIREPASS), b"a\xff\0b");
    assert!(Config::is_sensitive(b"RequirePass") && !Config::is_sensitive(b"port") && !Config::is_sensitive(b"nope"));
}
