//! Shapes on the map that GEOSEARCH asks for, and the cells in which their members are.
//!
//! Nine cells cover a shape: the one of its centre and those around it, as small as can be. Their order is Redis's, as
//! it shows in results that are not sorted. A polygon is Valkey's: its centre is the mean of its corners, and distances
//! are measured from there. Redis: geohash_helper.c.

use crate::base::geohash::{
    Area, Cell, EARTH_RADIUS, LATITUDE_MAX, LONGITUDE_MAX, Origin, Place, STEPS_MAX, degrees, distance, radians,
};

/// Half of the equator on the Mercator map, metres: with one step, a cell is as wide.
const MERCATOR_MAX: f64 = 20_037_726.37;

/// A shape, in the unit that the client named.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
    Polygon(Vec<Place>),
}

/// A shape at its place.
#[derive(Debug)]
pub(super) struct Search {
    shape: Shape,
    centre: Place,
    origin: Origin,
    /// Metres of the unit.
    unit: f64,
}

impl Search {
    /// A circle or box around a place; a polygon has a centre of its own.
    pub(super) fn new(shape: Shape, centre: Place, unit: f64) -> Self {
        let centre = match &shape {
            Shape::Polygon(corners) => mean(corners),
            Shape::Circle { .. } | Shape::Box { .. } => centre,
        };
        Self { shape, centre, origin: Origin::new(centre), unit }
    }

    /// Metres from the centre to a place, if that is within the shape.
    pub(super) fn distance_within(&self, to: Place) -> Option<f64> {
        match &self.shape {
            Shape::Circle { radius } => {
                Some(self.origin.distance(to)).filter(|distance| *distance <= radius * self.unit)
            }
            Shape::Box { width, height } => {
                let (width, height) = (width * self.unit, height * self.unit);
                if self.origin.distance_of_latitudes(to) > height / 2.0 {
                    return None;
                }
                let beside = Place { longitude: self.centre.longitude, latitude: to.latitude };
                (distance(to, beside) <= width / 2.0).then(|| self.origin.distance(to))
            }
            Shape::Polygon(corners) => is_inside(corners, to).then(|| self.origin.distance(to)),
        }
    }

    /// The cells that cover the shape.
    pub(super) fn cells(&self) -> Vec<Cell> {
        let bounds = self.bounds();
        let centre = self.centre.clamped();
        let mut steps = steps_for(self.reach(&bounds) * self.unit, centre.latitude);
        let mut cell = Cell::of(centre, steps);
        // Near a border of its cell, the shape may extend beyond the neighbours.
        let is_beyond = cell.neighbour(0, 1).area().north < bounds.north
            || cell.neighbour(0, -1).area().south > bounds.south
            || cell.neighbour(1, 0).area().east < bounds.east
            || cell.neighbour(-1, 0).area().west > bounds.west;
        if steps > 1 && is_beyond {
            steps -= 1;
            cell = Cell::of(centre, steps);
        }
        let area = cell.area();
        let is_useless = |east: i32, north: i32| {
            steps >= 2
                && ((north < 0 && area.south < bounds.south)
                    || (north > 0 && area.north > bounds.north)
                    || (east < 0 && area.west < bounds.west)
                    || (east > 0 && area.east > bounds.east))
        };
        const AROUND: [(i32, i32); 9] = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let mut cells: Vec<Cell> = Vec::with_capacity(AROUND.len());
        for (east, north) in AROUND.into_iter().filter(|(east, north)| !is_useless(*east, *north)) {
            let next = cell.neighbour(east, north);
            // Around a small map, the same cell is met from both sides.
            if !cells.contains(&next) {
                cells.push(next);
            }
        }
        cells
    }

    /// How far the shape extends, in its unit; a polygon's is metres.
    fn reach(&self, bounds: &Area) -> f64 {
        match &self.shape {
            Shape::Circle { radius } => *radius,
            Shape::Box { width, height } => (width / 2.0 * (width / 2.0) + height / 2.0 * (height / 2.0)).sqrt(),
            Shape::Polygon(_) => {
                let Area { west, east, south, north } = *bounds;
                let corners = [(west, north), (east, north), (west, south), (east, south)];
                let away = corners.map(|(longitude, latitude)| self.origin.distance(Place { longitude, latitude }));
                away.into_iter().fold(0.0, f64::max)
            }
        }
    }

    /// The degrees between which the shape is.
    fn bounds(&self) -> Area {
        let (width, height) = match &self.shape {
            Shape::Circle { radius } => (radius * self.unit, radius * self.unit),
            Shape::Box { width, height } => (self.unit * width / 2.0, self.unit * height / 2.0),
            Shape::Polygon(corners) => return bounds_of(corners),
        };
        let Place { longitude, latitude } = self.centre;
        let north = degrees(height / EARTH_RADIUS);
        // Circles of latitude are shorter towards the poles.
        let nearer_to_pole = if latitude < 0.0 { latitude - north } else { latitude + north };
        let east = degrees(width / EARTH_RADIUS / radians(nearer_to_pole).cos());
        Area { west: longitude - east, east: longitude + east, south: latitude - north, north: latitude + north }
    }
}

/// The greatest number of steps with which nine cells cover a circle, or one less: neighbours help out.
fn steps_for(mut metres: f64, latitude: f64) -> u32 {
    if metres <= 0.0 {
        return STEPS_MAX;
    }
    let mut steps: u32 = 1;
    while metres < MERCATOR_MAX && steps < STEPS_MAX + 4 {
        metres *= 2.0;
        steps += 1;
    }
    let towards_pole = u32::from(latitude.abs() > 66.0) + u32::from(latitude.abs() > 80.0);
    steps.saturating_sub(2 + towards_pole).clamp(1, STEPS_MAX)
}

/// The mean of places, as points in space.
fn mean(places: &[Place]) -> Place {
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for place in places {
        let (longitude, latitude) = (radians(place.longitude), radians(place.latitude));
        x += EARTH_RADIUS * latitude.cos() * longitude.cos();
        y += EARTH_RADIUS * latitude.cos() * longitude.sin();
        z += EARTH_RADIUS * latitude.sin();
    }
    let count = places.len() as f64;
    let (x, y, z): (f64, f64, f64) = (x / count, y / count, z / count);
    Place { longitude: degrees(y.atan2(x)), latitude: degrees(z.atan2((x * x + y * y).sqrt())) }
}

fn bounds_of(places: &[Place]) -> Area {
    let nothing = Area { west: LONGITUDE_MAX, east: -LONGITUDE_MAX, south: LATITUDE_MAX, north: -LATITUDE_MAX };
    places.iter().fold(nothing, |Area { west, east, south, north }, place| Area {
        west: west.min(place.longitude),
        east: east.max(place.longitude),
        south: south.min(place.latitude),
        north: north.max(place.latitude),
    })
}

/// Whether a ray from the place to the east crosses an odd number of sides.
fn is_inside(corners: &[Place], place: Place) -> bool {
    let crosses = |a: &Place, b: &Place| {
        (a.latitude > place.latitude) != (b.latitude > place.latitude)
            && place.longitude
                < (b.longitude - a.longitude) * (place.latitude - a.latitude) / (b.latitude - a.latitude) + a.longitude
    };
    let before = corners.iter().cycle().skip(corners.len().saturating_sub(1));
    corners.iter().zip(before).filter(|(a, b)| crosses(a, b)).count() % 2 == 1
}
