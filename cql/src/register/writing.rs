//! Changing the register: each change is one conditional batch, on the condition that the version is the one that it was judged by.
//!
//! What is kept of a person is a plain write of its own, before the batch, since the nodes keep what a conditional write carries for days.

use std::sync::Arc;
use std::time::Duration;

use scylla::value::CqlValue;
use sistema_ts_model::{Clock as _, SystemClock};
use sistema_ts_store::register::{Act, RegisterChange, RegisterError};

use super::entry::{Entry, Key, Kind, change_id, values};
use super::judging::{Judge, Plan};
use super::state::{State, caller_of, person_of, user_id};
use super::{Shared, unavailable};
use crate::place::timestamp;
use crate::statement::Statement;
use crate::submission::random_number;

/// So many races a change may lose against others' changes.
const MOST_RACES: usize = 200;
/// So often is a batch sent whose answer is missing.
const MOST_TRIES: usize = 4;
/// Whoever has lost a race waits for up to so long, each for a while of its own.
const LONGEST_PAUSE_MILLIS: u64 = 20;

impl Shared {
    /// Makes a change, if the rules allow it; has the journal hear of it, before and after.
    pub(super) async fn change(
        self: &Arc<Self>,
        change: RegisterChange,
        act: Act,
    ) -> Result<(), RegisterError> {
        let wish = Arc::new((change, act));
        let mut state = self.state.lock().await;
        let mut has_begun = false;
        let outcome = self.try_change(&mut state, &wish, &mut has_begun).await;
        if !has_begun {
            return outcome;
        }
        let shared = Arc::clone(self);
        let end = move || {
            let (change, act) = &*wish;
            let told = outcome.as_ref().copied();
            shared.journal.end(change, act, told);
            outcome
        };
        let ended = tokio::task::spawn_blocking(end).await;
        ended.unwrap_or_else(|_| Err(RegisterError::UnknownOutcome("it was ended".to_owned())))
    }

    async fn try_change(
        self: &Arc<Self>,
        state: &mut State,
        wish: &Arc<(RegisterChange, Act)>,
        has_begun: &mut bool,
    ) -> Result<(), RegisterError> {
        let (change, act) = &**wish;
        for _ in 0..MOST_RACES {
            self.catch_up(state).await?;
            let judge = Judge {
                state,
                key: &self.key,
                act,
                reference: random_number().map_err(unavailable)?,
                written_at: SystemClock.now(),
            };
            let (plan, version) = (judge.plan(change)?, judge.version());
            if !*has_begun {
                let (shared, wish) = (Arc::clone(self), Arc::clone(wish));
                let begin = move || shared.journal.begin(&wish.0, &wish.1);
                let begun = tokio::task::spawn_blocking(begin).await;
                begun.unwrap_or_else(|_| {
                    Err(RegisterError::NotNoted("it has panicked".to_owned()))
                })?;
                *has_begun = true;
            }
            if plan.writes_person {
                self.write_person(&plan).await?;
            }
            if self.commit(&plan, version).await? {
                return self.apply(state, plan, version).await;
            }
            if let (true, Some((_, entry))) = (plan.writes_person, plan.put.first()) {
                self.erase_person_of(entry).await;
            }
            let pause = rand::random_range(0..=LONGEST_PAUSE_MILLIS);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Err(RegisterError::Overloaded)
    }

    async fn write_person(&self, plan: &Plan) -> Result<(), RegisterError> {
        let Some((key, entry)) = plan.put.first() else {
            return Ok(());
        };
        let person = person_of(entry)?;
        let sealed = match key.kind {
            Kind::User => self.key.seal_user(&user_id(&key.id)?, &person.fiscal_code),
            _ => {
                let caller = caller_of(&entry.row)?;
                self.key.seal_operator(&caller, &person.fiscal_code)
            }
        };
        let sealed = sealed.map_err(|error| RegisterError::Unavailable(error.to_string()))?;
        let credential = person.credential.as_ref();
        let values = (
            entry.row.reference,
            sealed,
            credential.map(|credential| credential.expose()),
            person.written_at.millis(),
            timestamp(person.written_at),
        );
        let written = self.cluster.write(Statement::WritePerson, values).await;
        written.map_err(unavailable)
    }

    /// Whether the change has come about; it has not if another has led to its version. A batch without an answer is sent again: both copies have
    /// the same condition, so that one at most is carried out.
    async fn commit(&self, plan: &Plan, version: i64) -> Result<bool, RegisterError> {
        let change = random_number().map_err(unavailable)?;
        let batch = batch_of(plan, version, change);
        let mut reason = String::new();
        for attempt in 0..MOST_TRIES {
            match self.cluster.decide_together(&batch).await {
                Ok(decided) if decided.applied => return Ok(true),
                Ok(_) if attempt == 0 => return Ok(false),
                Ok(_) => {}
                Err(error) => reason = error.to_string(),
            }
            let read = self
                .cluster
                .read_one::<(Option<i64>,)>(Statement::ReadChange, (change_id(version),));
            match read.await {
                Ok(Some((decided,))) => return Ok(decided == Some(change)),
                // Not yet: a copy may still be under way.
                Ok(None) => {}
                Err(error) => reason = error.to_string(),
            }
        }
        Err(RegisterError::UnknownOutcome(reason))
    }

    /// What this process knows, after its own change; and nothing is kept of whom it has removed.
    async fn apply(
        &self,
        state: &mut State,
        plan: Plan,
        version: i64,
    ) -> Result<(), RegisterError> {
        let mut touched = Vec::new();
        let mut gone = Vec::new();
        for (key, entry) in plan.put {
            touched.push(key.clone());
            let reference = entry.row.reference;
            let before = state.entries.insert(key, entry);
            gone.extend(before.filter(|before| before.row.reference != reference));
        }
        for key in plan.dropped {
            gone.extend(state.entries.remove(&key));
            touched.push(key);
        }
        state.version = Some(version);
        self.publish(state, Some(&touched))?;
        for entry in gone {
            self.erase_person_of(&entry).await;
        }
        Ok(())
    }

    async fn erase_person_of(&self, entry: &Entry) {
        if let (Some(reference), Some(person)) = (entry.row.reference, &entry.person) {
            self.erase_person(reference, person.written_at).await;
        }
    }
}

/// The batch of a change.
fn batch_of(plan: &Plan, version: i64, change: i64) -> Vec<(Statement, Vec<Option<CqlValue>>)> {
    let number = |number| Some(CqlValue::BigInt(number));
    let text = |text: String| Some(CqlValue::Text(text));
    let mut batch = vec![(
        Statement::RaiseVersion,
        vec![number(version), number(version - 1)],
    )];
    for (key, entry) in &plan.put {
        batch.push((Statement::PutEntry, values(key, &entry.row)));
    }
    for Key { kind, id } in &plan.dropped {
        let kind = Some(CqlValue::TinyInt(*kind as i8));
        batch.push((Statement::DropEntry, vec![kind, text(id.clone())]));
    }
    let touched = plan.put.iter().map(|(key, _)| key).chain(&plan.dropped);
    let lines: Vec<String> = touched.map(Key::to_line).collect();
    let note = vec![
        text(change_id(version)),
        number(change),
        text(lines.join("\n")),
    ];
    batch.push((Statement::NoteChange, note));
    batch
}
