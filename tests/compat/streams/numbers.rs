//! Every numeric argument and every id of the commands on streams, with all values that are easily mishandled.

use std::fmt::Write as _;

use crate::check;
use crate::numeric_arguments::VALUES;

/// The template with a value in the place of `#`. A value in quotes takes the rest of its word into them.
fn with(template: &str, value: &str) -> String {
    let put = |word: &str| match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        Some(inner) if word.contains('#') => format!("\"{}\"", word.replace('#', inner)),
        Some(_) | None => word.replace('#', value),
    };
    template.split(' ').map(put).collect::<Vec<_>>().join(" ")
}

/// Plays templates with each value in the place of `#`, on a fresh stream with a group.
fn each(templates: &str) {
    let mut script = String::new();
    for template in templates.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let _ = writeln!(script, "== {template}");
        for value in VALUES {
            let line = with(template, value);
            let _ = writeln!(
                script,
                "FLUSHALL\nXADD s 1-1 f v\nXADD s 1-2 f v\nXADD s 2-1 g w\nXGROUP CREATE s g 0\n\
                 XCLAIM s g a 0 1-1 1-2 TIME 1000 FORCE JUSTID\n{line}\nXRANGE s - +\n\
                 {{consumers}} XINFO GROUPS s\nXPENDING s g"
            );
        }
    }
    check(&script);
}

#[test]
fn numbers_of_entries() {
    each(
        "XADD s # f v
        XADD s #-# f v
        XADD s #-1 f v
        XADD s 5-# f v
        XADD s MAXLEN # 9-1 f v
        XADD s MAXLEN ~ # 9-1 f v
        XADD s MAXLEN ~ 1 LIMIT # 9-1 f v
        XADD s MINID # 9-1 f v
        XTRIM s MAXLEN #
        XTRIM s MAXLEN ~ 1 LIMIT #
        XTRIM s MINID #
        XTRIM s MINID 1-#
        XDEL s # 1-1
        XSETID s #
        XSETID s 9-# ENTRIESADDED 5
        XSETID s 9-9 ENTRIESADDED #
        XSETID s 9-9 MAXDELETEDID #",
    );
}

#[test]
fn numbers_of_reads() {
    each(
        "XRANGE s # +
        XRANGE s - #
        XRANGE s (# +
        XRANGE s - (#
        XRANGE s - + COUNT #
        XREVRANGE s # -
        XREVRANGE s + - COUNT #
        XREAD STREAMS s #
        XREAD COUNT # STREAMS s 0
        XREAD BLOCK # STREAMS s 0
        {shape 7.0} XINFO STREAM s FULL COUNT #
        XREADGROUP GROUP g b COUNT # STREAMS s >
        XREADGROUP GROUP g b BLOCK # STREAMS s >
        XREADGROUP GROUP g a STREAMS s #",
    );
}

#[test]
fn numbers_of_groups() {
    each(
        "XGROUP CREATE s h #
        XGROUP CREATE s h 0 ENTRIESREAD #
        XGROUP SETID s g #
        XGROUP SETID s g 1 ENTRIESREAD #
        XACK s g #
        XACK s g 1-#
        XPENDING s g # + 10 nobody
        XPENDING s g - + # nobody
        XPENDING s g IDLE # - + 10 nobody
        XCLAIM s g b # 1-1 JUSTID
        XCLAIM s g b 0 # JUSTID
        XCLAIM s g b 0 1-1 RETRYCOUNT #
        XCLAIM s g b 0 1-1 TIME #
        XCLAIM s g b 0 1-1 IDLE #
        XCLAIM s g b 0 1-1 LASTID #
        XAUTOCLAIM s g b # 0
        XAUTOCLAIM s g b 0 #",
    );
}
