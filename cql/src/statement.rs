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
    /// Part of an L: sent in one unlogged batch with a conditional write of the same partition, and done if that is.
    Batched,
    /// Asks one node, once, about itself.
    OfNode,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Read,
        Self::SerialRead,
        Self::Write,
        Self::Conditional,
        Self::Batched,
        Self::OfNode,
    ];

    /// As `docs/cql.md` calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "R",
            Self::SerialRead => "R serial",
            Self::Write => "W",
            Self::Conditional => "L",
            Self::Batched => "in L",
            Self::OfNode => "R of a node",
        }
    }

    /// Whether the driver may send it again by itself.
    #[must_use]
    pub const fn is_idempotent(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }
}

impl Statement {
    /// The table that it is about, as its text names it: `{keyspace}.table`.
    #[must_use]
    pub fn table(self) -> &'static str {
        let words = ["INSERT INTO ", "FROM ", "UPDATE "];
        let mut places = words.iter().filter_map(|word| self.text().split_once(word));
        // Each of them has one of these words: a test in `tests/statements.rs`.
        let after = places.next().map_or("", |(_, after)| after);
        after.split([' ', '(']).next().unwrap_or_default()
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
// access record, and one more; an access record for 370, twelve months and some days. A clock that is wrong by an hour ends nothing early.
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
    ReadPatient: Read, "SELECT sealed, tag, contact FROM {patients}.patient WHERE code = :code";
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
    /// The same, once a conditional write has found that it has moved on.
    ReadLifeAgain: SerialRead, "SELECT bytes, turn FROM {tests}.life WHERE code = :code";
    /// The first change of a code's life.
    BeginLife: Conditional, "INSERT INTO {tests}.life (code, bytes, turn) VALUES (:code, :bytes, :turn) IF NOT EXISTS USING TTL :ttl";
    /// Any other, on the condition that the life is the one that was read.
    ChangeLife: Conditional, "UPDATE {tests}.life USING TTL :ttl SET bytes = :bytes, turn = :turn WHERE code = :code IF turn = :seen";

    /// Intends the erasure of a code's person, before its life ends.
    IntendErasure: Write, "INSERT INTO {patients}.erasure (day, bucket, code) VALUES (:day, :bucket, :code) USING TTL 1382400 AND TIMESTAMP :timestamp";
    /// Notes that the erasure is done.
    EndErasure: Write, "UPDATE {patients}.erasure USING TTL 1382400 AND TIMESTAMP :timestamp SET done = true WHERE day = :day AND bucket = :bucket AND code = :code";
    /// Whether a code's erasure is done.
    ReadErasure: Read, "SELECT done FROM {patients}.erasure WHERE day = :day AND bucket = :bucket AND code = :code";
    /// Intended erasures of codes of one day.
    ReadErasures: Read, "SELECT code, done FROM {patients}.erasure WHERE day = :day AND bucket = :bucket";
    /// Overwrites the MAC of a negative's fiscal code by nothing.
    EraseNegative: Write, "UPDATE {tests}.test USING TTL 1382400 AND TIMESTAMP :timestamp SET negative = 0x WHERE region = :region AND hour = :hour AND part = :part AND time = :time AND code = :code";
    /// The same in the claim of an attempt on a request's key.
    EraseNegativeOfClaim: Write, "UPDATE {tests}.claim USING TTL 1382400 AND TIMESTAMP :timestamp SET negative = 0x WHERE receipt = :receipt AND attempt = :attempt";
    /// Marks a cancelled test, so that no list shows it.
    CancelTest: Write, "UPDATE {tests}.test USING TTL 1382400 AND TIMESTAMP :timestamp SET cancelled = true WHERE region = :region AND hour = :hour AND part = :part AND time = :time AND code = :code";

    /// A session, under its digest.
    WriteSession: Write, "INSERT INTO {patients}.session (digest, code, region, part, time, swab_day, operator, caller, opened_at, lapses_at) VALUES (:digest, :code, :region, :part, :time, :swab_day, :operator, :caller, :opened_at, :lapses_at) USING TTL :ttl AND TIMESTAMP :timestamp";
    /// Points from a code to a session of it.
    WriteSessionOfCode: Write, "INSERT INTO {patients}.session_of_code (code, digest) VALUES (:code, :digest) USING TTL :ttl AND TIMESTAMP :timestamp";
    /// A session.
    ReadSession: Read, "SELECT code, region, part, time, swab_day, operator, caller, opened_at, lapses_at FROM {patients}.session WHERE digest = :digest";
    /// The sessions of a code.
    ReadSessionsOfCode: Read, "SELECT digest FROM {patients}.session_of_code WHERE code = :code";
    /// Erases a session.
    EraseSession: Write, "DELETE FROM {patients}.session USING TIMESTAMP :timestamp WHERE digest = :digest";
    /// Erases the pointer to it.
    EraseSessionOfCode: Write, "DELETE FROM {patients}.session_of_code USING TIMESTAMP :timestamp WHERE code = :code AND digest = :digest";

    /// The codes of a person's tag of a day.
    ReadTag: Read, "SELECT code FROM {patients}.tag WHERE tag = :tag";

    /// The receipt of a cancellation: pending as long as it has no transaction.
    ReadCancellation: Read, "SELECT content, content_day, transaction, time FROM {tests}.cancellation WHERE receipt = :receipt";
    /// The same, once a conditional write has found another than was read.
    ReadCancellationAgain: SerialRead, "SELECT content, content_day, transaction, time FROM {tests}.cancellation WHERE receipt = :receipt";
    /// Binds a request's key to the content of a cancellation, before anything is done.
    BeginCancellation: Conditional, "INSERT INTO {tests}.cancellation (receipt, content, content_day) VALUES (:receipt, :content, :content_day) IF NOT EXISTS USING TTL 1382400";
    /// Binds a request's key anew that was bound by one that counts no more.
    BeginCancellationAgain: Conditional, "UPDATE {tests}.cancellation USING TTL 1382400 SET content = :content, content_day = :content_day, transaction = null, time = null WHERE receipt = :receipt IF content = :past_content AND transaction = :past_transaction";
    /// Gives a cancellation its answer, which is that of all its repetitions. Content and answer end together.
    EndCancellation: Conditional, "UPDATE {tests}.cancellation USING TTL 1382400 SET content = :content, content_day = :content_day, transaction = :transaction, time = :time WHERE receipt = :receipt IF content = :seen_content AND transaction = null";

    /// Counts of guesses of one caller: those of an operator, or of the next one, with the caller's own.
    ReadGuessesOfCaller: Read, "SELECT operator, turn, total_started, total, forgiven_started, forgiven, started, failures, after_forgiven FROM {tests}.guess WHERE key = :key AND operator >= :operator LIMIT 1";
    /// A caller's own counts, where those of no such operator are there.
    ReadTotalsOfCaller: Read, "SELECT DISTINCT key, turn, total_started, total FROM {tests}.guess WHERE key = :key";
    /// Counts of guesses about one code, by all its operators.
    ReadGuessesOfCode: Read, "SELECT operator, turn, total_started, total, forgiven_started, forgiven, started, failures, after_forgiven FROM {tests}.guess WHERE key = :key";
    /// Changes the counts of an operator together with those of the caller or the code.
    ChangeGuess: Conditional, "UPDATE {tests}.guess USING TTL :ttl SET turn = :turn, total_started = :total_started, total = :total, forgiven_started = :forgiven_started, forgiven = :forgiven, started = :started, failures = :failures, after_forgiven = :after_forgiven WHERE key = :key AND operator = :operator IF turn = :seen_turn AND started = :seen_started AND failures = :seen_failures";
    /// Forgives the failures of a code.
    ForgiveCode: Conditional, "UPDATE {tests}.guess USING TTL :ttl SET turn = :turn, total_started = :total_started, total = 0, forgiven_started = :forgiven_started, forgiven = :forgiven WHERE key = :key IF turn = :seen_turn";

    /// Brings the check value of a day's key.
    BeginDay: Conditional, "INSERT INTO {tests}.day_key (day, check_value) VALUES (:day, :check_value) IF NOT EXISTS USING TTL 34560000";
    /// The newest test of one part of an hour of a region.
    NewestOfHour: Read, "SELECT time FROM {tests}.test WHERE region = :region AND hour = :hour AND part = :part ORDER BY time DESC, code DESC LIMIT 1";
    /// The days that have tests, with the check values of their keys.
    ReadDays: Read, "SELECT day, check_value FROM {tests}.day_key";
    /// The time by a node's clock.
    ReadNodeClock: OfNode, "SELECT toUnixTimestamp(now()) FROM system.local";
    /// A secret that all servers share.
    ReadSecret: SerialRead, "SELECT value FROM {tests}.secret WHERE name = :name";
    /// Makes such a secret.
    MakeSecret: Conditional, "INSERT INTO {tests}.secret (name, value) VALUES (:name, :value) IF NOT EXISTS";

    /// Notes that an hour of a region has access records, or tests that they are derived from.
    NoteHour: Write, "INSERT INTO {access}.hour (span, hour, region) VALUES (:span, :hour, :region) USING TTL 34560000 AND TIMESTAMP :timestamp";
    /// Notes that the access records of an hour's submissions are copied from their tests.
    NoteCopied: Write, "UPDATE {access}.hour USING TTL 34560000 AND TIMESTAMP :timestamp SET copied = true WHERE span = :span AND hour = :hour AND region = :region";
    /// The hours that were noted, and of which regions.
    ReadHours: Read, "SELECT hour, region, copied FROM {access}.hour WHERE span = :span AND hour >= :first AND hour <= :last";
    /// An access record, or the copy of one that a test implies.
    RecordAccess: Write, "INSERT INTO {access}.record (region, hour, part, time, id, accessed_at, service, caller, operator, transaction, outcome, errors, structure, authentication, ended_at, session, cun, confirmation, options, client_address) VALUES (:region, :hour, :part, :time, :id, :accessed_at, :service, :caller, :operator, :transaction, :outcome, :errors, :structure, :authentication, :ended_at, :session, :cun, :confirmation, :options, :client_address) USING TTL 31968000 AND TIMESTAMP :timestamp";
    /// Access records of one part of an hour of a region, in order.
    ListAccess: Read, "SELECT time, id, accessed_at, service, caller, operator, transaction, outcome, errors, structure, authentication, ended_at, session, cun, confirmation, options, client_address FROM {access}.record WHERE region = :region AND hour = :hour AND part = :part AND (time, id) > (:after_time, :after_id) LIMIT :most";

    /// Makes the register, empty.
    MakeRegister: Conditional, "INSERT INTO {register}.entry (register, version, key_check) VALUES (0, 0, :key_check) IF NOT EXISTS";
    /// The register's version, and the check value of the key that it was made with.
    ReadVersion: Read, "SELECT DISTINCT register, version, key_check FROM {register}.entry WHERE register = 0";
    /// Raises the register's version, if it is the one that a change was judged by.
    RaiseVersion: Conditional, "UPDATE {register}.entry SET version = :version WHERE register = 0 IF version = :seen";
    /// An entry, with the version that it changes in.
    PutEntry: Batched, "INSERT INTO {register}.entry (register, kind, id, caller, name, enabled, profiles, added_at, set_at, ends_at, reference, changed_in) VALUES (0, :kind, :id, :caller, :name, :enabled, :profiles, :added_at, :set_at, :ends_at, :reference, :changed_in)";
    /// Removes an entry.
    DropEntry: Batched, "DELETE FROM {register}.entry WHERE register = 0 AND kind = :kind AND id = :id";
    /// Notes for a day what a change has touched, and which change it was.
    NoteChange: Batched, "INSERT INTO {register}.entry (register, kind, id, change, touched) VALUES (0, 100, :id, :change, :touched) USING TTL 86400";
    /// Which change has led to a version.
    ReadChange: SerialRead, "SELECT change FROM {register}.entry WHERE register = 0 AND kind = 100 AND id = :id";
    /// What was touched since a version.
    ReadChanges: Read, "SELECT touched FROM {register}.entry WHERE register = 0 AND kind = 100 AND id > :after AND id <= :through";
    /// Entries by their names.
    ReadEntries: Read, "SELECT kind, id, caller, name, enabled, profiles, added_at, set_at, ends_at, reference, changed_in FROM {register}.entry WHERE register = 0 AND (kind, id) IN :places";
    /// All entries, in order.
    ListEntries: Read, "SELECT kind, id, caller, name, enabled, profiles, added_at, set_at, ends_at, reference, changed_in FROM {register}.entry WHERE register = 0 AND (kind, id) > (:after_kind, :after_id) AND (kind) < (100) LIMIT :most";
    /// The sealed fiscal code, and the credential, of an entry that is about to be.
    WritePerson: Write, "INSERT INTO {register}.person (register, reference, sealed, credential, written_at) VALUES (0, :reference, :sealed, :credential, :written_at) USING TIMESTAMP :timestamp";
    /// Erases those of an entry that is no more, or never was.
    ErasePerson: Write, "DELETE FROM {register}.person USING TIMESTAMP :timestamp WHERE register = 0 AND reference = :reference";
    /// Those of some entries.
    ReadPeople: Read, "SELECT reference, sealed, credential, written_at FROM {register}.person WHERE register = 0 AND reference IN :references";
    /// All of them.
    ListPeople: Read, "SELECT reference, sealed, credential, written_at FROM {register}.person WHERE register = 0 AND reference > :after LIMIT :most";
}
