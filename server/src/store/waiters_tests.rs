//! Tests of `waiters`.
