//! Tests of the bus packets: round trips, hostile bytes, and packets captured from stock redis-server 7.0.15.
