//! Access records (§2.5, §3.4, §5.2), in the order of their times: by region of the caller, hour and part.
//!
//! A submission pays no statement for its record: as long as its test is kept the record is derived from it. Tests are kept for two weeks, so a
//! day later the records are copied, each under its code: whoever copies writes the same rows. A record lies at the same place before and after,
//! and an hour is read from the tests until it is noted that its copy is complete. So nothing is found twice or missed, whenever that happens.

mod archive;
mod copy;
mod hours;
mod recording;
mod row;
mod search;

pub use archive::CqlAccessArchive;
