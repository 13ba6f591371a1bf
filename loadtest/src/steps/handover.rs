//! What steps go on from: bounded queues of what others' answers gave, and the bytes of requests.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;

use chrono::{Days, NaiveDate};
use sistema_ts_model::{CUN_COUNT, Cun};

use super::template::{Field, KEY_LENGTH, ListingRange, Template};
use super::work::{Content, SWAB_DAYS, Work};
use crate::callers::people::{Numbers, card_digits};
use crate::callers::{Caller, Callers};
use crate::ledger::{Class, Intent, Kind, Purpose};
use crate::scenario::{Scenario, Step};
use crate::wire::reading::Reading;

/// Most that waits in a queue: what comes then is not handed on, which loses nothing but a later step.
pub(super) const QUEUE: usize = 65_536;
/// Submissions of a caller that replays choose from.
const REPLAYABLE: usize = 4_096;
/// One in so many people is for ASLs' codes alone, where there are any: such a code erases a person, and would take the tests
/// from under the call centre.
const ASL_PEOPLE: u32 = 16;
/// One in so many negatives can be repeated later; the others can be cancelled.
const REPLAYED_NEGATIVES: u32 = 2;

/// Everything that requests are made of.
pub(crate) struct Steps {
    callers: Arc<Callers>,
    seed: u64,
    positives: u64,
    /// Swab dates, the newest first.
    dates: Vec<[u8; 10]>,
    today: NaiveDate,
    key_prefix: [u8; 8],
    number: u32,
    numbers: Numbers,
    sends: Sends,
    templates: Vec<Option<Template>>,
    /// By caller.
    of_caller: Vec<CallerQueues>,
    /// Positives that a call centre can verify.
    verifiable: VecDeque<Work>,
    /// Positives that an attacker tries cards with.
    guessable: VecDeque<Work>,
    /// The request for a listing's next page, of which there are few.
    page: Vec<u8>,
}

/// What is waited for by steps that only the same caller can send.
#[derive(Default)]
struct CallerQueues {
    replayable: Vec<Work>,
    cancellable: VecDeque<Work>,
    asl: VecDeque<Work>,
    bookmarks: VecDeque<String>,
    verified: VecDeque<Work>,
    unlocked: VecDeque<Work>,
    next_operator: u16,
}

/// Which steps the scenario sends: what nobody goes on from is not kept.
#[derive(Debug, Clone, Copy)]
struct Sends {
    replay: bool,
    cancel: bool,
    verify: bool,
    guess: bool,
    unlock: bool,
    end: bool,
    send_code: bool,
}

fn push<T>(queue: &mut VecDeque<T>, value: T) {
    if queue.len() < QUEUE {
        queue.push_back(value);
    }
}

impl Steps {
    /// For a run. `today` is Rome's day at its beginning; two runs with different `run` have different receipt keys.
    pub(crate) fn new(
        scenario: &Scenario,
        callers: Arc<Callers>,
        today: NaiveDate,
        run: u32,
    ) -> Self {
        let dates = (0..SWAB_DAYS)
            .filter_map(|back| today.checked_sub_days(Days::new(back)))
            .filter_map(|day| <[u8; 10]>::try_from(day.to_string().as_bytes()).ok())
            .collect();
        let mut key_prefix = [0; 8];
        write_number(&mut key_prefix, u64::from(run), 16);
        let of_caller = callers
            .all
            .iter()
            .map(|_| CallerQueues::default())
            .collect();
        let templates = vec![None; callers.all.len() * Step::ALL.len()];
        let sends = |step| scenario.sends(step);
        Self {
            seed: scenario.seed,
            positives: scenario.positives,
            dates,
            today,
            key_prefix,
            number: 0,
            numbers: Numbers::new(scenario.seed ^ u64::from(run)),
            sends: Sends {
                replay: sends(Step::Replay),
                cancel: sends(Step::Cancel),
                verify: sends(Step::Verify),
                guess: sends(Step::Guess),
                unlock: sends(Step::Unlock),
                end: sends(Step::Confirm) || sends(Step::Annul),
                send_code: sends(Step::SendCode),
            },
            templates,
            of_caller,
            verifiable: VecDeque::new(),
            guessable: VecDeque::new(),
            page: Vec::new(),
            callers,
        }
    }

    /// A new request of this step by this caller; `None` if there is nothing that it could go on from.
    pub(crate) fn draft(&mut self, step: Step, caller: u16) -> Option<Work> {
        let queues = &mut self.of_caller[usize::from(caller)];
        let mut work = match step {
            Step::Submit | Step::SubmitWithoutKey => return Some(self.submission(step, caller)),
            Step::Replay => {
                let place = self.numbers.below(queues.replayable.len().max(1));
                let mut work = *queues.replayable.get(place)?;
                work.purpose = Purpose::Replay;
                work.step = step;
                // Its number is that of its first sending.
                return Some(work);
            }
            Step::List => Work {
                cun: None,
                ..self.empty(step, caller)
            },
            Step::Cancel => queues.cancellable.pop_front()?,
            Step::SendCode => queues.asl.pop_front()?,
            Step::Verify => {
                let operator = self.operator(caller, false);
                let work = self.verifiable.pop_front()?;
                Work { operator, ..work }
            }
            Step::Guess => {
                let operator = self.operator(caller, true);
                let work = self.guessable.pop_front()?;
                // The next guess at this one comes when all others had their turn.
                push(&mut self.guessable, work);
                Work { operator, ..work }
            }
            Step::Unlock => queues.verified.pop_front()?,
            Step::Confirm | Step::Annul => queues.unlocked.pop_front()?,
        };
        work.step = step;
        work.caller = caller;
        work.purpose = Purpose::Load;
        work.number = self.next_number();
        Some(work)
    }

    /// The request that an intent of this run describes; `None` if it is none that can be sent again. What a submission says
    /// follows from its number, which is that of its key.
    pub(crate) fn work_of(&self, intent: &Intent) -> Option<Work> {
        let number = intent.key.map_or(0, NonZeroU32::get);
        let step = match intent.kind {
            Kind::Submit if number != 0 => Step::Replay,
            Kind::Cancel if number != 0 => Step::Cancel,
            Kind::Verify => Step::Verify,
            _ => return None,
        };
        Some(Work {
            step,
            purpose: intent.purpose,
            operator: intent.operator,
            number,
            person: intent.person,
            positive: intent.positive,
            day: self.content(number).day,
            cun: intent.cun,
            ..self.empty(step, intent.caller)
        })
    }

    /// The bytes of a request for a listing, or its next page.
    pub(crate) fn listing(
        &self,
        caller: u16,
        range: &ListingRange,
        bookmark: Option<&str>,
    ) -> Vec<u8> {
        let caller = &self.callers.all[usize::from(caller)];
        Template::listing(caller, range, bookmark)
            .fill(|_, _| {})
            .to_vec()
    }

    fn content(&self, number: u32) -> Content {
        // At most 65,536, as was checked.
        let people = self.callers.people.len() as u32;
        Content::of(self.seed, number, people, self.positives)
    }

    fn next_number(&mut self) -> u32 {
        // 2³² requests are enough for a day at 49,000 a second; afterwards keys come again, and are refused as such.
        self.number = self.number.wrapping_add(1).max(1);
        self.number
    }

    fn empty(&self, step: Step, caller: u16) -> Work {
        Work {
            step,
            purpose: Purpose::Load,
            caller,
            operator: 0,
            number: 0,
            person: 0,
            positive: false,
            day: 0,
            cun: None,
            session: None,
        }
    }

    fn submission(&mut self, step: Step, caller: u16) -> Work {
        let number = self.next_number();
        let content = self.content(number);
        Work {
            number,
            person: content.person,
            positive: content.positive,
            day: content.day,
            ..self.empty(step, caller)
        }
    }

    /// Operators take turns. Where there is an attack the second half of them attack, since an operator's failures count against her.
    fn operator(&mut self, caller: u16, attacks: bool) -> u16 {
        let count = self.callers.all[usize::from(caller)].operators.len().max(1) as u16;
        let next = &mut self.of_caller[usize::from(caller)].next_operator;
        *next = next.wrapping_add(1);
        if !self.sends.guess || count < 2 {
            return *next % count;
        }
        let honest = count / 2;
        if attacks {
            honest + *next % (count - honest)
        } else {
            *next % honest
        }
    }

    /// The bytes of a request.
    pub(crate) fn write(&mut self, work: &Work) -> &[u8] {
        let callers = Arc::clone(&self.callers);
        let caller = &callers.all[usize::from(work.caller)];
        if work.step == Step::List
            && let Some(bookmark) = self.of_caller[usize::from(work.caller)]
                .bookmarks
                .pop_front()
        {
            let range = ListingRange {
                from: self.today,
                to: self.today,
                maximum: None,
            };
            self.page = self.listing(work.caller, &range, Some(&bookmark));
            return &self.page;
        }
        let place = usize::from(work.caller) * Step::ALL.len() + work.step.index();
        let template = self.templates[place]
            .get_or_insert_with(|| Template::new(work.step, caller, self.today));
        let (dates, key_prefix) = (&self.dates, &self.key_prefix);
        template.fill(|field, place| match field {
            Field::Person => place.copy_from_slice(&callers.people[work.person as usize]),
            Field::SwabDate => place.copy_from_slice(&dates[usize::from(work.day)]),
            Field::Result => place[0] = if work.positive { b'P' } else { b'N' },
            Field::Key => place.copy_from_slice(&key(*key_prefix, work.number)),
            Field::Cun => {
                if let Some(cun) = work.cun {
                    place.copy_from_slice(&cun.to_text());
                }
            }
            Field::Operator => place.copy_from_slice(operator_of(caller, work.operator)),
            Field::Card => place.copy_from_slice(&card(work)),
            Field::Session => {
                if let Some(session) = work.session {
                    place.copy_from_slice(&session);
                }
            }
            Field::OneTimeCode => place.copy_from_slice(&one_time_code(*key_prefix, work.number)),
        })
    }

    /// Hands on what an answer gave. `class` is the ledger's.
    pub(crate) fn answered(&mut self, work: &Work, reading: &Reading, class: Class) {
        if class != Class::Done || work.purpose == Purpose::Probe {
            return;
        }
        match work.step {
            Step::Submit | Step::SubmitWithoutKey => {
                if let Some(cun) = reading.cun {
                    self.submitted(Work {
                        cun: Some(cun),
                        ..*work
                    });
                }
            }
            Step::Verify => {
                if let Some(session) = reading.session.filter(|_| self.sends.unlock) {
                    let work = Work {
                        session: Some(session),
                        ..*work
                    };
                    push(&mut self.of_caller[usize::from(work.caller)].verified, work);
                }
            }
            Step::Unlock if self.sends.end => {
                push(
                    &mut self.of_caller[usize::from(work.caller)].unlocked,
                    *work,
                );
            }
            // The code can be verified again.
            Step::Annul => {
                let work = Work {
                    session: None,
                    ..*work
                };
                push(&mut self.verifiable, work);
            }
            _ => {}
        }
    }

    /// A listing's page was read; the next one is another request's.
    pub(crate) fn listed(&mut self, caller: u16, bookmark: Option<String>) {
        if let Some(bookmark) = bookmark {
            push(&mut self.of_caller[usize::from(caller)].bookmarks, bookmark);
        }
    }

    fn submitted(&mut self, work: Work) {
        let queues = &mut self.of_caller[usize::from(work.caller)];
        if work.positive {
            if self.sends.send_code && work.person.is_multiple_of(ASL_PEOPLE) {
                push(&mut queues.asl, work);
                return;
            }
            // With an attack every second positive is its own, so that its victims are not also verified.
            if self.sends.guess && (!self.sends.verify || work.number.is_multiple_of(2)) {
                if self.guessable.len() < REPLAYABLE {
                    self.guessable.push_back(work);
                }
            } else if self.sends.verify {
                push(&mut self.verifiable, work);
            }
        } else if self.sends.replay
            && work.step == Step::Submit
            && work.number.is_multiple_of(REPLAYED_NEGATIVES)
        {
            if queues.replayable.len() < REPLAYABLE {
                queues.replayable.push(work);
            } else {
                let place = self.numbers.below(REPLAYABLE);
                queues.replayable[place] = work;
            }
        } else if self.sends.cancel {
            push(&mut queues.cancellable, work);
        }
    }
}

fn operator_of(caller: &Caller, number: u16) -> &[u8; 16] {
    &caller.operators[usize::from(number) % caller.operators.len()]
}

/// The person's card, or in an attack another one.
fn card(work: &Work) -> [u8; 8] {
    let mut digits = card_digits(work.person as usize);
    if work.step == Step::Guess {
        // Another last digit is another card, whatever the number.
        digits[7] = b'0' + (digits[7] - b'0' + 1 + (work.number % 9) as u8) % 10;
    }
    digits
}

/// The receipt key of a number.
fn key(prefix: [u8; 8], number: u32) -> [u8; KEY_LENGTH] {
    let mut key = *b"LT-00000000-000000000000";
    key[3..11].copy_from_slice(&prefix);
    write_number(&mut key[12..], u64::from(number), 10);
    key
}

/// A made-up one-time code: it has the alphabet and the check symbol of a CUN.
fn one_time_code(prefix: [u8; 8], number: u32) -> [u8; 10] {
    let random = Numbers::new(u64::from_le_bytes(prefix) ^ u64::from(number)).next();
    let mut code = [0; 10];
    // Every number below the count has its code.
    if let Some(symbols) = Cun::from_number(random % CUN_COUNT) {
        code.copy_from_slice(&symbols.to_text()[4..]);
    }
    code
}

/// Writes the last digits of `value`, right-aligned.
fn write_number(place: &mut [u8], mut value: u64, base: u64) {
    for byte in place.iter_mut().rev() {
        *byte = b"0123456789abcdef"[(value % base) as usize];
        value /= base;
    }
}
