//! Tests of `watchers`.
