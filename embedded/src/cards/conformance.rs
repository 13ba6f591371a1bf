//! The register of health cards in SQLite keeps what every one must. What counts as failure is said at the head of each module of the suite.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use async_trait::async_trait;
use sistema_ts_store::cards::{AdditionError, AdditionName, CardError, CardImport, CardRegister};
use sistema_ts_store::conformance::cards::CardsFactory;

use super::test_place::Place;
use super::{EmbeddedCardImport, EmbeddedCardRegister, additions, remove_addition};

#[async_trait]
impl CardsFactory for Place {
    async fn open(&self) -> Arc<dyn CardRegister> {
        Arc::new(EmbeddedCardRegister::open(&self.data(), &self.key).unwrap())
    }

    fn begin(&self, source: &[u8]) -> Result<Box<dyn CardImport>, CardError> {
        // Runs as short as these make an import of some.
        let begun = EmbeddedCardImport::begin_with(&self.data(), &self.key, source, false, 10)?;
        Ok(Box::new(begun))
    }

    fn additions(&self) -> Result<Vec<AdditionName>, CardError> {
        additions(&self.data())
    }

    fn remove_addition(&self, name: &AdditionName) -> Result<u64, AdditionError> {
        remove_addition(&self.data(), &self.key, name)
    }
}

mod suite {
    use super::Place;

    sistema_ts_store::cards_suite!(Place::new());
}
