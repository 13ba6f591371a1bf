//! Listings: rows in their order, up to a mark, a page at a time.
//!
//! A row's number and its `dataInserimento` ascend together, so an interval of time is an interval of rows, found by bisection.

use std::collections::HashMap;

use rusqlite::types::{Null, ToSqlOutput};
use rusqlite::{Connection, Row, ToSql};
use sistema_ts_model::{CunState, Life, StructureReference, TestKind, Timestamp};
use sistema_ts_store::{
    ListedTest, ListingMark, ListingPage, ListingPosition, ListingRequest, ListingScope,
    StoreError, StoreToken, stored,
};

use super::day::Day;
use super::dictionary;
use super::failure::Failure;
use super::rows;
use super::store::EmbeddedStore;

/// Rows that one page looks at, at most, so that a listing of few among many keeps its reads short, too.
const ROWS_PER_PAGE: i64 = 100_000;

/// Reads rows of a region in their order, of those structures of which the condition holds.
macro_rules! select_where {
    ($structure:literal) => {
        concat!(
            "SELECT row, cun, inserted_ms, structure, swab_day, flags, life FROM tests
             WHERE row > ?1 AND row <= ?2 AND region = ?3 AND ",
            $structure,
            " ORDER BY row LIMIT ?5"
        )
    };
}

const SELECT: &str = select_where!("(?4 IS NULL OR structure = ?4)");

/// The same for a description that was sent in several forms, whose numbers are a JSON array.
const SELECT_FORMS: &str = select_where!("structure IN (SELECT value FROM json_each(?4))");

impl EmbeddedStore {
    /// Where a listing that begins now ends.
    pub(super) fn mark_now(&self) -> ListingMark {
        ListingMark {
            at: self.shared.now(),
            token: StoreToken::of_number(self.shared.committed_row()),
        }
    }

    pub(super) async fn list_page(
        &self,
        request: ListingRequest,
    ) -> Result<ListingPage, StoreError> {
        let oldest = self
            .shared
            .now()
            .minus_millis(self.shared.options.retention_millis);
        self.listings
            .read(move |connection| read_page(connection, &request, oldest))
            .await
    }
}

/// Reads one page of the tests communicated after `oldest`.
fn read_page(
    connection: &Connection,
    request: &ListingRequest,
    oldest: Timestamp,
) -> Result<ListingPage, Failure> {
    let nothing = ListingPage {
        tests: Vec::new(),
        next: None,
    };
    let snapshot = connection.unchecked_transaction()?;
    let from = request.from.max(oldest.plus_millis(1));
    let begin = last_row_before(&snapshot, from)?;
    let after = request
        .after
        .map_or(begin, |after| after.token.number().max(begin));
    let last = last_row_before(&snapshot, request.to)?.min(request.mark.token.number());
    let upto = last.min(after.saturating_add(ROWS_PER_PAGE));
    let structure = match structure_text(&request.scope) {
        None => Structures::All,
        Some(text) => match dictionary::structures_same_as(&snapshot, &text)?[..] {
            [] => return Ok(nothing),
            [only] => Structures::One(only),
            ref several => Structures::Forms(format!("{several:?}")),
        },
    };
    if upto <= after {
        return Ok(nothing);
    }
    let mut page = Page {
        tests: Vec::new(),
        position: None,
        structures: HashMap::new(),
    };
    let mut seen = 0;
    {
        let mut select = snapshot.prepare_cached(structure.select())?;
        let limit = i64::try_from(request.limit).unwrap_or(i64::MAX);
        let mut found = select.query((
            after,
            upto,
            stored::encode_region(request.scope.region()),
            structure,
            limit,
        ))?;
        while let Some(row) = found.next()? {
            page.add(&snapshot, row)?;
            seen += 1;
        }
    }
    let next = if seen == request.limit {
        page.position
    } else if upto < last {
        // The rows looked at are used up, not those of the listing.
        let inserted_at = page.position.map_or(from, |position| position.inserted_at);
        Some(ListingPosition {
            inserted_at,
            token: StoreToken::of_number(upto),
        })
    } else {
        None
    };
    snapshot.commit()?;
    Ok(ListingPage {
        tests: page.tests,
        next,
    })
}

/// The last row that was inserted before `at`; 0 if there is none.
pub(super) fn last_row_before(connection: &Connection, at: Timestamp) -> Result<i64, Failure> {
    let bounds: (Option<i64>, Option<i64>) = connection
        .prepare_cached("SELECT (SELECT min(row) FROM tests), (SELECT max(row) FROM tests)")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(first), Some(last)) = bounds else {
        return Ok(0);
    };
    let mut select = connection
        .prepare_cached("SELECT inserted_ms FROM tests WHERE row >= ?1 ORDER BY row LIMIT 1")?;
    // All rows up to `low` were inserted before; none from `high` on was.
    let (mut low, mut high) = (first - 1, last + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let inserted_ms: i64 = select.query_row([middle], |row| row.get(0))?;
        if inserted_ms < at.millis() {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// Which structures' tests a page has.
enum Structures {
    /// Those of the whole region.
    All,
    /// Those of one number.
    One(i64),
    /// Those of several numbers, as a JSON array.
    Forms(String),
}

impl Structures {
    fn select(&self) -> &'static str {
        match self {
            Self::All | Self::One(_) => SELECT,
            Self::Forms(_) => SELECT_FORMS,
        }
    }
}

impl ToSql for Structures {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::All => Ok(ToSqlOutput::from(Null)),
            Self::One(number) => number.to_sql(),
            Self::Forms(numbers) => numbers.to_sql(),
        }
    }
}

fn structure_text(scope: &ListingScope) -> Option<String> {
    match scope {
        ListingScope::Region(_) => None,
        ListingScope::Structure(id) => Some(stored::encode_structure(
            &StructureReference::Identifier(*id),
            id.region,
        )),
        ListingScope::Description(region, description) => Some(stored::encode_structure(
            &StructureReference::Description(description.clone()),
            *region,
        )),
    }
}

/// A page as it fills.
struct Page {
    tests: Vec<ListedTest>,
    /// Of the last row looked at, listed or not.
    position: Option<ListingPosition>,
    structures: HashMap<i64, StructureReference>,
}

impl Page {
    fn add(&mut self, connection: &Connection, row: &Row<'_>) -> Result<(), Failure> {
        let inserted_at = Timestamp::from_millis_clamped(row.get(2)?);
        self.position = Some(ListingPosition {
            inserted_at,
            token: StoreToken::of_number(row.get(0)?),
        });
        let life = row
            .get_ref(6)?
            .as_blob_or_null()
            .map_err(|_| rows::corrupt("a life"))?;
        if life.is_some() && Life::decode(life)?.state() == CunState::Cancelled {
            return Ok(());
        }
        let structure = self.structure(connection, row.get(3)?)?;
        self.tests.push(ListedTest {
            cun: rows::decode_cun(row.get(1)?)?,
            inserted_at,
            structure,
            swab_date: Day(row.get(4)?).date(),
            kind: TestKind::Molecular,
            result: rows::decode_result(row.get(5)?),
        });
        Ok(())
    }

    fn structure(
        &mut self,
        connection: &Connection,
        number: i64,
    ) -> Result<StructureReference, Failure> {
        if let Some(structure) = self.structures.get(&number) {
            return Ok(structure.clone());
        }
        let mut select =
            connection.prepare_cached("SELECT reference FROM structures WHERE id = ?1")?;
        let text: String = select.query_row([number], |row| row.get(0))?;
        let structure = rows::decode_structure(&text)?;
        self.structures.insert(number, structure.clone());
        Ok(structure)
    }
}
