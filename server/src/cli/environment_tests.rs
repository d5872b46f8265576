//! What variables mean, and which are refused.

use super::*;
use crate::base::test_dir::TestDir;
use crate::config::file::Sources;

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

fn node(pairs: &[(&str, &str)]) -> Result<Environment, String> {
    Environment::read(&variables(pairs), false)
}

fn cluster(pairs: &[(&str, &str)]) -> Result<Environment, String> {
    Environment::read(&variables(pairs), true)
}

/// The configuration of a node with these variables.
fn loaded(pairs: &[(&str, &str)]) -> Result<Config, String> {
    let mut known = node(pairs)?;
    known.yield_to(b"");
    let config = Config::new("/");
    let sources = Sources { environment: known.directives, ..Sources::default() };
    config.load_values(&sources).map_err(|error| error.to_string())?;
    Ok(config)
}

#[test]
fn every_directive_can_be_a_variable() {
    let config = Config::new("/");
    for (id, directive) in table::all() {
        let name = format!("SLOTD_{}", directive.name.to_ascii_uppercase().replace('-', "_"));
        let value = String::from_utf8(config.print(id)).expect("defaults are texts");
        if value.is_empty() || directive.name == "port" {
            continue;
        }
        let known = node(&[(&name, &value)]).expect(&name);
        assert_eq!(known.directives.len(), 1, "{name}");
        assert_eq!(known.directives[0].directive, directive.name);
        assert!(loaded(&[(&name, &value)]).is_ok(), "{name}={value}");
    }
}

#[test]
fn values_are_read_as_in_the_file() {
    let config = loaded(&[
        ("SLOTD_MAXMEMORY", "100mb"),
        ("SLOTD_CLUSTER_ENABLED", "yes"),
        ("SLOTD_PORT", "7000"),
        ("SLOTD_SAVE", "900 1 60 1000"),
        ("SLOTD_BIND", "127.0.0.1 -::1"),
        ("SLOTD_APPENDONLY", "true"),
        ("SLOTD_PROC_TITLE_TEMPLATE", "a \"b\" 'c'"),
    ])
    .expect("all are fine");
    assert_eq!(config.memory(ids::MAXMEMORY), 100 << 20);
    assert!(config.bool(ids::CLUSTER_ENABLED) && config.bool(ids::APPENDONLY));
    assert_eq!(config.int(ids::PORT), 7000);
    assert_eq!(config.save_points().len(), 2);
    assert_eq!(config.bind_addresses(), ["127.0.0.1", "-::1"]);
    assert_eq!(&*config.string(ids::PROC_TITLE_TEMPLATE), "a \"b\" 'c'");
    assert!(loaded(&[("SLOTD_SAVE", "")]).expect("no save points").save_points().is_empty());
}

#[test]
fn a_wrong_value_names_its_variable() {
    let error = loaded(&[("SLOTD_MAXMEMORY", "much")]).expect_err("no amount");
    assert!(error.contains("in the environment\n>>> 'SLOTD_MAXMEMORY=much'\n"), "{error}");
    for wrong in ["abc", "0", "65536", "7000-7005"] {
        assert!(node(&[("SLOTD_PORT", wrong)]).expect_err(wrong).contains(&format!("SLOTD_PORT={wrong}: ")));
    }
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest_name() {
    for (wrong, meant) in [
        ("SLOTD_MAXMEMRY", "Did you mean SLOTD_MAXMEMORY?"),
        ("SLOTD_REQUIREPAS", "Did you mean SLOTD_REQUIREPASS?"),
        ("SLOTD_REQIREPASS_FILE", "Did you mean SLOTD_REQUIREPASS_FILE?"),
        ("SLOTD_PASWORD", "Did you mean SLOTD_PASSWORD?"),
        ("SLOTD_COLOUR_OF_THE_SKY", "a directive's name in capitals"),
    ] {
        let error = node(&[(wrong, "x")]).expect_err(wrong);
        assert!(error.starts_with(&format!("unknown variable {wrong} in the environment. ")), "{error}");
        assert!(error.contains(meant), "{error}");
    }
}

#[test]
fn a_variable_is_written_once_and_says_what_can_be_done() {
    for (pairs, text) in [
        (&[("SLOTD_PORT", "1"), ("SLOTD_port", "2")][..], "SLOTD_PORT and SLOTD_port are the same variable"),
        (&[("SLOTD_PORT", "0")], "SLOTD_PORT=0: give a port from 1 to 65535. Health checks take it from SLOTD_PORT"),
        (&[("SLOTD_RENAME_COMMAND", "a b")], "SLOTD_RENAME_COMMAND: rename-command is not supported by slotd"),
        (&[("SLOTD_DIR", "/no/such/place")], "No such file or directory: create it first"),
        (&[("SLOTD_ANNOUNCE_CLIENT", "x")], "announce-client must be 'auto'"),
    ] {
        let error = loaded(pairs).expect_err(text);
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn a_terminal_obeys_no_name_of_a_variable() {
    let error = node(&[("SLOTD_\x1b[31mX", "x")]).expect_err("it means nothing");
    assert!(error.starts_with("unknown variable SLOTD_\\u{1b}[31mX in the environment. "), "{error}");
}

#[test]
fn variables_of_kubernetes_and_of_scripts_are_passed_over() {
    let injected = [
        ("SLOTD_SERVICE_HOST", "10.0.0.1"),
        ("SLOTD_SERVICE_PORT", "6379"),
        ("SLOTD_SERVICE_PORT_CLIENT", "6379"),
        ("SLOTD_PORT", "tcp://10.0.0.1:6379"),
        ("SLOTD_PORT_6379_TCP", "tcp://10.0.0.1:6379"),
        ("SLOTD_PORT_6379_TCP_PROTO", "tcp"),
        ("SLOTD_PORT_6379_TCP_PORT", "6379"),
        ("SLOTD_PORT_6379_TCP_ADDR", "10.0.0.1"),
        ("SLOTD_CLUSTER_PORT", "tcp://10.0.0.2:6379"),
        ("SLOTD_CLUSTER_SERVICE_HOST", "10.0.0.2"),
        ("SLOTD_BIN", "/usr/bin/slotd"),
        ("SLOTD_IMAGE", "slotd:local"),
        ("PATH", "/bin"),
        ("REDIS_PASSWORD", "of a client"),
        ("PASSWORD", "of something else"),
    ];
    assert_eq!(node(&injected), Ok(Environment::default()));
    assert_eq!(said_port(&variables(&injected)), Ok(None));
    assert_eq!(node(&[("SLOTD_CLUSTER_PORT", "17000")]).map(|known| known.directives.len()), Ok(1));
    assert!(node(&[("SLOTD_PORT_X_TCP", "y")]).is_err());
}

#[test]
fn a_password_is_that_of_clients_and_among_nodes() {
    let config = loaded(&[("SLOTD_PASSWORD", "a b\"\nc")]).expect("any bytes");
    assert_eq!(&*config.bytes(ids::REQUIREPASS), b"a b\"\nc");
    assert_eq!(&*config.bytes(ids::MASTERAUTH), b"a b\"\nc");
    let config = loaded(&[("SLOTD_PASSWORD", "a"), ("SLOTD_MASTERAUTH", "b")]).expect("two");
    assert_eq!((&*config.string(ids::REQUIREPASS), &*config.string(ids::MASTERAUTH)), ("a", "b"));
    let config = loaded(&[("SLOTD_REQUIREPASS", "a")]).expect("one");
    assert_eq!(&*config.string(ids::MASTERAUTH), "", "a directive is that directive");
    assert_eq!(node(&[("SLOTD_PASSWORD", "a")]).expect("one").password(), Some(b"a".to_vec()));
}

#[test]
fn a_secret_comes_in_a_file() {
    let dir = TestDir::new("secrets");
    let file = |name: &str, text: &str| {
        let path = dir.0.join(name);
        std::fs::write(&path, text).expect("writable");
        path.into_os_string().into_string().expect("a text")
    };
    for (text, secret) in [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("s3cret", "s3cret"), (" a\n\n", " a\n")] {
        let path = file("secret", text);
        let config = loaded(&[("SLOTD_PASSWORD_FILE", &path)]).expect("readable");
        assert_eq!((&*config.string(ids::REQUIREPASS), &*config.string(ids::MASTERAUTH)), (secret, secret));
        let config = loaded(&[("SLOTD_MASTERAUTH_FILE", &path)]).expect("readable");
        assert_eq!((&*config.string(ids::REQUIREPASS), &*config.string(ids::MASTERAUTH)), ("", secret));
    }
    let (secret, empty) = (file("secret", "s3cret\n"), file("empty", "\n"));
    for (pairs, part) in [
        (&[("SLOTD_PASSWORD_FILE", "/no/such/file")][..], "the file /no/such/file cannot be read: No such file"),
        (&[("SLOTD_PASSWORD_FILE", "")], "SLOTD_PASSWORD_FILE is empty"),
        (&[("SLOTD_INCLUDE", "")], "SLOTD_INCLUDE is empty"),
        (&[("SLOTD_REQUIREPASS_FILE", &empty)], "is an empty password"),
        (&[("SLOTD_REQUIREPASS", "")], "SLOTD_REQUIREPASS is an empty password"),
        (&[("SLOTD_PASSWORD", "")], "SLOTD_PASSWORD is an empty password"),
        (&[("SLOTD_PASSWORD", "a"), ("SLOTD_PASSWORD_FILE", &secret)], "contradict each other"),
        (&[("SLOTD_MAXMEMORY_FILE", &secret)], "only secrets are read from files"),
    ] {
        let error = node(pairs).expect_err(part);
        assert!(error.contains(part) && error.starts_with(pairs[0].0), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
    assert!(node(&[("SLOTD_TLS_CERT_FILE", "/no/such/file")]).is_ok(), "a directive of its own");
}

#[test]
fn a_secret_is_read_from_a_regular_file_only() {
    let dir = TestDir::new("pipes");
    let text = |path: &Path| path.to_str().expect("a text").to_owned();
    let (pipe, socket, link) = (dir.0.join("pipe"), dir.0.join("socket"), dir.0.join("link"));
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let _listens = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    std::os::unix::fs::symlink(&pipe, &link).expect("a link");
    for path in [text(&pipe), text(&socket), text(&link), "/dev/null".to_owned()] {
        for name in ["SLOTD_PASSWORD_FILE", "SLOTD_MASTERAUTH_FILE"] {
            assert_eq!(node(&[(name, &path)]), Err(format!("{name}: {path} is no regular file")));
        }
    }
    // Secrets of Kubernetes are links to files.
    std::fs::write(dir.0.join("secret"), "a").expect("writable");
    std::fs::remove_file(&link).and_then(|()| std::os::unix::fs::symlink("secret", &link)).expect("a link");
    assert_eq!(node(&[("SLOTD_PASSWORD_FILE", &text(&link))]).expect("a file").password(), Some(b"a".to_vec()));
}

#[test]
fn a_directory_in_the_place_of_a_secret_is_named_with_what_would_be_right() {
    let dir = TestDir::new("directories");
    let path = dir.0.to_str().expect("a text");
    let error = || node(&[("SLOTD_PASSWORD_FILE", path)]).expect_err("it is no file");
    let what =
        format!("SLOTD_PASSWORD_FILE: {path} is a directory, and should be a file with nothing but the secret; ");
    assert!(error().starts_with(&what) && error().contains("it is empty, as Docker makes one"), "{}", error());
    std::fs::write(dir.0.join("password"), "s3cret").expect("writable");
    assert_eq!(error(), what + "name the file in it that holds the secret");
}

#[test]
fn options_of_the_command_line_win() {
    let mut known = node(&[("SLOTD_SAVE", "60 1"), ("SLOTD_HZ", "20"), ("SLOTD_PASSWORD", "a")]).expect("fine");
    known.yield_to(b"SAVE \"900\" \"1\" \nrequirepass \"b\" ");
    let left: Vec<&str> = known.directives.iter().map(|variable| variable.directive).collect();
    assert_eq!(left, ["hz"], "the password among nodes goes with that of clients");
}

#[test]
fn a_cluster_has_a_shape_and_ports() {
    let known = cluster(&[("SLOTD_SHARDS", "5"), ("SLOTD_REPLICAS", "0"), ("SLOTD_PORT", "8000"), ("SLOTD_DIR", "/d")]);
    let known = known.expect("fine");
    assert_eq!((known.shards, known.replicas, known.dir), (Some(5), Some(0), Some("/d".into())));
    assert_eq!(known.port, Some(Ports::starting_at(8000, 5)));
    assert_eq!(known.directives, [], "each node has a port and a directory of its own");
    assert_eq!(cluster(&[("SLOTD_PORT", "8000-8005")]).map(|known| known.port), Ok("8000-8005".parse().ok()));
    assert!(cluster(&[("SLOTD_SHARDS", "0")]).is_err_and(|error| error.contains("1 to 1000")));
    assert!(node(&[("SLOTD_SHARDS", "3")]).is_err_and(|error| error.contains("SLOTD_MODE=cluster")));
}

#[test]
fn nodes_of_a_list_are_a_cluster() {
    let formation = |pairs: &[(&str, &str)]| node(pairs).map(|known| known.formation.expect("nodes are named"));
    let nodes = ("SLOTD_CLUSTER_NODES", "a,b:7001,c");
    let plain = formation(&[nodes]).expect("fine");
    assert_eq!((plain.nodes.len(), plain.replicas, plain.creator), (3, 1, Creator::First));
    assert!(loaded(&[nodes]).expect("fine").bool(ids::CLUSTER_ENABLED));
    let full = formation(&[nodes, ("SLOTD_CLUSTER_REPLICAS", "0"), ("SLOTD_CLUSTER_CREATOR", "b:7001")]).expect("fine");
    assert_eq!((full.replicas, full.creator), (0, Creator::Named("b:7001".parse().expect("a node"))));
    for (word, creator) in
        [("yes", Creator::Me), ("no", Creator::NotMe), ("c", Creator::Named("c".parse().expect("a node")))]
    {
        assert_eq!(formation(&[nodes, ("SLOTD_CLUSTER_CREATOR", word)]).map(|one| one.creator), Ok(creator));
    }
    for (pairs, part) in [
        (&[("SLOTD_CLUSTER_NODES", "a,a:6379")][..], "SLOTD_CLUSTER_NODES: a:6379 is named twice"),
        (&[nodes, ("SLOTD_CLUSTER_CREATOR", "d")], "d:6379 is none of the nodes"),
        (&[nodes, ("SLOTD_CLUSTER_REPLICAS", "x")], "give a number from 0 to 100"),
        (&[("SLOTD_CLUSTER_REPLICAS", "1")], "goes with SLOTD_CLUSTER_NODES"),
    ] {
        assert!(node(pairs).is_err_and(|error| error.contains(part)), "{part}");
    }
    assert!(cluster(&[nodes]).is_err_and(|error| error.contains("SLOTD_MODE=cluster has all in one")));
    let off = loaded(&[nodes, ("SLOTD_CLUSTER_ENABLED", "no")]).expect("it is seen at the start");
    assert!(!off.bool(ids::CLUSTER_ENABLED));
}

#[test]
fn the_mode_is_node_or_cluster() {
    assert_eq!(asks_for_cluster(&variables(&[])), Ok(false));
    assert_eq!(asks_for_cluster(&variables(&[("SLOTD_MODE", "cluster")])), Ok(true));
    assert_eq!(asks_for_cluster(&variables(&[("SLOTD_MODE", "node"), ("MASTERS", "3")])), Ok(false));
    assert!(asks_for_cluster(&variables(&[("SLOTD_MODE", "sentinel")])).is_err());
}
