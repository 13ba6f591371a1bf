//! The register in its file: a place of its own for each test, and short ways to say what is registered there.
#![allow(clippy::unwrap_used)]

mod entries;
mod place;

use std::sync::Arc;
use std::time::Duration;

use sistema_ts_model::{Caller, RegionCode, StructureDescription, StructureId, Timestamp};
use sistema_ts_store::register::{
    Act, Actor, NewUser, NoJournal, Register, RegisterChange, RegisterKey, UserId,
};
use sistema_ts_store::samples;
use tempfile::TempDir;

use super::{EmbeddedRegister, RegisterOptions};

struct Place {
    folder: TempDir,
    key: Arc<RegisterKey>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(RegisterKey::create(&folder.path().join("key")).unwrap());
        EmbeddedRegister::create(&folder.path().join("data"), &key).unwrap();
        Place { folder, key }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn open(&self) -> EmbeddedRegister {
        let (key, journal) = (Arc::clone(&self.key), Arc::new(NoJournal));
        let options = RegisterOptions::default();
        EmbeddedRegister::open(&self.data(), key, journal, options).unwrap()
    }

    fn open_watching(&self) -> EmbeddedRegister {
        let options = RegisterOptions {
            poll_interval: Some(Duration::from_millis(10)),
            ..RegisterOptions::default()
        };
        let key = Arc::clone(&self.key);
        EmbeddedRegister::open(&self.data(), key, Arc::new(NoJournal), options).unwrap()
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis_clamped(1_780_000_000_000)
}

fn act() -> Act {
    Act {
        by: Actor::Command {
            user: 0,
            login: None,
        },
        at: now(),
    }
}

fn region() -> Caller {
    Caller::Region(RegionCode::parse("010").unwrap())
}

fn add_region() -> RegisterChange {
    RegisterChange::AddCaller {
        caller: region(),
        name: "Piemonte".to_owned(),
    }
}

fn structure() -> StructureId {
    StructureId::parse("010-101-000123").unwrap()
}

fn user_id(text: &str) -> UserId {
    UserId::parse(text).unwrap()
}

fn new_user(id: &str) -> NewUser {
    samples::new_user(user_id(id), structure())
}

/// Makes changes one after another, all of which must be allowed.
async fn make(register: &EmbeddedRegister, changes: impl IntoIterator<Item = RegisterChange>) {
    for change in changes {
        let text = format!("{change:?}");
        let made = register.change(change, act()).await;
        made.unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

async fn with_structure(register: &EmbeddedRegister) {
    let description = StructureDescription::parse("Ospedale di prova").unwrap();
    make(
        register,
        [RegisterChange::AddStructure {
            id: structure(),
            description,
        }],
    )
    .await;
}
