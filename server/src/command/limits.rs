//! Settings from the configuration for values: the options of types that commands create or read from bytes.

use super::context::DataLimits;
use crate::store::payload::{Dialect, PayloadLimits};
use crate::store::types::list::ListOptions;

impl DataLimits {
    /// For lists that are created now.
    pub(crate) fn list_options(&self) -> ListOptions {
        let mut options = ListOptions {
            fill: self.list_max_listpack_size as i16,
            compress_depth: self.list_compress_depth.min(usize::from(u16::MAX)) as u16,
            ..ListOptions::default()
        };
        if self.list_packed_threshold != 0 {
            options.packed_threshold = self.list_packed_threshold.min(u32::MAX as usize) as u32;
        }
        options
    }

    /// For values that are read from a file, a stream or a payload.
    pub(crate) fn payload_limits(&self) -> PayloadLimits {
        PayloadLimits {
            list: self.list_options(),
            hash: self.hash,
            set: self.set,
            zset: self.zset,
            max_string: self.max_string as u64,
            dialect: Dialect::Redis,
        }
    }
}
