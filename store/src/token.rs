//! What a store notes for itself in what it hands out and gets back.

use std::fmt;

/// Eight bytes that mean something to the store alone that has made them: a row, a number, a claim. Whoever holds them hands them back as they
/// are, and a bookmark may carry them. They could tell how many tests there are, so they are printed nowhere.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct StoreToken([u8; StoreToken::LENGTH]);

impl StoreToken {
    /// Bytes of each.
    pub const LENGTH: usize = 8;

    /// As a store makes it, or as a bookmark brings it back.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; StoreToken::LENGTH]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; StoreToken::LENGTH] {
        self.0
    }

    /// The token of a store whose tokens are numbers.
    #[must_use]
    pub const fn of_number(number: i64) -> Self {
        Self(number.to_be_bytes())
    }

    /// The number in the token of such a store.
    #[must_use]
    pub const fn number(self) -> i64 {
        i64::from_be_bytes(self.0)
    }
}

impl fmt::Debug for StoreToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StoreToken(..)")
    }
}
