//! The statements and columns that reading and writing the register share, and the view that its rules ask for.

use rusqlite::{OptionalExtension as _, Params, Row, Transaction, params};
use sistema_ts_model::{Caller, CodiceFiscale, RegionCode, Service, StructureId, Timestamp};
use sistema_ts_store::register::rules::{self, caller_name};
use sistema_ts_store::register::{RegisterError, RegisterKey, RegisterKeyError, UserId};

use super::schema::failed;

/// A change under way, in its transaction.
pub(super) struct Change<'a> {
    pub(super) transaction: Transaction<'a>,
    pub(super) key: &'a RegisterKey,
    /// The generation that the register has with this change.
    pub(super) generation: i64,
    pub(super) at: Timestamp,
}

impl Change<'_> {
    /// Runs a statement that writes one row; `otherwise` says why it wrote none.
    pub(super) fn write(
        &self,
        sql: &str,
        parameters: impl Params,
        otherwise: impl FnOnce() -> RegisterError,
    ) -> Result<(), RegisterError> {
        match self.run(sql, parameters)? {
            0 => Err(otherwise()),
            _ => Ok(()),
        }
    }

    /// Runs a statement, and says how many rows it wrote.
    pub(super) fn run(&self, sql: &str, parameters: impl Params) -> Result<usize, RegisterError> {
        let mut statement = self.transaction.prepare_cached(sql).map_err(failed)?;
        statement.execute(parameters).map_err(failed)
    }

    /// The first column of the row that a statement finds, if there is one.
    pub(super) fn find<T: rusqlite::types::FromSql>(
        &self,
        sql: &str,
        parameters: impl Params,
    ) -> Result<Option<T>, RegisterError> {
        let mut statement = self.transaction.prepare_cached(sql).map_err(failed)?;
        let found = statement.query_row(parameters, |row| row.get(0));
        found.optional().map_err(failed)
    }

    /// Refuses the change with `otherwise` if a statement finds no row.
    pub(super) fn require(
        &self,
        sql: &str,
        parameters: impl Params,
        otherwise: impl FnOnce() -> RegisterError,
    ) -> Result<(), RegisterError> {
        let found: Option<i64> = self.find(sql, parameters)?;
        found.map(|_| ()).ok_or_else(otherwise)
    }

    /// How many rows a statement counts.
    pub(super) fn count(&self, sql: &str, parameters: impl Params) -> Result<u64, RegisterError> {
        let count: Option<i64> = self.find(sql, parameters)?;
        Ok(count.unwrap_or(0).unsigned_abs())
    }

    /// Notes in a column of the register's own row that an entry was removed with this change.
    pub(super) fn note_removal(&self, removed_at: RemovedAt) -> Result<(), RegisterError> {
        let column = removed_at.column();
        self.run(
            &format!("UPDATE register SET {column} = ?1"),
            [self.generation],
        )?;
        Ok(())
    }

    /// Refuses the change if this caller is not registered.
    pub(super) fn check_caller(&self, caller: Caller) -> Result<(), RegisterError> {
        self.require(
            "SELECT 1 FROM callers WHERE caller = ?1",
            [caller.to_key().as_str()],
            || RegisterError::Missing(caller_name(caller)),
        )
    }

    /// Refuses the change if more people than allowed now hold the profile of `elencoTestEffettuati` in a region.
    pub(super) fn check_listing_operators(&self, region: RegionCode) -> Result<(), RegisterError> {
        let mut holders = Vec::new();
        // Identifiers begin with the region and a dash; a dot is the character after the dash.
        each(
            &self.transaction,
            "SELECT user_id, fiscal_code FROM users WHERE structure >= ?1 AND structure < ?2 AND instr(profiles, ?3) > 0",
            params![
                format!("{region}-"),
                format!("{region}."),
                Service::Listing.name()
            ],
            |row| {
                holders.push(person_of_user(self.key, &user_id(row, 0)?, row, 1)?);
                Ok(())
            },
        )?;
        let caller = Caller::Region(region);
        each(
            &self.transaction,
            "SELECT person, fiscal_code FROM operators WHERE caller = ?1 AND instr(profiles, ?2) > 0",
            params![caller.to_key().as_str(), Service::Listing.name()],
            |row| {
                holders.push(person_of_operator(self.key, caller, row, (0, 1))?);
                Ok(())
            },
        )?;
        rules::check_listing_operators(region, holders)
    }
}

/// The columns that hold the generation in which an entry of a kind was last removed.
#[derive(Clone, Copy)]
pub(super) enum RemovedAt {
    Operators,
    Structures,
    Users,
}

impl RemovedAt {
    fn column(self) -> &'static str {
        match self {
            RemovedAt::Operators => "operators_removed_at",
            RemovedAt::Structures => "structures_removed_at",
            RemovedAt::Users => "users_removed_at",
        }
    }

    /// The generation after which the entries of the kind are to be read: this one, or none, once `clear` has emptied a view from which one was
    /// removed since.
    pub(super) fn read_since(
        self,
        transaction: &Transaction<'_>,
        generation: i64,
        clear: impl FnOnce(),
    ) -> Result<i64, RegisterError> {
        let column = self.column();
        let removed_at: i64 = transaction
            .query_row(&format!("SELECT {column} FROM register"), [], |row| {
                row.get(0)
            })
            .map_err(failed)?;
        if removed_at <= generation {
            return Ok(generation);
        }
        clear();
        Ok(0)
    }
}

pub(super) fn each<P: Params>(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: P,
    mut take: impl FnMut(&Row<'_>) -> Result<(), RegisterError>,
) -> Result<(), RegisterError> {
    let mut statement = transaction.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(parameters).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        take(row)?;
    }
    Ok(())
}

pub(super) fn text(row: &Row<'_>, column: usize) -> Result<String, RegisterError> {
    row.get(column).map_err(failed)
}

pub(super) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis_clamped(millis)
}

pub(super) fn caller(row: &Row<'_>, column: usize) -> Result<Caller, RegisterError> {
    Caller::from_key(&text(row, column)?).map_err(|_| RegisterError::Corrupt("the key of a caller"))
}

pub(super) fn structure_id(text: &str) -> Result<StructureId, RegisterError> {
    StructureId::parse(text).map_err(|_| RegisterError::Corrupt("the identifier of a structure"))
}

pub(super) fn user_id(row: &Row<'_>, column: usize) -> Result<UserId, RegisterError> {
    UserId::parse(&text(row, column)?).map_err(|_| RegisterError::Corrupt("a user id"))
}

/// The person of a user, from the column that holds the sealed fiscal code.
pub(super) fn person_of_user(
    key: &RegisterKey,
    user: &UserId,
    row: &Row<'_>,
    sealed: usize,
) -> Result<CodiceFiscale, RegisterError> {
    let sealed: Vec<u8> = row.get(sealed).map_err(failed)?;
    key.open_user(user, &sealed)
        .ok_or(RegisterError::Corrupt("the fiscal code of a user"))
}

/// The person of an operator, from the columns that hold the keyed hash and the sealed fiscal code.
pub(super) fn person_of_operator(
    key: &RegisterKey,
    caller: Caller,
    row: &Row<'_>,
    (person, sealed): (usize, usize),
) -> Result<CodiceFiscale, RegisterError> {
    let sealed: Vec<u8> = row.get(sealed).map_err(failed)?;
    key.open_operator(&caller, &row.get(person).map_err(failed)?, &sealed)
        .ok_or(RegisterError::Corrupt("the fiscal code of an operator"))
}

/// Why nothing could be sealed.
pub(super) fn not_sealed(error: RegisterKeyError) -> RegisterError {
    RegisterError::Unavailable(error.to_string())
}
