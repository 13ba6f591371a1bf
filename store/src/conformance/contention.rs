//! What a caller may do about a store that is asked by many at once. Every race of the suite goes by this one rule:
//!
//! - [`StoreError::Overloaded`]: nothing was done, so the caller asks again;
//! - [`StoreError::UnknownOutcome`]: it was done whole or not at all. The caller asks again ([`insist`]), and takes what it is then told to be done
//!   already, or to be taken, for possibly its own doing. What must not be done twice it does not repeat ([`ask_once`]);
//! - any other error is a failure.
//!
//! What is left is judged: of those who race one has won and is told so, or is among those whose outcome was unknown ([`one_winner`]).

use std::future::Future;
use std::time::Duration;

use crate::StoreError;

/// How often a store may say that it has no room, or does not know, before that is a failure.
pub const TRIES: u32 = 200;
/// Wait of those whom it had no room for.
pub const PAUSE: Duration = Duration::from_millis(20);

/// What one asker was told in the end.
#[derive(Debug)]
pub struct Told<T> {
    /// The last answer.
    pub answer: T,
    /// Whether the outcome of an earlier try is unknown: what is done already may be its own doing.
    pub may_be_its_own: bool,
}

/// Asks until the store says what became of it.
pub async fn insist<T, F>(mut ask: impl FnMut() -> F) -> Told<T>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut may_be_its_own = false;
    for _ in 0..TRIES {
        match ask().await {
            Ok(answer) => {
                return Told {
                    answer,
                    may_be_its_own,
                };
            }
            Err(StoreError::UnknownOutcome { .. }) => may_be_its_own = true,
            Err(StoreError::Overloaded { .. }) => tokio::time::sleep(PAUSE).await,
            Err(error) => panic!("a store that is asked by many has failed: {error}"),
        }
    }
    panic!("a store has not said in {TRIES} tries what became of what it was asked")
}

/// Asks until something may have been done; none if it is unknown whether it was.
pub async fn ask_once<T, F>(mut ask: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let told = insist(|| {
        let asked = ask();
        async move {
            match asked.await {
                Ok(answer) => Ok(Some(answer)),
                Err(StoreError::UnknownOutcome { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        }
    });
    told.await.answer
}

/// Which asker was told that it has won. None only if the winner may be one whose outcome was unknown; then it is hidden among them.
pub fn one_winner<T>(what: &str, said: &[Told<T>], has_won: impl Fn(&T) -> bool) -> Option<usize> {
    let won = |told: &Told<T>| has_won(&told.answer);
    let winners = said.iter().filter(|told| won(told)).count();
    assert!(
        winners <= 1,
        "{what}: {winners} are told that they have won"
    );
    let may_be_hidden = said.iter().any(|told| told.may_be_its_own);
    assert!(winners == 1 || may_be_hidden, "{what}: nobody has won");
    said.iter().position(won)
}

/// Whether so many of those who asked once were told that they were among the first `most`: with those of whom it is unknown no fewer.
pub fn assert_first<T>(what: &str, said: &[Option<T>], most: usize, is_first: impl Fn(&T) -> bool) {
    let first = said.iter().flatten().filter(|said| is_first(said)).count();
    let unknown = said.iter().filter(|said| said.is_none()).count();
    assert!(first <= most, "{what}: {first} where {most} may");
    assert!(
        first + unknown >= most,
        "{what}: {first}, and {unknown} unknown, where {most} may"
    );
}
