//! Hints for the processor's caches.

/// Hints that the cache line at this address will be read soon. Any address is allowed.
#[inline(always)]
pub(crate) fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, whatever the address; SSE is part of x86-64.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// The items, with a hint for each that comes [`LEAD`] places before it: so that the misses of many overlap.
pub(crate) fn with_lead<I: Iterator + Clone>(items: I, mut hint: impl FnMut(I::Item)) -> impl Iterator<Item = I::Item> {
    let mut ahead = items.clone();
    ahead.by_ref().take(LEAD).for_each(&mut hint);
    items.inspect(move |_| {
        if let Some(item) = ahead.next() {
            hint(item);
        }
    })
}

/// So many lines are on their way at a time.
const LEAD: usize = 16;
