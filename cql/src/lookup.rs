//! Looking up single tests: from a code's claims to the rows that they point to.

use scylla::DeserializeRow;
use sistema_ts_model::{Cun, Life, RegionCode, TestResult, Timestamp};
use sistema_ts_store::keys::Purpose;
use sistema_ts_store::{PatientView, TestView, stored};

use crate::core::Core;
use crate::failure::Failure;
use crate::place::{HOUR_MILLIS, Place, code_key, encode_cun};
use crate::statement::Statement;
use crate::test_row::{TestColumns, TestRow};

/// As long as a sealed fiscal code, and opened by no key.
const DECOY: [u8; 44] = [0; 44];

/// The claim of an attempt on a code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeClaim {
    /// The attempt's number.
    pub(crate) number: i64,
    /// Where its test is, if it has written one.
    pub(crate) place: Place,
}

#[derive(Debug, DeserializeRow)]
struct CodeColumns {
    claim: i64,
    code: i64,
    region: i16,
    part: i8,
    time: i64,
}

/// Where a code's life stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoredLife {
    pub(crate) life: Life,
    /// The random number of the write that has brought it here; none while nothing has touched it.
    pub(crate) turn: Option<i64>,
}

/// The columns of a code's life.
pub(crate) type LifeColumns = (Option<Vec<u8>>, Option<i64>);

impl StoredLife {
    pub(crate) fn decode(columns: Option<LifeColumns>) -> Result<Self, Failure> {
        let (bytes, turn) = columns.unwrap_or_default();
        // A life that is as at its beginning is stored as nothing.
        let bytes = bytes.filter(|bytes| !bytes.is_empty());
        let life = Life::decode(bytes.as_deref());
        Ok(Self {
            life: life.map_err(|_| Failure::Corrupt("the life of a code"))?,
            turn,
        })
    }
}

/// What a sealed fiscal code holds, if it opens.
type Opened = Option<zeroize::Zeroizing<String>>;

/// What is kept of a person.
#[derive(DeserializeRow)]
pub(crate) struct PatientColumns {
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) tag: Option<Vec<u8>>,
    pub(crate) contact: Option<Vec<u8>>,
}

impl Core {
    /// All claims of the codes with this digest's key: of one code, but for chance meetings of 64 bits.
    pub(crate) async fn claims_of_code(
        &self,
        digest: &[u8; 32],
    ) -> Result<Vec<CodeClaim>, Failure> {
        let statement = Statement::ReadCode;
        let columns: Vec<CodeColumns> = self.cluster.read(statement, (code_key(digest),)).await?;
        let decode = |columns: CodeColumns| {
            let CodeColumns {
                claim,
                code,
                region,
                part,
                time,
            } = columns;
            let place = Place::decode(region, part, time, code)?;
            let number = claim;
            Ok(CodeClaim { number, place })
        };
        columns.into_iter().map(decode).collect()
    }

    /// The test at a place, if it is there.
    pub(crate) async fn read_test(&self, place: &Place) -> Result<Option<TestRow>, Failure> {
        let values = (
            place.region_column(),
            place.hour(),
            place.part,
            place.time_column(),
            place.code(),
        );
        let columns: Option<TestColumns> =
            self.cluster.read_one(Statement::ReadTest, values).await?;
        match columns {
            Some(columns) => columns.decode(place.region, place.part),
            None => Ok(None),
        }
    }

    /// Where a code's life stands, as a quorum shows it.
    pub(crate) async fn read_life(&self, cun: Cun) -> Result<StoredLife, Failure> {
        let values = (encode_cun(cun),);
        let columns: Option<LifeColumns> =
            self.cluster.read_one(Statement::ReadLife, values).await?;
        StoredLife::decode(columns)
    }

    /// What is kept of the person of a code.
    pub(crate) async fn read_patient(&self, cun: Cun) -> Result<Option<PatientColumns>, Failure> {
        let values = (encode_cun(cun),);
        self.cluster.read_one(Statement::ReadPatient, values).await
    }

    /// The test of a code, as long as it is kept.
    pub(crate) async fn find_row(&self, cun: Cun) -> Result<Option<TestRow>, Failure> {
        self.find_row_by(&cun.digest()).await
    }

    async fn find_row_by(&self, digest: &[u8; 32]) -> Result<Option<TestRow>, Failure> {
        let claims = self.claims_of_code(digest).await?;
        for claim in &claims {
            if claim.place.cun.digest() == *digest
                && self.is_kept(claim.place.time)
                && let Some(test) = self.read_test(&claim.place).await?
            {
                return Ok(Some(test));
            }
        }
        Ok(None)
    }

    pub(crate) async fn find_test(&self, cun: Cun) -> Result<Option<TestView>, Failure> {
        self.find_by_digest(&cun.digest()).await
    }

    pub(crate) async fn find_by_digest(
        &self,
        digest: &[u8; 32],
    ) -> Result<Option<TestView>, Failure> {
        let Some(row) = self.find_row_by(digest).await? else {
            return Ok(None);
        };
        let life = self.read_life(row.cun()).await?;
        Ok(Some(row.into_view(life.life)))
    }

    /// Takes the same steps whatever the code is: its claims, a test, a life, a patient. Of a code that nobody has claimed a place is looked at where
    /// nothing is.
    pub(crate) async fn find_patient(&self, cun: Cun) -> Result<Option<PatientView>, Failure> {
        let claims = self.claims_of_code(&cun.digest()).await?;
        let is_its = |claim: &&CodeClaim| claim.place.cun == cun;
        let mut places: Vec<Place> = claims
            .iter()
            .filter(is_its)
            .map(|claim| claim.place)
            .collect();
        if places.is_empty() {
            places.push(self.decoy(cun));
        }
        let mut found = None;
        for place in places {
            let (row, life, patient) = tokio::try_join!(
                self.read_test(&place),
                self.read_life(cun),
                self.read_patient(cun)
            )?;
            let opened = self.open_patient(cun, place, patient)?;
            if let Some(row) = row {
                found = Some((row, life, opened));
            }
        }
        let Some((row, life, opened)) = found else {
            return Ok(None);
        };
        let is_over = life.life.state_at(&row.origin(), self.moment()).is_over();
        if row.result != TestResult::Positive || is_over || !self.is_kept(row.place.time) {
            return Ok(None);
        }
        // Erased since its life was read.
        let Some(opened) = opened else {
            return Ok(None);
        };
        let fiscal_code = opened.and_then(|text| stored::decode_fiscal_code(&text));
        Ok(Some(PatientView {
            fiscal_code: fiscal_code.ok_or(Failure::Corrupt("a sealed fiscal code"))?,
            test: row.into_view(life.life),
        }))
    }

    pub(crate) fn decoy(&self, cun: Cun) -> Place {
        // The number of a region is a remainder below that of all regions, so there is one.
        let regions = RegionCode::all();
        let number = usize::try_from(cun.number()).unwrap_or_default() % regions.len();
        let region = RegionCode::all().nth(number);
        Place {
            region: region.unwrap_or_else(|| unreachable!("a remainder is below the number")),
            part: 0,
            time: self.now(),
            cun,
        }
    }

    /// Opens what is kept of a person, or a decoy: none if nothing is kept, and nothing in it if it does not open.
    fn open_patient(
        &self,
        cun: Cun,
        place: Place,
        patient: Option<PatientColumns>,
    ) -> Result<Option<Opened>, Failure> {
        let sealed = patient.and_then(|patient| patient.sealed);
        let is_kept = sealed.is_some();
        let bytes = sealed.unwrap_or_else(|| DECOY.to_vec());
        let key = match self.keys.day(place.time.rome_day()) {
            Ok(key) => key,
            Err(error) if is_kept => return Err(error.into()),
            // That day's key is none of this code's concern.
            Err(_) => return Ok(None),
        };
        let opened = key.open(Purpose::FiscalCode, cun, &bytes);
        Ok(is_kept.then_some(opened))
    }

    /// Erases what is kept of the person of a code: the pointer from the tag first, since the tag is known from the patient's row.
    pub(crate) async fn erase_patient(&self, place: &Place) -> Result<(), Failure> {
        let later = place.later_timestamp(self.now());
        if let Some(patient) = self.read_patient(place.cun).await?
            && let Some(tag) = patient.tag
        {
            let values = (later, tag.as_slice(), place.code());
            self.cluster.write(Statement::EraseTag, values).await?;
        }
        let values = (later, place.code());
        self.cluster.write(Statement::ErasePatient, values).await
    }
}

/// The start of an hour, as a moment.
pub(crate) fn start_of_hour(hour: i32) -> Timestamp {
    Timestamp::from_millis_clamped(i64::from(hour) * HOUR_MILLIS)
}
