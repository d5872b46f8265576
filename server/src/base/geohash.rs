//! Places on the earth as numbers: the geohash of a longitude and a latitude, its cells, and distances.
//!
//! A hash of `step` bits per axis halves the ranges of longitude and latitude `step` times and interleaves the choices,
//! so a shorter hash is a cell that contains all places whose longer hashes begin with it. With 26 steps it has 52
//! bits, which a double holds exactly: that is the score of a member, and a cell is a range of scores.
//!
//! The floating-point operations are those of Redis in the same order, since clients see their last digits. Redis:
//! geohash.c, geohash_helper.c.

/// Longitudes are within this from zero, degrees.
pub(crate) const LONGITUDE_MAX: f64 = 180.0;
/// Latitudes are within this from zero, degrees: where the Mercator map of the earth is a square.
pub(crate) const LATITUDE_MAX: f64 = 85.051_128_78;
/// Steps of a score.
pub(crate) const STEPS_MAX: u32 = 26;
/// Metres (Redis: EARTH_RADIUS_IN_METERS).
pub(crate) const EARTH_RADIUS: f64 = 6_372_797.560_856;

const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;
/// Of standard geohash texts.
const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
const TEXT_LEN: usize = 11;

/// Degrees as radians.
pub(crate) fn radians(degrees: f64) -> f64 {
    degrees * RADIANS_PER_DEGREE
}

/// Radians as degrees.
pub(crate) fn degrees(radians: f64) -> f64 {
    radians / RADIANS_PER_DEGREE
}

/// A longitude and a latitude, degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    pub longitude: f64,
    pub latitude: f64,
}

impl Place {
    /// Whether it can be hashed.
    pub(crate) fn is_valid(self) -> bool {
        self.longitude.abs() <= LONGITUDE_MAX && self.latitude.abs() <= LATITUDE_MAX
    }

    /// The nearest place that can be hashed.
    pub(crate) fn clamped(self) -> Self {
        Self {
            longitude: self.longitude.clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
            latitude: self.latitude.clamp(-LATITUDE_MAX, LATITUDE_MAX),
        }
    }

    /// The score of a member at this place.
    pub(crate) fn score(self) -> u64 {
        Cell::of(self, STEPS_MAX).bits
    }

    /// The place that a score stands for: the middle of its cell.
    pub(crate) fn of_score(score: f64) -> Self {
        let area = Cell { bits: score_bits(score), steps: STEPS_MAX }.area();
        Self {
            longitude: f64::midpoint(area.west, area.east).clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
            latitude: f64::midpoint(area.south, area.north).clamp(-LATITUDE_MAX, LATITUDE_MAX),
        }
    }

    /// The standard geohash text, whose latitudes go up to 90 degrees. Of its last letter only two bits are known, and
    /// Redis writes it as zero.
    pub(crate) fn text(self) -> [u8; TEXT_LEN] {
        let bits =
            interleave(fraction(self.latitude, 90.0, STEPS_MAX), fraction(self.longitude, LONGITUDE_MAX, STEPS_MAX));
        let mut text = [ALPHABET[0]; TEXT_LEN];
        for (at, letter) in text.iter_mut().take(TEXT_LEN - 1).enumerate() {
            *letter = ALPHABET[(bits >> (52 - (at + 1) * 5)) as usize & 0x1f];
        }
        text
    }
}

/// The integer of a score. Members may have been added by ZADD with any score: those that are no hash are converted as
/// the processor does it for Redis.
fn score_bits(score: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if score < HALF {
        score as i64 as u64
    } else if score < 2.0 * HALF {
        score as u64
    } else {
        0
    }
}

/// A place from which distances are measured, with what they all need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    longitude: f64,
    latitude: f64,
    cos_latitude: f64,
}

impl Origin {
    pub(crate) fn new(place: Place) -> Self {
        let latitude = radians(place.latitude);
        Self { longitude: radians(place.longitude), latitude, cos_latitude: latitude.cos() }
    }

    /// Metres along a meridian to the latitude of a place.
    pub(crate) fn distance_of_latitudes(&self, to: Place) -> f64 {
        EARTH_RADIUS * (radians(to.latitude) - self.latitude).abs()
    }

    /// Metres along a great circle (haversine formula).
    pub(crate) fn distance(&self, to: Place) -> f64 {
        let v = ((radians(to.longitude) - self.longitude) / 2.0).sin();
        if v.abs() <= 0.0 {
            return self.distance_of_latitudes(to);
        }
        let latitude = radians(to.latitude);
        let u = ((latitude - self.latitude) / 2.0).sin();
        let a = u * u + self.cos_latitude * latitude.cos() * v * v;
        // Rounding may take it above one on the other side of the earth.
        2.0 * EARTH_RADIUS * a.sqrt().min(1.0).asin()
    }
}

/// Metres between two places.
pub(crate) fn distance(from: Place, to: Place) -> f64 {
    Origin::new(from).distance(to)
}

/// Every place whose hash begins with these bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    bits: u64,
    steps: u32,
}

/// The borders of a cell, degrees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    pub west: f64,
    pub east: f64,
    pub south: f64,
    pub north: f64,
}

impl Cell {
    /// The cell of a valid place.
    pub(crate) fn of(place: Place, steps: u32) -> Self {
        let Place { longitude, latitude } = place;
        let bits = interleave(fraction(latitude, LATITUDE_MAX, steps), fraction(longitude, LONGITUDE_MAX, steps));
        Self { bits, steps }
    }

    /// The cell so many steps to the east and to the north, around the map.
    pub(crate) fn neighbour(self, east: i32, north: i32) -> Self {
        let mask = (1u32 << self.steps) - 1;
        let moved = |number: u32, by: i32| if by == 0 { number } else { number.wrapping_add_signed(by) & mask };
        let (latitude, longitude) = deinterleave(self.bits);
        Self { bits: interleave(moved(latitude, north), moved(longitude, east)), ..self }
    }

    pub(crate) fn area(self) -> Area {
        let (latitude, longitude) = deinterleave(self.bits);
        let cells = f64::from(1u32 << self.steps);
        let border = |number: f64, max: f64| -max + number / cells * (max + max);
        Area {
            west: border(f64::from(longitude), LONGITUDE_MAX),
            east: border(f64::from(longitude) + 1.0, LONGITUDE_MAX),
            south: border(f64::from(latitude), LATITUDE_MAX),
            north: border(f64::from(latitude) + 1.0, LATITUDE_MAX),
        }
    }

    /// The scores of its places: from the first to before the second.
    pub(crate) fn scores(self) -> (u64, u64) {
        let shift = 2 * (STEPS_MAX - self.steps);
        (self.bits << shift, (self.bits + 1) << shift)
    }
}

/// Where a coordinate is within its range, in cells.
fn fraction(coordinate: f64, max: f64, steps: u32) -> u32 {
    ((coordinate + max) / (max + max) * f64::from(1u32 << steps)) as u32
}

/// The bits of `even` at even places, those of `odd` between them.
fn interleave(even: u32, odd: u32) -> u64 {
    spread(even) | spread(odd) << 1
}

/// The bits at even and at odd places.
fn deinterleave(bits: u64) -> (u32, u32) {
    (gather(bits), gather(bits >> 1))
}

/// The masks of groups of 16, 8, 4, 2 and 1 bits with as many zeros between them.
const GROUPS: [u64; 5] =
    [0x0000_ffff_0000_ffff, 0x00ff_00ff_00ff_00ff, 0x0f0f_0f0f_0f0f_0f0f, 0x3333_3333_3333_3333, 0x5555_5555_5555_5555];

fn spread(number: u32) -> u64 {
    GROUPS.iter().zip([16, 8, 4, 2, 1]).fold(u64::from(number), |bits, (mask, by)| (bits | bits << by) & mask)
}

fn gather(bits: u64) -> u32 {
    let bits = bits & GROUPS[4];
    let gathered = GROUPS[..4].iter().rev().zip([1, 2, 4, 8]).fold(bits, |bits, (mask, by)| (bits | bits >> by) & mask);
    (gathered | gathered >> 16) as u32
}

#[cfg(test)]
#[path = "geohash_tests.rs"]
mod tests;
