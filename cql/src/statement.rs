//! Every statement that a server sends, with its table and its kind. What follows from the kind stands in [`Kind`]; `docs/cql.md` has a table of
//! all of them, which a test compares with this one.

/// What a statement does. From it follow its consistency, its time limit, and whether it may be sent more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// R: reads from a quorum. May be sent again, and to a second node when the first is slow.
    Read,
    /// Reads what conditional writes have decided, those under way included. Sent once.
    SerialRead,
    /// W: a plain write to a quorum. Its timestamp is the caller's, so that it may be sent again, late, and by another server.
    Write,
    /// L: a conditional write, which the driver never repeats: it may have been done although nobody was told.
    Conditional,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::SerialRead, Self::Write, Self::Conditional];

    /// As `docs/cql.md` calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "R",
            Self::SerialRead => "R serial",
            Self::Write => "W",
            Self::Conditional => "L",
        }
    }

    /// Whether the driver may send it again by itself.
    #[must_use]
    pub const fn is_idempotent(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }
}

macro_rules! statements {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ident, $text:literal;)+) => {
        /// A statement.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Statement {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Statement {
            /// All of them, each at its own place.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// What it does.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)+ }
            }

            /// Its text, in which keyspaces stand in braces.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// What it is for.
            #[must_use]
            pub fn purpose(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim(),)+ }
            }
        }
    };
}

// Times to live: a code is known for 400 days (13 months); a test, with all that leads to it, for 16 days: its life of 14, a day for the copy of its
// access record, and one more. A clock that is wrong by an hour ends nothing early.
statements! {
    /// Claims a code for one attempt: reservation, pointer to the test, and memory of issued codes.
    ClaimCode: Write, "INSERT INTO {tests}.code (key, claim, code, region, part, time) VALUES (:key, :claim, :code, :region, :part, :time) USING TTL 34560000 AND TIMESTAMP :timestamp";
    /// All claims of a code.
    ReadCode: Read, "SELECT claim, code, region, part, time FROM {tests}.code WHERE key = :key";

    /// The row that makes a test.
    RecordTest: Write, "INSERT INTO {tests}.test (region, hour, part, time, code, caller, structure, swab_day, positive, with_warnings, accessed_at, negative, receipt, attempt) VALUES (:region, :hour, :part, :time, :code, :caller, :structure, :swab_day, :positive, :with_warnings, :accessed_at, :negative, :receipt, :attempt) USING TTL 1382400 AND TIMESTAMP :timestamp";
    /// A test by its place.
    ReadTest: Read, "SELECT time, code, caller, structure, swab_day, positive, with_warnings, accessed_at, negative, receipt, attempt, void, cancelled FROM {tests}.test WHERE region = :region AND hour = :hour AND part = :part AND time = :time AND code = :code";
    /// Marks the test of an attempt that lost, so that nobody finds it.
    VoidTest: Write, "UPDATE {tests}.test USING TTL 1382400 AND TIMESTAMP :timestamp SET void = true WHERE region = :region AND hour = :hour AND part = :part AND time = :time AND code = :code";
    /// Tests of one part of an hour of a region, in order.
    ListHour: Read, "SELECT time, code, caller, structure, swab_day, positive, with_warnings, accessed_at, negative, receipt, attempt, void, cancelled FROM {tests}.test WHERE region = :region AND hour = :hour AND part = :part AND (time, code) > (:after_time, :after_code) AND (time) < (:until) LIMIT :most";
    /// Tests of one part of an hour of a region, by their places.
    ListPlaces: Read, "SELECT time, code, caller, structure, swab_day, positive, with_warnings, accessed_at, negative, receipt, attempt, void, cancelled FROM {tests}.test WHERE region = :region AND hour = :hour AND part = :part AND (time, code) IN :places";

    /// Points from a structure's day to a test.
    PointFromStructure: Write, "INSERT INTO {tests}.test_of_structure (region, structure, day, time, code) VALUES (:region, :structure, :day, :time, :code) USING TTL 1382400 AND TIMESTAMP :timestamp";
    /// The places of a structure's tests of a day, in order.
    ListStructure: Read, "SELECT time, code FROM {tests}.test_of_structure WHERE region = :region AND structure = :structure AND day = :day AND (time, code) > (:after_time, :after_code) AND (time) < (:until) LIMIT :most";

    /// A positive's sealed fiscal code with its tag, and a sealed contact.
    WritePatient: Write, "INSERT INTO {patients}.patient (code, day, sealed, tag, contact) VALUES (:code, :day, :sealed, :tag, :contact) USING TTL 1382400 AND TIMESTAMP :timestamp";
    /// What is kept of the person of a code.
    ReadPatient: Read, "SELECT day, sealed, tag, contact FROM {patients}.patient WHERE code = :code";
    /// Erases the person of a code.
    ErasePatient: Write, "DELETE FROM {patients}.patient USING TIMESTAMP :timestamp WHERE code = :code";
    /// Points from a person's tag of a day to a code.
    WriteTag: Write, "INSERT INTO {patients}.tag (tag, code) VALUES (:tag, :code) USING TTL 1382400 AND TIMESTAMP :timestamp";
    /// Erases that pointer.
    EraseTag: Write, "DELETE FROM {patients}.tag USING TIMESTAMP :timestamp WHERE tag = :tag AND code = :code";

    /// Claims a request's key for one attempt.
    ClaimReceipt: Write, "INSERT INTO {tests}.claim (receipt, attempt, code, region, part, time, content, negative) VALUES (:receipt, :attempt, :code, :region, :part, :time, :content, :negative) USING TTL 1382400 AND TIMESTAMP :timestamp";
    /// All claims of a request's key.
    ReadClaims: Read, "SELECT attempt, code, region, part, time, content, negative, ended FROM {tests}.claim WHERE receipt = :receipt";
    /// Notes of an attempt that nothing of its own will be found: it has written no test, or its test is void.
    EndAttempt: Write, "UPDATE {tests}.claim USING TTL 1382400 AND TIMESTAMP :timestamp SET ended = true WHERE receipt = :receipt AND attempt = :attempt";
    /// What was decided for a request's key. None while nothing was, or while that cannot be seen yet.
    ReadReceipt: Read, "SELECT attempt FROM {tests}.receipt WHERE receipt = :receipt";
    /// Decides for one of several attempts that met.
    DecideReceipt: Conditional, "INSERT INTO {tests}.receipt (receipt, attempt) VALUES (:receipt, :attempt) IF NOT EXISTS USING TTL 1382400";
    /// Decides anew where the decision is of a claim that counts no more.
    DecideReceiptAgain: Conditional, "UPDATE {tests}.receipt USING TTL 1382400 SET attempt = :attempt WHERE receipt = :receipt IF attempt = :past";

    /// Where a code's life stands.
    ReadLife: Read, "SELECT bytes, turn FROM {tests}.life WHERE code = :code";

    /// Brings the check value of a day's key.
    BeginDay: Conditional, "INSERT INTO {tests}.day_key (day, check_value) VALUES (:day, :check_value) IF NOT EXISTS USING TTL 34560000";
    /// The days that have tests, with the check values of their keys.
    ReadDays: Read, "SELECT day, check_value FROM {tests}.day_key";
    /// A secret that all servers share.
    ReadSecret: SerialRead, "SELECT value FROM {tests}.secret WHERE name = :name";
    /// Makes such a secret.
    MakeSecret: Conditional, "INSERT INTO {tests}.secret (name, value) VALUES (:name, :value) IF NOT EXISTS";
}
