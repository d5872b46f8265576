//! A vector of shared things with stable numbers, cheap to clone.
//!
//! Things are behind `Arc`s in boards of [`BOARD`], which are behind `Arc`s too. A clone costs one count per board. A
//! write after it copies one board and the thing that it changes.

use triomphe::Arc;

use crate::base::cache::{prefetch, with_lead};
use crate::store::entry::spent;

/// Things of one board.
const BOARD: usize = 64;

type Board<T> = Vec<Option<Arc<T>>>;

/// See the top of the file.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    boards: Vec<Arc<Board<T>>>,
    len: usize,
    /// Bytes that the allocator spends on the boards.
    bytes: usize,
}

impl<T> Clone for Shelf<T> {
    /// The counts of all boards are far from each other.
    fn clone(&self) -> Self {
        let mut boards = Vec::with_capacity(self.boards.len());
        boards.extend(with_lead(self.boards.iter(), |board| prefetch(Arc::as_ptr(board))).cloned());
        Shelf { boards, ..*self }
    }
}

impl<T: Clone> Shelf<T> {
    pub(super) fn new() -> Self {
        Shelf { boards: Vec::new(), len: 0, bytes: 0 }
    }

    /// Numbers given out so far, empty places included.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn get(&self, number: usize) -> &T {
        self.boards[number / BOARD][number % BOARD].as_deref().expect("a number in use stands for a thing")
    }

    /// The thing for changing; copied first if it is shared.
    #[inline]
    pub(super) fn get_mut(&mut self, number: usize) -> &mut T {
        let place = &mut Arc::make_mut(&mut self.boards[number / BOARD])[number % BOARD];
        Arc::make_mut(place.as_mut().expect("a number in use stands for a thing"))
    }

    /// Puts a thing at a number that was used before and is free, or is the next one.
    pub(super) fn put(&mut self, number: usize, thing: T) {
        let thing = Some(Arc::new(thing));
        if number < self.len {
            Arc::make_mut(&mut self.boards[number / BOARD])[number % BOARD] = thing;
            return;
        }
        debug_assert_eq!(number, self.len, "numbers are given out in order");
        if number.is_multiple_of(BOARD) {
            self.boards.push(Arc::new(Vec::new()));
        }
        Arc::make_mut(&mut self.boards[number / BOARD]).push(thing);
        self.len += 1;
        self.bytes = self.measure();
    }

    /// Takes a thing away; its number is free.
    pub(super) fn take(&mut self, number: usize) -> Option<Arc<T>> {
        Arc::make_mut(&mut self.boards[number / BOARD])[number % BOARD].take()
    }

    /// Takes the last thing away with its number.
    pub(super) fn pop(&mut self) -> Option<Arc<T>> {
        let board = Arc::make_mut(self.boards.last_mut()?);
        let thing = board.pop()?;
        if board.is_empty() {
            self.boards.pop();
        }
        self.len -= 1;
        self.bytes = self.measure();
        thing
    }

    /// Bytes that the allocator spends on the boards, without the things.
    #[inline]
    pub(super) fn weight(&self) -> usize {
        self.bytes
    }

    fn measure(&self) -> usize {
        let place = size_of::<Option<Arc<T>>>();
        let head = spent(size_of::<Board<T>>() + size_of::<usize>());
        let Some(last) = self.boards.last() else { return 0 };
        // All boards but the last are full, and a vector that doubles is then exactly as large as they are.
        let full = (self.boards.len() - 1) * (head + spent(BOARD * place));
        full + head + spent(last.capacity() * place) + spent(self.boards.capacity() * size_of::<Arc<Board<T>>>())
    }
}
