//! Looking cards up: one thread with a connection of its own, so that no caller's thread waits for a disk.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use async_trait::async_trait;
use chrono::{Datelike as _, NaiveDate};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use sistema_ts_model::{CardDigits, CodiceFiscale, Timestamp};
use subtle::{Choice, ConstantTimeEq as _};
use tokio::sync::oneshot;

use std::path::Path;

use super::{APPLICATION, Paths, VERSION, failed};
use crate::cards::{CardError, CardKey, CardRegister, CardsStatus, HASH};
use crate::register::RegisterKey;

/// Checks that may wait.
const QUEUE: usize = 1_024;

/// Comparisons that every check makes at least, so that the number of a person's cards does not tell.
const COMPARISONS: usize = 8;

/// Days from the year 1 to 1970.
const EPOCH: i32 = 719_163;

type Work = Box<dyn FnOnce(&mut Reader) + Send>;

/// The register of cards in the data folder of this machine.
pub struct EmbeddedCardRegister {
    key: CardKey,
    // Taken when dropped: its end is what tells the thread to end.
    work: Option<SyncSender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for EmbeddedCardRegister {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("EmbeddedCardRegister(..)")
    }
}

struct Reader {
    path: PathBuf,
    key_check: [u8; HASH],
    open: Option<OpenFile>,
}

/// The file as it was opened.
struct OpenFile {
    connection: Connection,
    identity: (u64, u64),
}

impl EmbeddedCardRegister {
    /// Opens the register in `folder`. That none was imported yet is no error: then no card matches.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn open(folder: &Path, key: &RegisterKey) -> Result<Self, CardError> {
        let key = CardKey::derived_from(key)?;
        let mut reader = Reader {
            path: Paths::in_folder(folder).register,
            key_check: *key.check_value(),
            open: None,
        };
        // So that a wrong key or a damaged file is told at the start.
        reader.connection()?;
        let (work, waiting) = sync_channel::<Work>(QUEUE);
        let thread = std::thread::Builder::new()
            .name("cards-reader".to_owned())
            .spawn(move || {
                while let Ok(work) = waiting.recv() {
                    work(&mut reader);
                }
            })
            .map_err(|reason| CardError::Unavailable(reason.to_string()))?;
        Ok(Self {
            key,
            work: Some(work),
            thread: Some(thread),
        })
    }

    async fn on_reader<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Reader) -> Result<T, CardError> + Send + 'static,
    ) -> Result<T, CardError> {
        let stopped = || CardError::Unavailable("its reader has stopped".to_owned());
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |reader| {
            // Whoever asked may have gone.
            let _ = reply.send(read(reader));
        });
        self.work
            .as_ref()
            .ok_or_else(stopped)?
            .try_send(work)
            .map_err(|error| match error {
                TrySendError::Full(_) => CardError::Overloaded,
                TrySendError::Disconnected(_) => stopped(),
            })?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for EmbeddedCardRegister {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl CardRegister for EmbeddedCardRegister {
    async fn matches(
        &self,
        person: Option<&CodiceFiscale>,
        digits: &CardDigits,
        day: NaiveDate,
    ) -> Result<bool, CardError> {
        // The hashes of nobody cost what those of a person cost.
        let hash = match person {
            Some(person) => self.key.person(person),
            None => self.key.nobody(),
        };
        let card = self.key.card(person, digits);
        let day = i64::from(day.num_days_from_ce() - EPOCH);
        self.on_reader(move |reader| reader.matches(&hash, &card, day))
            .await
    }

    async fn status(&self) -> Result<Option<CardsStatus>, CardError> {
        self.on_reader(Reader::status).await
    }
}

impl Reader {
    fn matches(
        &mut self,
        person: &[u8; HASH],
        card: &[u8; HASH],
        day: i64,
    ) -> Result<bool, CardError> {
        let mut found = Choice::from(0);
        let mut compared = 0;
        if let Some(connection) = self.connection()? {
            let mut select = connection
                .prepare_cached("SELECT card, from_day, to_day FROM cards WHERE person = ?1")
                .map_err(failed)?;
            let mut rows = select.query([person]).map_err(failed)?;
            while let Some(row) = rows.next().map_err(failed)? {
                let one: [u8; HASH] = row.get(0).map_err(failed)?;
                let (from, to): (i64, i64) =
                    (row.get(1).map_err(failed)?, row.get(2).map_err(failed)?);
                let is_valid = Choice::from(u8::from(from <= day && day <= to));
                found |= one.ct_eq(card) & is_valid;
                compared += 1;
            }
        }
        // Every card is compared, and as many stand-ins as are missing; none of those counts.
        while compared < COMPARISONS {
            let nothing = std::hint::black_box(person).ct_eq(card) & Choice::from(0);
            found |= nothing;
            compared += 1;
        }
        Ok(found.into())
    }

    fn status(&mut self) -> Result<Option<CardsStatus>, CardError> {
        let Some(connection) = self.connection()? else {
            return Ok(None);
        };
        connection
            .query_row("SELECT cards, imported_ms FROM about", [], |row| {
                Ok(CardsStatus {
                    cards: row.get::<_, i64>(0)?.unsigned_abs(),
                    imported_at: Timestamp::from_millis_clamped(row.get(1)?),
                })
            })
            .map(Some)
            .map_err(failed)
    }

    /// The connection to the file that is there now; `None` if there is none.
    fn connection(&mut self) -> Result<Option<&Connection>, CardError> {
        let identity = match std::fs::metadata(&self.path) {
            Ok(metadata) => (metadata.dev(), metadata.ino()),
            Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => {
                self.open = None;
                return Ok(None);
            }
            Err(reason) => return Err(CardError::Unavailable(reason.to_string())),
        };
        if self
            .open
            .as_ref()
            .is_none_or(|open| open.identity != identity)
        {
            self.open = Some(OpenFile {
                connection: self.open_file()?,
                identity,
            });
        }
        Ok(self.open.as_ref().map(|open| &open.connection))
    }

    fn open_file(&self) -> Result<Connection, CardError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(failed)?;
        let pragma = |name: &str| {
            connection
                .pragma_query_value(None, name, |row| row.get::<_, i32>(0))
                .map_err(failed)
        };
        if (pragma("application_id")?, pragma("user_version")?) != (APPLICATION, VERSION) {
            return Err(CardError::Unavailable(
                "its file is of another version".to_owned(),
            ));
        }
        let check: Option<[u8; HASH]> = connection
            .query_row("SELECT key_check FROM about", [], |row| row.get(0))
            .optional()
            .map_err(failed)?;
        match check {
            Some(check) if check == self.key_check => Ok(connection),
            _ => Err(CardError::WrongKey),
        }
    }
}
