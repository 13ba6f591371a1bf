//! The answer of a service, on its way out.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use sistema_ts_model::Verdict;

use crate::soap::description::Message;
use crate::soap::{AnswerHead, SoapFault, encode_answer};

/// An answer on its way out.
pub struct Answered {
    /// The envelope.
    pub body: AnswerBody,
    /// Its `esito`.
    pub verdict: Verdict,
}

/// An envelope.
pub enum AnswerBody {
    /// All of it.
    Whole(Vec<u8>),
    /// Its parts, as they are made. The request counts as at work, and holds its place in its lane, until the last part is taken or the
    /// client has left. A part that fails cuts the connection, so that nobody takes what was sent for the whole.
    Parts(BoxStream<'static, Result<Bytes, SoapFault>>),
}

impl Answered {
    /// An answer that has nothing beyond what every answer has.
    #[must_use]
    pub fn with_head_only(message: &'static Message, head: &AnswerHead<'_>) -> Self {
        Self {
            body: AnswerBody::Whole(encode_answer(message, head)),
            verdict: head.verdict,
        }
    }
}
