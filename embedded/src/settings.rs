//! What an installation may set of an embedded store: the section `[embedded]` of the configuration.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// The section `[embedded]`. Each number has bounds ([`EmbeddedSettings::bounds`]), which whoever reads a configuration checks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddedSettings {
    /// How many requests may wait for the writer in each of its two lanes, and for each pool of readers.
    pub queue_capacity: usize,
    /// The most requests that one commit carries.
    pub maximum_batch_requests: usize,
    /// Memory for pages of the file of tests, on the writer's side, in KiB.
    pub cache_kibibytes: u32,
    /// Pages of the write-ahead log of the file of tests after which they are moved into the file.
    pub checkpoint_pages: u32,
    /// Threads that look up single tests.
    pub lookup_threads: usize,
    /// Threads that read pages of listings and search access records.
    pub listing_threads: usize,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        EmbeddedSettings {
            queue_capacity: 8_192,
            maximum_batch_requests: 1_024,
            cache_kibibytes: 16 * 1_024,
            checkpoint_pages: 60_000,
            lookup_threads: 2,
            listing_threads: 1,
        }
    }
}

impl EmbeddedSettings {
    /// The name of each key with its value, and the values that it may have.
    #[must_use]
    pub fn bounds(&self) -> [(&'static str, usize, RangeInclusive<usize>); 6] {
        let (cache, log) = (
            self.cache_kibibytes as usize,
            self.checkpoint_pages as usize,
        );
        [
            ("queue_capacity", self.queue_capacity, 64..=1_048_576),
            (
                "maximum_batch_requests",
                self.maximum_batch_requests,
                1..=16_384,
            ),
            ("cache_kibibytes", cache, 1_024..=4_194_304),
            ("checkpoint_pages", log, 1_000..=1_000_000),
            ("lookup_threads", self.lookup_threads, 1..=64),
            ("listing_threads", self.listing_threads, 1..=64),
        ]
    }
}
