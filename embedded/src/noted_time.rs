//! The trusted time, as it is noted in the file of tests.

use rusqlite::Connection;
use sistema_ts_model::Timestamp;
use sistema_ts_store::trusted_time::NotedTime;

use super::failure::Failure;
use super::schema;

/// Names of the noted time's parts in `meta`.
const NOTED: [&str; 5] = [
    "trusted_ms",
    "trusted_wall_ms",
    "trusted_waiting_ms",
    "trusted_pace_ms",
    "trusted_made_up_ms",
];

/// The trusted time as it was noted last.
pub(super) fn read_noted(tests: &Connection) -> Result<Option<NotedTime>, Failure> {
    let mut numbers = [0; 5];
    for (number, name) in numbers.iter_mut().zip(NOTED) {
        match schema::read_number(tests, name)? {
            Some(read) => *number = read,
            None => return Ok(None),
        }
    }
    let [trusted, wall, waiting_millis, pace_millis, made_up_millis] = numbers;
    let noted = NotedTime {
        trusted: Timestamp::from_millis_clamped(trusted),
        wall: Timestamp::from_millis_clamped(wall),
        waiting_millis,
        pace_millis,
        made_up_millis,
    };
    Ok(Some(noted.within_ranges()))
}

/// Notes the trusted time within the current transaction.
pub(super) fn write_noted(tests: &Connection, time: NotedTime) -> Result<(), Failure> {
    let numbers = [
        time.trusted.millis(),
        time.wall.millis(),
        time.waiting_millis,
        time.pace_millis,
        time.made_up_millis,
    ];
    for (number, name) in numbers.into_iter().zip(NOTED) {
        schema::write_number(tests, name, number)?;
    }
    Ok(())
}
