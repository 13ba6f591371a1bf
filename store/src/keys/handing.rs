//! A ring as it leaves one server for another: whole, as text, which whoever takes it seals.

use std::path::Path;

use zeroize::Zeroizing;

use super::error::KeyError;
use super::file::{self, RingParts};
use super::ring::{KeyRing, is_same_on, is_same_ring};

impl KeyRing {
    /// What the ring's file holds.
    ///
    /// # Errors
    /// What reading the file can fail with.
    pub(crate) fn text(path: &Path) -> Result<Zeroizing<String>, KeyError> {
        // So that no command is replacing the file.
        let _lock = file::lock(path, file::PATIENCE_OF_COMMANDS)?;
        Ok(file::load(path)?.to_text())
    }

    /// Whether the ring that is this text may be put there: no other is there.
    ///
    /// # Errors
    /// [`KeyError::RingExists`] if there is another ring than this one, [`KeyError::RingInvalid`] if the text is no ring.
    pub(crate) fn check_place(path: &Path, text: &str) -> Result<(), KeyError> {
        let parts = parsed(path, text)?;
        // It may have been put there by one that was interrupted before its end.
        match !path.exists() || file::load(path)?.to_text() == parts.to_text() {
            true => Ok(()),
            false => Err(KeyError::RingExists {
                path: path.to_owned(),
            }),
        }
    }

    /// Puts the ring that is this text where there is none, or where it is already. After a crash there is none or the whole of it.
    ///
    /// # Errors
    /// As [`KeyRing::check_place`], and what writing can fail with.
    pub(crate) fn put(path: &Path, text: &str) -> Result<(), KeyError> {
        let parts = parsed(path, text)?;
        match file::put(path, &parts) {
            // A link that leads nowhere: what it leads to is away, and no ring was put there.
            Err(error @ KeyError::RingExists { .. }) if !path.exists() => Err(error),
            Err(KeyError::RingExists { .. }) => Self::check_place(path, text),
            other => other,
        }
    }

    /// Puts the ring that is this text in the place of an older state of the same one that lacks a renewal. Keys that are destroyed here stay so. Nothing is
    /// to be done if that renewal is here already.
    ///
    /// # Errors
    /// [`KeyError::Replaced`] if the text is another ring, [`KeyError::NothingNew`] if it has no renewal that this one has not; then nothing has
    /// changed.
    pub(crate) fn put_renewal(path: &Path, text: &str) -> Result<(), KeyError> {
        let parts = parsed(path, text)?;
        let _lock = file::lock(path, file::PATIENCE_OF_COMMANDS)?;
        let there = file::load(path)?;
        if !is_same_ring(&there, &parts)? {
            return Err(KeyError::Replaced {
                path: path.to_owned(),
            });
        }
        if let Some(newest) = parts.renewals().last()
            && there.renewals().last() == Some(newest)
        {
            // Done before, by one that was interrupted; or another renewal of the same day.
            return match is_same_on(&there, &parts, newest)? {
                true => Ok(()),
                false => Err(KeyError::Replaced {
                    path: path.to_owned(),
                }),
            };
        }
        if parts.renewals().last() <= there.renewals().last() {
            return Err(KeyError::NothingNew {
                path: path.to_owned(),
            });
        }
        file::replace(path, &parts.advanced_to(there.oldest())?)
    }
}

fn parsed(path: &Path, text: &str) -> Result<RingParts, KeyError> {
    RingParts::parse(text).map_err(|what| KeyError::RingInvalid {
        path: path.to_owned(),
        what,
    })
}
