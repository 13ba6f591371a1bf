//! The list of tests (§2.4.3): read up to a mark, in short keyset reads.

use chrono::NaiveDate;
use sistema_ts_model::{
    Cun, RegionCode, StructureDescription, StructureId, StructureReference, TestKind, TestResult,
    Timestamp,
};

use crate::token::StoreToken;

/// Up to where a listing reads: everything answered before the mark was taken lies below it. Of what is answered afterwards any part may lie below
/// it, too. A bookmark carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListingMark {
    /// When the mark was taken, by the store's clock.
    pub at: Timestamp,
    /// What the store needs beside the time.
    pub token: StoreToken,
}

/// Where a page ended. Tests are in the order of `dataInserimento`; those of the same millisecond in an order that stays. A bookmark carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListingPosition {
    /// `dataInserimento` of the last test of the page.
    pub inserted_at: Timestamp,
    /// What tells tests of the same millisecond apart.
    pub token: StoreToken,
}

/// Whose tests are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListingScope {
    /// All tests of a region, those of its structures included.
    Region(RegionCode),
    /// The tests of one structure.
    Structure(StructureId),
    /// The tests of a region under one description, matched exactly.
    Description(RegionCode, StructureDescription),
}

impl ListingScope {
    /// The region that the scope lies in.
    pub fn region(&self) -> RegionCode {
        match self {
            ListingScope::Region(region) | ListingScope::Description(region, _) => *region,
            ListingScope::Structure(structure) => structure.region,
        }
    }
}

/// One page of a listing.
#[derive(Clone, Debug)]
pub struct ListingRequest {
    /// Whose tests.
    pub scope: ListingScope,
    /// First moment of `dataInserimento`, included.
    pub from: Timestamp,
    /// Last moment of `dataInserimento`, excluded: the start of the day after the interval's last.
    pub to: Timestamp,
    /// The listing's mark.
    pub mark: ListingMark,
    /// Go on after this test.
    pub after: Option<ListingPosition>,
    /// At most so many tests.
    pub limit: usize,
}

/// A test as it is listed: it stands (neither cancelled nor expired), and no datum of the person is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTest {
    /// `identificativoTest`.
    pub cun: Cun,
    /// `dataInserimento`.
    pub inserted_at: Timestamp,
    /// The structure, by identifier or description.
    pub structure: StructureReference,
    /// Day of the swab.
    pub swab_date: NaiveDate,
    /// Kind of test.
    pub kind: TestKind,
    /// What the test found.
    pub result: TestResult,
}

/// Some tests, in order.
#[derive(Clone, Debug)]
pub struct ListingPage {
    /// The tests, at most as many as were asked for.
    pub tests: Vec<ListedTest>,
    /// Where to go on. `Some` does not promise more (a store may stop early to keep its reads short, even with an empty page);
    /// `None` means that there are none.
    pub next: Option<ListingPosition>,
}
