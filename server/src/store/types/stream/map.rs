//! An ordered map in shared pieces: the nodes of a stream, its groups, their consumers, and what is pending.
//!
//! While it is small, the pairs are one sorted run. A bigger one is a sequence of chunks of up to [`CHUNK`] pairs, each
//! behind an `Arc`: a clone (a snapshot, COPY) costs one count per chunk, and a change then copies one chunk. Most
//! changes are at the ends, where they cost the same whatever the size; in between, a search halves the chunks and then
//! the pairs of one.
//!
//! The map knows its own bytes at any time; what its values own outside of it, their owner counts.
//!
//! Invariants: keys ascend; no chunk is empty; a chunked map has more than one chunk, or more than [`FLAT_AGAIN`]
//! pairs.

use std::borrow::Borrow;
use std::collections::VecDeque;

use triomphe::Arc;

use crate::base::cache::{prefetch, with_lead};
use crate::store::entry::spent;

/// Most pairs of a chunk.
const CHUNK: usize = 64;
/// A chunk with fewer pairs is joined with its neighbour, if both fit in half a chunk.
const SPARSE: usize = CHUNK / 4;
/// A chunked map that has shrunk to so many pairs becomes one run again.
const FLAT_AGAIN: usize = CHUNK / 2;
/// A chunk's own allocation: the count of the `Arc`, and the vector.
const SHARED: usize = size_of::<usize>() + size_of::<Vec<()>>();

/// See the module's essay.
#[derive(Clone, Debug)]
pub(super) enum ChunkMap<K, V> {
    Flat(Vec<(K, V)>),
    Chunked(Box<Chunks<K, V>>),
}

/// The chunks of a big map.
#[derive(Debug)]
pub(super) struct Chunks<K, V> {
    chunks: VecDeque<Arc<Vec<(K, V)>>>,
    len: usize,
    /// Bytes of all chunks.
    bytes: usize,
}

impl<K, V> Clone for Chunks<K, V> {
    /// The counts of all chunks are far from each other.
    fn clone(&self) -> Self {
        let mut chunks = VecDeque::with_capacity(self.chunks.len());
        chunks.extend(with_lead(self.chunks.iter(), |chunk| prefetch(Arc::as_ptr(chunk))).cloned());
        Chunks { chunks, ..*self }
    }
}

/// A place in the map; the one behind the last pair has no pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    chunk: usize,
    at: usize,
}

impl<K, V> Default for ChunkMap<K, V> {
    fn default() -> Self {
        Self::Flat(Vec::new())
    }
}

/// Bytes of a chunk.
fn weight<T>(chunk: &Vec<T>) -> usize {
    spent(SHARED) + spent(chunk.capacity() * size_of::<T>())
}

/// Adds a pair to a run that is not full. It grows by half.
fn put<T>(run: &mut Vec<T>, at: usize, pair: T) {
    if run.len() == run.capacity() {
        run.reserve_exact((run.len() / 2).clamp(1, CHUNK - run.len()));
    }
    run.insert(at, pair);
}

/// Takes a pair from a run, which gives memory back when three quarters of it are unused.
fn take<T>(run: &mut Vec<T>, at: usize) -> T {
    let pair = run.remove(at);
    if run.len() < run.capacity() / 4 {
        run.shrink_to(run.len() * 2);
    }
    pair
}

fn search<K: Borrow<Q>, V, Q: Ord + ?Sized>(run: &[(K, V)], key: &Q) -> Result<usize, usize> {
    match run.last() {
        None => Err(0),
        Some((last, _)) if last.borrow() < key => Err(run.len()),
        Some(_) => run.binary_search_by(|(other, _)| other.borrow().cmp(key)),
    }
}

impl<K: Ord + Clone, V: Clone> ChunkMap<K, V> {
    /// Number of pairs.
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Flat(run) => run.len(),
            Self::Chunked(many) => many.len,
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the allocator spends on the map itself.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Flat(run) => spent(run.capacity() * size_of::<(K, V)>()),
            Self::Chunked(many) => {
                let places = many.chunks.capacity() * size_of::<Arc<Vec<(K, V)>>>();
                spent(size_of::<Chunks<K, V>>()) + spent(places) + many.bytes
            }
        }
    }

    /// The place of the key, or the one where it would be.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<Place, Place>
    where
        K: Borrow<Q>,
    {
        match self {
            Self::Flat(run) => search(run, key).map(Place::flat).map_err(Place::flat),
            Self::Chunked(many) => {
                let last = many.chunks.len() - 1;
                // Most keys are at the end; a stream that is trimmed is asked for those at the beginning.
                let chunk = if many.chunks[last][0].0.borrow() <= key {
                    last
                } else if many.chunks.get(1).is_none_or(|second| key < second[0].0.borrow()) {
                    0
                } else {
                    many.chunks.partition_point(|chunk| chunk[0].0.borrow() <= key).saturating_sub(1)
                };
                let place = |at| Place { chunk, at };
                search(&many.chunks[chunk], key).map(place).map_err(place)
            }
        }
    }

    /// The place of the first pair whose key is at least `key`.
    pub(super) fn seek<Q: Ord + ?Sized>(&self, key: &Q) -> Place
    where
        K: Borrow<Q>,
    {
        let (Ok(place) | Err(place)) = self.find(key);
        // Behind the last pair of a chunk is the first of the next.
        if self.at(place).is_none() { Place { chunk: place.chunk + 1, at: 0 } } else { place }
    }

    /// The place of the last pair whose key is at most `key`.
    pub(super) fn seek_back<Q: Ord + ?Sized>(&self, key: &Q) -> Option<Place>
    where
        K: Borrow<Q>,
    {
        match self.find(key) {
            Ok(place) => Some(place),
            Err(place) => self.before(place),
        }
    }

    /// The first place.
    pub(super) fn start(&self) -> Place {
        Place { chunk: 0, at: 0 }
    }

    /// The pair at a place.
    #[inline]
    pub(super) fn at(&self, place: Place) -> Option<(&K, &V)> {
        let run = match self {
            Self::Flat(run) if place.chunk == 0 => run,
            Self::Flat(_) => return None,
            Self::Chunked(many) => many.chunks.get(place.chunk)?,
        };
        run.get(place.at).map(|(key, value)| (key, value))
    }

    /// The place after `place`, which has a pair.
    #[inline]
    pub(super) fn after(&self, place: Place) -> Place {
        let next = Place { at: place.at + 1, ..place };
        match self {
            Self::Chunked(many) if many.chunks.get(place.chunk).is_some_and(|run| next.at >= run.len()) => {
                Place { chunk: place.chunk + 1, at: 0 }
            }
            Self::Flat(_) | Self::Chunked(_) => next,
        }
    }

    /// The place before `place`.
    pub(super) fn before(&self, place: Place) -> Option<Place> {
        match (self, place.at.checked_sub(1)) {
            (_, Some(at)) => Some(Place { at, ..place }),
            (Self::Flat(_), None) => None,
            (Self::Chunked(many), None) => {
                let chunk = place.chunk.checked_sub(1)?;
                Some(Place { chunk, at: many.chunks.get(chunk)?.len() - 1 })
            }
        }
    }

    /// The value of a key.
    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().and_then(|place| self.at(place)).map(|(_, value)| value)
    }

    /// The value of a key, to be changed.
    pub(super) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let place = self.find(key).ok()?;
        self.value_mut(place)
    }

    /// The value at a place, to be changed.
    fn value_mut(&mut self, place: Place) -> Option<&mut V> {
        match self {
            Self::Flat(run) => run.get_mut(place.at).map(|(_, value)| value),
            Self::Chunked(many) => {
                let chunk = many.chunks.get_mut(place.chunk)?;
                let run = match Arc::get_mut(chunk) {
                    Some(_) => Arc::get_mut(chunk)?,
                    None => {
                        many.bytes -= weight(chunk);
                        let run = Arc::make_mut(chunk);
                        many.bytes += weight(run);
                        run
                    }
                };
                run.get_mut(place.at).map(|(_, value)| value)
            }
        }
    }

    /// The first pair.
    pub(super) fn first(&self) -> Option<(&K, &V)> {
        self.at(self.start())
    }

    /// The last pair.
    pub(super) fn last(&self) -> Option<(&K, &V)> {
        let run = match self {
            Self::Flat(run) => run,
            Self::Chunked(many) => many.chunks.back()?,
        };
        run.last().map(|(key, value)| (key, value))
    }

    /// The value of the last pair, to be changed.
    #[inline]
    pub(super) fn last_mut(&mut self) -> Option<&mut V> {
        let place = match self {
            Self::Flat(run) => Place::flat(run.len().checked_sub(1)?),
            Self::Chunked(many) => {
                let chunk = many.chunks.len() - 1;
                Place { chunk, at: many.chunks[chunk].len() - 1 }
            }
        };
        self.value_mut(place)
    }

    /// Sets the value of a key; `false` if the key was there and was replaced.
    pub(super) fn insert(&mut self, key: K, value: V) -> bool {
        let place = match self.find(&key) {
            Ok(place) => {
                *self.value_mut(place).expect("it was found") = value;
                return false;
            }
            Err(place) => place,
        };
        if self.len() == CHUNK
            && let Self::Flat(run) = self
        {
            let run = std::mem::take(run);
            let (len, bytes) = (run.len(), weight(&run));
            *self = Self::Chunked(Box::new(Chunks { chunks: VecDeque::from([Arc::new(run)]), len, bytes }));
        }
        match self {
            Self::Flat(run) => put(run, place.at, (key, value)),
            Self::Chunked(many) => many.insert(place, (key, value)),
        }
        true
    }

    /// Removes a key.
    pub(super) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<(K, V)>
    where
        K: Borrow<Q>,
    {
        let place = self.find(key).ok()?;
        match self {
            Self::Flat(run) => Some(take(run, place.at)),
            Self::Chunked(many) => {
                let pair = many.remove(place);
                if many.len <= FLAT_AGAIN && many.chunks.len() == 1 {
                    let only = many.chunks.pop_front().expect("there is one");
                    *self = Self::Flat(Arc::unwrap_or_clone(only));
                }
                Some(pair)
            }
        }
    }

    /// All pairs.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.iter_from(self.start())
    }

    /// The pairs from a place on.
    pub(super) fn iter_from(&self, place: Place) -> impl Iterator<Item = (&K, &V)> {
        let mut place = place;
        std::iter::from_fn(move || {
            let pair = self.at(place)?;
            place = self.after(place);
            Some(pair)
        })
    }
}

impl<K: Clone, V: Clone> Chunks<K, V> {
    /// Lends a chunk out for changes, and counts its bytes afterwards.
    fn edit<R>(&mut self, chunk: usize, edit: impl FnOnce(&mut Vec<(K, V)>) -> R) -> R {
        let chunk = &mut self.chunks[chunk];
        self.bytes -= weight(chunk);
        let run = Arc::make_mut(chunk);
        let result = edit(run);
        self.bytes += weight(run);
        result
    }

    fn add_chunk(&mut self, at: usize, run: Vec<(K, V)>) {
        self.bytes += weight(&run);
        self.chunks.insert(at, Arc::new(run));
    }

    fn insert(&mut self, mut place: Place, pair: (K, V)) {
        self.len += 1;
        if self.chunks[place.chunk].len() == CHUNK {
            if place.at == CHUNK && place.chunk + 1 == self.chunks.len() {
                // Pairs that come in order fill their chunks.
                return self.add_chunk(place.chunk + 1, vec![pair]);
            }
            let upper = self.edit(place.chunk, |run| {
                let upper = run.split_off(CHUNK / 2);
                run.shrink_to(CHUNK * 3 / 4);
                upper
            });
            self.add_chunk(place.chunk + 1, upper);
            if place.at > CHUNK / 2 {
                place = Place { chunk: place.chunk + 1, at: place.at - CHUNK / 2 };
            }
        }
        self.edit(place.chunk, |run| put(run, place.at, pair));
    }

    fn remove(&mut self, place: Place) -> (K, V) {
        self.len -= 1;
        let pair = self.edit(place.chunk, |run| take(run, place.at));
        let left = self.chunks[place.chunk].len();
        if left == 0 && self.chunks.len() > 1 {
            self.drop_chunk(place.chunk);
        } else if left < SPARSE {
            self.join(place.chunk);
        }
        pair
    }

    fn drop_chunk(&mut self, at: usize) {
        if let Some(chunk) = self.chunks.remove(at) {
            self.bytes -= weight(&chunk);
        }
        if self.chunks.capacity() > CHUNK && self.chunks.len() < self.chunks.capacity() / 4 {
            self.chunks.shrink_to(self.chunks.len() * 2);
        }
    }

    /// Joins a sparse chunk with a neighbour, if both are small.
    fn join(&mut self, at: usize) {
        let lower = if at + 1 < self.chunks.len() { at } else { at.saturating_sub(1) };
        let Some(upper) = self.chunks.get(lower + 1) else { return };
        if self.chunks[lower].len() + upper.len() > CHUNK / 2 {
            return;
        }
        let upper = Arc::clone(upper);
        self.drop_chunk(lower + 1);
        self.edit(lower, |run| run.extend(Arc::unwrap_or_clone(upper)));
    }
}

impl Place {
    fn flat(at: usize) -> Self {
        Self { chunk: 0, at }
    }
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
