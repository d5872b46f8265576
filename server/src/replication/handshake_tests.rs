//! Rules of the handshake: the same lines as Redis's replica sends, in its order, and the same reaction to each answer.

use super::*;

fn run(introduction: Introduction, lines: &[&str]) -> (Vec<u8>, Step) {
    let (mut handshake, mut sent) = Handshake::start(introduction);
    let mut last = Step::Wait;
    for line in lines {
        last = handshake.line(line.as_bytes());
        if let Step::Send(bytes) = &last {
            sent.extend_from_slice(bytes);
        }
    }
    (sent, last)
}

fn words(sent: &[u8]) -> String {
    String::from_utf8_lossy(sent)
        .split("\r\n")
        .filter(|part| !part.starts_with(['*', '$']))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn everything_is_asked_for_by_who_has_nothing() {
    let id = "f".repeat(40);
    let full = format!("+FULLRESYNC {id} 42");
    let me = Introduction { port: 7001, ..Introduction::default() };
    let (sent, step) = run(me, &["+PONG", "+OK", "+OK", "", "", &full]);
    assert_eq!(
        words(&sent).trim(),
        "PING REPLCONF listening-port 7001 REPLCONF capa eof capa psync2 version 9.1.2 PSYNC ? -1"
    );
    assert_eq!(step, Step::Done(Answer::Full { id: [b'f'; 40], offset: 42 }));
}

#[test]
fn a_known_history_is_continued_with_the_next_byte() {
    let me = Introduction {
        port: 1,
        auth: Some((Some(b"user".to_vec()), b"secret".to_vec())),
        announce_ip: Some("10.0.0.1".to_owned()),
        resume: Some(([b'a'; 40], 99)),
        failover: false,
        primary_id: None,
    };
    let (sent, step) = run(me, &["-NOAUTH Authentication required.", "+OK", "+OK", "-ERR unknown", "+OK", "+CONTINUE"]);
    assert!(words(&sent).contains(&format!("PSYNC {} 100", "a".repeat(40))));
    assert!(words(&sent).contains("AUTH user secret REPLCONF listening-port 1 REPLCONF ip-address 10.0.0.1"));
    assert_eq!(step, Step::Done(Answer::Continue { id: None }));
}

#[test]
fn a_primary_that_cannot_now_is_asked_again_and_junk_is_not_taken_for_data() {
    let me = Introduction::default;
    for line in ["-LOADING Redis is loading the dataset in memory", "-NOMASTERLINK Can't SYNC"] {
        let (_, step) = run(me(), &["+PONG", "+OK", "+OK", line]);
        assert!(matches!(step, Step::Fail { later: true, .. }), "{line}");
    }
    for line in ["+FULLRESYNC short 1", "+FULLRESYNC", "hello", "-ERR unknown command", "$5"] {
        let (_, step) = run(me(), &["+PONG", "+OK", "+OK", line]);
        assert!(matches!(step, Step::Fail { later: false, .. }), "{line}");
    }
    let (_, step) = run(me(), &["-ERR no"]);
    assert!(matches!(step, Step::Fail { .. }));
}

#[test]
fn in_a_cluster_only_the_node_that_is_the_primary_is_followed() {
    let (mine, other) = ("a".repeat(40), "b".repeat(40));
    let full = format!("+FULLRESYNC {other} 42");
    let met = |lines: &[&str]| {
        let me = Introduction { primary_id: Some(mine.clone()), ..Introduction::default() };
        let (sent, step) = run(me, &[&["+PONG", "+OK", "+OK"], lines].concat());
        (words(&sent).contains("CLUSTER MYID"), words(&sent).contains("PSYNC"), step)
    };
    assert!(matches!(met(&["$40", &mine, "", &full]), (true, true, Step::Done(_))));
    let (_, syncs, step) = met(&["$40", &other]);
    assert!(
        !syncs && matches!(&step, Step::Fail { text, .. } if text.contains(&mine) && text.contains(&other)),
        "{step:?}"
    );
    // Who must not tell is followed, as before; who is loading is asked again.
    for refusal in ["-ERR unknown command 'CLUSTER'", "-NOPERM no", "-ERR This instance has cluster support disabled"] {
        assert!(matches!(met(&[refusal, &full]), (true, true, Step::Done(_))), "{refusal}");
    }
    for later in
        ["-LOADING Redis is loading the dataset in memory", "-BUSY Redis is busy", "+id", ":1", "*0", "$-1", "_"]
    {
        let (_, syncs, step) = met(&[later]);
        assert!(!syncs && matches!(step, Step::Fail { later: true, .. }), "{later}");
    }
}

#[test]
fn what_a_primary_says_is_logged_in_one_line_of_moderate_length() {
    let long = "\u{1b}[2J\n".repeat(12_000);
    let cases: [(&[&str], String); 6] = [
        (&[], format!("hello {long}")),
        (&["+PONG"], format!("-WRONGPASS {long}")),
        (&["+PONG", "+OK", "+OK", "+OK"], format!("-LOADING {long}")),
        (&["+PONG", "+OK", "+OK", "+OK", "$40"], long.clone()),
        (&["+PONG", "+OK", "+OK", "+OK", "-NOPERM"], format!("-LOADING {long}")),
        (&["+PONG", "+OK", "+OK", "+OK", "-NOPERM"], long.clone()),
    ];
    for (before, last) in cases {
        let (auth, primary_id) = (Some((None, b"secret".to_vec())), Some("a".repeat(40)));
        let me = Introduction { auth, primary_id, ..Introduction::default() };
        let (_, step) = run(me, &[before, &[last.as_str()]].concat());
        let Step::Fail { text, .. } = &step else { panic!("{before:?}: {step:?}") };
        assert!(text.len() < 2000 && !text.contains(char::is_control), "{before:?}: {text}");
    }
}

fn psync_answer(line: &[u8]) -> Step {
    let (mut handshake, _) = Handshake::start(Introduction::default());
    for line in [&b"+PONG"[..], b"+OK", b"+OK"] {
        handshake.line(line);
    }
    handshake.line(line)
}

#[test]
fn an_offset_that_could_wrap_is_not_believed() {
    let id = "f".repeat(40);
    for (offset, taken) in [
        (0.to_string(), true),
        (MAX_OFFSET.to_string(), true),
        ((MAX_OFFSET + 1).to_string(), false),
        (i64::MAX.to_string(), false),
        ("-1".to_owned(), false),
        (i64::MIN.to_string(), false),
        ("9223372036854775808".to_owned(), false),
        (String::new(), false),
    ] {
        let step = psync_answer(format!("+FULLRESYNC {id} {offset}").as_bytes());
        assert_eq!(matches!(step, Step::Done(_)), taken, "{offset}: {step:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_answer_is_survived_and_no_offset_wraps(
        head in proptest::sample::select(vec!["", "+FULLRESYNC ", "+CONTINUE ", "-LOADING ", "-"]),
        id in "[0-9a-f]{38,42}", number in proptest::num::i64::ANY, junk in proptest::collection::vec(0u8.., 0..30),
        plain in proptest::bool::ANY
    ) {
        let mut line = format!("{head}{id} {number}").into_bytes();
        if !plain {
            line.extend(junk);
        }
        if let Step::Done(Answer::Full { offset, .. }) = psync_answer(&line) {
            proptest::prop_assert!((0..=MAX_OFFSET).contains(&offset));
        }
    }
}
