//! The load-testing harness.
