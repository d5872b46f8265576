//! What the commands on places leave behind besides the reply, as recorded from Redis 7.0.15; a polygon is Valkey's.

use crate::testing::check_effects;

const PLACES: &str = "GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania";

#[test]
fn a_place_is_propagated_as_the_score_that_it_became() {
    check_effects(
        &[],
        "GEOADD g 13.361389 38.115556 Palermo",
        &["ZADD g 3479099956230698 Palermo"],
        &["new g", "zadd g"],
    );
    check_effects(
        &[PLACES],
        "GEOADD g nx CH 0 0 a 1 1 Palermo",
        &["ZADD g nx CH 3377699720527872 a 3377822707026402 Palermo"],
        &["zadd g"],
    );
    check_effects(&[PLACES], PLACES, &[], &[]);
    check_effects(&[PLACES], "GEOADD g 1 1 a 200 1 b", &[], &[]);
}

#[test]
fn a_search_is_propagated_if_it_stored() {
    let store = "GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km";
    check_effects(&[PLACES], store, &[store], &["new d", "geosearchstore d"]);
    check_effects(&["SET d v"], store, &[store], &["keymiss g", "del d"]);
    check_effects(&[], store, &[], &["keymiss g"]);
    let nothing = "GEOSEARCHSTORE d g FROMLONLAT 100 37 BYRADIUS 1 km";
    check_effects(&[PLACES, "SET d v"], nothing, &[nothing], &["del d"]);
    let radius = "GEORADIUS g 15 37 200 km STORE d";
    check_effects(&[PLACES], radius, &[radius], &["new d", "georadiusstore d"]);
    check_effects(&[PLACES], "GEORADIUS g 15 37 200 km", &[], &[]);
    let by_member = "GEORADIUSBYMEMBER g Palermo 200 km STOREDIST d";
    check_effects(&[PLACES, "SET d v"], by_member, &[by_member], &["georadiusstore d"]);
}

#[test]
fn a_polygon_is_propagated_as_what_it_stored() {
    check_effects(
        &[PLACES],
        "GEOSEARCHSTORE d g BYPOLYGON 3 12 37 16 37 14 39",
        &["MULTI", "DEL d", "ZADD d 3479099956230698 Palermo 3479447370796909 Catania", "EXEC"],
        &["new d", "geosearchstore d"],
    );
    check_effects(&[PLACES, "SET d v"], "GEOSEARCHSTORE d g BYPOLYGON 3 112 37 116 37 114 39", &["DEL d"], &["del d"]);
}
