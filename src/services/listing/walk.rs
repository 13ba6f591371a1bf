//! Reading a listing page by page, the next one while the last is on its way to the client.

use std::sync::Arc;

use sistema_ts_store::{
    ListedTest, ListingPage, ListingPosition, ListingRequest, Store, StoreError,
};
use tokio::task::JoinHandle;

/// Tests read at once.
const PAGE: usize = 2_048;

/// A listing as far as it was read.
pub(super) struct Walk {
    store: Arc<dyn Store>,
    request: ListingRequest,
    /// Tests still to be read.
    remaining: usize,
    /// Whether the store has said that there are no more.
    has_ended: bool,
    ahead: Option<JoinHandle<Result<ListingPage, StoreError>>>,
}

impl Walk {
    /// Reads at most `maximum` tests of what `request` asks for; its own limit does not count.
    pub(super) fn new(store: Arc<dyn Store>, request: ListingRequest, maximum: usize) -> Self {
        Self {
            store,
            request,
            remaining: maximum,
            has_ended: false,
            ahead: None,
        }
    }

    /// The next tests; `None` when as many were read as were asked for, or there are no more. A page may be empty.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<ListedTest>>, StoreError> {
        if self.remaining == 0 || self.has_ended {
            return Ok(None);
        }
        let page = match self.ahead.take() {
            Some(ahead) => ahead.await.map_err(|_| stopped())??,
            None => self.read(self.limit()).await?,
        };
        self.remaining = self.remaining.saturating_sub(page.tests.len());
        self.advance(page.next);
        if self.remaining > 0 && !self.has_ended {
            let (store, request) = (Arc::clone(&self.store), self.page(self.limit()));
            self.ahead = Some(tokio::spawn(async move { store.list_page(request).await }));
        }
        Ok(Some(page.tests))
    }

    /// Where the listing goes on after what was read; `None` if the store knows of no more.
    pub(super) fn position(&self) -> Option<ListingPosition> {
        self.request.after.filter(|_| !self.has_ended)
    }

    /// Whether there is a test after what was read. Moves over rows that are none of the listing's, but over no test.
    pub(super) async fn has_more(&mut self) -> Result<bool, StoreError> {
        while !self.has_ended {
            let page = self.read(1).await?;
            if !page.tests.is_empty() {
                return Ok(true);
            }
            self.advance(page.next);
        }
        Ok(false)
    }

    fn advance(&mut self, next: Option<ListingPosition>) {
        match next {
            Some(position) => self.request.after = Some(position),
            None => self.has_ended = true,
        }
    }

    fn limit(&self) -> usize {
        self.remaining.min(PAGE)
    }

    async fn read(&self, limit: usize) -> Result<ListingPage, StoreError> {
        self.store.list_page(self.page(limit)).await
    }

    fn page(&self, limit: usize) -> ListingRequest {
        ListingRequest {
            limit,
            ..self.request.clone()
        }
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        if let Some(ahead) = &self.ahead {
            ahead.abort();
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable {
        reason: "a page was not read to its end".to_owned(),
    }
}
