//! Tests of `slot`.
