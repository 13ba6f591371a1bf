//! An entry of the register as its row, and what is kept of a person apart from it.

use scylla::DeserializeRow;
use scylla::value::CqlValue;
use sistema_ts_model::{Caller, CodiceFiscale, Timestamp};
use sistema_ts_store::register::{
    AdministratorId, CredentialHash, Fingerprint, Profiles, RegisterError, UserId,
};

/// What an entry is of. Numbers are stored; that of the notes of changes is above all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub(super) enum Kind {
    Caller = 1,
    Certificate = 2,
    Network = 3,
    Administrator = 4,
    Operator = 5,
    Structure = 6,
    User = 7,
}

impl Kind {
    pub(super) const ALL: [Self; 7] = [
        Self::Caller,
        Self::Certificate,
        Self::Network,
        Self::Administrator,
        Self::Operator,
        Self::Structure,
        Self::User,
    ];

    pub(super) fn from_number(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i8 == number)
    }
}

/// The name of an entry. That of an operator holds a keyed hash in the person's place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) id: String,
}

impl Key {
    fn new(kind: Kind, id: String) -> Self {
        Self { kind, id }
    }

    pub(super) fn caller(caller: Caller) -> Self {
        Self::new(Kind::Caller, caller.to_key().to_string())
    }

    pub(super) fn certificate(fingerprint: Fingerprint) -> Self {
        Self::new(Kind::Certificate, fingerprint.to_string())
    }

    pub(super) fn network(caller: Caller, network: ipnet::IpNet) -> Self {
        Self::new(Kind::Network, format!("{}/{network}", caller.to_key()))
    }

    pub(super) fn administrator(administrator: &AdministratorId) -> Self {
        let AdministratorId { caller, name } = administrator;
        Self::new(Kind::Administrator, format!("{}/{name}", caller.to_key()))
    }

    pub(super) fn operator(caller: Caller, person: [u8; 16]) -> Self {
        let person = u128::from_be_bytes(person);
        Self::new(Kind::Operator, format!("{}/{person:032x}", caller.to_key()))
    }

    pub(super) fn structure(id: sistema_ts_model::StructureId) -> Self {
        Self::new(Kind::Structure, id.to_string())
    }

    pub(super) fn user(id: &UserId) -> Self {
        Self::new(Kind::User, id.to_string())
    }

    /// What stands in the id after the caller that an entry belongs to.
    pub(super) fn within_caller(&self) -> &str {
        self.id.split_once('/').map_or("", |(_, rest)| rest)
    }

    /// Reads what [`Key::to_line`] wrote.
    pub(super) fn from_line(line: &str) -> Option<Self> {
        let (kind, id) = line.split_once(' ')?;
        let kind = Kind::from_number(kind.parse().ok()?)?;
        Some(Self::new(kind, id.to_owned()))
    }

    /// As the note of a change names it.
    pub(super) fn to_line(&self) -> String {
        format!("{} {}", self.kind as i8, self.id)
    }
}

/// The columns of an entry, of which each kind has some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Whose it is: a user's is the structure's or the ASL's.
    pub(super) caller: Option<Caller>,
    /// For people; of a certificate the name of the administrator that holds it.
    pub(super) name: Option<String>,
    pub(super) enabled: bool,
    pub(super) profiles: Profiles,
    pub(super) added_at: i64,
    pub(super) set_at: Option<i64>,
    pub(super) ends_at: Option<i64>,
    /// Where the person is kept.
    pub(super) reference: Option<i64>,
    pub(super) changed_in: i64,
}

/// An entry as it is read.
#[derive(DeserializeRow)]
pub(super) struct EntryColumns {
    pub(super) kind: i8,
    pub(super) id: String,
    caller: Option<String>,
    name: Option<String>,
    enabled: Option<bool>,
    profiles: Option<String>,
    added_at: Option<i64>,
    set_at: Option<i64>,
    ends_at: Option<i64>,
    reference: Option<i64>,
    changed_in: Option<i64>,
}

impl EntryColumns {
    pub(super) fn decode(self) -> Result<(Key, Row), RegisterError> {
        let kind = Kind::from_number(self.kind).ok_or(RegisterError::Corrupt("a kind of entry"))?;
        let caller = self.caller.as_deref().map(Caller::from_key).transpose();
        let profiles = self.profiles.as_deref().unwrap_or_default();
        let row = Row {
            caller: caller.map_err(|_| RegisterError::Corrupt("the key of a caller"))?,
            name: self.name,
            enabled: self.enabled.unwrap_or_default(),
            profiles: Profiles::from_text(profiles)
                .ok_or(RegisterError::Corrupt("the profiles of an entry"))?,
            added_at: self.added_at.unwrap_or_default(),
            set_at: self.set_at,
            ends_at: self.ends_at,
            reference: self.reference,
            changed_in: self.changed_in.unwrap_or_default(),
        };
        Ok((Key::new(kind, self.id), row))
    }
}

/// The values of [`crate::statement::Statement::PutEntry`].
pub(super) fn values(key: &Key, row: &Row) -> Vec<Option<CqlValue>> {
    let caller = row.caller.map(|caller| caller.to_key().to_string());
    vec![
        Some(CqlValue::TinyInt(key.kind as i8)),
        Some(CqlValue::Text(key.id.clone())),
        caller.map(CqlValue::Text),
        row.name.clone().map(CqlValue::Text),
        Some(CqlValue::Boolean(row.enabled)),
        Some(CqlValue::Text(row.profiles.to_text())),
        Some(CqlValue::BigInt(row.added_at)),
        row.set_at.map(CqlValue::BigInt),
        row.ends_at.map(CqlValue::BigInt),
        row.reference.map(CqlValue::BigInt),
        Some(CqlValue::BigInt(row.changed_in)),
    ]
}

/// The id of the note of the change that led to a version: as texts they are in the order of versions.
pub(super) fn change_id(version: i64) -> String {
    format!("{version:019}")
}

/// What is kept of a person apart from the entry.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) fiscal_code: CodiceFiscale,
    /// A user's.
    pub(super) credential: Option<CredentialHash>,
    /// When it was written.
    pub(super) written_at: Timestamp,
}

/// An entry, with its person if it has one.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) row: Row,
    pub(super) person: Option<Person>,
}
