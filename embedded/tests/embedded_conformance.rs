//! The embedded store keeps what every store must. What counts as failure is said at the head of each module of the suite.

mod support;

use support::place::Place;

sistema_ts_store::conformance_suite!(Place::new());
