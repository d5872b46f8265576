//! Places as members of sorted sets: adding them, where they are, and how far from each other.
//!
//! A place is a member whose score is its geohash ([`crate::base::geohash`]), so the key is a sorted set like any
//! other, and GEOADD is a ZADD of scores that it computes: that is also what it propagates. Searches are in
//! [`super::geo_search`]. Redis: geo.c.

use protocol::resp::Args;
use protocol::resp::reply::Reply;

use super::zsets::{AddOptions, add_elements, zset_of};
use crate::base::geohash::{Place, distance};
use crate::base::number::parse_f64;
use crate::command::outcome::DONE;
use crate::command::{Arity, CmdError, CmdResult, Declared, Flags, Group, KeySpec, KeyedCtx, KeyedFn, error};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("GEOADD", Arity::at_least(5), Group::Geo, Flags::WRITE.and(Flags::DENYOOM), geoadd as KeyedFn)
        .since("3.2.0")
        .summary("Add one or more geospatial items in the geospatial index represented using a sorted set")
        .complexity("O(log(N)) for each item added, where N is the number of elements in the sorted set.")
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key [condition:<'nx|'xx>@6.2.0] [CH='change@6.2.0] longitude_latitude_member:{longitude:double latitude:double member:string}+")
        .history(&[("6.2.0", "Added the `CH`, `NX` and `XX` options.")]),
    Declared::new("GEODIST", Arity::at_least(4), Group::Geo, Flags::READONLY, geodist as KeyedFn)
        .since("3.2.0")
        .summary("Returns the distance between two members of a geospatial index")
        .complexity("O(log(N))")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key member1:string member2:string [unit:<'m|'km|'ft|'mi>]"),
    Declared::new("GEOHASH", Arity::at_least(2), Group::Geo, Flags::READONLY, geohash as KeyedFn)
        .since("3.2.0")
        .summary("Returns members of a geospatial index as standard geohash strings")
        .complexity("O(log(N)) for each member requested, where N is the number of elements in the sorted set.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key member:string+"),
    Declared::new("GEOPOS", Arity::at_least(2), Group::Geo, Flags::READONLY, geopos as KeyedFn)
        .since("3.2.0")
        .summary("Returns longitude and latitude of members of a geospatial index")
        .complexity("O(N) where N is the number of members requested.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key member:string+"),
];

/// Two words as a place.
pub(super) fn parse_place(longitude: &[u8], latitude: &[u8]) -> Result<Place, CmdError> {
    let longitude = parse_f64(longitude).ok_or(error::NOT_FLOAT)?;
    let place = Place { longitude, latitude: parse_f64(latitude).ok_or(error::NOT_FLOAT)? };
    if place.is_valid() {
        return Ok(place);
    }
    let Place { longitude, latitude } = place;
    Err(CmdError::new(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")))
}

/// The metres of a unit.
pub(super) fn parse_unit(word: &[u8]) -> Result<f64, CmdError> {
    [(&b"m"[..], 1.0), (b"km", 1000.0), (b"ft", 0.3048), (b"mi", 1609.34)]
        .into_iter()
        .find(|(name, _)| error::c_string(word).eq_ignore_ascii_case(name))
        .map(|(_, metres)| metres)
        .ok_or(CmdError::text("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

/// A distance, with four digits behind the point in both protocols.
pub(super) fn write_distance(reply: &mut Reply<'_>, distance: f64) {
    reply.bulk_str(&format!("{distance:.4}"));
}

/// Longitude and latitude, with as many digits as they have, up to 17 behind the point.
pub(super) fn write_place(reply: &mut Reply<'_>, place: Place) {
    reply.array(2);
    for degrees in [place.longitude, place.latitude] {
        let text = format!("{degrees:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        reply.double_text(if text == "-0" { b"0" } else { text.as_bytes() });
    }
}

fn geoadd(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let mut options = AddOptions::default();
    let first = options.parse_of_places(args, 2)?;
    let words = args.skip(first);
    if !words.len().is_multiple_of(3) {
        return Err(error::SYNTAX);
    }
    // A bad place leaves everything as it was.
    let mut places = Vec::new();
    for at in (0..words.len()).step_by(3) {
        places.push((parse_place(&words[at], &words[at + 1])?.score(), &words[at + 2]));
    }
    if places.is_empty() {
        return Err(error::SYNTAX);
    }
    let key = ctx.data.key(&args[1]);
    add_elements(ctx, &key, options, places.iter().map(|(score, member)| (*score as f64, *member)))?;
    if ctx.data.effects.propagating && ctx.data.effects.dirty != 0 {
        let texts: Vec<String> = places.iter().map(|(score, _)| score.to_string()).collect();
        let elements = texts.iter().zip(&places).flat_map(|(text, (_, member))| [text.as_bytes(), member]);
        let command: Vec<&[u8]> =
            std::iter::once(&b"ZADD"[..]).chain(args.slice(1..first).iter()).chain(elements).collect();
        ctx.data.effects.propagate_instead(&command);
    }
    DONE
}

fn geodist(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let unit = match args.get(4) {
        _ if args.len() > 5 => return Err(error::SYNTAX),
        Some(word) => parse_unit(word)?,
        None => 1.0,
    };
    let key = ctx.data.key(&args[1]);
    let zset = ctx.data.read(&key).map(zset_of).transpose()?;
    let place = |member: &[u8]| zset.and_then(|zset| zset.score(member)).map(Place::of_score);
    match (place(&args[2]), place(&args[3])) {
        (Some(from), Some(to)) => write_distance(&mut ctx.reply, distance(from, to) / unit),
        _ => ctx.reply.null(),
    }
    DONE
}

fn geohash(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let zset = ctx.data.read(&key).map(zset_of).transpose()?;
    let members = args.skip(2);
    ctx.reply.array(members.len());
    for member in members {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => ctx.reply.bulk(&Place::of_score(score).text()),
            None => ctx.reply.null(),
        }
    }
    DONE
}

fn geopos(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let zset = ctx.data.read(&key).map(zset_of).transpose()?;
    let members = args.skip(2);
    ctx.reply.array(members.len());
    for member in members {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => write_place(&mut ctx.reply, Place::of_score(score)),
            None => ctx.reply.null_array(),
        }
    }
    DONE
}
