//! Names of commands are found in any case, and no other word is.

use proptest::prelude::*;

use super::*;
use crate::testing::Bench;

/// What `find` must agree with.
fn find_slowly<'r>(registry: &'r Registry, word: &[u8]) -> Option<&'r Command> {
    registry
        .iter()
        .find(|command| command.spec.container.is_none() && command.spec.name.as_bytes().eq_ignore_ascii_case(word))
}

#[test]
fn every_name_is_found_in_any_case() {
    let bench = Bench::new();
    let registry = &bench.engine.registry;
    for command in registry.iter().filter(|command| command.spec.container.is_none()) {
        let name = command.spec.name;
        let mixed: String =
            name.chars().enumerate().map(|(at, c)| if at % 2 == 0 { c.to_ascii_lowercase() } else { c }).collect();
        for word in [name.to_owned(), name.to_ascii_lowercase(), mixed] {
            assert_eq!(registry.find(word.as_bytes()).map(|found| found.index), Some(command.index), "{word}");
        }
    }
}

proptest! {
    #[test]
    fn nothing_but_a_name_is_found(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte: u8, cut in 0..3usize) {
        let bench = Bench::new();
        let registry = &bench.engine.registry;
        let commands: Vec<_> = registry.iter().collect();
        let mut word = commands[which.index(commands.len())].spec.name.as_bytes().to_vec();
        let at = at.index(word.len());
        word[at] = byte;
        word.truncate(word.len() - cut.min(word.len()));
        let found = registry.find(&word).map(|found| found.index);
        prop_assert_eq!(found, find_slowly(registry, &word).map(|found| found.index));
    }
}
