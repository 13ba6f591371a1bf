//! What goes in and out of the transitions of a code's life (§2.4.2, §3.3, §5.1). `sistema_ts_model::Life` decides each; the
//! store applies its decision in one guarded write on the code's row.

use chrono::NaiveDate;
use sistema_ts_model::{
    Caller, CancelRefusal, ClaimId, ClaimRefusal, Claimed, CodiceFiscale, ConcludeRefusal, Cun,
    Effect, NewClaim, PostOutcome, RegionCode, SessionId, StructureReference, Timestamp,
    TransactionId, VerificationRefusal,
};

use crate::submission::Repeatable;

/// A successful verification, to be remembered as a session (§3.3.1, §3.4).
#[derive(Clone, Debug)]
pub struct OpenSession {
    /// The code that was verified.
    pub cun: Cun,
    /// The session's fresh, unguessable id.
    pub session: SessionId,
    /// The operator it is bound to.
    pub operator: CodiceFiscale,
    /// The registered caller it is bound to.
    pub caller: Caller,
    /// How long it lives, in milliseconds from its opening.
    pub lifetime_millis: i64,
}

/// What became of a verification.
#[derive(Clone, Debug)]
pub enum OpenOutcome {
    /// The session is open and durable.
    Opened(SessionView),
    /// The code is not positive, or its life does not allow it now.
    Refused(VerificationRefusal),
    /// No test with this code is kept.
    Unknown,
}

/// A session's binding, which never changes (§3.4). Whether the session lives is for the guarded writes to say.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// `idVerificaTampone`.
    pub session: SessionId,
    /// The code it is about.
    pub cun: Cun,
    /// The operator it is bound to.
    pub operator: CodiceFiscale,
    /// The registered caller it is bound to.
    pub caller: Caller,
    /// Region of the test.
    pub region: RegionCode,
    /// Day of the swab.
    pub swab_date: NaiveDate,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it lapses by itself.
    pub lapses_at: Timestamp,
}

/// The wish to post an app's code for a session (§3.3.2).
#[derive(Clone, Debug)]
pub struct ClaimUnlock {
    /// The session.
    pub session: SessionId,
    /// The operator who asks; must be the session's.
    pub operator: CodiceFiscale,
    /// The caller who asks; must be the session's.
    pub caller: Caller,
    /// The claim's fresh random number, and the relay's deadline: the claim is dead when that and the permitted clock error
    /// have passed.
    pub claim: NewClaim,
}

/// What became of a claim.
#[derive(Clone, Debug)]
pub enum ClaimOutcome {
    /// The claim is durable: post now, before the deadline, then settle.
    Claimed {
        /// The code that is claimed.
        cun: Cun,
        /// What was granted.
        claimed: Claimed,
    },
    /// The code's life does not allow it now.
    Refused(ClaimRefusal),
    /// The session does not exist, is another operator's or another caller's.
    NoSuchSession,
}

/// The result of a post, to be written if the claim still holds the code.
#[derive(Clone, Copy, Debug)]
pub struct SettleUnlock {
    /// The code that was claimed.
    pub cun: Cun,
    /// The claim.
    pub claim: ClaimId,
    /// What came of the post.
    pub outcome: PostOutcome,
}

/// `C` or `A` of §3.3.3.
#[derive(Clone, Debug)]
pub struct Confirmation {
    /// The code.
    pub cun: Cun,
    /// The session, when the message names one.
    pub session: Option<SessionId>,
    /// The operator who asks; must be the session's, when one is named and lives.
    pub operator: CodiceFiscale,
    /// The caller who asks; must be the one that unlocked.
    pub caller: Caller,
}

/// What became of a confirmation or an annulment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConcludeOutcome {
    /// Done now or before. Confirmed, it is consumed: fiscal code, contact and sessions are erased, now or by the same caller before. Annulled, it
    /// is issued again and may be verified; or this unlock was annulled before, and nothing changed.
    Done(Effect),
    /// Not possible.
    Refused(ConcludeRefusal),
    /// No test with this code is kept.
    Unknown,
}

/// The cancellation of a test (§2.4.2).
#[derive(Clone, Debug)]
pub struct CancelTest {
    /// The code.
    pub cun: Cun,
    /// The caller who asks; must be the one that submitted.
    pub caller: Caller,
    /// The structure that the message names; must be the test's.
    pub structure: StructureReference,
    /// The person's fiscal code; must be the test's.
    pub fiscal_code: CodiceFiscale,
    /// The transaction of the answer, should this be the first one.
    pub transaction: TransactionId,
    /// If the message has a request key: the key, and what a repetition must repeat.
    pub repeatable: Option<Repeatable>,
}

/// What became of a cancellation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// Cancelled and erased, now or before. Once erased, the fiscal code can no longer be compared.
    Done {
        /// Whether it was done now.
        effect: Effect,
        /// When this was done or found.
        at: Timestamp,
    },
    /// The same message was carried out before, under the same key: its first answer again.
    Replayed {
        /// Transaction of the first answer.
        transaction: TransactionId,
        /// `dataOra` of the first answer.
        at: Timestamp,
    },
    /// The key was used for other content. Nothing was done.
    RequestKeyReused,
    /// No test of this caller has this code, this structure and this fiscal code. Which of the four is wrong is not told.
    NoSuchTest,
    /// The test is the caller's and the fiscal code is right, but its life does not allow it now. The message may be sent again with its key. Other
    /// content may have that key from then on; where several servers share the store, not if it was an unlock that began meanwhile which refuses.
    Refused(CancelRefusal),
}

/// What became of an ASL's wish to post for a person (§5.1).
#[derive(Clone, Debug)]
pub enum PersonOutcome {
    /// Post now, before the deadline, then settle.
    Claimed(PersonClaim),
    /// One of the person's codes is being unlocked: nothing was claimed, try again.
    UnlockUnderWay,
}

/// What an ASL's post has claimed: every live positive code of one person.
#[derive(Clone, Debug, Default)]
pub struct PersonClaim {
    /// The claimed codes; empty if the person has none, and then nothing was written.
    pub cuns: Vec<Cun>,
}
