//! Looking cards up: one thread with a connection of its own, so that no caller's thread waits for a disk.

use std::os::unix::fs::MetadataExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDate;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _};
use sistema_ts_model::{CardDigits, CodiceFiscale, Cun, Timestamp};
use sistema_ts_store::cards::{CardError, CardKey, CardRegister, CardsStatus, HASH_LENGTH};
use sistema_ts_store::register::RegisterKey;
use subtle::{Choice, ConstantTimeEq as _};

use super::files::{APPLICATION, Paths, VERSION, day_number, failed, io_failed, open_whole};
use crate::asking;

/// Checks that may wait.
const QUEUE: usize = 1_024;

/// Cards that every check reads and compares, the person's own and then those of whoever comes next in the file: what a check does tells
/// neither whether there is such a person nor how many cards he has. Who holds as many or more has them all read.
const COMPARISONS: usize = 8;

/// How long a reader without work leaves a register open that was replaced: the old file is gone from the disk once nobody reads it.
const IDLE_LOOK: Duration = Duration::from_secs(1);

type Work = asking::Work<Reader>;

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
    key_check: [u8; HASH_LENGTH],
    open: Option<OpenFile>,
    /// Steps of SQLite's machine in the last check.
    #[cfg(test)]
    steps: i32,
}

/// The file as it was opened.
struct OpenFile {
    connection: Connection,
    /// `None` if it was replaced while it was being opened.
    identity: Option<Identity>,
    /// The damage that a check has met in it.
    damage: Option<String>,
}

/// Which file is there, and in which state: an import never changes one that it has put there, so any change is somebody else's, and what is in
/// memory of it counts no more.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    number: u64,
    bytes: u64,
    /// Seconds and nanoseconds.
    changed_at: (i64, i64),
}

impl EmbeddedCardRegister {
    /// Makes ready to read the register in `folder`. That none is there, or one that cannot be read, is no error here: checks and
    /// [`CardRegister::status`] tell, as long as it is so.
    ///
    /// # Errors
    /// [`CardError::Key`], or [`CardError::Unavailable`] if the system gives no thread.
    pub fn open(folder: &Path, key: &RegisterKey) -> Result<Self, CardError> {
        let key = CardKey::derived_from(key)?;
        let mut reader = Reader {
            path: Paths::in_folder(folder).register,
            key_check: *key.check_value(),
            open: None,
            #[cfg(test)]
            steps: 0,
        };
        let (work, waiting) = sync_channel::<Work>(QUEUE);
        let thread = std::thread::Builder::new()
            .name("cards-reader".to_owned())
            .spawn(move || serve(&waiting, &mut reader))
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
        asking::ask(self.work.as_ref(), read, CardError::Overloaded, stopped).await
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
        cun: Cun,
        digits: &CardDigits,
        day: NaiveDate,
    ) -> Result<bool, CardError> {
        // The hashes of nobody cost what those of a person cost.
        let hash = match person {
            Some(person) => self.key.person(person),
            None => self.key.nobody(cun),
        };
        let card = self.key.card(person, digits);
        let day = day_number(day);
        self.on_reader(move |reader| reader.matches(&hash, &card, day))
            .await
    }

    async fn status(&self) -> Result<Option<CardsStatus>, CardError> {
        self.on_reader(Reader::status).await
    }
}

fn serve(waiting: &Receiver<Work>, reader: &mut Reader) {
    loop {
        match waiting.recv_timeout(IDLE_LOOK) {
            Ok(work) => run(work, reader),
            // Lets go of a register that was replaced; whoever asks next is told if the new one cannot be read.
            Err(RecvTimeoutError::Timeout) => drop(reader.current()),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// A panic ends this check alone, whose caller is told by the loss of his reply.
fn run(work: Work, reader: &mut Reader) {
    if catch_unwind(AssertUnwindSafe(|| work(reader))).is_err() {
        tracing::error!("a check of a card panicked");
        reader.open = None;
    }
}

impl Reader {
    fn matches(
        &mut self,
        person: &[u8; HASH_LENGTH],
        card: &[u8; HASH_LENGTH],
        day: i64,
    ) -> Result<bool, CardError> {
        let open = self.current()?.ok_or(CardError::Missing)?;
        match look_for(&open.connection, person, card, day) {
            Ok((found, _steps)) => {
                #[cfg(test)]
                {
                    self.steps = _steps;
                }
                Ok(found)
            }
            Err(error) => {
                if matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                ) {
                    open.damage = Some(error.to_string());
                }
                Err(failed(error))
            }
        }
    }

    fn status(&mut self) -> Result<Option<CardsStatus>, CardError> {
        let Some(open) = self.current()? else {
            return Ok(None);
        };
        if let Some(damage) = &open.damage {
            return Err(CardError::Unavailable(damage.clone()));
        }
        open.connection
            .query_row("SELECT cards, imported_ms FROM about", [], |row| {
                Ok(CardsStatus {
                    cards: row.get::<_, i64>(0)?.unsigned_abs(),
                    imported_at: Timestamp::from_millis_clamped(row.get(1)?),
                })
            })
            .map(Some)
            .map_err(failed)
    }

    /// The file that is there now; `None` if there is none.
    fn current(&mut self) -> Result<Option<&mut OpenFile>, CardError> {
        let Some(identity) = self.identity()? else {
            self.open = None;
            return Ok(None);
        };
        if self
            .open
            .as_ref()
            .is_none_or(|open| open.identity != Some(identity))
        {
            // What is not there any more answers nothing, even if what is there cannot be read.
            self.open = None;
            let connection = self.open_file()?;
            // Of two registers that follow each other this may be either; then the next look tells.
            let is_the_same = self.identity()? == Some(identity);
            self.open = Some(OpenFile {
                connection,
                identity: is_the_same.then_some(identity),
                damage: None,
            });
        }
        Ok(self.open.as_mut())
    }

    /// The file that is there now. While a file is open its number is given to no other.
    fn identity(&self) -> Result<Option<Identity>, CardError> {
        match std::fs::metadata(&self.path) {
            Ok(metadata) => Ok(Some(Identity {
                device: metadata.dev(),
                number: metadata.ino(),
                bytes: metadata.size(),
                changed_at: (metadata.ctime(), metadata.ctime_nsec()),
            })),
            Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(reason) => Err(io_failed(reason)),
        }
    }

    fn open_file(&self) -> Result<Connection, CardError> {
        let connection = open_whole(&self.path)?;
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
        let check: Option<[u8; HASH_LENGTH]> = connection
            .query_row("SELECT key_check FROM about", [], |row| row.get(0))
            .optional()
            .map_err(failed)?;
        match check {
            Some(check) if check == self.key_check => Ok(connection),
            _ => Err(CardError::WrongKey),
        }
    }
}

/// Whether this card is one of this person's on this day, and the steps of SQLite's machine that it took to tell.
fn look_for(
    connection: &Connection,
    person: &[u8; HASH_LENGTH],
    card: &[u8; HASH_LENGTH],
    day: i64,
) -> rusqlite::Result<(bool, i32)> {
    let mut found = Choice::from(0);
    let mut select = connection.prepare_cached(
        "SELECT person, card, from_day, to_day FROM cards WHERE person >= ?1 ORDER BY person",
    )?;
    {
        // Fewer than so many are there only behind the last person of all, and in a register that is hardly one.
        let mut rows = select.query([person])?;
        let mut compared = 0;
        while let Some(row) = rows.next()? {
            let whose: [u8; HASH_LENGTH] = row.get(0)?;
            let one: [u8; HASH_LENGTH] = row.get(1)?;
            let (from, to): (i64, i64) = (row.get(2)?, row.get(3)?);
            let is_theirs = whose.ct_eq(person);
            let is_valid = Choice::from(u8::from(from <= day)) & Choice::from(u8::from(day <= to));
            found |= is_theirs & one.ct_eq(card) & is_valid;
            compared += 1;
            if compared >= COMPARISONS && !bool::from(is_theirs) {
                break;
            }
        }
    }
    let steps = select.reset_status(rusqlite::StatementStatus::VmStep);
    Ok((found.into(), steps))
}

#[cfg(test)]
mod tests;
