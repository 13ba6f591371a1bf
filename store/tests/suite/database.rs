//! What several servers share: all data of a store, in memory, behind one lock.

use std::collections::{BTreeMap, HashMap, HashSet};

use sistema_ts_model::{
    CUN_LIFE_MILLIS, Caller, CancelRefusal, ClaimId, ClaimRefusal, CodiceFiscale, Cun, Effect,
    Erasure, FirstSymbol, GivenSession, Life, Moment, NewClaim, Origin, Over, PersonClaimRefusal,
    PostOutcome, Presenter, Session, SessionDigest, Settlement, Step, StructureReference,
    TestResult, Timestamp, TransactionId, Verdict,
};
use sistema_ts_store::trusted_time::{Horizon, NotedTime};
use sistema_ts_store::{
    AccessDetail, AccessRecord, CancelOutcome, CancelTest, ClaimOutcome, ClaimUnlock,
    ConcludeOutcome, Confirmation, Expired, ListedTest, ListingScope, NewTest, OpenOutcome,
    OpenSession, PatientView, PersonClaim, PersonOutcome, RecordOutcome, Repeatable, ReservedCun,
    SessionView, SettleUnlock, StoreToken, TestView,
};

use super::counts::Counts;

/// One test: what was submitted, and what has become of it.
struct Row {
    test: NewTest,
    inserted_at: Timestamp,
    life: Life,
    is_erased: bool,
}

impl Row {
    fn origin(&self) -> Origin {
        Origin {
            issued_at: self.inserted_at,
            result: self.test.swab.result,
            submitter: self.test.caller,
        }
    }

    fn view(&self) -> TestView {
        let swab = &self.test.swab;
        TestView {
            cun: self.test.reserved.cun,
            inserted_at: self.inserted_at,
            caller: self.test.caller,
            structure: swab.structure.clone(),
            swab_date: swab.swab_date,
            kind: swab.kind,
            result: swab.result,
            life: self.life.clone(),
        }
    }

    fn is_of(&self, scope: &ListingScope) -> bool {
        let structure = &self.test.swab.structure;
        let region = match structure {
            StructureReference::Identifier(id) => Some(id.region),
            StructureReference::Description(_) => self.test.caller.region(),
        };
        let of_scope = match scope {
            ListingScope::Region(_) => true,
            ListingScope::Structure(id) => *structure == StructureReference::Identifier(*id),
            ListingScope::Description(_, description) => {
                structure.is_same_as(&StructureReference::Description(description.clone()))
            }
        };
        region == Some(scope.region()) && of_scope
    }
}

/// Whose key: the server that alone knows it (none, where all do), its caller, and the key with its service.
pub type ReceiptKey = (Option<usize>, String, String);

enum Receipt {
    Test {
        cun: Cun,
        content: Vec<u8>,
    },
    Cancellation {
        content: Vec<u8>,
        transaction: TransactionId,
        at: Timestamp,
    },
}

/// The server that alone knows it (none, where all do), and the digest of its id.
pub type SessionKey = (Option<usize>, SessionDigest);

/// Everything.
#[derive(Default)]
pub struct Database {
    rows: BTreeMap<Cun, Row>,
    /// In the order in which they came.
    arrived: Vec<Cun>,
    known: HashSet<Cun>,
    reserved: HashSet<Cun>,
    receipts: HashMap<ReceiptKey, Receipt>,
    sessions: HashMap<SessionKey, (Session, Cun)>,
    pub counts: Counts,
    pub access: Vec<AccessRecord>,
    pub noted: Option<NotedTime>,
    /// How far the sweeps have gone.
    swept: Option<Horizon>,
}

impl Database {
    pub fn reserve(&mut self, first: FirstSymbol, count: usize) -> Vec<ReservedCun> {
        let mut reserved = Vec::new();
        while reserved.len() < count {
            let cun = Cun::random_with_first(first, &mut rand::rng());
            if !self.known.contains(&cun) && self.reserved.insert(cun) {
                let proof = StoreToken::default();
                reserved.push(ReservedCun { cun, proof });
            }
        }
        reserved
    }

    pub fn record(
        &mut self,
        test: NewTest,
        key: Option<ReceiptKey>,
        inserted_at: Timestamp,
        now: Timestamp,
    ) -> RecordOutcome {
        let given = key.zip(test.repeatable.clone());
        if let Some((key, repeatable)) = &given
            && let Some(Receipt::Test { cun, content }) = self.receipts.get(key)
            && let Some(first) = self.rows.get(cun)
            && first.origin().expires_at() > now
        {
            let (old, new) = (&first.test.swab, &test.swab);
            let is_same = (&old.fiscal_code, &old.contact) == (&new.fiscal_code, &new.contact);
            return if *content != repeatable.content || !(is_same || first.is_erased) {
                RecordOutcome::RequestKeyReused
            } else if first.is_erased {
                let cancelled = first.life.state() == sistema_ts_model::CunState::Cancelled;
                RecordOutcome::ReplayedErased { cancelled }
            } else {
                let (cun, inserted_at) = (*cun, first.inserted_at);
                RecordOutcome::Replayed { cun, inserted_at }
            };
        }
        let cun = test.reserved.cun;
        if !self.known.insert(cun) {
            return RecordOutcome::CodeTaken;
        }
        if let Some((key, Repeatable { content, .. })) = given {
            self.receipts.insert(key, Receipt::Test { cun, content });
        }
        self.access.push(AccessRecord {
            accessed_at: test.access.accessed_at,
            caller: test.caller,
            verdict: match test.access.with_warnings {
                true => Verdict::DoneWithWarnings,
                false => Verdict::Done,
            },
            outcomes: Vec::new(),
            transaction: TransactionId::Cun(cun),
            detail: AccessDetail::Submission {
                structure: Some(test.swab.structure.clone()),
            },
        });
        let row = Row {
            test,
            inserted_at,
            life: Life::new(),
            is_erased: false,
        };
        self.rows.insert(cun, row);
        self.arrived.push(cun);
        RecordOutcome::Recorded { cun, inserted_at }
    }

    /// A test that is not over by this time.
    fn kept(&self, cun: Cun, now: Timestamp) -> Option<&Row> {
        let row = self.rows.get(&cun)?;
        (row.origin().expires_at() > now).then_some(row)
    }

    pub fn find(&self, cun: Cun, now: Timestamp) -> Option<TestView> {
        self.kept(cun, now).map(Row::view)
    }

    pub fn find_by_digest(&self, digest: [u8; 32], now: Timestamp) -> Option<TestView> {
        let mut codes = self.rows.keys();
        let cun = codes.find(|cun| cun.digest() == digest)?;
        self.find(*cun, now)
    }

    pub fn find_patient(&self, cun: Cun, moment: Moment) -> Option<PatientView> {
        let row = self.kept(cun, moment.now)?;
        let is_over = row.life.state_at(&row.origin(), moment).is_over();
        let has_person = row.test.swab.result == TestResult::Positive && !row.is_erased;
        (has_person && !is_over).then(|| PatientView {
            test: row.view(),
            fiscal_code: row.test.swab.fiscal_code.clone(),
        })
    }

    /// Obeys a step of a row's life, but what only the clock has ended: that is the sweep's.
    fn obey<Answer>(&mut self, cun: Cun, step: Step<Answer>, moment: Moment) -> Answer {
        let Some(row) = self.rows.get_mut(&cun) else {
            return step.answer;
        };
        let swept = self.swept.map_or(Timestamp::MIN, Horizon::time);
        let is_over_at = |now| {
            let moment = Moment { now, ..moment };
            row.life.state_at(&row.origin(), moment).is_over()
        };
        if step.erase == Erasure::Everything && is_over_at(moment.now) && !is_over_at(swept) {
            return step.answer;
        }
        if let Some(life) = step.write {
            row.life = life;
        }
        match step.erase {
            Erasure::Nothing => {}
            Erasure::Session(digest) => self.sessions.retain(|(_, of), _| *of != digest),
            Erasure::Everything => {
                row.is_erased = true;
                self.sessions.retain(|_, (_, of)| *of != cun);
            }
        }
        step.answer
    }

    pub fn open(&mut self, request: &OpenSession, key: SessionKey, moment: Moment) -> OpenOutcome {
        let Some(row) = self.rows.get(&request.cun) else {
            return OpenOutcome::Unknown;
        };
        let presenter = Presenter {
            operator: &request.operator,
            caller: &request.caller,
        };
        let session = Session::open(
            &request.session,
            presenter,
            &row.origin(),
            moment.now,
            request.lifetime_millis,
        );
        let step = row.life.open_session(&row.origin(), moment);
        if let Err(refusal) = self.obey(request.cun, step, moment) {
            return OpenOutcome::Refused(refusal);
        }
        self.sessions.insert(key, (session, request.cun));
        let view = self.session(key, request.session);
        OpenOutcome::Opened(view.expect("it is open"))
    }

    pub fn session(&self, key: SessionKey, id: sistema_ts_model::SessionId) -> Option<SessionView> {
        let (session, cun) = self.sessions.get(&key)?;
        let row = self.rows.get(cun)?;
        Some(SessionView {
            session: id,
            cun: *cun,
            operator: session.operator.clone(),
            caller: session.caller,
            region: row.test.caller.region()?,
            swab_date: row.test.swab.swab_date,
            opened_at: session.opened_at,
            lapses_at: session.lapses_at,
        })
    }

    pub fn claim(
        &mut self,
        request: &ClaimUnlock,
        key: SessionKey,
        moment: Moment,
    ) -> ClaimOutcome {
        let Some((session, cun)) = self.sessions.get(&key).cloned() else {
            return ClaimOutcome::NoSuchSession;
        };
        let Some(row) = self.rows.get(&cun) else {
            return ClaimOutcome::NoSuchSession;
        };
        let presenter = Presenter {
            operator: &request.operator,
            caller: &request.caller,
        };
        let step = row
            .life
            .claim(&row.origin(), &session, presenter, request.claim, moment);
        match self.obey(cun, step, moment) {
            Ok(claimed) => ClaimOutcome::Claimed { cun, claimed },
            Err(ClaimRefusal::SessionNotYours) => ClaimOutcome::NoSuchSession,
            Err(refusal) => ClaimOutcome::Refused(refusal),
        }
    }

    pub fn settle(&mut self, request: SettleUnlock, moment: Moment) -> Settlement {
        let Some(row) = self.rows.get(&request.cun) else {
            return Settlement::Stale;
        };
        let (claim, outcome) = (request.claim, request.outcome);
        let step = row.life.settle(&row.origin(), claim, outcome, moment);
        self.obey(request.cun, step, moment)
    }

    pub fn conclude(
        &mut self,
        request: &Confirmation,
        owner: Option<usize>,
        confirms: bool,
        moment: Moment,
    ) -> ConcludeOutcome {
        let Some(row) = self.rows.get(&request.cun) else {
            return ConcludeOutcome::Unknown;
        };
        let presenter = Presenter {
            operator: &request.operator,
            caller: &request.caller,
        };
        let given = request.session.as_ref().map(|id| {
            let digest = SessionDigest::of(id);
            let entry = self.sessions.get(&(owner, digest));
            let entry = entry.map(|(session, _)| session);
            GivenSession { digest, entry }
        });
        let decide = if confirms { Life::confirm } else { Life::annul };
        let step = decide(&row.life, &row.origin(), given, presenter, moment);
        match self.obey(request.cun, step, moment) {
            Ok(effect) => ConcludeOutcome::Done(effect),
            Err(refusal) => ConcludeOutcome::Refused(refusal),
        }
    }

    pub fn cancel(
        &mut self,
        asked: CancelTest,
        key: Option<ReceiptKey>,
        moment: Moment,
    ) -> CancelOutcome {
        let given = key.zip(asked.repeatable);
        let now = moment.now;
        if let Some((key, repeatable)) = &given
            && let Some(Receipt::Cancellation {
                content,
                transaction,
                at,
            }) = self.receipts.get(key)
            && at.plus_millis(CUN_LIFE_MILLIS) > now
        {
            return if *content == repeatable.content {
                let (transaction, at) = (*transaction, *at);
                CancelOutcome::Replayed { transaction, at }
            } else {
                CancelOutcome::RequestKeyReused
            };
        }
        let Some(row) = self.rows.get(&asked.cun) else {
            return CancelOutcome::NoSuchTest;
        };
        let swab = &row.test.swab;
        let is_person = row.is_erased || swab.fiscal_code == asked.fiscal_code;
        if !is_person || !swab.structure.is_same_as(&asked.structure) {
            return CancelOutcome::NoSuchTest;
        }
        let step = row.life.cancel(&row.origin(), &asked.caller, moment);
        match self.obey(asked.cun, step, moment) {
            Ok(effect @ (Effect::Done | Effect::AlreadyDone)) => {
                if let Some((key, Repeatable { content, .. })) = given {
                    let (transaction, at) = (asked.transaction, now);
                    let receipt = Receipt::Cancellation {
                        content,
                        transaction,
                        at,
                    };
                    self.receipts.insert(key, receipt);
                }
                CancelOutcome::Done { effect, at: now }
            }
            Err(CancelRefusal::NotSubmitter | CancelRefusal::Over(Over::Expired)) => {
                CancelOutcome::NoSuchTest
            }
            Err(refusal) => CancelOutcome::Refused(refusal),
        }
    }

    pub fn claim_person(
        &mut self,
        person: &CodiceFiscale,
        claim: NewClaim,
        moment: Moment,
    ) -> PersonOutcome {
        let mut steps = Vec::new();
        for (cun, row) in &self.rows {
            if row.is_erased || row.test.swab.fiscal_code != *person {
                continue;
            }
            let step = row.life.claim_for_person(&row.origin(), claim, moment);
            if step.answer == Err(PersonClaimRefusal::UnlockUnderWay) {
                return PersonOutcome::UnlockUnderWay;
            }
            steps.push((*cun, step));
        }
        let mut claimed = PersonClaim::default();
        for (cun, step) in steps {
            if self.obey(cun, step, moment).is_ok() {
                claimed.cuns.push(cun);
            }
        }
        PersonOutcome::Claimed(claimed)
    }

    pub fn settle_person(
        &mut self,
        person: &PersonClaim,
        claim: ClaimId,
        outcome: PostOutcome,
        moment: Moment,
    ) -> usize {
        let mut consumed = 0;
        for cun in &person.cuns {
            let settlement = SettleUnlock {
                cun: *cun,
                claim,
                outcome,
            };
            let written = self.settle(settlement, moment) == Settlement::Written;
            let is_over = self
                .rows
                .get(cun)
                .is_some_and(|row| row.life.state().is_over());
            consumed += usize::from(written && is_over);
        }
        consumed
    }

    pub fn expire(&mut self, limit: usize, horizon: Horizon, clock_error_millis: i64) -> Expired {
        let now = horizon.time();
        let moment = Moment {
            now,
            clock_error_millis,
        };
        self.swept = self.swept.max(Some(horizon));
        let codes: Vec<Cun> = self.rows.keys().copied().collect();
        let mut expired = Expired::default();
        for cun in codes {
            let row = &self.rows[&cun];
            if row.origin().expires_at() > now {
                let step = row.life.catch_up(&row.origin(), moment);
                self.obey(cun, step, moment);
            } else if expired.tests < limit {
                self.rows.remove(&cun);
                expired.tests += 1;
            } else {
                expired.more = true;
            }
        }
        let rows = &self.rows;
        self.arrived.retain(|cun| rows.contains_key(cun));
        self.sessions
            .retain(|_, (session, cun)| rows.contains_key(cun) && !session.has_lapsed(now));
        self.counts.forget(now);
        expired
    }

    /// What a scope lists, in the order in which it was submitted.
    pub fn list(&self, scope: &ListingScope, now: Timestamp) -> Vec<ListedTest> {
        let rows = self.arrived.iter().filter_map(|cun| self.kept(*cun, now));
        let stands = rows.filter(|row| {
            row.is_of(scope) && row.life.state() != sistema_ts_model::CunState::Cancelled
        });
        let listed = stands.map(|row| {
            let view = row.view();
            ListedTest {
                cun: view.cun,
                inserted_at: view.inserted_at,
                structure: view.structure,
                swab_date: view.swab_date,
                kind: view.kind,
                result: view.result,
            }
        });
        listed.collect()
    }
}

/// The key under which a caller's request is kept.
pub fn receipt_key(
    owner: Option<usize>,
    caller: &Caller,
    service: &str,
    repeatable: Option<&Repeatable>,
) -> Option<ReceiptKey> {
    let key = repeatable?.key.as_str();
    let caller = caller.to_key().to_string();
    Some((owner, caller, format!("{service} {key}")))
}
