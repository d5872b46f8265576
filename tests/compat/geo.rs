//! Places in sorted sets beside Redis: what is stored, what is found, and every wrong word.
//!
//! Each script is played with small sets in one block and with all sets in the large form. BYPOLYGON is Valkey's: what
//! Valkey 9.1.2 replied to these lines is written beside them.

use std::fmt::Write as _;

use crate::check_with;
use crate::numeric_arguments::VALUES;

#[track_caller]
fn both(script: &str) {
    check_with(&[], script);
    check_with(&[("zset-max-listpack-entries", "0")], script);
}

/// Members all over the map, with a spiral of neighbours around each.
fn places() -> String {
    let mut script = "GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania\n".to_owned();
    for number in 0..240 {
        let (turn, away) = (f64::from(number), f64::from(number % 24).powi(3) / 500.0);
        let longitude = f64::from(number / 24) * 35.9 - 170.3 + away * turn.sin() / 6.0;
        let latitude = f64::from(number / 24) * 16.1 - 78.2 + away * turn.cos() / 16.0;
        let _ = writeln!(script, "GEOADD g {longitude:.9} {latitude:.9} m{number}");
    }
    script
}

#[test]
fn places_are_added_and_shown() {
    both(
        r#"
== adding
GEOADD
GEOADD g
GEOADD g 1
GEOADD g 1 2
GEOADD g 1 2 a
GEOADD g 1 2 a
GEOADD g 1 2 a 3 4 b 5
GEOADD g 1 2 a 3 4
GEOADD g 3 4 a
GEOADD g CH 5 6 a 7 8 b
GEOADD g ch 5 6 a 7 8 b
GEOADD g NX 1 1 a
GEOADD g nx CH 1 1 c
GEOADD g XX 1 1 d
GEOADD g XX CH 1 1 a
GEOADD g NX XX 1 1 a
GEOADD g NX XX CH
GEOADD g CH CH CH
GEOADD g GT 1 1 a
GEOADD g INCR 1 1 a
GEOADD g x 1 a
GEOADD g 1 x a
GEOADD g 180 85.05112878 edge -180 -85.05112878 corner 0 0 middle
GEOADD g 180.00001 1 a
GEOADD g 1 85.05112879 a
GEOADD g -181 1 a
GEOADD g 1 -86 a
GEOADD g inf 1 a
GEOADD g 1 nan a
GEOADD g 1 2 a 200 4 never
GEOADD g 1e1 0x10 a
ZRANGE g 0 -1 WITHSCORES
OBJECT ENCODING g
TYPE g
DUMP g
SET s v
GEOADD s 1 2 a
GEOADD s 1 2000 a
== showing
GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania -0.1 0.1 near
ZADD g -5 negative 1e30 large inf infinite -inf least 1.5 half 4503599627370495 last 9007199254740993 odd 1e19 beyond
GEOPOS
GEOPOS g
GEOPOS g Palermo
GEOPOS g Palermo nobody Catania near
GEOPOS g negative large infinite least half last odd beyond
GEOPOS none
GEOPOS none a b
GEOHASH
GEOHASH g
GEOHASH g Palermo nobody Catania near
GEOHASH g negative large infinite least half last odd beyond
GEOHASH none
GEOHASH none a b
GEODIST
GEODIST g Palermo
GEODIST g Palermo Catania
GEODIST g Palermo Catania m
GEODIST g Palermo Catania KM
GEODIST g Palermo Catania mi
GEODIST g Palermo Catania Ft
GEODIST g Palermo Catania yd
GEODIST g Palermo Catania m m
GEODIST g Palermo nobody
GEODIST g Palermo nobody yd
GEODIST g Palermo Palermo
GEODIST none a b
GEODIST none a b yd
GEODIST g negative large
GEODIST g near negative
SET s v
GEOPOS s a
GEOHASH s a
GEODIST s a b
GEODIST s a b yd
"#,
    );
}

#[test]
fn members_near_a_place_are_found() {
    let mut script = places();
    for centre in
        ["FROMMEMBER m30", "FROMMEMBER m1", "FROMLONLAT 13.4 37.8", "FROMLONLAT 179.9 70.1", "FROMLONLAT -170 -85"]
    {
        for area in [
            "BYRADIUS 0 m",
            "BYRADIUS 900 m",
            "BYRADIUS 77 km",
            "BYRADIUS 1200 mi",
            "BYRADIUS 1e5 ft",
            "BYRADIUS 20000 km",
            "BYRADIUS inf km",
            "BYRADIUS 1e300 mi",
            "BYRADIUS 1e-300 m",
            "BYBOX 400 200 km",
            "BYBOX 0 3000 km",
            "BYBOX 3000 10 mi",
            "BYBOX 1e300 1e300 km",
            "BYBOX 40000 40000 km",
        ] {
            for options in ["", "ASC WITHDIST", "DESC WITHHASH", "WITHCOORD", "COUNT 3 ANY", "COUNT 2 DESC"] {
                let _ = writeln!(script, "GEOSEARCH g {centre} {area} {options}");
            }
            let _ = writeln!(script, "GEOSEARCHSTORE d g {area} {centre}\nZRANGE d 0 -1 WITHSCORES");
            let _ = writeln!(script, "GEOSEARCHSTORE d g {area} {centre} COUNT 2 STOREDIST\nZRANGE d 0 -1 WITHSCORES");
        }
    }
    for radius in ["1", "150", "2500", "30000"] {
        for options in
            ["", "WITHCOORD WITHDIST WITHHASH ASC", "COUNT 2", "DESC COUNT 4 ANY", "STORE d", "COUNT 3 STOREDIST d"]
        {
            let _ = writeln!(script, "GEORADIUS g 15 37 {radius} km {options}\nZRANGE d 0 -1 WITHSCORES");
            let _ = writeln!(script, "GEORADIUSBYMEMBER g m100 {radius} mi {options}\nZRANGE d 0 -1 WITHSCORES");
            let _ = writeln!(script, "GEORADIUS_RO g 15 37 {radius} km {options}");
            let _ = writeln!(script, "GEORADIUSBYMEMBER_RO g m100 {radius} mi {options}");
        }
    }
    both(&script);
}

#[test]
fn words_of_a_search() {
    both(
        r#"
== GEOSEARCH
GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
GEOSEARCH
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km
geosearch g fromlonlat 15 37 byradius 200 KM asc withdist withcoord withhash
GEOSEARCH g BYRADIUS 200 km FROMLONLAT 15 37 ASC DESC
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 yd
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS x km
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS -1 km
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS -1 yd
GEOSEARCH g FROMLONLAT 15 37 BYBOX x 1 km
GEOSEARCH g FROMLONLAT 15 37 BYBOX 1 x km
GEOSEARCH g FROMLONLAT 15 37 BYBOX -1 1 km
GEOSEARCH g FROMLONLAT 15 37 BYBOX 1 -1 yd
GEOSEARCH g FROMLONLAT 15 37 BYBOX 1 1 yd
GEOSEARCH g FROMLONLAT 15 37 BYBOX 1 1
GEOSEARCH g FROMLONLAT 15 x BYBOX 1 1 km
GEOSEARCH g FROMLONLAT 15 99 BYBOX 1 1 km
GEOSEARCH g FROMMEMBER nobody BYBOX 1 1 km
GEOSEARCH g FROMMEMBER Palermo FROMMEMBER Catania BYRADIUS 1 km
GEOSEARCH g FROMMEMBER Palermo FROMLONLAT 1 1 BYRADIUS 1 km
GEOSEARCH g FROMLONLAT 1 1 FROMMEMBER Palermo BYRADIUS 1 km
GEOSEARCH g FROMLONLAT 1 1 FROMLONLAT 15 37 BYRADIUS 1 km BYRADIUS 200 km
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 1 km BYBOX 1 1 km
GEOSEARCH g FROMLONLAT 15 37 BYBOX 1 1 km BYRADIUS 1 km
GEOSEARCH g FROMLONLAT 15 37 BYBOX 1 1 km BYBOX 400 400 km
GEOSEARCH g BYRADIUS 1 km WITHDIST WITHDIST
geoSearch g FROMLONLAT 15 37 WITHDIST WITHDIST
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km COUNT
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km COUNT 0
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km COUNT -1
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km COUNT x
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ANY
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ANY COUNT 1
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km STORE d
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km nonsense
GEOSEARCH none FROMLONLAT 15 37 BYRADIUS 200 km
GEOSEARCH none FROMMEMBER nobody BYRADIUS 200 km
GEOSEARCH none FROMMEMBER nobody BYRADIUS 200 yd
GEOSEARCH none FROMMEMBER nobody BYRADIUS 200 km ANY
GEOSEARCH none FROMMEMBER a FROMLONLAT 1 1 BYRADIUS 200 km
SET s v
GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 200 km
GEOSEARCH s FROMLONLAT 15 37 nonsense nonsense nonsense
== GEOSEARCHSTORE
GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200
GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km
GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km WITHDIST
GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km WITHCOORD
GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km WITHHASH
GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km storedist desc count 1
ZRANGE d 0 -1 WITHSCORES
GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST x
GEOSEARCHSTORE g g FROMLONLAT 15 37 BYRADIUS 100 km
ZRANGE g 0 -1
EXPIRE g 1000
GEOSEARCHSTORE g g FROMLONLAT 15 37 BYRADIUS 100 km
TTL g
GEOSEARCHSTORE d g FROMLONLAT 100 37 BYRADIUS 100 km
EXISTS d
GEOSEARCHSTORE d none FROMMEMBER a BYRADIUS 1 km
SET d v
GEOSEARCHSTORE d none FROMMEMBER a BYRADIUS 1 km
EXISTS d
SET d v
GEOSEARCHSTORE d d FROMMEMBER a BYRADIUS 1 km
GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 100 km
TYPE d
== GEORADIUS
GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
GEORADIUS g 15 37 200
GEORADIUS g 15 37 200 km
GEORADIUS g 15 37 200 yd
GEORADIUS g 15 37 x km
GEORADIUS g 15 37 -1 km
GEORADIUS g x 37 1 km
GEORADIUS g 15 370 x km
GEORADIUS none 15 370 x km
GEORADIUS none 15 37 x km
GEORADIUS none 15 37 1 km
GEORADIUS none 15 37 1 km STORE d
GEORADIUS g 15 37 200 km WITHDIST STORE d
GEORADIUS g 15 37 200 km STORE d WITHCOORD
GEORADIUS g 15 37 200 km STOREDIST d WITHHASH
GEORADIUS g 15 37 200 km STORE
GEORADIUS g 15 37 200 km STORE d STOREDIST e
ZRANGE e 0 -1 WITHSCORES
EXISTS d
GEORADIUS g 15 37 200 km STOREDIST e STORE d
ZRANGE d 0 -1 WITHSCORES
GEORADIUS g 15 37 200 km STORE STORE
ZRANGE STORE 0 -1
GEORADIUS_RO g 15 37 200 km STORE d
GEORADIUS_RO g 15 37 200 km STOREDIST d
GEORADIUS g 15 37 200 km FROMMEMBER Palermo
GEORADIUS g 15 37 200 km ANY
GEORADIUS g 15 37 200 km COUNT 1 ANY
GEORADIUS g 15 37 200 km COUNT
SET s v
GEORADIUS s 15 370 200 km
== GEORADIUSBYMEMBER
GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
GEORADIUSBYMEMBER g Palermo 200
GEORADIUSBYMEMBER g Palermo 200 km
GEORADIUSBYMEMBER g Palermo 200 yd
GEORADIUSBYMEMBER g Palermo x km
GEORADIUSBYMEMBER g nobody x km
GEORADIUSBYMEMBER none nobody x yd
GEORADIUSBYMEMBER none nobody x yd nonsense
GEORADIUSBYMEMBER none nobody x yd STORE d
GEORADIUSBYMEMBER g Palermo 200 km STORE d
ZRANGE d 0 -1
GEORADIUSBYMEMBER g Palermo 1 km STORE d
GEORADIUSBYMEMBER g Palermo 200 km STOREDIST d COUNT 2
ZRANGE d 0 -1 WITHSCORES
GEORADIUSBYMEMBER_RO g Palermo 200 km STORE d
GEORADIUSBYMEMBER_RO g Palermo 200 km COUNT 1
== keys
COMMAND GETKEYS GEORADIUS g 1 1 1 km
COMMAND GETKEYS GEORADIUS g 1 1 1 km STORE d
COMMAND GETKEYS GEORADIUS g 1 1 1 km STOREDIST d
COMMAND GETKEYSANDFLAGS GEORADIUS g 1 1 1 km STOREDIST d
COMMAND GETKEYS GEORADIUSBYMEMBER g m 1 km COUNT 1 STORE d
COMMAND GETKEYS GEORADIUSBYMEMBER g m 1 km STORE
COMMAND GETKEYS GEOSEARCHSTORE d g FROMLONLAT 1 1 BYRADIUS 1 km
COMMAND GETKEYSANDFLAGS GEOSEARCHSTORE d g FROMLONLAT 1 1 BYRADIUS 1 km
COMMAND GETKEYSANDFLAGS GEOADD g 1 1 a
"#,
    );
}

#[test]
fn members_within_a_polygon_are_found() {
    both(
        r#"
GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.496366 41.902782 Rome 9.190000 45.464203 Milan 14.268120 40.851799 Naples
{7.2 "*3\r\n$7\r\nPalermo\r\n$7\r\nCatania\r\n$6\r\nNaples\r\n"} GEOSEARCH g BYPOLYGON 4 12 37 16 37 16 41 12 41 ASC
{7.2 "*3\r\n*2\r\n$6\r\nNaples\r\n:3480580670016392\r\n*2\r\n$7\r\nCatania\r\n:3479447370796909\r\n*2\r\n$7\r\nPalermo\r\n:3479099956230698\r\n"} GEOSEARCH g BYPOLYGON 4 12 37 16 37 16 41 12 41 DESC WITHHASH
{7.2 "*2\r\n$7\r\nPalermo\r\n$7\r\nCatania\r\n"} GEOSEARCH g bypolygon 3 8 36 18 36 8 46 COUNT 2
{7.2 "*2\r\n$7\r\nPalermo\r\n$7\r\nCatania\r\n"} GEOSEARCH g BYPOLYGON 3 8 36 18 36 8 46 COUNT 2 ANY
{7.2 "*0\r\n"} GEOSEARCH g BYPOLYGON 3 100 36 110 36 100 46
{7.2 "*0\r\n"} GEOSEARCH none BYPOLYGON 3 8 36 18 36 8 46
{7.2 "*2\r\n$7\r\nPalermo\r\n$7\r\nCatania\r\n"} GEOSEARCH g BYPOLYGON 3 8 36 18 36 8 46 BYPOLYGON 3 12 37 16 37 14 39
{7.2 "-ERR GEOSEARCH BYPOLYGON must have at least 3 vertices\r\n"} GEOSEARCH g BYPOLYGON 2 8 36 18 36 8 46
{7.2 "-ERR GEOSEARCH BYPOLYGON must have at least 3 vertices\r\n"} GEOSEARCH g BYPOLYGON 4 8 36 18 36 8 46
{7.2 "-ERR GEOSEARCH BYPOLYGON must have at least 3 vertices\r\n"} GEOSEARCH g BYPOLYGON -1 8 36 18 36
{7.2 "-ERR invalid number of vertices\r\n"} GEOSEARCH g BYPOLYGON x 8 36 18 36
{7.2 "-ERR invalid number of vertices\r\n"} GEOSEARCH g BYPOLYGON 2147483648 8 36 18 36
{7.2 "-ERR GEOSEARCH BYPOLYGON must have at least 3 vertices\r\n"} GEOSEARCH g BYPOLYGON 2147483647 8 36 18 36
{7.2 "-ERR value is not a valid float\r\n"} GEOSEARCH g BYPOLYGON 3 8 36 18 x 8 46
{7.2 "-ERR invalid longitude,latitude pair 18.000000,86.000000\r\n"} GEOSEARCH g BYPOLYGON 3 8 36 18 86 8 46
{7.2 "-ERR syntax error\r\n"} GEOSEARCH g BYPOLYGON 3 8 36 18 36 8 46 nonsense
{7.2 "-ERR syntax error\r\n"} GEOSEARCH g BYPOLYGON 3 8 36 18 36 8 46 FROMMEMBER Rome
{7.2 "-ERR syntax error\r\n"} GEOSEARCH g FROMLONLAT 1 1 BYPOLYGON 3 8 36 18 36 8 46
{7.2 "-ERR syntax error\r\n"} GEOSEARCH g BYPOLYGON 3 8 36 18 36 8 46 BYRADIUS 1 km
{7.2 "-ERR syntax error\r\n"} GEOSEARCH g BYPOLYGON 3 8 36 18 36 8 46 BYBOX 1 1 km
{7.2 "-ERR the ANY argument requires COUNT argument\r\n"} GEOSEARCH g BYPOLYGON 3 8 36 18 36 8 46 ANY
{7.2 ":2\r\n"} GEOSEARCHSTORE d g BYPOLYGON 3 8 36 18 36 8 46
{7.2 "*2\r\n$7\r\nPalermo\r\n$7\r\nCatania\r\n"} ZRANGE d 0 -1
{7.2 ":2\r\n"} GEOSEARCHSTORE d g BYPOLYGON 3 8 36 18 36 8 46 STOREDIST COUNT 2
{7.2 "*2\r\n$7\r\nPalermo\r\n$7\r\nCatania\r\n"} ZRANGE d 0 -1
{7.2 ":0\r\n"} GEOSEARCHSTORE d g BYPOLYGON 3 100 36 110 36 100 46
{7.2 ":0\r\n"} EXISTS d
"#,
    );
}

#[test]
fn numbers_of_places() {
    let mut script = String::new();
    for template in [
        "GEOADD g # 1 b",
        "GEOADD g 1 # b",
        "GEOSEARCH g FROMLONLAT # 1 BYRADIUS 10 km",
        "GEOSEARCH g FROMLONLAT 1 # BYRADIUS 10 km",
        "GEOSEARCH g FROMMEMBER a BYRADIUS # km WITHDIST",
        "GEOSEARCH g FROMMEMBER a BYBOX # 10 km WITHDIST",
        "GEOSEARCH g FROMMEMBER a BYBOX 10 # mi WITHDIST",
        "GEOSEARCH g FROMMEMBER a BYRADIUS 1000 km ASC COUNT #",
        "GEOSEARCH g FROMMEMBER a BYRADIUS 1000 km ASC COUNT # ANY",
        "GEOSEARCHSTORE d g FROMMEMBER a BYRADIUS # mi STOREDIST",
        "GEORADIUS g # 1 10 km",
        "GEORADIUS g 1 # 10 km",
        "GEORADIUS g 1 1 # km ASC",
        "GEORADIUS g 1 1 1000 km COUNT #",
        "GEORADIUSBYMEMBER g a # ft",
        "GEORADIUSBYMEMBER_RO g a 100 m COUNT #",
    ] {
        let _ = writeln!(script, "== {template}");
        for value in VALUES {
            let _ = writeln!(script, "FLUSHALL\nGEOADD g 1 1 a 1.5 1.5 c 170 80 d\n{}", template.replace('#', value));
            let _ = writeln!(script, "ZRANGE g 0 -1 WITHSCORES\nZRANGE d 0 -1 WITHSCORES");
        }
    }
    both(&script);
}
