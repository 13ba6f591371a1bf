//! The answer of a listing, made while it is sent.

use std::collections::VecDeque;
use std::vec;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use sistema_ts_model::{StructureReference, Timestamp};
use sistema_ts_store::{ListedTest, ListingPosition};

use super::walk::Walk;
use crate::soap::description::Message;
use crate::soap::{AnswerHead, AnswerWriter, SoapFault};

/// Bytes of one part: enough that a part costs little, few enough that a slow reader holds little.
const PART: usize = 64 * 1024;

/// Room for one test more than fills a part.
const ROOM: usize = 2 * 1024;

/// Makes the text of the bookmark at a position.
pub(super) type WriteBookmark = Box<dyn Fn(ListingPosition) -> Result<String, SoapFault> + Send>;

/// The parts of an answer.
pub(super) struct Parts {
    writer: Option<AnswerWriter>,
    pages: VecDeque<Vec<ListedTest>>,
    /// Those of a page that are still to be written.
    tests: vec::IntoIter<ListedTest>,
    walk: Walk,
    /// Everything was read before.
    is_known: bool,
    write_bookmark: WriteBookmark,
    day: CachedDay,
}

impl Parts {
    pub(super) fn new(
        message: &'static Message,
        head: &AnswerHead<'_>,
        pages: Vec<Vec<ListedTest>>,
        walk: Walk,
        is_known: bool,
        write_bookmark: WriteBookmark,
    ) -> Self {
        let mut writer = AnswerWriter::new(message, PART + ROOM);
        writer.head(head);
        // Also when there is no test: many a client walks the list without asking whether it is there.
        writer.open("listaTest");
        Self {
            writer: Some(writer),
            pages: pages.into(),
            tests: Vec::new().into_iter(),
            walk,
            is_known,
            write_bookmark,
            day: CachedDay::default(),
        }
    }

    pub(super) fn into_stream(self) -> BoxStream<'static, Result<Bytes, SoapFault>> {
        stream::unfold(self, |mut parts| async move {
            let part = parts.next().await.transpose()?;
            if part.is_err() {
                // Nothing comes after a failure: the connection is cut there.
                parts.writer = None;
            }
            Some((part, parts))
        })
        .boxed()
    }

    /// The next part; `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>, SoapFault> {
        let Some(mut writer) = self.writer.take() else {
            return Ok(None);
        };
        while writer.pending() < PART {
            let Some(test) = self.next_test().await? else {
                return self.last(writer).await.map(Some);
            };
            self.write(&mut writer, &test);
        }
        let part = writer.take();
        self.writer = Some(writer);
        Ok(Some(part.into()))
    }

    /// What comes after the last test.
    async fn last(&mut self, mut writer: AnswerWriter) -> Result<Bytes, SoapFault> {
        writer.close();
        // For a known listing the walk has looked already.
        if (self.is_known || self.walk.has_more().await?)
            && let Some(position) = self.walk.position()
        {
            writer.text("segnalibro", &(self.write_bookmark)(position)?);
        }
        Ok(writer.finish().into())
    }

    async fn next_test(&mut self) -> Result<Option<ListedTest>, SoapFault> {
        loop {
            if let Some(test) = self.tests.next() {
                return Ok(Some(test));
            }
            let page = match self.pages.pop_front() {
                Some(page) => Some(page),
                None if self.is_known => None,
                None => self.walk.next().await?,
            };
            match page {
                Some(page) => self.tests = page.into_iter(),
                None => return Ok(None),
            }
        }
    }

    fn write(&mut self, writer: &mut AnswerWriter, test: &ListedTest) {
        writer.open("test");
        match &test.structure {
            StructureReference::Identifier(id) => {
                writer.open("identificativoStruttura");
                writer.text("codiceRegione", id.region.as_str());
                writer.text("codiceAsl", id.asl.as_str());
                writer.text("codiceStruttura", id.structure.as_str());
                writer.close();
            }
            StructureReference::Description(description) => {
                writer.text("descrizioneStruttura", description.as_str());
            }
        }
        writer.text("dataPrelievo", &test.swab_date.to_string());
        let code = test.cun.to_text();
        // The text of a code is ASCII.
        writer.text(
            "identificativoTest",
            std::str::from_utf8(&code).unwrap_or_default(),
        );
        writer.text("dataInserimento", self.day.of(test.inserted_at));
        writer.text("esitoTest", test.result.as_str());
        writer.text("tipologiaTest", test.kind.as_str());
        writer.close();
    }
}

/// The text of the day that was asked for last: a listing has few, in order.
#[derive(Default)]
struct CachedDay {
    text: String,
    from: i64,
    to: i64,
}

impl CachedDay {
    fn of(&mut self, moment: Timestamp) -> &str {
        if !(self.from..self.to).contains(&moment.millis()) {
            let day = moment.rome_day();
            self.text = day.to_string();
            self.from = Timestamp::start_of_rome_day(day).millis();
            let next = day.succ_opt().unwrap_or(day);
            self.to = Timestamp::start_of_rome_day(next).millis();
        }
        &self.text
    }
}
