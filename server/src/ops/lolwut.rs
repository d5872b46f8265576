//! LOLWUT: a picture.
//!
//! Versions 5 and 6 draw, as in Redis; here the picture shows how the 16,384 slots fall to shards of random sizes.
//! Other versions only print the version. The client may choose the size, within limits.

use protocol::resp::Args;

use crate::base::number::parse_i64;
use crate::base::rng::Rng;
use crate::command::{CmdError, error};

/// Shades of neighbouring shards.
const SHADES: [char; 4] = [' ', '\u{2591}', '\u{2592}', '\u{2593}'];

/// The picture of `version`; `words` are the width and the height. `announced` is the version of the server.
///
/// # Errors
/// Words that are no numbers.
pub(super) fn draw(version: i64, words: Args<'_>, announced: &str, rng: &mut Rng) -> Result<String, CmdError> {
    let mut text = String::new();
    if matches!(version, 5 | 6) {
        let size = |word: Option<&[u8]>, default: i64| match word {
            None => Ok(default),
            Some(word) => parse_i64(word).ok_or(error::NOT_INTEGER).map(|size| size.clamp(1, 1000)),
        };
        let (columns, rows) = (size(words.get(0), 64)?, size(words.get(1), 16)?);
        let (mut shade, mut left) = (0, 0);
        for _ in 0..rows {
            for _ in 0..columns {
                if left == 0 {
                    left = 1 + rng.below(columns as u64 * 2);
                    shade = (shade + 1 + rng.below(SHADES.len() as u64 - 1) as usize) % SHADES.len();
                }
                left -= 1;
                text.push(SHADES[shade]);
            }
            text.push('\n');
        }
        text.push_str("\nSlots and their shards. ");
    }
    text.push_str("Redis ver. ");
    text.push_str(announced);
    text.push('\n');
    Ok(text)
}
