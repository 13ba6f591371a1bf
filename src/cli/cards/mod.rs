//! `sistema-ts cards …`: the register of health cards.

mod line;
mod lines;
mod view;

use std::fmt::Display;
use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aws_lc_rs::digest;
use clap::{Args, Subcommand};
use sistema_ts_model::{Clock as _, SystemClock};
use sistema_ts_store::cards::{
    AdditionName, CardImport, CardRegister, CardsStatus, ImportProgress,
};
use sistema_ts_store::register::RegisterKey;
use zeroize::Zeroizing;

use self::line::{COLUMNS, card_of, is_header};
use self::lines::{Line, Lines};
use self::view::View;
use super::configuration::Configured;
use super::error::{CardsError, CliError};
use crate::backend::Archives;
use crate::config::Configuration;
use crate::plain_text::{NotText, is_empty_row, is_utf_16};

/// Lines between two looks at the progress.
const LINES_PER_LOOK: u64 = 4_096;

/// How much of a file tells it from another, beside its length and its time.
const HEAD: u64 = 64 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Replace the register of cards by those of a file, or add them to it, beside a running server
    ///
    /// The file is CSV with semicolons and the header codice_fiscale;numero_tessera;valida_dal;valida_al, one card a line, several a
    /// person. numero_tessera is the number on the back of the card: its 20 digits, or the last eight alone, which are what counts; dates are
    /// YYYY-MM-DD, or DD/MM/YYYY as Italian spreadsheets write them, and valida_al may be empty. Empty lines, also of separators alone, are
    /// passed over. Bad lines are told by number and skipped. An import that was interrupted goes on where it
    /// stopped when the command is given again with the same file. Exit status: 0 every line was taken, 1 some were skipped, 2 nothing was
    /// replaced.
    Import(ImportArguments),
    /// Take the cards out of the register again that were added under a name, beside a running server
    ///
    /// Cards that were there before stay, also those that the addition had as well. A card of two additions goes with the last of them.
    Remove(RemoveArguments),
    /// Show how many cards there are, since when, and which additions are among them
    Status,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    /// The name under which they were added
    name: AdditionName,
}

#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// The file
    file: PathBuf,
    /// Add the cards to the register instead, under this name; `cards remove` takes them out again, and so does the next whole import.
    /// 1 to 32 lower-case letters, digits and dashes
    #[arg(long, value_name = "NAME")]
    add: Option<AdditionName>,
    /// Begin anew, even if an import of this file was interrupted
    #[arg(long)]
    restart: bool,
    /// Bad lines, in percent of all, beyond which the register stays as it was: a file with many is likely the wrong one
    #[arg(long, value_name = "PERCENT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=100))]
    maximum_bad_percent: u64,
    /// Cards, in percent of those now registered, that may be lost beyond which the register stays as it was: a file with far fewer is likely
    /// a part of the right one
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=100))]
    maximum_loss_percent: u64,
}

pub(super) fn run(arguments: Configured<Command>) -> Result<ExitCode, CliError> {
    let configuration = arguments.configuration.load()?;
    let key = RegisterKey::load(&configuration.register.key_file).map_err(CardsError::from)?;
    match arguments.command {
        Command::Import(import) => {
            check_owner(&configuration.store.data_folder)?;
            Import::open(&configuration.archives(), &key, import)?.run()
        }
        Command::Remove(RemoveArguments { name }) => {
            check_owner(&configuration.store.data_folder)?;
            let archives = configuration.archives();
            let cards = archives
                .remove_added_cards(&key, &name)
                .map_err(CardsError::from)?;
            print(&format!("{cards} cards registered\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Status => status(&configuration, &key),
    }
}

/// The register is a new file each time, its maker's alone: made by the wrong user, every verification would fail from then on.
fn check_owner(folder: &Path) -> Result<(), CardsError> {
    // A folder that is not there is made, and one that cannot be looked at is told where it is used.
    let Ok(metadata) = std::fs::metadata(folder) else {
        return Ok(());
    };
    // SAFETY: geteuid reads a number of this process, and cannot fail.
    let own = unsafe { libc::geteuid() };
    let owner = metadata.uid();
    if owner == own {
        return Ok(());
    }
    Err(CardsError::AnotherUser {
        folder: folder.to_owned(),
        owner,
        own,
    })
}

fn status(configuration: &Configuration, key: &RegisterKey) -> Result<ExitCode, CliError> {
    let register = configuration
        .archives()
        .cards(key)
        .map_err(CardsError::from)?;
    let status = look_up_status(register.as_ref())?;
    let mut text = match status {
        Some(status) => format!(
            "{} cards, imported at {}\n",
            status.cards, status.imported_at
        ),
        None => "no cards: none were imported yet\n".to_owned(),
    };
    let added = configuration.archives().added_cards();
    for name in added.map_err(CardsError::from)? {
        text.push_str(&format!("added: {}\n", name.as_str()));
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> Result<(), CliError> {
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(CliError::Output)
}

fn look_up_status(register: &dyn CardRegister) -> Result<Option<CardsStatus>, CardsError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(CardsError::Runtime)?;
    Ok(runtime.block_on(register.status())?)
}

struct Import {
    arguments: ImportArguments,
    lines: Lines<File>,
    /// The file as it was at the beginning, and another hold on it.
    file: File,
    metadata: Metadata,
    import: Box<dyn CardImport>,
    progress: ImportProgress,
    view: View,
}

impl Import {
    fn open(
        archives: &Archives,
        key: &RegisterKey,
        arguments: ImportArguments,
    ) -> Result<Self, CardsError> {
        let failed = |reason: &dyn Display| CardsError::file(&arguments.file, reason);
        let unreadable = |reason: io::Error| failed(&reason);
        let mut file = File::open(&arguments.file).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            // What can be read only once cannot be gone on with.
            return Err(failed(&"it is no regular file"));
        }
        let mut source = fingerprint(&file, &metadata).map_err(unreadable)?;
        if let Some(name) = &arguments.add {
            // An addition that was interrupted is gone on with by the same addition alone.
            source.extend_from_slice(name.as_str().as_bytes());
        }
        file.rewind().map_err(unreadable)?;
        let hold = file.try_clone().map_err(unreadable)?;
        let mut lines = Lines::new(file, 0);
        match lines.next().map_err(unreadable)? {
            Some(Line::Whole(line)) if is_header(line) => {}
            Some(Line::Whole(line)) if is_utf_16(line) => return Err(failed(&NotText::Utf16)),
            _ => {
                let columns = COLUMNS.join(";");
                return Err(failed(&format!("its first line must be {columns}")));
            }
        }
        let import = archives.import_cards(key, &source, arguments.restart)?;
        let progress = import.progress();
        if progress.lines > 0 {
            let mut again = hold.try_clone().map_err(unreadable)?;
            again
                .seek(SeekFrom::Start(progress.offset))
                .map_err(unreadable)?;
            lines = Lines::new(again, progress.offset);
        }
        let view = View::new(metadata.len(), progress);
        Ok(Self {
            arguments,
            lines,
            file: hold,
            metadata,
            import,
            progress,
            view,
        })
    }

    fn failed(&self, reason: &dyn Display) -> CardsError {
        CardsError::file(&self.arguments.file, reason)
    }

    fn run(mut self) -> Result<ExitCode, CliError> {
        loop {
            // The header is line 1.
            let number = self.progress.lines + 2;
            let card = match self.lines.next() {
                Ok(None) => break,
                Ok(Some(Line::Whole(line))) if is_empty_row(line) => None,
                Ok(Some(Line::Whole(line))) => Some(card_of(line)),
                Ok(Some(Line::TooLong)) => Some(Err("it is too long")),
                Err(reason) => return Err(self.failed(&reason).into()),
            };
            self.progress.lines += 1;
            self.progress.offset = self.lines.offset();
            match card {
                None => self.progress.blank_lines += 1,
                Some(Ok(card)) => self
                    .import
                    .add(&card, self.progress)
                    .map_err(CardsError::from)?,
                Some(Err(reason)) => {
                    self.progress.bad_lines += 1;
                    self.view.bad_line(number, reason, self.progress.bad_lines);
                }
            }
            if self.progress.lines.is_multiple_of(LINES_PER_LOOK) {
                self.view.look(self.progress);
            }
        }
        self.finish()
    }

    fn finish(self) -> Result<ExitCode, CliError> {
        self.view.end();
        self.check_unchanged()?;
        let bad = self.progress.bad_lines;
        let lines = self.progress.lines - self.progress.blank_lines;
        if bad * 100 > lines * self.arguments.maximum_bad_percent {
            return Err(CardsError::TooManyBadLines { bad, lines }.into());
        }
        let empty = self.progress.blank_lines;
        if let Some(name) = &self.arguments.add {
            let (cards, added) = self
                .import
                .finish_adding(name, self.progress, SystemClock.now())
                .map_err(CardsError::from)?;
            print(&format!(
                "{added} cards added as {}, {cards} registered; {lines} lines read, {bad} of them bad; empty lines: {empty}\n",
                name.as_str()
            ))?;
            return Ok(status_of(bad));
        }
        let cards = self
            .import
            .finish(
                self.progress,
                SystemClock.now(),
                self.arguments.maximum_loss_percent,
            )
            .map_err(CardsError::from)?;
        let doubles = (lines - bad).saturating_sub(cards);
        let text = format!(
            "{cards} cards registered; {lines} lines read, {bad} of them bad, {doubles} said what another had said; empty lines: {empty}\n"
        );
        print(&text)?;
        Ok(status_of(bad))
    }

    /// A file that somebody still writes is not the one that was to be imported.
    fn check_unchanged(&self) -> Result<(), CardsError> {
        let now = self
            .file
            .metadata()
            .map_err(|reason| self.failed(&reason))?;
        let is_unchanged = state(&now) == state(&self.metadata) && self.lines.offset() == now.len();
        match is_unchanged {
            true => Ok(()),
            false => {
                Err(self.failed(&"it was changed while it was read: the register stays as it was"))
            }
        }
    }
}

/// Whether every line was taken.
fn status_of(bad_lines: u64) -> ExitCode {
    match bad_lines {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Length and time of the last change.
fn state(metadata: &Metadata) -> [i64; 3] {
    let length = metadata.len().cast_signed();
    [length, metadata.mtime(), metadata.mtime_nsec()]
}

/// What tells a file from another: its length, its time, and a hash of its head.
fn fingerprint(file: &File, metadata: &Metadata) -> io::Result<Vec<u8>> {
    let mut head = Zeroizing::new(Vec::with_capacity(HEAD as usize));
    file.take(HEAD).read_to_end(&mut head)?;
    let mut fingerprint = Vec::with_capacity(64);
    for number in state(metadata) {
        fingerprint.extend_from_slice(&number.to_be_bytes());
    }
    fingerprint.extend_from_slice(digest::digest(&digest::SHA256, &head).as_ref());
    Ok(fingerprint)
}

#[cfg(test)]
mod tests {
    //! A failure means that a part of a file, which somebody was still writing, replaces a good register.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_that_changes_while_it_is_read_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let key = RegisterKey::create(&folder.path().join("key")).unwrap();
        let (file, data) = (folder.path().join("cards.csv"), folder.path().join("data"));
        let archives = Archives::in_folder(&data, &folder.path().join("day-keys"));
        let is_there = || {
            let register = archives.cards(&key).unwrap();
            look_up_status(register.as_ref()).unwrap().is_some()
        };
        let lines = format!(
            "{}\nBNCLRA75E41F205R;80000123;2020-01-01;\n",
            COLUMNS.join(";")
        );
        std::fs::write(&file, lines).unwrap();
        let import = || {
            let arguments = ImportArguments {
                file: file.clone(),
                add: None,
                restart: false,
                maximum_bad_percent: 1,
                maximum_loss_percent: 10,
            };
            Import::open(&archives, &key, arguments).unwrap()
        };
        let begun = import();
        let mut more = File::options().append(true).open(&file).unwrap();
        more.write_all(b"VRDGPP62D15L219E;80000124;2020-01-01;\n")
            .unwrap();
        let refused = begun.run();
        assert!(
            matches!(refused, Err(CliError::Cards(CardsError::File { .. }))),
            "{refused:?}"
        );
        assert!(!is_there());
        import().run().unwrap();
        assert!(is_there());
    }
}
