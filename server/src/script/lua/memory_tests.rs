//! Blocks of a Lua state keep what is in them, are counted, and come back.

use std::ffi::c_void;
use std::ptr;

use proptest::prelude::*;

use super::{GRAIN, GRAINS, Memory, SPARE, allocate};

/// A block with the size it has, filled with one byte.
struct Block {
    place: *mut c_void,
    size: usize,
    fill: u8,
}

/// Resizes a block as Lua does; checks that what it had is still there.
fn resize(memory: &Memory, block: Block, size: usize, fill: u8) -> Block {
    let data = ptr::from_ref(memory).cast_mut().cast();
    let kept = block.size.min(size);
    // SAFETY: `block` was made by this function.
    let place = unsafe { allocate(data, block.place, block.size, size) };
    assert_eq!(place.is_null(), size == 0);
    if size > 0 {
        // SAFETY: the block has so many bytes.
        let bytes = unsafe { std::slice::from_raw_parts_mut(place.cast::<u8>(), size) };
        assert!(bytes[..kept].iter().all(|byte| *byte == block.fill), "{} bytes became {size}", block.size);
        bytes.fill(fill);
    }
    Block { place, size, fill }
}

const NOTHING: Block = Block { place: ptr::null_mut(), size: 0, fill: 0 };

proptest! {
    #[test]
    fn blocks_keep_what_is_in_them(
        steps in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![0usize..120, 0usize..5000], any::<u8>()), 1..300),
    ) {
        let memory = Memory::new(usize::MAX);
        let mut blocks: Vec<Block> = (0..20).map(|_| NOTHING).collect();
        for (which, size, fill) in steps {
            let at = which.index(blocks.len());
            let block = std::mem::replace(&mut blocks[at], NOTHING);
            blocks[at] = resize(&memory, block, size, fill);
            prop_assert_eq!(memory.used(), blocks.iter().map(|block| block.size).sum::<usize>());
        }
        for block in blocks {
            resize(&memory, block, 0, 0);
        }
        prop_assert_eq!(memory.used(), 0);
    }
}

#[test]
fn few_free_blocks_are_kept() {
    let memory = Memory::new(usize::MAX);
    for size in 1..=2 * GRAIN * GRAINS {
        let blocks: Vec<Block> = (0..1000).map(|_| resize(&memory, NOTHING, size, 1)).collect();
        for block in blocks {
            resize(&memory, block, 0, 0);
        }
    }
    assert!((SPARE..SPARE + GRAIN * GRAINS).contains(&memory.spare_bytes.get()));
    memory.free_spare();
    assert_eq!(memory.spare_bytes.get(), 0);
    assert!(memory.spare.iter().all(|spare| spare.take().is_none()));
}

#[test]
fn free_blocks_are_used_again() {
    let memory = Memory::new(usize::MAX);
    let first = resize(&memory, NOTHING, 40, 7);
    let place = first.place;
    resize(&memory, first, 0, 0);
    assert_eq!(resize(&memory, NOTHING, 48, 7).place, place);
}

#[test]
fn what_is_refused_is_refused_with_free_blocks_too() {
    let memory = Memory::new(100);
    let block = resize(&memory, NOTHING, 64, 1);
    resize(&memory, block, 0, 0);
    memory.hold(150);
    // SAFETY: as Lua calls it.
    let made = unsafe { allocate(ptr::from_ref(&memory).cast_mut().cast(), ptr::null_mut(), 0, 64) };
    assert!(made.is_null());
}
