//! What changing a set leaves behind besides the reply. The expected lines were recorded from Redis 7.0.15, on its
//! replication link and with `notify-keyspace-events KEAnm`.

use crate::testing::{Bench, check_effects};

#[test]
fn a_changed_set_is_propagated_as_sent_and_announced_once() {
    check_effects(&[], "SADD s a b", &["SADD s a b"], &["new s", "sadd s"]);
    check_effects(&["SADD s a"], "SADD s a b c", &["SADD s a b c"], &["sadd s"]);
    check_effects(&["SADD s a b"], "SREM s a x", &["SREM s a x"], &["srem s"]);
    check_effects(&["SADD s a b"], "SREM s a b c", &["SREM s a b c"], &["srem s", "del s"]);
}

#[test]
fn what_is_popped_is_propagated_by_name() {
    check_effects(&["SADD s a"], "SPOP s", &["SREM s a"], &["spop s", "del s"]);
    check_effects(&["SADD s 1 2"], "SPOP s 2", &["DEL s"], &["spop s", "del s"]);
    check_effects(&["SADD s 1 2"], "SPOP s 9", &["DEL s"], &["spop s", "del s"]);
    check_effects(&["SADD s 1"], "SPOP s 0", &[], &[]);
    let mut bench = Bench::new();
    bench.run("SADD s 1 2 3 4");
    let (_, propagated, events) = bench.trace("SPOP s 3");
    assert_eq!((propagated.len(), events), (5, vec!["spop s".to_owned()]));
    assert_eq!((propagated[0].as_str(), propagated[4].as_str()), ("MULTI", "EXEC"));
    let left = bench.run("SMEMBERS s");
    for removed in &propagated[1..4] {
        let member = removed.strip_prefix("SREM s ").expect("a removal");
        assert!(!left.contains(&format!("\n{member}\r")), "{member} is gone: {left}");
    }
    let (_, propagated, _) = bench.trace("SPOP s 1");
    assert_eq!(propagated, ["DEL s"]);
}

#[test]
fn a_member_that_moves_leaves_first_and_arrives_then() {
    check_effects(&["SADD s a"], "SMOVE s t a", &["SMOVE s t a"], &["srem s", "del s", "new t", "sadd t"]);
    check_effects(&["SADD s a b"], "SMOVE s t a", &["SMOVE s t a"], &["srem s", "new t", "sadd t"]);
    check_effects(&["SADD s a b", "SADD t a"], "SMOVE s t a", &["SMOVE s t a"], &["srem s"]);
    check_effects(&["SADD s a b"], "SMOVE s s a", &[], &[]);
    check_effects(&["SADD s a b"], "SMOVE s t x", &[], &[]);
}

#[test]
fn a_stored_result_replaces_any_key_and_an_empty_one_removes_it() {
    let (s, t) = ("SADD s a b", "SADD t a");
    check_effects(&[s, t], "SINTERSTORE d s t", &["SINTERSTORE d s t"], &["new d", "sinterstore d"]);
    check_effects(&[s, t, "SET d v"], "SINTERSTORE d s t", &["SINTERSTORE d s t"], &["sinterstore d"]);
    check_effects(&[s, t, "SET d v EX 100"], "SUNIONSTORE d s t", &["SUNIONSTORE d s t"], &["sunionstore d"]);
    check_effects(&[s, "SET d v"], "SINTERSTORE d s x", &["SINTERSTORE d s x"], &["keymiss x", "del d"]);
    check_effects(&[s], "SINTERSTORE d s x", &[], &["keymiss x"]);
    check_effects(&[s, "SET d v"], "SDIFFSTORE d s s", &["SDIFFSTORE d s s"], &["del d"]);
    check_effects(&[s], "SDIFFSTORE d s x", &["SDIFFSTORE d s x"], &["keymiss x", "new d", "sdiffstore d"]);
    check_effects(&[s, "SET d v"], "SUNIONSTORE d x", &["SUNIONSTORE d x"], &["keymiss x", "del d"]);
}

#[test]
fn an_empty_result_deletes_a_target_that_has_expired() {
    for line in [
        "SINTERSTORE d x",
        "ZRANGESTORE d x 0 -1",
        "ZUNIONSTORE d 1 x",
        "SORT x STORE d",
        "GEOSEARCHSTORE d x FROMLONLAT 0 0 BYRADIUS 1 m",
        "BITOP AND d x",
    ] {
        let mut bench = Bench::new();
        bench.run("SET d v PX 10");
        bench.clock.advance_ms(20);
        let (_, propagated, mut events) = bench.trace(line);
        events.retain(|event| !event.starts_with("keymiss"));
        assert_eq!((propagated, events), (vec![line.to_owned()], vec!["del d".to_owned()]));
    }
}

#[test]
fn what_changes_no_member_is_not_announced() {
    for line in ["SADD s a", "SREM s x", "SMOVE s t x", "SPOP s 0", "SPOP s x", "SMEMBERS s", "SINTERCARD 1 s"] {
        check_effects(&["SADD s a b"], line, &[], &[]);
    }
    for line in ["SADD s a", "SREM s a", "SPOP s", "SPOP s 5", "SMOVE s t a", "SINTERSTORE d s", "SUNIONSTORE d s"] {
        check_effects(&["SET s v"], line, &[], &[]);
    }
    check_effects(&[], "SREM s a", &[], &[]);
    check_effects(&[], "SPOP s 3", &[], &[]);
}

#[test]
fn a_union_of_large_sets_has_every_member_once() {
    let mut bench = Bench::new();
    let ranges = [0..2000, 1500..3300, 1000..1700, 0..3000, 3200..3400, 100..200];
    for (number, range) in ranges.iter().enumerate() {
        let members: Vec<String> = range.clone().map(|member| format!("m{member:060}")).collect();
        bench.run(&format!("SADD {{s}}{number} {}", members.join(" ")));
    }
    for count in 1..=ranges.len() {
        let keys: Vec<String> = (0..count).map(|number| format!("{{s}}{number}")).collect();
        let keys = keys.join(" ");
        let mut expected: Vec<usize> = ranges[..count].iter().cloned().flatten().collect();
        expected.sort_unstable();
        expected.dedup();
        let members = |reply: String| {
            let lines = reply.split("\r\n").filter_map(|line| line.strip_prefix('m'));
            let mut members: Vec<usize> = lines.map(|line| line.parse().expect("a number")).collect();
            members.sort_unstable();
            (reply.lines().next().map(str::to_owned), members)
        };
        let (head, told) = members(bench.run(&format!("SUNION {keys} {{s}}0 {{s}}none")));
        assert_eq!((head.as_deref(), &told), (Some(&*format!("*{}", expected.len())), &expected), "SUNION {keys}");
        assert_eq!(bench.run(&format!("SUNIONSTORE {{s}}out {keys} {{s}}0")), format!(":{}", expected.len()));
        assert_eq!(members(bench.run("SMEMBERS {s}out")).1, expected, "SUNIONSTORE of {keys}");
    }
}
