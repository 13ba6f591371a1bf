//! The trusted time as a server has noted it for itself: a small file in its own folder.

use std::path::{Path, PathBuf};

use sistema_ts_model::Timestamp;
use sistema_ts_store::StoreError;
use sistema_ts_store::durable::{self, TextFault};
use sistema_ts_store::trusted_time::NotedTime;

/// What the file says that it is.
const KIND: &str = "noted time";

/// The file of a server's noted time.
pub(crate) struct NotedTimeFile(PathBuf);

impl NotedTimeFile {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self(folder.join("noted-time"))
    }

    /// What is noted, if anything is.
    pub(crate) fn read(&self) -> Result<Option<NotedTime>, StoreError> {
        let Some(lines) = durable::read(&self.0, KIND).map_err(in_note)? else {
            return Ok(None);
        };
        let damaged = || StoreError::Corrupt {
            what: "the noted time".to_owned(),
        };
        decode(&lines).ok_or_else(damaged).map(Some)
    }

    /// Notes a time, durably.
    pub(crate) fn write(&self, time: NotedTime) -> Result<(), StoreError> {
        let folder = self.0.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)
            .and_then(|()| durable::replace(&self.0, KIND, &encode(time)))
            .map_err(|error| in_note(error.into()))
    }
}

fn encode(time: NotedTime) -> String {
    format!(
        "trusted {}\nwall {}\nwaiting {}\npace {}\nmade-up {}\n",
        time.trusted.millis(),
        time.wall.millis(),
        time.waiting_millis,
        time.pace_millis,
        time.made_up_millis
    )
}

fn decode(lines: &[String]) -> Option<NotedTime> {
    let number = |name: &str| -> Option<i64> {
        let mut lines = lines.iter();
        let number = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        number.parse().ok()
    };
    let noted = NotedTime {
        trusted: Timestamp::from_millis_clamped(number("trusted")?),
        wall: Timestamp::from_millis_clamped(number("wall")?),
        waiting_millis: number("waiting")?,
        pace_millis: number("pace")?,
        made_up_millis: number("made-up")?,
    };
    Some(noted.within_ranges())
}

fn in_note(fault: TextFault) -> StoreError {
    StoreError::Unavailable {
        reason: format!("the noted time: {fault}"),
    }
}
