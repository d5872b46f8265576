//! Tests of loading: files, command lines, includes, and the texts of errors.

use proptest::prelude::*;

use super::{TempDir, get};
use crate::config::file::{LoadError, Sources, options_text};
use crate::config::{Config, ids};

fn load(text: &str) -> Result<Config, String> {
    load_bytes(text.as_bytes())
}

fn load_bytes(text: &[u8]) -> Result<Config, String> {
    let config = Config::new("/");
    let sources = Sources { stdin: Some(text.to_vec()), ..Sources::default() };
    config.load(&sources).map_err(|error| error.to_string())?;
    Ok(config)
}

/// As `slotd a.conf <arguments>` with `text` in the file.
fn command_line(text: &str, arguments: &[&str]) -> Result<Config, String> {
    let directory = TempDir::new("cli");
    let file = directory.write("a.conf", text);
    let arguments: Vec<Vec<u8>> = arguments.iter().map(|a| a.as_bytes().to_vec()).collect();
    let (options, _) = options_text(&arguments);
    let config = Config::new(&directory.0);
    config.load(&Sources { file: Some(file), options, ..Sources::default() }).map_err(|error| error.to_string())?;
    Ok(config)
}

#[track_caller]
fn refused(result: Result<Config, String>, line: usize, quoted: &str, reason: &str) {
    let text = format!(
        "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\nReading the configuration file, at line {line}\n\
         >>> '{quoted}'\n{reason}"
    );
    assert_eq!(result.err(), Some(text));
}

#[test]
fn errors_name_line_and_directive_as_redis_does() {
    refused(load("port 7992\nfoo bar\n"), 2, "foo bar", "Bad directive or wrong number of arguments");
    refused(load("port 7992\r\n\n# x\n  port  \n"), 4, "port", "wrong number of arguments");
    refused(load("port 7992 5"), 1, "port 7992 5", "wrong number of arguments");
    refused(load("save 1\n"), 1, "save 1", "Invalid save parameters");
    refused(load("name \"abc\n"), 1, "name \"abc", "Unbalanced quotes in configuration line");
    refused(load("sentinel x y\n"), 1, "sentinel x y", "sentinel directive while not in sentinel mode");
    // Known, so nothing else is meant.
    for line in
        ["list-max-ziplist-value 1 2", "lua-replicate-commands", "rename-command get", "loadmodule", "user", "include"]
    {
        refused(load(line), 1, line, "Bad directive or wrong number of arguments");
    }
    refused(load("PORT \"\""), 1, "PORT \"\"", "argument couldn't be parsed into an integer");
    refused(load("dir /nonexist"), 1, "dir /nonexist", "No such file or directory");
    let meant = "Bad directive or wrong number of arguments\nDid you mean 'maxmemory'?";
    refused(load("max-memory 1"), 1, "max-memory 1", meant);
}

#[test]
fn an_error_on_the_command_line_blames_no_file() {
    for (arguments, quoted) in [(&["--foo", "bar"][..], "foo \"bar\""), (&["foo"], "\"foo\"")] {
        for text in ["port 7992\n", ""] {
            let error = command_line(text, arguments).expect_err("no such directive");
            let reason = "Bad directive or wrong number of arguments";
            assert_eq!(error, format!("Bad option on the command line\n>>> '{quoted}'\n{reason}"));
        }
    }
    let error = command_line("", &["--prot", "1"]).expect_err("no such directive");
    assert!(error.ends_with("\nDid you mean 'port'?"), "{error}");
}

#[test]
fn looking_at_a_configuration_leaves_no_log_file_behind() {
    let directory = TempDir::new("look");
    let config = Config::new(&directory.0);
    let sources = Sources { options: b"logfile log.txt".to_vec(), ..Sources::default() };
    config.load_values(&sources).expect("fine");
    assert!(!directory.0.join("log.txt").exists());
    config.load(&sources).expect("fine");
    assert!(directory.0.join("log.txt").exists(), "where it is for earnest, it is tried");
}

#[test]
fn what_slotd_cannot_do_is_refused_clearly() {
    for line in ["rename-command get g", "loadmodule /x.so", "user alice on", "bf.size 3"] {
        let error = load(line).expect_err(line);
        assert!(error.contains("not supported by slotd"), "{error}");
    }
    assert!(load("user default on nopass sanitize-payload ~* &* +@all").is_ok(), "as stock CONFIG REWRITE writes it");
    assert!(load("user default on nopass ~* -@all").is_err());
    let hashed = format!("user default on #{} ~* &* +@all\n", "0c".repeat(32));
    assert!(load(&hashed).is_err(), "a password that nobody knows");
    assert!(load(&(hashed + "requirepass x")).is_ok(), "as stock CONFIG REWRITE writes it with requirepass");
    assert!(load("lua-replicate-commands yes").is_ok(), "deprecated in Redis too");
}

#[test]
fn contradictions_are_found_at_the_end() {
    let head = "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\n";
    let error = load("cluster-enabled yes\nreplicaof a 1\n").expect_err("both");
    assert_eq!(error, format!("{head}replicaof directive not allowed in cluster mode"));
    let error = load("aclfile users.acl\n").expect_err("it would open the server");
    assert!(error.ends_with("\nACL users are not supported by slotd; use requirepass"), "{error}");
    assert!(load("aclfile \"\"").is_ok(), "none");
    let error = load("logfile /nonexist/x\n").expect_err("no such directory");
    let named = "logfile /nonexist/x: give a file in a directory that exists";
    assert_eq!(error, format!("{head}Can't open the log file: No such file or directory\n{named}"));
}

#[test]
fn save_lines_replace_the_default_once_and_then_add() {
    assert_eq!(get(&load("").expect("empty"), "save"), "3600 1 300 100 60 10000");
    assert_eq!(get(&load("save 900 1\nsave 60 2 30 3").expect("fine"), "save"), "900 1 60 2 30 3");
    assert_eq!(get(&load("save 900 1\nsave \"\"").expect("fine"), "save"), "");
    assert_eq!(get(&command_line("save 900 1", &["--save", "100", "100"]).expect("fine"), "save"), "900 1 100 100");
    for arguments in [
        &["--save", "--loglevel", "verbose"][..],
        &["--loglevel", "verbose", "--save"],
        &["--save", "", "--loglevel", "verbose"],
        &["--loglevel", "verbose", "--save", ""],
        &["--proc-title-template", "--save", "--save", "", "--loglevel", "verbose"],
    ] {
        let config = command_line("save 900 1", arguments).expect("fine");
        assert_eq!(
            (get(&config, "save"), get(&config, "loglevel")),
            (String::new(), "verbose".into()),
            "{arguments:?}"
        );
    }
}

#[test]
fn command_lines_are_split_as_redis_splits_them() {
    let one = |arguments: &[&str], name: &str| get(&command_line("", arguments).expect("fine"), name);
    assert_eq!(one(&["--port", "7000", "--replicaof", "host", "1"], "replicaof"), "host 1");
    assert_eq!(one(&["--maxmemory 700mb", "--maxmemory-policy volatile-lru"], "maxmemory"), "734003200");
    assert_eq!(one(&["--maxmemory '700mb'"], "maxmemory"), "734003200");
    assert_eq!(
        one(&["--proc-title-template", "--my--title", "--loglevel", "verbose"], "proc-title-template"),
        "--my--title"
    );
    assert_eq!(one(&["--shutdown-on-sigint", "nosave", "force", "now"], "shutdown-on-sigint"), "nosave now force");
    assert_eq!(one(&["--shutdown-on-sigint", "nosave force"], "shutdown-on-sigint"), "nosave force");
    let quoted = |arguments: &[&str]| command_line("", arguments).expect_err("refused");
    assert!(quoted(&["--port", "--loglevel", "verbose"]).contains(r#"'port "--loglevel" "verbose"'"#));
    assert!(
        quoted(&["--port", "--bla", "--loglevel", "verbose"]).contains("argument couldn't be parsed into an integer")
    );
    assert!(quoted(&["--replicaof", "--127.0.0.1", "--abc"]).contains(r#"'replicaof "--127.0.0.1"'"#));
}

#[test]
fn a_lone_dash_asks_for_standard_input() {
    let asks = |arguments: &[&str]| options_text(&arguments.iter().map(|a| a.as_bytes().to_vec()).collect::<Vec<_>>());
    assert_eq!(asks(&["-"]), (vec![], true));
    assert_eq!(asks(&["--loglevel", "verbose", "-"]), (b"loglevel \"verbose\" ".to_vec(), true));
    assert_eq!(asks(&["--bind", "-", "x"]), (b"bind \"-\" \"x\" ".to_vec(), false));
}

#[test]
fn later_sources_win() {
    let directory = TempDir::new("order");
    let file = directory.write("a.conf", "port 1\nhz 2\ntimeout 3\n");
    let config = Config::new(&directory.0);
    let sources = Sources {
        file: Some(file.clone()),
        stdin: Some(b"hz 20\ntimeout 30".to_vec()),
        options: b"timeout 300".to_vec(),
        ..Sources::default()
    };
    config.load(&sources).expect("fine");
    assert_eq!((config.int(ids::PORT), config.int(ids::HZ), config.int(ids::TIMEOUT)), (1, 20, 300));
    assert_eq!(config.file(), Some(file));
}

#[test]
fn includes_are_read_where_they_stand() {
    let directory = TempDir::new("include");
    directory.write("b.conf", "hz 20\ninclude conf.d/*.conf\n");
    std::fs::create_dir_all(directory.0.join("conf.d")).expect("ours");
    directory.write("conf.d/2.conf", "timeout 2");
    directory.write("conf.d/1.conf", "timeout 1\nport 1\n");
    directory.write("conf.d/.hidden.conf", "nonsense");
    let file = directory.write("a.conf", "hz 10\ninclude b.conf\nport 7\ninclude nothing-here/*.conf\n");
    let config = Config::new(&directory.0);
    config.load(&Sources { file: Some(file), ..Sources::default() }).expect("fine");
    assert_eq!((config.int(ids::HZ), config.int(ids::TIMEOUT), config.int(ids::PORT)), (20, 2, 7));
}

#[test]
fn includes_that_fail_say_which_file() {
    let directory = TempDir::new("include-fails");
    let file = directory.write("a.conf", "include x.conf\n");
    let load = || Config::new(&directory.0).load(&Sources { file: Some(file.clone()), ..Sources::default() });
    let missing = directory.0.join("x.conf");
    let text = format!("Fatal error, can't open config file '{}': No such file or directory", missing.display());
    assert_eq!(load().map_err(|e| e.to_string()), Err(text));
    directory.write("x.conf", "\nbad line\n");
    assert!(matches!(load(), Err(LoadError::Line { included: Some(path), line: 2, .. }) if path == missing));
    directory.write("x.conf", "include x.conf\n");
    assert!(matches!(load(), Err(LoadError::Line { reason, .. }) if reason.contains("nested too deeply")));
    directory.write("x.conf", "include y.conf\ninclude y.conf\n");
    directory.write("y.conf", &"include z.conf\n".repeat(100));
    directory.write("z.conf", &"include w.conf\n".repeat(100));
    directory.write("w.conf", "");
    assert!(
        matches!(load(), Err(LoadError::Open { reason, .. }) if reason.contains("more than")),
        "wide as well as deep"
    );
}

#[test]
fn relative_paths_follow_dir() {
    let directory = TempDir::new("dir");
    std::fs::create_dir_all(directory.0.join("node")).expect("ours");
    let file = directory.write("a.conf", "dir ./node\nlogfile log.txt\n");
    let config = Config::new(&directory.0);
    config.load(&Sources { file: Some("a.conf".into()), ..Sources::default() }).expect("fine");
    assert_eq!(config.file(), Some(file), "found before dir was read");
    assert_eq!(config.directory(), directory.0.join("node"));
    assert!(directory.0.join("node/log.txt").exists(), "the log file is tried where it will be");
}

#[test]
fn a_documented_configuration_of_redis_loads() {
    let text = include_str!("sample.conf");
    let config = load(text).expect("every line of it is known");
    assert_eq!(get(&config, "notify-keyspace-events"), "AKE");
    assert_eq!(get(&config, "replica-read-only"), "no");
}

proptest! {
    #[test]
    fn loading_any_bytes_is_total(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = load_bytes(&text);
    }

    /// Lines that look like configuration reach deeper than noise does.
    #[test]
    fn loading_any_values_is_total(name in "(save|bind|port|dir|maxmemory|client-output-buffer-limit|replicaof|notify-keyspace-events|user|include|a\\.b)", rest in "[ -~]{0,40}") {
        let _ = load(&format!("{name} {rest}"));
    }

    #[test]
    fn options_keep_every_argument(values in prop::collection::vec("[ -~]{1,10}", 1..5)) {
        let mut arguments = vec![b"--x".to_vec()];
        arguments.extend(values.iter().map(|value| format!("v{value}").into_bytes()));
        let (text, _) = options_text(&arguments);
        let words = crate::config::words::split(&text).expect("quoted");
        prop_assert_eq!(&words[1..], &arguments[1..]);
    }
}
