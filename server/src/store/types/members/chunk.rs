//! A chunk of a table: the elements of one range of hashes, some hundreds of them, on pages of bytes.
//!
//! Elements are appended to the last page; an [`Index`] says where they are. What was removed or replaced by something
//! longer is dead, and its bytes are won back by moving the living ones together when a page is full and much is dead.
//! So an insertion writes its own bytes, and every byte that dies is paid for once.
//!
//! All pages have the same size, for the allocator's sake. All chunks of a table grow at the same pace, so runs of
//! bytes that grow from size to size would leave the blocks of each size behind, all at once and for nobody to use: a
//! million elements took 58 bytes each in runs, and 45 on pages. Only the first page of a table with a single chunk
//! grows, since there are many small tables.
//!
//! A chunk that holds [`LIVE_MAX`] bytes is full, and its table splits it in the middle of its range. Chunks are what
//! is shared with snapshots and copied by the first write after one, at most 50 KB.
//!
//! Invariants: places fit into 16 bits; `live` and `dead` are the bytes of the elements that are there and of those
//! that are not any more; the tag of an element is the first 16 bits of its hash within the range.

use smallvec::SmallVec;
use triomphe::Arc;

use super::bulk::{Sorted, hash_of};
use super::element::{self, Big, INLINE_MAX, Stored};
use super::index::Index;
use super::{Member, Moved, NEVER, Tags};
use crate::base::bytes::is_same;
use crate::base::clock::UnixMillis;
use crate::store::entry::{good_size, spent};

/// Bytes of living elements with which a chunk is full.
const LIVE_MAX: usize = 32 * 1024;
/// Elements with which a chunk is full, however short they are.
const LEN_MAX: usize = 2048;
/// Elements outside with which a chunk is full: each costs a step when the chunk is copied.
const BIGS_MAX: usize = 512;
/// Two neighbours are merged if together they are no larger than this part of a full chunk.
const MERGED_PART: usize = 4;
/// Bytes of a page.
const PAGE: usize = 1 << PAGE_BITS;
const PAGE_BITS: u32 = 11;
/// With so many pages the living elements are moved together, so that places fit into 16 bits.
const PAGES_MAX: usize = 30;
/// A page up to this many bytes is not made smaller.
const SMALLEST_SHRUNK: usize = 64;

// What lives fits into the pages even if each ends with room for nearly one element more.
const _: () = assert!(PAGE * (PAGES_MAX + 1) < u16::MAX as usize);
const _: () = assert!((PAGE - INLINE_MAX) * (PAGES_MAX - 2) > LIVE_MAX + INLINE_MAX);

/// What [`Chunk::set`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetOutcome {
    Created,
    Updated,
    /// Nothing: the chunk must be split first.
    Full,
}

/// Elements of one range of hashes.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    index: Index,
    pages: Vec<Box<[u8]>>,
    /// Elements outside; their places are reused.
    bigs: Vec<Option<Arc<Big>>>,
    /// Bytes of the elements outside.
    big_bytes: usize,
    /// The range: this hash, and 2 to the power of `bits` in all.
    start: u32,
    live: u32,
    dead: u32,
    /// Bytes of all pages.
    room: u32,
    /// Bytes of the last page that are written.
    end: u16,
    /// Free places in `bigs`.
    holes: u16,
    bits: u8,
    valued: bool,
}

impl Chunk {
    /// The chunk of all hashes, without elements.
    pub(super) fn new(valued: bool) -> Self {
        Self::range(0, u32::BITS as u8, valued)
    }

    fn range(start: u32, bits: u8, valued: bool) -> Self {
        Self {
            index: Index::default(),
            pages: Vec::new(),
            bigs: Vec::new(),
            big_bytes: 0,
            start,
            live: 0,
            dead: 0,
            room: 0,
            end: 0,
            holes: 0,
            bits,
            valued,
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    #[inline]
    pub(super) fn start(&self) -> u32 {
        self.start
    }

    #[inline]
    pub(super) fn bits(&self) -> u8 {
        self.bits
    }

    /// The first hash beyond the range; `None` for the last range.
    pub(super) fn end(&self) -> Option<u32> {
        u32::try_from(u64::from(self.start) + (1 << self.bits)).ok()
    }

    /// Bytes that the allocator spends on it.
    #[inline]
    pub(super) fn weight(&self) -> usize {
        spent(size_of::<usize>() + size_of::<Self>())
            + spent(self.index.total() * size_of::<u32>())
            + spent(self.pages.capacity() * size_of::<Box<[u8]>>())
            + self.room as usize
            + spent(self.bigs.capacity() * size_of::<Option<Arc<Big>>>())
            + self.big_bytes
    }

    /// The bits of a hash that the index knows.
    #[inline]
    fn tag(&self, hash: u32) -> u16 {
        ((u64::from(hash - self.start) << 16) >> self.bits) as u16
    }

    /// The first hash with this tag.
    fn hash_from(&self, tag: u16) -> u32 {
        self.start + ((u64::from(tag) << self.bits) >> 16) as u32
    }

    #[inline]
    fn stored(&self, place: u16) -> Stored<'_> {
        element::read(self.bytes(place), self.valued)
    }

    /// The bytes from a place to the end of its page.
    #[inline]
    fn bytes(&self, place: u16) -> &[u8] {
        &self.pages[place as usize >> PAGE_BITS][place as usize & (PAGE - 1)..]
    }

    #[inline]
    fn bytes_mut(&mut self, place: u16) -> &mut [u8] {
        &mut self.pages[place as usize >> PAGE_BITS][place as usize & (PAGE - 1)..]
    }

    #[inline]
    fn member(&self, place: u16) -> Member<'_> {
        match self.stored(place) {
            Stored::Inline { field, value, at } => Member { field, value, at },
            Stored::Outside { place, at } => {
                let (field, value) = self.big(place).parts();
                Member { field, value, at }
            }
        }
    }

    fn big(&self, place: u16) -> &Arc<Big> {
        self.bigs[place as usize].as_ref().expect("a stub leads to an element")
    }

    #[inline]
    fn find(&self, hash: u32, field: &[u8]) -> Option<usize> {
        self.index.find(self.tag(hash), |place| is_same(self.member(place).field, field))
    }

    /// The element with this field.
    #[inline]
    pub(super) fn get(&self, hash: u32, field: &[u8]) -> Option<Member<'_>> {
        let mut found = None;
        self.index.find(self.tag(hash), |place| {
            let member = self.member(place);
            let is = is_same(member.field, field);
            if is {
                found = Some(member);
            }
            is
        })?;
        found
    }

    /// Hints that [`Chunk::get`] is going to be asked for this hash.
    #[inline]
    pub(super) fn prefetch(&self, hash: u32) {
        self.index.prefetch(self.tag(hash));
    }

    /// The element in word number `at` of the index.
    #[inline]
    pub(super) fn at(&self, at: usize) -> Option<Member<'_>> {
        self.index.place(at).map(|place| self.member(place))
    }

    /// Words of the index, the empty ones included.
    #[inline]
    pub(super) fn words(&self) -> usize {
        self.index.total()
    }

    /// All elements, in the order of their hashes as far as the index knows them.
    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = Member<'_>> {
        self.index.places().map(|place| self.member(place))
    }

    /// Visits elements in the order of their hashes from `from` on, until `left` is used up; returns the hash to
    /// continue from. Elements that the index cannot tell apart are visited together.
    pub(super) fn visit<'a>(
        &'a self,
        from: u32,
        left: &mut usize,
        tags: &Tags,
        f: &mut impl FnMut(Member<'a>),
    ) -> Option<u32> {
        let first = self.tag(from);
        let mut last = None;
        for (tag, place) in self.index.since(first) {
            if *left == 0 && last != Some(tag) {
                return Some(self.hash_from(tag));
            }
            let member = self.member(place);
            // Since `from` was returned the ranges may have been merged: then it can lie within one tag.
            if tag == first && tags.of(member.field) < from {
                continue;
            }
            last = Some(tag);
            *left = left.saturating_sub(1);
            f(member);
        }
        None
    }

    /// Sets the value of a field, and when it expires.
    pub(super) fn set(&mut self, hash: u32, field: &[u8], value: &[u8], expiry: UnixMillis) -> SetOutcome {
        let found = self.find(hash, field);
        self.set_found(found, hash, Member { field, value, at: expiry })
    }

    /// Sets when a field expires, and tells when it did before; `None` if there is no such field.
    pub(super) fn set_expiry(&mut self, hash: u32, field: &[u8], at: UnixMillis) -> Option<(SetOutcome, UnixMillis)> {
        let word = self.find(hash, field)?;
        let place = self.index.place(word)?;
        let (before, valued) = (self.member(place).at, self.valued);
        if before == at || element::change_expiry(self.bytes_mut(place), at, valued) {
            return Some((SetOutcome::Updated, before));
        }
        let value: SmallVec<[u8; 128]> = self.member(place).value.into();
        Some((self.set_found(Some(word), hash, Member { field, value: &value, at }), before))
    }

    /// Sets an element, which is in word number `found` of the index if it is there.
    fn set_found(&mut self, found: Option<usize>, hash: u32, member: Member<'_>) -> SetOutcome {
        let Member { field, value, at: expiry } = member;
        if let Some(at) = found
            && self.replace(at, field, value, expiry)
        {
            self.give_back();
            return SetOutcome::Updated;
        }
        if self.is_full() {
            return SetOutcome::Full;
        }
        if let Some(at) = found {
            self.remove_word(at);
        }
        let tag = self.tag(hash);
        let place = self.append(field, value, expiry);
        self.index.insert(tag, place);
        if found.is_some() { SetOutcome::Updated } else { SetOutcome::Created }
    }

    /// Replaces the value where it is, if it fits there.
    fn replace(&mut self, at: usize, field: &[u8], value: &[u8], expiry: UnixMillis) -> bool {
        let place = self.index.place(at).expect("it was found there");
        let new_len = element::inline_len(field, value, expiry, self.valued);
        match self.stored(place) {
            Stored::Inline { field: _, value: old, at } => {
                let old_len = element::inline_len(field, old, at, self.valued);
                if new_len > old_len {
                    return false;
                }
                let valued = self.valued;
                element::write(self.bytes_mut(place), field, value, expiry, valued);
                self.dead += (old_len - new_len) as u32;
                self.live -= (old_len - new_len) as u32;
                true
            }
            Stored::Outside { .. } if new_len <= INLINE_MAX => false,
            Stored::Outside { at, .. } if element::stub_len(at) != element::stub_len(expiry) => false,
            Stored::Outside { place: big, .. } => {
                self.big_bytes -= self.big(big).weight();
                let new = Big::new(field, value);
                self.big_bytes += new.weight();
                self.bigs[big as usize] = Some(new);
                element::write_stub(self.bytes_mut(place), big, expiry);
                true
            }
        }
    }

    /// Whether it must be split before something is added. A range of a single hash cannot be split.
    #[inline]
    fn is_full(&self) -> bool {
        let bigs = self.bigs.len() - self.holes as usize;
        (self.live as usize >= LIVE_MAX || self.len() >= LEN_MAX || bigs >= BIGS_MAX) && self.bits > 0
    }

    /// Removes a field; returns whether it was there.
    pub(super) fn remove(&mut self, hash: u32, field: &[u8]) -> bool {
        let Some(at) = self.find(hash, field) else { return false };
        self.remove_word(at);
        self.give_back();
        true
    }

    /// Frees memory if less than half of it is in use.
    #[inline]
    fn give_back(&mut self) {
        let smallest = if self.first_page_grows() { SMALLEST_SHRUNK } else { PAGE };
        if self.live * 2 < self.room && self.room as usize > smallest {
            self.gather();
        }
    }

    /// Whether it is the only chunk of its table, whose first page is as small as what it holds.
    #[inline]
    fn first_page_grows(&self) -> bool {
        self.bits == u32::BITS as u8
    }

    fn remove_word(&mut self, at: usize) {
        let place = self.index.place(at).expect("it was found there");
        let dead = match self.stored(place) {
            Stored::Inline { field, value, at } => element::inline_len(field, value, at, self.valued),
            Stored::Outside { place: big, at } => {
                self.big_bytes -= self.big(big).weight();
                self.bigs[big as usize] = None;
                self.holes += 1;
                element::stub_len(at)
            }
        };
        self.dead += dead as u32;
        self.live -= dead as u32;
        self.index.remove(at);
        if self.index.len() == 0 {
            *self = Self::range(self.start, self.bits, self.valued);
        }
    }

    /// Writes an element behind the others, and returns its place.
    fn append(&mut self, field: &[u8], value: &[u8], at: UnixMillis) -> u16 {
        let len = element::inline_len(field, value, at, self.valued);
        if len > INLINE_MAX {
            return self.append_big(Big::new(field, value), at);
        }
        let (place, valued) = (self.take(len), self.valued);
        element::write(self.bytes_mut(place), field, value, at, valued);
        place
    }

    fn append_big(&mut self, big: Arc<Big>, at: UnixMillis) -> u16 {
        self.big_bytes += big.weight();
        let number = if self.holes > 0 {
            self.holes -= 1;
            let hole = self.bigs.iter().position(Option::is_none).expect("holes are counted");
            self.bigs[hole] = Some(big);
            hole
        } else {
            self.bigs.push(Some(big));
            self.bigs.len() - 1
        };
        let number = u16::try_from(number).expect("a chunk is split long before its numbers run out");
        let place = self.take(element::stub_len(at));
        element::write_stub(self.bytes_mut(place), number, at);
        place
    }

    /// Takes so many bytes of the last page, or of a new one; returns their place.
    #[inline]
    fn take(&mut self, len: usize) -> u16 {
        if self.pages.last().is_none_or(|page| page.len() - (self.end as usize) < len) {
            self.make_room(len);
        }
        let place = ((self.pages.len() - 1) << PAGE_BITS) + self.end as usize;
        self.end += len as u16;
        self.live += len as u32;
        u16::try_from(place).expect("a chunk is split long before its places run out")
    }

    /// Makes room for so many more bytes on the last page.
    #[cold]
    fn make_room(&mut self, more: usize) {
        if self.dead > self.room / 8 || self.dead > 0 && self.pages.len() >= PAGES_MAX {
            self.gather();
            if self.pages.last().is_some_and(|page| page.len() - self.end as usize >= more) {
                return;
            }
        }
        let needed = self.end as usize + more;
        let grows = self.first_page_grows();
        match self.pages.as_mut_slice() {
            [only] if grows && only.len() < PAGE && needed <= PAGE => {
                let mut grown = vec![0; good_size(needed).min(PAGE)].into_boxed_slice();
                grown[..self.end as usize].copy_from_slice(&only[..self.end as usize]);
                self.room = grown.len() as u32;
                *only = grown;
            }
            [] if grows => self.add_page(good_size(more)),
            _ => self.add_page(PAGE),
        }
    }

    fn add_page(&mut self, len: usize) {
        self.pages.push(vec![0; len].into_boxed_slice());
        self.room += len as u32;
        self.end = 0;
    }

    /// Moves the living elements together, in the order of the index.
    fn gather(&mut self) {
        let mut index = std::mem::take(&mut self.index);
        let old = std::mem::take(&mut self.pages);
        let only = self.first_page_grows() && self.live as usize <= PAGE;
        (self.live, self.dead, self.room, self.end) = (0, 0, 0, 0);
        if only {
            // One page of just the size that is needed.
            let valued = self.valued;
            let live = index.places().map(|place| stored_len(&old, place, valued)).sum::<usize>();
            self.add_page(good_size(live + live / 8).min(PAGE));
        }
        index.relocate(|place| {
            let len = stored_len(&old, place, self.valued);
            let bytes = &old[place as usize >> PAGE_BITS][place as usize & (PAGE - 1)..][..len];
            let new = self.take(len);
            self.bytes_mut(new)[..len].copy_from_slice(bytes);
            new
        });
        self.index = index;
    }

    /// Chunks of these elements, which lie in the range of `start` and `bits`; each is half a range until it is not too
    /// full. `mean`: about how many bytes an element takes.
    pub(super) fn fill(start: u32, bits: u8, elements: Sorted<'_>, mean: usize, chunks: &mut Vec<Arc<Self>>) {
        let is_too_full = bits > 0 && (elements.len() > LEN_MAX || elements.len() * mean > LIVE_MAX);
        if !is_too_full && let Some(chunk) = Self::of_all(start, bits, elements) {
            chunks.push(Arc::new(chunk));
            return;
        }
        let middle = start + (1 << (bits - 1));
        let (low, high) = elements.part(middle);
        Self::fill(start, bits - 1, low, mean, chunks);
        Self::fill(middle, bits - 1, high, mean, chunks);
    }

    /// The chunk of these elements, if they fit into one. All do that have the same hash.
    fn of_all(start: u32, bits: u8, elements: Sorted<'_>) -> Option<Self> {
        let mut new = Self::range(start, bits, elements.valued);
        if new.first_page_grows() && elements.len() > 0 {
            let bytes: usize = elements.iter().map(|(_, stored)| stored.len()).sum();
            new.add_page(good_size(bytes).min(PAGE));
        }
        let mut places = Vec::with_capacity(elements.len());
        for (hash, stored) in elements.iter() {
            if bits > 0 && new.live as usize >= LIVE_MAX {
                return None;
            }
            let place = new.take(stored.len());
            new.bytes_mut(place)[..stored.len()].copy_from_slice(stored);
            places.push((new.tag(hash), place));
        }
        new.index = Index::of(&places);
        Some(new)
    }

    /// See [`super::Members::set_expiries`]; `asked` are hashes and numbers of those in this range, in order. `false`:
    /// nothing was changed, since the chunk must be split first.
    pub(super) fn set_expiries<'f>(
        &mut self,
        asked: &[u64],
        text: &impl Fn(usize) -> &'f [u8],
        decide: &mut impl FnMut(usize, UnixMillis) -> UnixMillis,
        moved: &mut Vec<Moved>,
    ) -> bool {
        let mut planned = Vec::with_capacity(self.len());
        let (mut rest, mut live, mut in_place, known) = (asked, 0, true, moved.len());
        for (tag, place) in self.index.since(0) {
            let member = self.member(place);
            let (mut at, mut hash) = (member.at, 0);
            while let Some((request, others)) = rest.split_first()
                && self.tag(hash_of(*request)) < tag
            {
                rest = others;
            }
            for request in rest.iter().take_while(|request| self.tag(hash_of(**request)) == tag) {
                let number = *request as u32 as usize;
                if text(number) == member.field {
                    (at, hash) = (decide(number, at), hash_of(*request));
                }
            }
            if at != member.at {
                in_place &= at != NEVER && member.at != NEVER;
                moved.push(Moved { hash, old: member.at, new: at });
            }
            let len = element::inline_len(member.field, member.value, at, self.valued);
            live += if len > INLINE_MAX { element::stub_len(at) } else { len };
            planned.push((tag, place, at));
        }
        if moved.len() == known {
            return true;
        }
        if in_place {
            let valued = self.valued;
            for (_, place, at) in planned {
                element::change_expiry(self.bytes_mut(place), at, valued);
            }
            return true;
        }
        if live >= LIVE_MAX && self.bits > 0 {
            moved.truncate(known);
            return false;
        }
        self.rewrite(&planned);
        true
    }

    /// Writes all elements anew: tag, place and expiry of each, in the order of the tags.
    fn rewrite(&mut self, elements: &[(u16, u16, UnixMillis)]) {
        let mut new = Self::range(self.start, self.bits, self.valued);
        let mut places = Vec::with_capacity(elements.len());
        for &(tag, place, at) in elements {
            let Member { field, value, .. } = self.member(place);
            let new_place = match self.stored(place) {
                Stored::Outside { place, .. } if element::inline_len(field, value, at, self.valued) > INLINE_MAX => {
                    new.append_big(Arc::clone(self.big(place)), at)
                }
                Stored::Outside { .. } | Stored::Inline { .. } => new.append(field, value, at),
            };
            places.push((tag, new_place));
        }
        new.index = Index::of(&places);
        *self = new;
    }

    /// The two halves of the range.
    pub(super) fn split(&self, tags: &Tags) -> (Self, Self) {
        let bits = self.bits - 1;
        let middle = self.start + (1 << bits);
        let low = Self::build(self.start, bits, &[self], tags, |hash| hash < middle);
        let high = Self::build(middle, bits, &[self], tags, |hash| hash >= middle);
        (low, high)
    }

    /// Whether this chunk and its neighbour cover two halves of one range and have become small.
    pub(super) fn can_merge_with(&self, next: &Self) -> bool {
        self.bits == next.bits
            && self.start & (1 << self.bits) == 0
            && next.start == self.start + (1 << self.bits)
            && (self.live + next.live) as usize * MERGED_PART <= LIVE_MAX
            && (self.len() + next.len()) * MERGED_PART <= LEN_MAX
            && (self.bigs.len() + next.bigs.len()) * MERGED_PART <= BIGS_MAX
    }

    /// The elements of two neighbours in one chunk.
    pub(super) fn merged(&self, next: &Self, tags: &Tags) -> Self {
        Self::build(self.start, self.bits + 1, &[self, next], tags, |_| true)
    }

    /// A chunk of those elements whose hash is accepted.
    fn build(start: u32, bits: u8, from: &[&Self], tags: &Tags, accept: impl Fn(u32) -> bool) -> Self {
        let mut chosen = Vec::new();
        for (number, chunk) in from.iter().enumerate() {
            for place in chunk.index.places() {
                let hash = tags.of(chunk.member(place).field);
                if accept(hash) {
                    chosen.push((hash, number, place));
                }
            }
        }
        // Nearly sorted already: only elements that the old index could not tell apart may change their order.
        chosen.sort_unstable();
        let mut new = Self::range(start, bits, from[0].valued);
        let mut places = Vec::with_capacity(chosen.len());
        for (hash, number, place) in chosen {
            let chunk = from[number];
            let new_place = match chunk.stored(place) {
                Stored::Inline { field, value, at } => new.append(field, value, at),
                Stored::Outside { place, at } => new.append_big(Arc::clone(chunk.big(place)), at),
            };
            places.push((new.tag(hash), new_place));
        }
        new.index = Index::of(&places);
        new
    }
}

/// Bytes of the element at a place.
fn stored_len(pages: &[Box<[u8]>], place: u16, valued: bool) -> usize {
    element::stored_len(&pages[place as usize >> PAGE_BITS][place as usize & (PAGE - 1)..], valued)
}

#[cfg(test)]
impl Chunk {
    /// Every rule of the file's essay.
    pub(super) fn check(&self, tags: &Tags) {
        self.index.check();
        let live: usize = self.index.places().map(|place| stored_len(&self.pages, place, self.valued)).sum();
        assert_eq!(live, self.live as usize, "living bytes are counted");
        assert_eq!(self.room as usize, self.pages.iter().map(|page| spent(page.len())).sum::<usize>());
        assert!(self.live + self.dead <= self.room);
        assert!(self.first_page_grows() || self.pages.iter().all(|page| page.len() == PAGE));
        let bigs = self.bigs.iter().flatten();
        assert_eq!(bigs.clone().map(|big| big.weight()).sum::<usize>(), self.big_bytes);
        assert_eq!(bigs.count(), self.bigs.len() - self.holes as usize);
        for (tag, place) in self.index.since(0) {
            let hash = tags.of(self.member(place).field);
            assert!(hash >= self.start && self.end().is_none_or(|end| hash < end), "an element lies in the range");
            assert_eq!(tag, self.tag(hash));
            assert!(self.hash_from(tag) <= hash);
        }
    }
}
