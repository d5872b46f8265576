//! Compatibility: the same script goes to slotd and to the stock `redis-server`, and their replies are compared byte for byte.
