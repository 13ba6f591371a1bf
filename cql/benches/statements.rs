//! What statements cost on a real node, and what each way of recording a test costs with them: the protocols of `docs/cql.md` and those that lost.
//!
//! `TEST_CQL_ADDRESS` says where the node is; `TEST_CQL_PIDS` (processes of the nodes, separated by commas) lets their CPU be measured as well, if they
//! are on this machine. Ways are measured in turns, so that what the machine does meanwhile meets all of them; the median of the rounds is
//! printed. `ROUNDS`, `MILLISECONDS` (of one way in one round), `AT_ONCE` and `REPLICAS` have defaults. Everything is written into a keyspace of its
//! own, `statements`, which is made anew. Keys are random and name nobody.
//!
//! `scripts/cassandra start FOLDER --benchmark` starts a node for it, and `cargo bench -p sistema-ts-cql --features driver` runs it.

mod measuring;

use std::sync::Arc;

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};

use measuring::{Failure, Seen, Setting};

const TABLES: [&str; 5] = [
    "CREATE TABLE statements.code (key bigint, claim bigint, cun text, region smallint, hour int, part tinyint, inserted_at bigint, PRIMARY KEY (key, claim))",
    "CREATE TABLE statements.structure_test (structure text, day int, inserted_at bigint, cun text, region smallint, hour int, part tinyint, PRIMARY KEY ((structure, day), inserted_at, cun))",
    "CREATE TABLE statements.test (region smallint, hour int, part tinyint, inserted_at bigint, cun text, caller text, structure text, swab_day int, flags int, PRIMARY KEY ((region, hour, part), inserted_at, cun))",
    "CREATE TABLE statements.claim (key blob, attempt bigint, cun text, inserted_at bigint, content blob, PRIMARY KEY (key, attempt))",
    "CREATE TABLE statements.receipt (key blob PRIMARY KEY, cun text, inserted_at bigint, content blob)",
];

/// A way of doing something, which is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Write,
    Read,
    Condition,
    Batch,
    NoReceipt,
    CodeByCondition,
    ReceiptByCondition,
    ReceiptByClaims,
    ReceiptByClaimsBatched,
    ReceiptByDeadline,
}

const WAYS: [(Way, &str); 10] = [
    (Way::Write, "W alone"),
    (Way::Read, "R alone"),
    (Way::Condition, "L alone"),
    (Way::Batch, "three W in one unlogged batch"),
    (
        Way::NoReceipt,
        "no receipt: W code ∥ W structure → R code → W test",
    ),
    (
        Way::CodeByCondition,
        "no receipt, code by L: L code → W structure ∥ W test",
    ),
    (
        Way::ReceiptByCondition,
        "receipt by condition: W code ∥ W structure → R code → L receipt → W test",
    ),
    (
        Way::ReceiptByClaims,
        "receipt by claims: W code ∥ W structure ∥ W claim → R code ∥ R claims → W test → R claims",
    ),
    (
        Way::ReceiptByClaimsBatched,
        "the same, the first three W in one unlogged batch",
    ),
    (
        Way::ReceiptByDeadline,
        "the same by a deadline: without the last R",
    ),
];

struct Statements {
    session: Session,
    code: PreparedStatement,
    code_by_condition: PreparedStatement,
    read_code: PreparedStatement,
    structure: PreparedStatement,
    test: PreparedStatement,
    claim: PreparedStatement,
    read_claims: PreparedStatement,
    receipt: PreparedStatement,
    first: Batch,
}

/// One test to be recorded.
struct Wanted {
    key: i64,
    claim: i64,
    receipt: [u8; 16],
    inserted_at: i64,
    structure: String,
    region: i16,
    part: i8,
}

const CUN: &str = "7K2M9QX4RA";
const CONTENT: [u8; 32] = [7; 32];
const HOUR: i32 = 470_000;

impl Wanted {
    fn random() -> Self {
        let choice: u64 = rand::random();
        Self {
            key: rand::random(),
            claim: rand::random(),
            receipt: rand::random(),
            inserted_at: 1_790_000_000_000 + i64::from(rand::random::<u32>() % 3_600_000),
            structure: format!("010101{:06}", choice % 3_000),
            region: i16::try_from(choice % 21).unwrap_or(0),
            part: i8::try_from(choice / 32 % 4).unwrap_or(0),
        }
    }
}

impl Statements {
    async fn prepare(address: &str, replicas: u8) -> Result<Self, Failure> {
        let session = SessionBuilder::new().known_node(address).build().await?;
        session
            .query_unpaged("DROP KEYSPACE IF EXISTS statements", ())
            .await?;
        let keyspace = format!(
            "CREATE KEYSPACE statements WITH replication = {{'class': 'NetworkTopologyStrategy', 'datacenter1': {replicas}}}"
        );
        session.query_unpaged(keyspace, ()).await?;
        for table in TABLES {
            session.query_unpaged(table, ()).await?;
        }
        let write = "INSERT INTO statements.";
        let code =
            "code (key, claim, cun, region, hour, part, inserted_at) VALUES (?, ?, ?, ?, ?, ?, ?)";
        let structure = "structure_test (structure, day, inserted_at, cun, region, hour, part) VALUES (?, ?, ?, ?, ?, ?, ?)";
        let claim = "claim (key, attempt, cun, inserted_at, content) VALUES (?, ?, ?, ?, ?)";
        let receipt = "receipt (key, cun, inserted_at, content) VALUES (?, ?, ?, ?) IF NOT EXISTS";
        let test = "test (region, hour, part, inserted_at, cun, caller, structure, swab_day, flags) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let prepare = async |text: String, is_conditional: bool| {
            let mut statement = session.prepare(text).await?;
            statement.set_consistency(Consistency::LocalQuorum);
            statement.set_is_idempotent(!is_conditional);
            if is_conditional {
                statement.set_serial_consistency(Some(SerialConsistency::LocalSerial));
                statement.set_retry_policy(Some(Arc::new(FallthroughRetryPolicy::new())));
            }
            Ok::<_, Failure>(statement)
        };
        let plain_code = prepare(format!("{write}{code}"), false).await?;
        let plain_structure = prepare(format!("{write}{structure}"), false).await?;
        let plain_claim = prepare(format!("{write}{claim}"), false).await?;
        let mut first = Batch::new(BatchType::Unlogged);
        first.set_consistency(Consistency::LocalQuorum);
        first.append_statement(plain_code.clone());
        first.append_statement(plain_structure.clone());
        first.append_statement(plain_claim.clone());
        Ok(Self {
            code: plain_code,
            structure: plain_structure,
            claim: plain_claim,
            code_by_condition: prepare(format!("{write}{code} IF NOT EXISTS"), true).await?,
            receipt: prepare(format!("{write}{receipt}"), true).await?,
            test: prepare(format!("{write}{test}"), false).await?,
            read_code: prepare(
                "SELECT claim FROM statements.code WHERE key = ?".into(),
                false,
            )
            .await?,
            read_claims: prepare(
                "SELECT attempt, cun, inserted_at FROM statements.claim WHERE key = ?".into(),
                false,
            )
            .await?,
            first,
            session,
        })
    }

    async fn write_code(&self, wanted: &Wanted) -> Result<(), Failure> {
        self.session
            .execute_unpaged(&self.code, Self::code_values(wanted))
            .await?;
        Ok(())
    }

    fn code_values(wanted: &Wanted) -> (i64, i64, &'static str, i16, i32, i8, i64) {
        (
            wanted.key,
            wanted.claim,
            CUN,
            wanted.region,
            HOUR,
            wanted.part,
            wanted.inserted_at,
        )
    }

    fn structure_values(wanted: &Wanted) -> (&str, i32, i64, &'static str, i16, i32, i8) {
        (
            &wanted.structure,
            20_000,
            wanted.inserted_at,
            CUN,
            wanted.region,
            HOUR,
            wanted.part,
        )
    }

    fn claim_values(wanted: &Wanted) -> (&[u8], i64, &'static str, i64, &'static [u8]) {
        (
            &wanted.receipt,
            wanted.claim,
            CUN,
            wanted.inserted_at,
            &CONTENT,
        )
    }

    async fn write_structure(&self, wanted: &Wanted) -> Result<(), Failure> {
        self.session
            .execute_unpaged(&self.structure, Self::structure_values(wanted))
            .await?;
        Ok(())
    }

    async fn write_claim(&self, wanted: &Wanted) -> Result<(), Failure> {
        self.session
            .execute_unpaged(&self.claim, Self::claim_values(wanted))
            .await?;
        Ok(())
    }

    async fn write_test(&self, wanted: &Wanted) -> Result<(), Failure> {
        let key = (wanted.region, HOUR, wanted.part, wanted.inserted_at, CUN);
        let values = (
            key.0,
            key.1,
            key.2,
            key.3,
            key.4,
            "R010",
            &wanted.structure,
            20_000,
            1,
        );
        self.session.execute_unpaged(&self.test, values).await?;
        Ok(())
    }

    /// Reads the claims of a code or of a key, which must be one's own alone.
    async fn is_alone(
        &self,
        statement: &PreparedStatement,
        values: impl scylla::serialize::row::SerializeRow,
    ) -> Result<(), Failure> {
        let rows = self
            .session
            .execute_unpaged(statement, values)
            .await?
            .into_rows_result()?;
        if rows.rows_num() == 1 {
            Ok(())
        } else {
            Err(format!("{} claims", rows.rows_num()).into())
        }
    }

    async fn is_code_alone(&self, wanted: &Wanted) -> Result<(), Failure> {
        self.is_alone(&self.read_code, (wanted.key,)).await
    }

    async fn is_key_alone(&self, wanted: &Wanted) -> Result<(), Failure> {
        self.is_alone(&self.read_claims, (&wanted.receipt[..],))
            .await
    }

    async fn run(&self, way: Way, wanted: &Wanted) -> Result<(), Failure> {
        match way {
            Way::Write => self.write_code(wanted).await,
            Way::Read => {
                self.session
                    .execute_unpaged(&self.read_code, (wanted.key,))
                    .await?;
                Ok(())
            }
            Way::Condition => self.write_receipt(wanted).await,
            Way::Batch => self.write_first(wanted).await,
            Way::NoReceipt => {
                tokio::try_join!(self.write_code(wanted), self.write_structure(wanted))?;
                self.is_code_alone(wanted).await?;
                self.write_test(wanted).await
            }
            Way::CodeByCondition => {
                self.session
                    .execute_unpaged(&self.code_by_condition, Self::code_values(wanted))
                    .await?;
                tokio::try_join!(self.write_structure(wanted), self.write_test(wanted))?;
                Ok(())
            }
            Way::ReceiptByCondition => {
                tokio::try_join!(self.write_code(wanted), self.write_structure(wanted))?;
                self.is_code_alone(wanted).await?;
                self.write_receipt(wanted).await?;
                self.write_test(wanted).await
            }
            Way::ReceiptByClaims | Way::ReceiptByDeadline => {
                tokio::try_join!(
                    self.write_code(wanted),
                    self.write_structure(wanted),
                    self.write_claim(wanted)
                )?;
                tokio::try_join!(self.is_code_alone(wanted), self.is_key_alone(wanted))?;
                self.write_test(wanted).await?;
                if way == Way::ReceiptByClaims {
                    self.is_key_alone(wanted).await?;
                }
                Ok(())
            }
            Way::ReceiptByClaimsBatched => {
                self.write_first(wanted).await?;
                tokio::try_join!(self.is_code_alone(wanted), self.is_key_alone(wanted))?;
                self.write_test(wanted).await?;
                self.is_key_alone(wanted).await
            }
        }
    }

    async fn write_first(&self, wanted: &Wanted) -> Result<(), Failure> {
        let values = (
            Self::code_values(wanted),
            Self::structure_values(wanted),
            Self::claim_values(wanted),
        );
        self.session.batch(&self.first, values).await?;
        Ok(())
    }

    async fn write_receipt(&self, wanted: &Wanted) -> Result<(), Failure> {
        let values = (&wanted.receipt[..], CUN, wanted.inserted_at, &CONTENT[..]);
        self.session.execute_unpaged(&self.receipt, values).await?;
        Ok(())
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<(), Failure> {
    let setting = Setting::read()?;
    let statements = Arc::new(Statements::prepare(&setting.address, setting.replicas).await?);
    let measure = async |way: Way| {
        let statements = Arc::clone(&statements);
        let once = move || {
            let (statements, wanted) = (Arc::clone(&statements), Wanted::random());
            async move { statements.run(way, &wanted).await }
        };
        measuring::measure(&setting, once).await
    };
    // The nodes' compiler warms up.
    for (way, _) in WAYS {
        measure(way).await?;
    }
    let mut seen: Vec<Vec<Seen>> = vec![Vec::new(); WAYS.len()];
    for _ in 0..setting.rounds {
        for (place, (way, _)) in WAYS.iter().enumerate() {
            seen[place].push(measure(*way).await?);
        }
    }
    println!("{}", measuring::HEAD);
    for ((_, name), seen) in WAYS.iter().zip(&seen) {
        println!("{}", measuring::line(name, seen));
    }
    Ok(())
}
