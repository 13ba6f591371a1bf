//! From the configuration to the settings of the parts that only the running server has.

use sistema_ts_store::embedded::EmbeddedOptions;

use crate::config::Configuration;
use crate::front::LaneCapacities;

const MILLIS_PER_DAY: i64 = 24 * 60 * 60 * 1_000;

pub(super) fn admission(configuration: &Configuration) -> LaneCapacities {
    LaneCapacities {
        submission: configuration.admission.submissions,
        ..LaneCapacities::default()
    }
}

pub(super) fn store(configuration: &Configuration) -> EmbeddedOptions {
    let store = &configuration.store;
    EmbeddedOptions {
        retention_millis: i64::from(store.retention_days) * MILLIS_PER_DAY,
        queue_capacity: store.write_queue,
        batch_jobs: store.maximum_batch_rows,
        ..EmbeddedOptions::in_folder(&store.data_folder)
    }
}
