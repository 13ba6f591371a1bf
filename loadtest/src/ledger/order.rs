//! Whether the answers about one CUN fit one order of events, with the model's own life of a CUN as the judge of each step.
//!
//! Two requests are in an order if one was answered before the other left; otherwise either may have come first. What is unknown
//! may have happened at any time after it left, or never. The orders are tried one after the other, which is little work: few
//! requests concern one CUN, and fewer overlap.

use std::collections::HashSet;

use sistema_ts_model::{
    CallCenterCode, Caller, ClaimId, CodiceFiscale, Effect, GivenSession, Life, Moment, NewClaim,
    Origin, PostOutcome, Presenter, Session, SessionDigest, TestResult, Timestamp,
};

use super::{Class, Kind};

/// Requests about one CUN that are judged; a CUN with more of them is left to the other rules.
pub(super) const MOST_EVENTS: usize = 64;
/// States that are tried at most for one CUN.
const MOST_TRIES: usize = 50_000;

/// `Test già annullato in precedenza` and its like.
const ALREADY_DONE: [u16; 3] = [3021, 3022, 3023];
/// The one-time code had been authorised before in this session: nothing changed.
const ALREADY_AUTHORISED: u16 = 5001;
/// Refusals that speak of the CUN's state, so that the life of the CUN must refuse as well.
const OF_THE_STATE: [u16; 5] = [3003, 3006, 3012, 3013, 3014];

/// A request about a CUN with what became of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub kind: Kind,
    pub class: Class,
    pub caller: u16,
    pub session: u32,
    pub finding: u16,
    /// Its place among all requests.
    pub left: u64,
    /// How many requests had left when it was settled; of what is unknown it does not count.
    pub settled: u64,
}

impl Event {
    /// Whether it tells anything about the life of its CUN.
    pub(super) fn tells(&self) -> bool {
        let is_of_life = matches!(
            self.kind,
            Kind::Cancel | Kind::Verify | Kind::Unlock | Kind::Confirm | Kind::Annul
        );
        let tells = match self.class {
            // A repeated answer (4001 and its like) tells what the first one did.
            Class::Done => !(4000..5000).contains(&self.finding),
            Class::Refused => OF_THE_STATE.contains(&self.finding),
            Class::Unknown => self.kind != Kind::Verify,
        };
        is_of_life && tells
    }

    fn is_optional(&self) -> bool {
        self.class == Class::Unknown
    }

    fn end(&self) -> u64 {
        if self.is_optional() {
            u64::MAX
        } else {
            self.settled
        }
    }
}

/// What is the same for all CUNs: times stand still, since nothing expires within a run.
pub(super) struct Order {
    operator: CodiceFiscale,
    moment: Moment,
}

impl Order {
    pub(super) fn new() -> Self {
        let now = Timestamp::from_millis_clamped(1_000_000);
        Self {
            // Who the operator is, is not judged here: one made-up code stands for all.
            operator: CodiceFiscale::parse("RSSMRA80A01H501U").expect("a valid code"),
            moment: Moment {
                now,
                clock_error_millis: 0,
            },
        }
    }

    /// Whether there is an order that all events fit; `None` if there are too many to tell. `submitter` is the number of the caller
    /// that submitted the test, which is a positive if `positive`.
    pub(super) fn fits(&self, submitter: u16, positive: bool, events: &[Event]) -> Option<bool> {
        if events.len() > MOST_EVENTS {
            return None;
        }
        let result = if positive {
            TestResult::Positive
        } else {
            TestResult::Negative
        };
        let mut search = Search {
            order: self,
            origin: Origin {
                issued_at: self.moment.now,
                result,
                submitter: caller(submitter),
            },
            events,
            seen: HashSet::new(),
        };
        let fits = search.any_order(0, &Life::new());
        (search.seen.len() < MOST_TRIES || fits).then_some(fits)
    }
}

fn caller(number: u16) -> Caller {
    let code = CallCenterCode::parse(&format!("c{number}"));
    Caller::CallCenter(code.expect("a letter and at most five digits"))
}

struct Search<'o> {
    order: &'o Order,
    origin: Origin,
    events: &'o [Event],
    /// Which events have happened, a bit each, and the life after them.
    seen: HashSet<(u64, Life)>,
}

impl Search<'_> {
    /// Whether the events that have not happened yet fit some order from here on.
    fn any_order(&mut self, happened: u64, life: &Life) -> bool {
        let left = |index: &usize| happened & (1 << index) == 0;
        let open: Vec<usize> = (0..self.events.len()).filter(left).collect();
        let must: Vec<usize> = open
            .iter()
            .copied()
            .filter(|index| !self.events[*index].is_optional())
            .collect();
        let Some(first_end) = must.iter().map(|index| self.events[*index].end()).min() else {
            return true;
        };
        if self.seen.len() >= MOST_TRIES || !self.seen.insert((happened, life.clone())) {
            return false;
        }
        for index in open {
            let event = self.events[index];
            // What left after another was answered did not happen before that.
            if event.left < first_end
                && let Some(next) = self.step(life, &event)
                && self.any_order(happened | (1 << index), &next)
            {
                return true;
            }
        }
        false
    }

    /// The life after the event; `None` if this life does not answer so.
    fn step(&self, life: &Life, event: &Event) -> Option<Life> {
        let moment = self.order.moment;
        let caller = caller(event.caller);
        let presenter = Presenter {
            operator: &self.order.operator,
            caller: &caller,
        };
        let digest = digest(event.session);
        let session = Session {
            digest,
            operator: self.order.operator.clone(),
            caller,
            opened_at: moment.now,
            lapses_at: Timestamp::MAX,
        };
        let given = (event.session != 0).then_some(GivenSession {
            digest,
            entry: Some(&session),
        });
        let next = |write: Option<Life>| write.unwrap_or_else(|| life.clone());
        let (answer, after) = match event.kind {
            Kind::Verify => {
                let step = life.open_session(&self.origin, moment);
                (step.answer.ok().map(|()| Effect::Done), next(step.write))
            }
            Kind::Unlock => {
                let claim = NewClaim {
                    id: ClaimId(1),
                    deadline: Timestamp::MAX,
                };
                let step = life.claim(&self.origin, &session, presenter, claim, moment);
                let claimed = next(step.write);
                match step.answer {
                    Ok(_) => {
                        let outcome = if event.finding == ALREADY_AUTHORISED {
                            PostOutcome::NotDelivered
                        } else {
                            PostOutcome::Delivered
                        };
                        let settled = claimed.settle(&self.origin, claim.id, outcome, moment);
                        (Some(Effect::Done), settled.write.unwrap_or(claimed))
                    }
                    Err(_) => (None, claimed),
                }
            }
            Kind::Confirm => {
                let step = life.confirm(&self.origin, given, presenter, moment);
                (step.answer.ok(), next(step.write))
            }
            Kind::Annul => {
                let step = life.annul(&self.origin, given, presenter, moment);
                (step.answer.ok(), next(step.write))
            }
            Kind::Cancel => {
                let step = life.cancel(&self.origin, &caller, moment);
                (step.answer.ok(), next(step.write))
            }
            // `tells` lets no other pass.
            _ => return None,
        };
        match event.class {
            Class::Refused => answer.is_none().then_some(after),
            Class::Unknown => answer.is_some().then_some(after),
            Class::Done => {
                let wanted = if ALREADY_DONE.contains(&event.finding) {
                    Effect::AlreadyDone
                } else {
                    Effect::Done
                };
                (answer == Some(wanted)).then_some(after)
            }
        }
    }
}

fn digest(mark: u32) -> SessionDigest {
    let mut bytes = [0; SessionDigest::LENGTH];
    bytes[..4].copy_from_slice(&mark.to_le_bytes());
    SessionDigest::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    //! A failure: a history that a right server can give is called wrong, or one that it cannot give is called right.

    use super::*;

    fn event(kind: Kind, session: u32, at: u32) -> Event {
        Event {
            kind,
            class: Class::Done,
            caller: 1,
            session,
            finding: 0,
            left: u64::from(at) * 10,
            settled: u64::from(at) * 10 + 5,
        }
    }

    fn with(finding: u16, event: Event) -> Event {
        Event { finding, ..event }
    }

    fn unknown(event: Event) -> Event {
        let class = Class::Unknown;
        Event { class, ..event }
    }

    fn refused(finding: u16, event: Event) -> Event {
        let class = Class::Refused;
        Event {
            class,
            finding,
            ..event
        }
    }

    fn fits(events: &[Event]) -> bool {
        assert!(events.iter().all(Event::tells));
        Order::new().fits(0, true, events).is_some_and(|fits| fits)
    }

    use Kind::{Annul, Cancel, Confirm, Unlock, Verify};

    #[test]
    fn the_usual_chain_fits_and_its_parts_do_not_in_another_order() {
        let chain = |order: [u32; 4]| {
            [
                event(Verify, 7, order[0]),
                event(Unlock, 7, order[1]),
                event(Confirm, 7, order[2]),
                with(3022, event(Confirm, 7, order[3])),
            ]
        };
        assert!(fits(&chain([1, 2, 3, 4])));
        assert!(!fits(&chain([1, 3, 2, 4])));
        assert!(!fits(&chain([4, 1, 2, 3])));
        assert!(!fits(&chain([1, 2, 4, 3])));
        assert!(
            !Order::new()
                .fits(0, false, &chain([1, 2, 3, 4]))
                .unwrap_or(true)
        );
    }

    #[test]
    fn two_sessions_unlock_one_after_the_other_only_with_an_annulment_between() {
        let (first, second) = (event(Unlock, 7, 1), event(Unlock, 8, 3));
        assert!(!fits(&[first, second]));
        assert!(fits(&[first, event(Annul, 7, 2), second]));
        assert!(!fits(&[first, event(Annul, 7, 4), second]));
        assert!(fits(&[first, unknown(event(Annul, 7, 2)), second]));
    }

    #[test]
    fn at_most_three_codes_are_delivered() {
        let deliver = |count: u32| {
            (1..=count)
                .map(|at| event(Unlock, 7, at))
                .collect::<Vec<_>>()
        };
        assert!(fits(&deliver(3)));
        assert!(!fits(&deliver(4)));
        let mut repeated = deliver(3);
        repeated.push(refused(3013, event(Unlock, 7, 4)));
        assert!(fits(&repeated));
    }

    #[test]
    fn what_is_unknown_happened_or_not_and_later_answers_tell_which() {
        let lost = unknown(event(Confirm, 7, 3));
        let before = [event(Verify, 7, 1), event(Unlock, 7, 2), lost];
        let and = |last: Event| fits(&[&before[..], &[last]].concat());
        assert!(and(event(Confirm, 7, 4)));
        assert!(and(with(3022, event(Confirm, 7, 4))));
        assert!(and(event(Cancel, 0, 4).of(0)));
        assert!(and(refused(3014, event(Cancel, 0, 4).of(0))));
        // Confirmed or not, it is not free to be verified.
        assert!(!and(event(Verify, 9, 4)));
    }

    impl Event {
        fn of(self, caller: u16) -> Self {
            Self { caller, ..self }
        }
    }

    #[test]
    fn what_overlaps_may_have_come_in_either_order() {
        let mut confirm = event(Confirm, 0, 2);
        let unlock = event(Unlock, 7, 3);
        assert!(!fits(&[confirm, unlock]));
        confirm.settled = unlock.left + 1;
        assert!(fits(&[confirm, unlock]));
    }

    #[test]
    fn an_effect_that_vanished_is_seen_by_the_refusal_that_follows() {
        let chain = [
            event(Verify, 7, 1),
            event(Unlock, 7, 2),
            refused(3003, event(Confirm, 7, 3)),
        ];
        assert!(!fits(&chain));
        assert!(!fits(&[event(Cancel, 0, 1).of(0), event(Verify, 7, 2)]));
    }

    #[test]
    fn many_lost_answers_are_judged_in_bounded_work() {
        let mut events: Vec<_> = (0..30)
            .map(|number| unknown(event(Unlock, number, 1)))
            .collect();
        events.push(event(Verify, 40, 100));
        assert!(fits(&events));
        let too_many: Vec<_> = (0..100).map(|at| event(Unlock, 7, at)).collect();
        assert_eq!(Order::new().fits(0, true, &too_many), None);
    }
}
