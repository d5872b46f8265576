//! Tests of `expiry`.
