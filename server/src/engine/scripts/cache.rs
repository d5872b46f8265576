//! The scripts that a node knows by their digests.
//!
//! SCRIPT LOAD is a promise: what it was given stays until SCRIPT FLUSH. EVAL promises nothing, and a client that
//! writes values into its scripts sends a new one each time; so of those that came with EVAL the [`KEPT`] are kept that
//! ran last (Redis 7.4: `LRU_LIST_LENGTH`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::script::{ByDigest, Script, Sha};

/// Scripts of EVAL that are kept.
const KEPT: usize = 500;

/// See the essay of this file.
#[derive(Debug, Default)]
pub(crate) struct ScriptCache {
    known: Mutex<Known>,
    /// Counts the uses, which order the scripts.
    uses: AtomicU64,
    /// Scripts that made room for others.
    pub evicted: AtomicU64,
    /// Changes when scripts are forgotten.
    generation: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    scripts: ByDigest<Arc<Script>>,
    /// Those that only EVAL has brought.
    passing: Vec<Arc<Script>>,
}

impl ScriptCache {
    /// A script that is known.
    pub(super) fn find(&self, sha: &Sha) -> Option<Arc<Script>> {
        let script = self.known.lock().scripts.get(sha).cloned()?;
        self.note_use(&script);
        Some(script)
    }

    /// The same for a client that mostly calls the one that it has called last. It need not be looked for.
    #[inline]
    pub(super) fn find_again(&self, last: &mut Option<(u64, Arc<Script>)>, sha: &Sha) -> Option<Arc<Script>> {
        let generation = self.generation.load(Ordering::Acquire);
        if let Some((then, script)) = last
            && (*then, &script.sha) == (generation, sha)
        {
            self.note_use(script);
            return Some(script.clone());
        }
        let script = self.find(sha)?;
        *last = Some((generation, script.clone()));
        Some(script)
    }

    #[inline]
    fn note_use(&self, script: &Script) {
        // Nothing is to be noted of the one that was used last.
        if script.used.load(Ordering::Relaxed) != self.uses.load(Ordering::Relaxed) {
            self.put_last(script);
        }
    }

    fn put_last(&self, script: &Script) {
        script.used.store(self.uses.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Adds a script that came with EVAL, unless it is there.
    pub(super) fn add_passing(&self, script: Script) -> Arc<Script> {
        self.put_last(&script);
        let mut known = self.known.lock();
        if let Some(script) = known.scripts.get(&script.sha) {
            return script.clone();
        }
        let script = Arc::new(script);
        let oldest = known.passing.iter().enumerate().min_by_key(|(_, other)| other.used.load(Ordering::Relaxed));
        if let Some((at, _)) = oldest.filter(|_| known.passing.len() >= KEPT) {
            let oldest = std::mem::replace(&mut known.passing[at], script.clone());
            known.scripts.remove(&oldest.sha);
            self.generation.fetch_add(1, Ordering::Release);
            self.evicted.fetch_add(1, Ordering::Relaxed);
        } else {
            known.passing.push(script.clone());
        }
        known.scripts.insert(script.sha, script.clone());
        script
    }

    /// Adds a script that stays, or has one stay that is there.
    pub(super) fn add_for_good(&self, script: Script) -> Arc<Script> {
        let mut known = self.known.lock();
        known.passing.retain(|other| other.sha != script.sha);
        known.scripts.entry(script.sha).or_insert_with(|| Arc::new(script)).clone()
    }

    /// Forgets all (SCRIPT FLUSH).
    pub(super) fn flush(&self) {
        let mut known = self.known.lock();
        let forgotten = std::mem::take(&mut *known);
        self.generation.fetch_add(1, Ordering::Release);
        drop(known);
        drop(forgotten);
    }

    /// How many scripts there are, and the bytes of their texts and of what belongs to them.
    pub(super) fn size(&self) -> (u64, u64) {
        let known = self.known.lock();
        (known.scripts.len() as u64, known.scripts.values().map(|script| script.bytes() as u64).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(number: usize) -> Script {
        Script::new(format!("return {number}").as_bytes()).expect("it is right")
    }

    #[test]
    fn of_what_came_with_eval_the_last_used_are_kept() {
        let cache = ScriptCache::default();
        cache.add_for_good(script(0));
        let first = cache.add_passing(script(1)).sha;
        let promoted = cache.add_passing(script(2)).sha;
        cache.add_for_good(script(2));
        for number in 3..2 * KEPT {
            cache.add_passing(script(number));
            assert!(cache.find(&first).is_some(), "it is used again and again");
        }
        assert_eq!(cache.size().0, KEPT as u64 + 2);
        assert_eq!(cache.evicted.load(Ordering::Relaxed), (2 * KEPT - 2 - KEPT) as u64);
        assert!(cache.find(&promoted).is_some() && cache.find(&script(0).sha).is_some());
        assert!(cache.find(&script(3).sha).is_none());
        cache.flush();
        assert_eq!((cache.size(), cache.find(&first).is_some()), ((0, 0), false));
        cache.add_passing(script(1));
        assert_eq!(cache.size().0, 1);
    }

    #[test]
    fn what_was_called_last_is_forgotten_with_the_others() {
        let (cache, mut last) = (ScriptCache::default(), None);
        let (first, second) = (cache.add_for_good(script(1)).sha, cache.add_passing(script(2)).sha);
        for sha in [first, first, second, first] {
            assert_eq!(cache.find_again(&mut last, &sha).map(|script| script.sha), Some(sha));
        }
        cache.flush();
        assert!(cache.find_again(&mut last, &first).is_none());
        let passing = cache.add_passing(script(3)).sha;
        assert!(cache.find_again(&mut last, &passing).is_some());
        for number in 4..4 + KEPT {
            cache.add_passing(script(number));
        }
        assert!(cache.find_again(&mut last, &passing).is_none(), "it has made room for others");
    }

    #[test]
    fn who_calls_a_script_again_and_again_keeps_it() {
        let (cache, mut last) = (ScriptCache::default(), None);
        let kept = cache.add_passing(script(0)).sha;
        for number in 1..3 * KEPT {
            cache.add_passing(script(number));
            assert!(cache.find_again(&mut last, &kept).is_some());
        }
    }
}
