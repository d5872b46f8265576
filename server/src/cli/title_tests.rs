//! Tests of titles and covered passwords.

use super::*;

fn cover(words: &[&str]) -> Vec<String> {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    masked(&words).into_iter().map(|word| String::from_utf8(word).expect("ASCII")).collect()
}

#[test]
fn every_way_to_say_a_password_is_covered_and_nothing_else() {
    assert_eq!(cover(&["--requirepass", "abc", "--hz", "20"]), ["--requirepass", "***", "--hz", "20"]);
    assert_eq!(cover(&["--MASTERAUTH", "--abc", "--hz", "20"]), ["--MASTERAUTH", "*****", "--hz", "20"]);
    assert_eq!(cover(&["--requirepass abc", "--port", "1"]), ["--requirepass ***", "--port", "1"]);
    assert_eq!(cover(&["cluster", "--password=abc", "--json"]), ["cluster", "--password=***", "--json"]);
    assert_eq!(cover(&["cluster", "--password", "a b"]), ["cluster", "--password", "***"]);
    assert_eq!(cover(&["a.conf", "--save", "60", "1"]), ["a.conf", "--save", "60", "1"]);
}

#[test]
fn a_title_is_what_the_template_says() {
    let config = Config::new("/");
    assert_eq!(expand(&config, "slotd", "*:6379"), "slotd *:6379");
    config.set("proc-title-template", "{{x} {port}|{title}{server-mode}").expect("valid");
    assert_eq!(expand(&config, "slotd", ""), "{x} 6379|slotd");
}

#[test]
fn the_place_of_the_words_is_read_from_any_name() {
    let fields: Vec<String> = (3..=52).map(|field| if field == 3 { "S".into() } else { field.to_string() }).collect();
    let area = Area::read(&format!("1 (a ) b) {}", fields.join(" "))).expect("well formed");
    assert_eq!((area.start, area.len), (48, 1));
    assert_eq!(area.environment, 0, "it begins elsewhere");
    assert!(Area::read("1 (a) S 1 2").is_none());
}

#[test]
fn a_long_title_takes_the_place_of_variables_that_nobody_reads_any_more() {
    let mut fields: Vec<String> = (3..=52).map(|field| field.to_string()).collect();
    fields[47] = "49".into();
    let area = Area::read(&format!("1 (a) {}", fields.join(" "))).expect("well formed");
    assert_eq!((area.len, area.environment), (1, 2), "it follows directly");
    let variables = b"HOME=/root\0PATH=/bin\0RES_OPTIONS=rotate\0TERM=vt100\0";
    for (count, may) in [(1, true), (11, true), (21, true), (22, false), (45, false)] {
        assert_eq!(may_cover(variables, count), may, "{count}");
    }
    assert!(may_cover(b"A=1\0", 3) && !may_cover(b"A=1\0", 4), "a zero remains behind the title");
    assert!(!may_cover(b"", 0) && !may_cover(b"A=1", 1), "there is none");
}
