//! What the tests of the register of cards give to its suite: how it is opened.

use std::sync::Arc;

use async_trait::async_trait;

use crate::cards::{AdditionError, AdditionName, CardError, CardImport, CardRegister};

/// Opens the register of cards under test; at first there is none.
#[async_trait]
pub trait CardsFactory: Send + Sync {
    /// Opens it for checks.
    async fn open(&self) -> Arc<dyn CardRegister>;

    /// Begins an import, or goes on with an interrupted one of the same source; one of another source is given up.
    fn begin(&self, source: &[u8]) -> Result<Box<dyn CardImport>, CardError>;

    /// The names under which cards were added.
    fn additions(&self) -> Result<Vec<AdditionName>, CardError>;

    /// Takes the cards out that were added under a name; how many the register holds then.
    fn remove_addition(&self, name: &AdditionName) -> Result<u64, AdditionError>;
}
