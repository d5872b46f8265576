//! Tests of hashes, cells and distances.

use super::*;

fn place(longitude: f64, latitude: f64) -> Place {
    Place { longitude, latitude }
}

#[test]
fn bits_are_interleaved_and_back() {
    for (even, odd) in [(0, 0), (1, 0), (0, 1), (u32::MAX, 0), (0, u32::MAX), (0x1234_5678, 0x9abc_def0)] {
        let bits = interleave(even, odd);
        let one_by_one = (0..32)
            .fold(0, |sum, at| sum | u64::from(even >> at & 1) << (2 * at) | u64::from(odd >> at & 1) << (2 * at + 1));
        assert_eq!(bits, one_by_one);
        assert_eq!(deinterleave(bits), (even, odd));
    }
}

#[test]
fn a_place_becomes_the_score_and_the_text_of_redis() {
    let palermo = place(13.361_389, 38.115_556);
    assert_eq!(palermo.score(), 3_479_099_956_230_698);
    let back = Place::of_score(3_479_099_956_230_698.0);
    assert_eq!(
        (back.longitude.to_string(), back.latitude.to_string()),
        ("13.361389338970184".to_owned(), "38.1155563954963".to_owned())
    );
    assert_eq!(&back.text(), b"sqc8b49rny0");
}

#[test]
fn a_cell_contains_its_place_and_neighbours_touch_it() {
    for (longitude, latitude) in [(0.0, 0.0), (13.4, 52.5), (-179.9, -85.0), (179.9, 85.0)] {
        for steps in 1..=STEPS_MAX {
            let here = place(longitude, latitude);
            let cell = Cell::of(here, steps);
            let Area { west, east, south, north } = cell.area();
            assert!((west..east).contains(&longitude) && (south..north).contains(&latitude), "{here:?} {steps}");
            let (min, max) = cell.scores();
            assert!((min..max).contains(&here.score()));
            assert_eq!(cell.neighbour(1, -1).neighbour(-1, 1), cell, "around the map, too");
            assert_eq!(cell.neighbour(0, 0), cell);
        }
    }
}

#[test]
fn any_score_is_some_place() {
    for score in [0.0, -1.0, 1e300, -1e300, f64::INFINITY, f64::NEG_INFINITY, 1e19, 0.5, 4_503_599_627_370_496.0] {
        assert!(Place::of_score(score).is_valid(), "{score}");
    }
}

#[test]
fn the_longest_way_is_half_of_a_circle() {
    let half = std::f64::consts::PI * EARTH_RADIUS;
    for longitude in 0..180 {
        let from = place(f64::from(longitude), 10.0);
        let way = distance(from, place(f64::from(longitude) - 180.0, -10.0));
        assert!((way - half).abs() < 1.0, "{way}");
    }
}
