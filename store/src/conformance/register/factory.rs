//! What the tests of the register give to its suite: how it is opened.

use std::sync::Arc;

use async_trait::async_trait;

use super::super::names::Names;
use crate::register::{Register, RegisterJournal};

/// Opens the register under test, which is there and may hold what other checks have left.
#[async_trait]
pub trait RegisterFactory: Send + Sync {
    /// The names of this place.
    fn names(&self) -> &Names;

    /// Opens it once more, as another process does that ends soon: it looks for what others change when it is asked to, and tells its own changes
    /// to `journal`.
    async fn open(&self, journal: Arc<dyn RegisterJournal>) -> Arc<dyn Register>;

    /// Opens it once more, as another server does: it looks for what others change again and again, within a second.
    async fn open_watching(&self) -> Arc<dyn Register>;
}
