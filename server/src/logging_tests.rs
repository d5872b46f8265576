//! Tests of the log: lines, levels, times.

use super::*;
use tracing_subscriber::layer::SubscriberExt;

/// 20 Nov 2026 18:30:44.260 UTC.
const NOW: i64 = 1_795_199_444_260;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `act` logs, without the process id.
fn logged(settings: &Arc<LogSettings>, act: impl FnOnce()) -> String {
    let out = Shared::default();
    let layer = LineLayer::new(Lines::new(Arc::clone(settings), || NOW), Box::new(out.clone()));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
    let text = String::from_utf8(out.0.lock().clone()).expect("lines are text");
    text.replace(&std::process::id().to_string(), "PID")
}

fn redis() -> Arc<LogSettings> {
    LogSettings::new(Format::Redis, Level::Notice)
}

#[test]
fn lines_look_like_those_of_redis() {
    let log = NodeLog::new(None);
    log.set_level(Level::Debug);
    let text = logged(&redis(), || {
        log.notice(format_args!("starting"));
        log.set_role(Role::Primary);
        log.notice(format_args!("Ready to accept {}", "connections"));
        log.set_role(Role::Replica);
        log.warning(format_args!("w"));
        log.verbose(format_args!("v"));
        log.debug(format_args!("d"));
    });
    assert_eq!(
        text,
        "PID:C 20 Nov 2026 18:30:44.260 * starting\n\
         PID:M 20 Nov 2026 18:30:44.260 * Ready to accept connections\n\
         PID:S 20 Nov 2026 18:30:44.260 # w\n\
         PID:S 20 Nov 2026 18:30:44.260 - v\n\
         PID:S 20 Nov 2026 18:30:44.260 . d\n"
    );
}

#[test]
fn each_node_has_its_own_level_and_name() {
    let (quiet, loud) = (NodeLog::new(Some("7000".into())), NodeLog::new(Some("7001".into())));
    quiet.set_level(Level::Warning);
    loud.set_level(Level::Verbose);
    let text = logged(&redis(), || {
        for log in [&quiet, &loud] {
            log.debug(format_args!("d"));
            log.verbose(format_args!("v"));
            log.notice(format_args!("n"));
        }
        quiet.warning(format_args!("w"));
    });
    let messages: Vec<&str> = text.lines().filter_map(|line| line.split_once(".260 ").map(|(_, rest)| rest)).collect();
    assert_eq!(messages, ["- [7001] v", "* [7001] n", "# [7000] w"]);
}

#[test]
fn plain_events_follow_the_settings_even_when_these_change() {
    let settings = redis();
    let text = logged(&settings, || {
        for level in [Level::Notice, Level::Warning, Level::Debug] {
            settings.set_level(level);
            tracing::info!(target: "slotd::net", port = 7000, "listening");
        }
        tracing::info!(target: "mio::poll", "noise of a library");
    });
    let line = "PID:M 20 Nov 2026 18:30:44.260 * listening port=7000\n";
    assert_eq!(text, line.repeat(2));
}

#[test]
fn json_lines_are_objects() {
    let settings = LogSettings::new(Format::Json, Level::Notice);
    let log = NodeLog::new(Some("7000".into()));
    let text = logged(&settings, || {
        log.notice(format_args!("a \"quoted\"\nline"));
        settings.set_format(Format::Redis);
        log.notice(format_args!("plain"));
    });
    let (json, plain) = text.split_once('\n').expect("two lines");
    let value: serde_json::Value = serde_json::from_str(&json.replace("PID", "1")).expect("JSON");
    assert_eq!(value["message"], "a \"quoted\"\nline");
    assert_eq!(value["time"], "2026-11-20T18:30:44.260Z");
    assert_eq!((&value["node"], &value["role"], &value["level"]), (&"7000".into(), &"C".into(), &"notice".into()));
    assert!(plain.ends_with("* [7000] plain\n"));
}

#[test]
fn a_client_cannot_forge_a_line() {
    let log = NodeLog::new(None);
    let text = logged(&redis(), || log.warning(format_args!("bad name {}", "x\r\n1:M forged\u{1b}[0m")));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn without_a_subscriber_nothing_happens() {
    NodeLog::new(None).warning(format_args!("into the void"));
}

#[test]
fn dates_are_right_around_leap_days() {
    for (ms, text) in [
        (0, "01 Jan 1970 00:00:00.000"),
        (951_782_399_999, "28 Feb 2000 23:59:59.999"),
        (951_782_400_000, "29 Feb 2000 00:00:00.000"),
        (951_868_800_000, "01 Mar 2000 00:00:00.000"),
        (4_107_542_400_000, "01 Mar 2100 00:00:00.000"),
        (1_735_689_599_000, "31 Dec 2024 23:59:59.000"),
        (-1, "31 Dec 1969 23:59:59.999"),
    ] {
        assert_eq!(redis_time(ms), text);
    }
}

#[test]
fn numbers_of_the_directives() {
    assert_eq!([0, 1, 2, 3].map(Level::from_number), [Level::Debug, Level::Verbose, Level::Notice, Level::Warning]);
    assert_eq!([0, 1].map(Format::from_number), [Format::Redis, Format::Json]);
}

#[test]
fn nothing_is_logged_at_level_nothing_and_the_last_warning_is_kept_all_the_same() {
    let log = NodeLog::new(None);
    log.set_level(Level::from_number(4));
    let text = logged(&redis(), || {
        log.warning(format_args!("w"));
        log.notice(format_args!("n"));
    });
    assert_eq!(text, "");
    assert_eq!(log.last_warning().as_deref(), Some("w"));
}
