//! Searches on the map: the members of a sorted set within a circle, a box or a polygon; read or stored.
//!
//! GEOSEARCH and the older GEORADIUS differ only in their words, so both become a [`Request`]. The cells that cover the
//! shape are ranges of scores, and only their members are looked at. Words are checked in Redis's order; those that
//! depend on the key are not read if it is missing. Redis: geo.c (`georadiusGeneric`).

use std::cmp::Ordering;
use std::ops::Range;

use protocol::resp::{Args, OwnedArgs};

use super::geo::{parse_place, parse_unit, write_distance, write_place};
use super::geo_shapes::{Search, Shape};
use super::integer;
use super::zset_ranges::store;
use super::zsets::zset_of;
use crate::base::geohash::Place;
use crate::base::number::{format_f64, parse_f64, parse_i64};
use crate::command::keys::KeyPositions;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Flags, Group, Key, KeyFlags, KeySpec, KeyedCtx, KeyedFn, error,
};
use crate::store::types::zset::{ScoreBounds, ZSetRef};

const COMPLEXITY: &str = "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the shape provided as the filter and M is the number of items inside the shape";
const OLD_COMPLEXITY: &str = "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by center and radius and M is the number of items inside the index.";
const UPPER_CASE: (&str, &str) = ("7.0.0", "Added support for uppercase unit names.");
const POLYGON: (&str, &str) = ("9.0.0", "Added support for the BYPOLYGON option.");
const ANY: (&str, &str) = ("6.2.0", "Added the `ANY` option for `COUNT`.");

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("GEOSEARCH", Arity::at_least(7), Group::Geo, Flags::READONLY, geosearch as KeyedFn)
        .since("6.2.0")
        .summary("Query a sorted set representing a geospatial index to fetch members inside an area of a box or a circle.")
        .complexity(COMPLEXITY)
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key from:<FROMMEMBER=member:string|FROMLONLAT=longitude_latitude:{longitude:double latitude:double}> by:<circle:{BYRADIUS=radius:double unit:<'m|'km|'ft|'mi>}|box:{BYBOX=width:double height:double unit:<'m|'km|'ft|'mi>}|polygon:{BYPOLYGON=num-vertices:integer vertices:{longitude:double latitude:double}+}@9.0.0> [order:<'asc|'desc>] [count:{COUNT=count:integer ['any]}] ['withcoord] ['withdist] ['withhash]")
        .history(&[UPPER_CASE, POLYGON]),
    Declared::new("GEOSEARCHSTORE", Arity::at_least(8), Group::Geo, Flags::WRITE.and(Flags::DENYOOM), geosearchstore as KeyedFn)
        .since("6.2.0")
        .summary("Query a sorted set representing a geospatial index to fetch members inside an area of a box or a circle, and store the result in another key.")
        .complexity(COMPLEXITY)
        .keys(&[KeySpec::at(1).ow().update(), KeySpec::at(2).ro().access()])
        .syntax("destination:key source:key from:<FROMMEMBER=member:string|FROMLONLAT=longitude_latitude:{longitude:double latitude:double}> by:<circle:{BYRADIUS=radius:double unit:<'m|'km|'ft|'mi>}|box:{BYBOX=width:double height:double unit:<'m|'km|'ft|'mi>}|polygon:{BYPOLYGON=num-vertices:integer vertices:{longitude:double latitude:double}+}@9.0.0> [order:<'asc|'desc>] [count:{COUNT=count:integer ['any]}] ['storedist]")
        .history(&[UPPER_CASE, POLYGON]),
    Declared::new("GEORADIUS", Arity::at_least(6), Group::Geo, Flags::WRITE.and(Flags::DENYOOM), georadius as KeyedFn)
        .since("3.2.0")
        .summary("Query a sorted set representing a geospatial index to fetch members matching a given maximum distance from a point")
        .complexity(OLD_COMPLEXITY)
        .keys(&[KeySpec::at(1).ro().access(), KeySpec::after("STORE", 6).ow().update(), KeySpec::after("STOREDIST", 6).ow().update()])
        .keys_fn(find_keys)
        .syntax("key:key longitude:double latitude:double radius:double unit:<'m|'km|'ft|'mi> ['withcoord] ['withdist] ['withhash] [count:{COUNT=count:integer ['any@6.2.0]}] [order:<'asc|'desc>] [STORE=key:key] [STOREDIST=key:key]")
        .history(&[ANY, UPPER_CASE])
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"),
    Declared::new("GEORADIUS_RO", Arity::at_least(6), Group::Geo, Flags::READONLY, georadius_ro as KeyedFn)
        .since("3.2.10")
        .summary("A read-only variant for GEORADIUS")
        .complexity(OLD_COMPLEXITY)
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key longitude:double latitude:double radius:double unit:<'m|'km|'ft|'mi> ['withcoord] ['withdist] ['withhash] [count:{COUNT=count:integer ['any@6.2.0]}] [order:<'asc|'desc>]")
        .history(&[ANY])
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument"),
    Declared::new("GEORADIUSBYMEMBER", Arity::at_least(5), Group::Geo, Flags::WRITE.and(Flags::DENYOOM), georadiusbymember as KeyedFn)
        .since("3.2.0")
        .summary("Query a sorted set representing a geospatial index to fetch members matching a given maximum distance from a member")
        .complexity(OLD_COMPLEXITY)
        .keys(&[KeySpec::at(1).ro().access(), KeySpec::after("STORE", 5).ow().update(), KeySpec::after("STOREDIST", 5).ow().update()])
        .keys_fn(find_keys_by_member)
        .syntax("key:key member:string radius:double unit:<'m|'km|'ft|'mi> ['withcoord] ['withdist] ['withhash] [count:{COUNT=count:integer ['any]}] [order:<'asc|'desc>] [STORE=key:key] [STOREDIST=key:key]")
        .history(&[UPPER_CASE])
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments"),
    Declared::new("GEORADIUSBYMEMBER_RO", Arity::at_least(5), Group::Geo, Flags::READONLY, georadiusbymember_ro as KeyedFn)
        .since("3.2.10")
        .summary("A read-only variant for GEORADIUSBYMEMBER")
        .complexity(OLD_COMPLEXITY)
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key member:string radius:double unit:<'m|'km|'ft|'mi> ['withcoord] ['withdist] ['withhash] [count:{COUNT=count:integer ['any]}] [order:<'asc|'desc>]")
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"),
];

/// Members of a cell that are looked at before the limit is asked.
const LOOKED_AT_ONCE: usize = 256;
/// Room that is made ahead for the corners of a polygon, whatever number the client announces.
const CORNERS_AHEAD: usize = 1024;

const NO_MEMBER: CmdError = CmdError::text("ERR could not decode requested zset member");

/// The keys of GEORADIUS.
fn find_keys(args: Args<'_>, out: &mut KeyPositions) {
    keys_from(args, 6, out);
}

/// The keys of GEORADIUSBYMEMBER.
fn find_keys_by_member(args: Args<'_>, out: &mut KeyPositions) {
    keys_from(args, 5, out);
}

/// The sorted set, and the key after the last STORE or STOREDIST: the one that the result is stored in. (Redis routes
/// by these, too; only its COMMAND GETKEYS names both keys if both words are there.)
fn keys_from(args: Args<'_>, from: usize, out: &mut KeyPositions) {
    out.push((1, KeyFlags::RO.and(KeyFlags::ACCESS)));
    let (mut target, mut at) = (None, from);
    while at + 1 < args.len() {
        if is(args, at, b"STORE") || is(args, at, b"STOREDIST") {
            target = Some(at + 1);
            at += 1;
        }
        at += 1;
    }
    out.extend(target.map(|at| (at as u32, KeyFlags::OW.and(KeyFlags::UPDATE))));
}

/// Whether the word at `at` is this one, in any case.
fn is(args: Args<'_>, at: usize, word: &[u8]) -> bool {
    args.get(at).is_some_and(|found| found.eq_ignore_ascii_case(word))
}

/// Which command it is: where its options begin, and which it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// GEORADIUS, with or without the options to store.
    Around {
        stores: bool,
    },
    /// GEORADIUSBYMEMBER.
    AroundMember {
        stores: bool,
    },
    Search,
    SearchStore,
}

impl Kind {
    /// The index of the first option.
    fn options_at(self) -> usize {
        match self {
            Self::Around { .. } => 6,
            Self::AroundMember { .. } => 5,
            Self::Search => 2,
            Self::SearchStore => 3,
        }
    }

    fn is_search(self) -> bool {
        matches!(self, Self::Search | Self::SearchStore)
    }

    /// Whether STORE and STOREDIST name a key.
    fn names_target(self) -> bool {
        matches!(self, Self::Around { stores: true } | Self::AroundMember { stores: true })
    }
}

/// A parsed command.
#[derive(Debug, Default)]
struct Request<'a> {
    /// Where the search begins; a member of a missing key is nowhere, but named.
    centre: Option<Place>,
    from_member: bool,
    from_place: bool,
    shape: Option<Shape>,
    unit: f64,
    target: Option<&'a [u8]>,
    store_distance: bool,
    with_distance: bool,
    with_hash: bool,
    with_place: bool,
    order: Option<Order>,
    /// 0 is no limit.
    count: i64,
    any: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Ascending,
    Descending,
}

impl<'a> Request<'a> {
    /// Reads the words. `zset` is the set that is searched, if there is one.
    fn parse(args: Args<'a>, kind: Kind, zset: Option<ZSetRef<'_>>) -> Result<Self, CmdError> {
        let mut request = Self::default();
        match kind {
            Kind::Around { .. } => {
                request.centre = Some(parse_place(&args[2], &args[3])?);
                request.circle(&args[4], &args[5])?;
            }
            Kind::AroundMember { .. } if zset.is_some() => {
                request.member(zset, &args[2])?;
                request.circle(&args[3], &args[4])?;
            }
            Kind::AroundMember { .. } | Kind::Search => {}
            Kind::SearchStore => request.target = args.get(1),
        }
        let mut next = kind.options_at();
        while next < args.len() {
            next = match request.option(args, next, kind)? {
                Some(next) => next,
                None => request.area(args, next, kind, zset)?,
            };
        }
        request.check(args, kind)?;
        Ok(request)
    }

    /// Reads the option at `at`, if it is one that both kinds have; returns where the next one is.
    fn option(&mut self, args: Args<'a>, at: usize, kind: Kind) -> Result<Option<usize>, CmdError> {
        let following = args.get(at + 1);
        if is(args, at, b"WITHDIST") {
            self.with_distance = true;
        } else if is(args, at, b"WITHHASH") {
            self.with_hash = true;
        } else if is(args, at, b"WITHCOORD") {
            self.with_place = true;
        } else if is(args, at, b"ANY") {
            self.any = true;
        } else if is(args, at, b"ASC") {
            self.order = Some(Order::Ascending);
        } else if is(args, at, b"DESC") {
            self.order = Some(Order::Descending);
        } else if let Some(count) = following.filter(|_| is(args, at, b"COUNT")) {
            self.count = integer(count)?;
            if self.count <= 0 {
                return Err(error::COUNT_NOT_POSITIVE);
            }
            return Ok(Some(at + 2));
        } else if let Some(target) = following.filter(|_| kind.names_target() && is(args, at, b"STORE")) {
            (self.target, self.store_distance) = (Some(target), false);
            return Ok(Some(at + 2));
        } else if let Some(target) = following.filter(|_| kind.names_target() && is(args, at, b"STOREDIST")) {
            (self.target, self.store_distance) = (Some(target), true);
            return Ok(Some(at + 2));
        } else if kind == Kind::SearchStore && is(args, at, b"STOREDIST") {
            self.store_distance = true;
        } else {
            return Ok(None);
        }
        Ok(Some(at + 1))
    }

    /// Reads the option at `at` that says where to search; returns where the next one is.
    fn area(&mut self, args: Args<'a>, at: usize, kind: Kind, zset: Option<ZSetRef<'_>>) -> Result<usize, CmdError> {
        let (is_circle, is_box, is_polygon) = (
            matches!(self.shape, Some(Shape::Circle { .. })),
            matches!(self.shape, Some(Shape::Box { .. })),
            matches!(self.shape, Some(Shape::Polygon(_))),
        );
        let has = |word: &[u8], values: usize| kind.is_search() && is(args, at, word) && at + values < args.len();
        if has(b"FROMMEMBER", 1) && !self.from_place && !is_polygon {
            self.from_member = true;
            if zset.is_some() {
                self.member(zset, &args[at + 1])?;
            }
            Ok(at + 2)
        } else if has(b"FROMLONLAT", 2) && !self.from_member && !is_polygon {
            self.from_place = true;
            self.centre = Some(parse_place(&args[at + 1], &args[at + 2])?);
            Ok(at + 3)
        } else if has(b"BYRADIUS", 2) && !is_box && !is_polygon {
            self.circle(&args[at + 1], &args[at + 2])?;
            Ok(at + 3)
        } else if has(b"BYBOX", 3) && !is_circle && !is_polygon {
            let width = parse_f64(&args[at + 1]).ok_or(CmdError::text("ERR need numeric width"))?;
            let height = parse_f64(&args[at + 2]).ok_or(CmdError::text("ERR need numeric height"))?;
            if width < 0.0 || height < 0.0 {
                return Err(CmdError::text("ERR height or width cannot be negative"));
            }
            self.unit = parse_unit(&args[at + 3])?;
            self.shape = Some(Shape::Box { width, height });
            Ok(at + 4)
        } else if has(b"BYPOLYGON", 2) && !is_circle && !is_box && !self.from_member && !self.from_place {
            let corners = corners(args.skip(at + 1))?;
            let end = at + 2 + 2 * corners.len();
            (self.unit, self.shape) = (1.0, Some(Shape::Polygon(corners)));
            Ok(end)
        } else {
            Err(error::SYNTAX)
        }
    }

    fn member(&mut self, zset: Option<ZSetRef<'_>>, member: &[u8]) -> Result<(), CmdError> {
        let score = zset.and_then(|zset| zset.score(member)).ok_or(NO_MEMBER)?;
        self.centre = Some(Place::of_score(score));
        Ok(())
    }

    fn circle(&mut self, radius: &[u8], unit: &[u8]) -> Result<(), CmdError> {
        let radius = parse_f64(radius).ok_or(CmdError::text("ERR need numeric radius"))?;
        if radius < 0.0 {
            return Err(CmdError::text("ERR radius cannot be negative"));
        }
        self.unit = parse_unit(unit)?;
        self.shape = Some(Shape::Circle { radius });
        Ok(())
    }

    /// Refuses options that contradict each other, and those that are missing.
    fn check(&self, args: Args<'_>, kind: Kind) -> Result<(), CmdError> {
        let is_polygon = matches!(self.shape, Some(Shape::Polygon(_)));
        if self.target.is_some() && (self.with_distance || self.with_hash || self.with_place) {
            let what = if kind == Kind::SearchStore { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            let text = format!("ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
            return Err(CmdError::new(text));
        }
        if kind.is_search() && !self.from_member && !self.from_place && !is_polygon {
            let text = "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ";
            return Err(CmdError::quoting(text, &args[0], ""));
        }
        if kind.is_search() && self.shape.is_none() {
            let text = "ERR exactly one of BYRADIUS and BYBOX can be specified for ";
            return Err(CmdError::quoting(text, &args[0], ""));
        }
        if self.any && self.count == 0 {
            return Err(CmdError::text("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }
}

/// The corners of a polygon: their number, and then longitudes and latitudes.
fn corners(words: Args<'_>) -> Result<Vec<Place>, CmdError> {
    let number = parse_i64(&words[0]).and_then(|number| i32::try_from(number).ok());
    let number = number.ok_or(CmdError::text("ERR invalid number of vertices"))?;
    let number = usize::try_from(number).ok().filter(|number| (3..=(words.len() - 1) / 2).contains(number));
    let number = number.ok_or(CmdError::text("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"))?;
    let mut corners = Vec::with_capacity(number.min(CORNERS_AHEAD));
    for at in (1..=2 * number).step_by(2) {
        corners.push(parse_place(&words[at], &words[at + 1])?);
    }
    Ok(corners)
}

/// What was found: the members one after the other, and about each of them the rest.
#[derive(Default)]
struct Found {
    members: Vec<u8>,
    points: Vec<Point>,
}

struct Point {
    member: Range<usize>,
    /// Metres from the centre.
    distance: f64,
    score: f64,
    place: Place,
}

impl Found {
    /// Searches the cells, until there are `limit` members.
    fn search(zset: ZSetRef<'_>, search: &Search, limit: usize) -> Self {
        let mut found = Self::default();
        for cell in search.cells() {
            let (min, max) = cell.scores();
            let bounds = ScoreBounds { min: min as f64, max: max as f64, min_excluded: false, max_excluded: true };
            let ranks = zset.score_range(&bounds);
            for start in ranks.clone().step_by(LOOKED_AT_ONCE) {
                let count = LOOKED_AT_ONCE.min(ranks.end - start);
                zset.range(start, count, false, |member, score| {
                    let place = Place::of_score(score);
                    let Some(distance) = search.distance_within(place) else { return };
                    if found.points.len() < limit {
                        let from = found.members.len();
                        member.with_text(|text| found.members.extend_from_slice(text));
                        found.points.push(Point { member: from..found.members.len(), distance, score, place });
                    }
                });
                if found.points.len() >= limit {
                    return found;
                }
            }
        }
        found
    }

    /// Puts the first `count` into order and drops the others. The order of equals is that in which they were found.
    fn sort(&mut self, order: Option<Order>, count: usize) {
        let compare = |a: &Point, b: &Point| -> Ordering {
            let by_distance = match order {
                Some(Order::Ascending) => a.distance.total_cmp(&b.distance),
                Some(Order::Descending) => b.distance.total_cmp(&a.distance),
                None => Ordering::Equal,
            };
            by_distance.then(a.member.start.cmp(&b.member.start))
        };
        if count < self.points.len() {
            if order.is_some() && count > 0 {
                self.points.select_nth_unstable_by(count - 1, compare);
            }
            self.points.truncate(count);
        }
        if order.is_some() {
            self.points.sort_unstable_by(compare);
        }
    }
}

fn run(ctx: &mut KeyedCtx<'_>, args: Args<'_>, kind: Kind) -> CmdResult {
    let source = ctx.data.key(if kind == Kind::SearchStore { &args[2] } else { &args[1] });
    let zset = ctx.data.read(&source).map(zset_of).transpose()?;
    let mut request = Request::parse(args, kind, zset)?;
    let (Some(zset), Some(shape)) = (zset, request.shape.take()) else {
        match request.target {
            Some(target) => {
                let target = ctx.data.key(target);
                ctx.data.delete_even_expired(&target);
                ctx.reply.int(0);
            }
            None => ctx.reply.array(0),
        }
        return DONE;
    };
    let is_polygon = matches!(shape, Shape::Polygon(_));
    let search = Search::new(shape, request.centre.unwrap_or(Place { longitude: 0.0, latitude: 0.0 }), request.unit);
    let limit = if request.count == 0 { usize::MAX } else { usize::try_from(request.count).unwrap_or(usize::MAX) };
    let mut found = Found::search(zset, &search, if request.any { limit } else { usize::MAX });
    // Without an order, the members that are left out would be any.
    let order = request.order.or((request.count != 0 && !request.any).then_some(Order::Ascending));
    found.sort(order, limit);
    match request.target {
        Some(target) => {
            let target = ctx.data.key(target);
            store_found(ctx, &target, &found, &request, kind);
            if is_polygon {
                propagate_result(ctx, &target, &found, &request);
            }
        }
        None => write_found(ctx, &found, &request),
    }
    DONE
}

fn write_found(ctx: &mut KeyedCtx<'_>, found: &Found, request: &Request<'_>) {
    let reply = &mut ctx.reply;
    let details = usize::from(request.with_distance) + usize::from(request.with_hash) + usize::from(request.with_place);
    reply.array(found.points.len());
    for point in &found.points {
        if details > 0 {
            reply.array(details + 1);
        }
        reply.bulk(&found.members[point.member.clone()]);
        if request.with_distance {
            write_distance(reply, point.distance / request.unit);
        }
        if request.with_hash {
            reply.int(point.score as i64);
        }
        if request.with_place {
            write_place(reply, point.place);
        }
    }
}

/// The score with which a member is stored.
fn stored_score(point: &Point, request: &Request<'_>) -> f64 {
    if request.store_distance { point.distance / request.unit } else { point.score }
}

fn store_found(ctx: &mut KeyedCtx<'_>, target: &Key<'_>, found: &Found, request: &Request<'_>, kind: Kind) {
    let elements: Vec<(f64, &[u8])> =
        found.points.iter().map(|point| (stored_score(point, request), &found.members[point.member.clone()])).collect();
    store(ctx, target, if kind.is_search() { "geosearchstore" } else { "georadiusstore" }, elements);
    // One change was counted already.
    ctx.data.effects.dirty += found.points.len().saturating_sub(1) as u64;
}

/// Propagates what a search stored instead of the search: other servers do not know it.
fn propagate_result(ctx: &mut KeyedCtx<'_>, target: &Key<'_>, found: &Found, request: &Request<'_>) {
    if !ctx.data.effects.propagating {
        return;
    }
    let remove = OwnedArgs::from_slices(&[b"DEL", target.bytes]);
    let scores: Vec<_> = found.points.iter().map(|point| format_f64(stored_score(point, request))).collect();
    let mut words: Vec<&[u8]> = vec![b"ZADD", target.bytes];
    for (point, score) in found.points.iter().zip(&scores) {
        words.extend([&score[..], &found.members[point.member.clone()]]);
    }
    let add = (!found.points.is_empty()).then(|| OwnedArgs::from_slices(&words));
    ctx.data.effects.propagate_all_instead(std::iter::once(remove).chain(add));
}

fn geosearch(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    run(ctx, args, Kind::Search)
}

fn geosearchstore(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    run(ctx, args, Kind::SearchStore)
}

fn georadius(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    run(ctx, args, Kind::Around { stores: true })
}

fn georadius_ro(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    run(ctx, args, Kind::Around { stores: false })
}

fn georadiusbymember(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    run(ctx, args, Kind::AroundMember { stores: true })
}

fn georadiusbymember_ro(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    run(ctx, args, Kind::AroundMember { stores: false })
}
