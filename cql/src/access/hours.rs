//! Which hours of which regions have access records, or tests that they are derived from: so that a search of a year reads no empty partition.

use std::sync::atomic::Ordering;

use futures_util::future::try_join_all;
use sistema_ts_model::Timestamp;

use crate::cluster::Cluster;
use crate::core::Core;
use crate::failure::Failure;
use crate::place::{hour_of, timestamp};
use crate::statement::Statement;

/// Hours of one partition: some fourteen months.
const SPAN_HOURS: i32 = 10_000;

/// An hour of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NotedHour {
    pub(super) hour: i32,
    pub(super) region: i16,
    /// Whether the records of its submissions are copied.
    pub(super) is_copied: bool,
}

impl Core {
    /// Notes the hour of a record, or of a test, before it is written: once an hour by each server.
    pub(crate) async fn note_hour(&self, region: i16, time: Timestamp) -> Result<(), Failure> {
        let hour = hour_of(time);
        let noted = self.noted_hours.of(region);
        if noted.is_some_and(|noted| noted.load(Ordering::Acquire) == hour) {
            return Ok(());
        }
        let values = (span_of(hour), hour, region, timestamp(time));
        self.cluster.write(Statement::NoteHour, values).await?;
        if let Some(noted) = noted {
            noted.store(hour, Ordering::Release);
        }
        Ok(())
    }

    /// Notes that the copy of an hour is complete.
    pub(super) async fn note_copied(&self, noted: &NotedHour) -> Result<(), Failure> {
        let time = timestamp(self.now());
        let values = (time, span_of(noted.hour), noted.hour, noted.region);
        self.cluster.write(Statement::NoteCopied, values).await
    }
}

/// The noted hours from the first through the last, in order.
pub(super) async fn noted_hours(
    cluster: &Cluster,
    first: i32,
    last: i32,
) -> Result<Vec<NotedHour>, Failure> {
    let reads = (span_of(first)..=span_of(last)).map(|span| {
        let values = (span, first, last);
        cluster.read::<(i32, i16, Option<bool>)>(Statement::ReadHours, values)
    });
    let hours = try_join_all(reads).await?.into_iter().flatten();
    let hours = hours.map(|(hour, region, copied)| NotedHour {
        hour,
        region,
        is_copied: copied == Some(true),
    });
    Ok(hours.collect())
}

fn span_of(hour: i32) -> i16 {
    // Timestamps end with the century: some 114 spans.
    hour.div_euclid(SPAN_HOURS) as i16
}
