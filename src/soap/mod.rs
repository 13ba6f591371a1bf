//! SOAP 1.1: requests in, answers and faults out, and the WSDL, all from one description per message.
//!
//! A body becomes characters ([`body_text`]), then the values of a message ([`decode`]), as the message's description
//! ([`description`]) says; values are judged elsewhere. Answers ([`AnswerWriter`]) and the WSDL ([`wsdl`]) follow the same
//! descriptions, so that what is published, what is read and what is sent cannot drift apart.

mod decode;
pub mod description;
#[cfg(test)]
mod documentation_tests;
mod encode;
mod escape;
mod fault;
mod fault_reasons;
mod fields;
mod header;
mod media_type;
pub mod messages;
mod names;
mod namespaces;
mod problem;
mod pull;
mod text;
pub mod types;
mod wsdl;

pub use decode::decode;
pub use encode::{AnswerHead, AnswerWriter, encode_answer};
pub use fault::{
    CONTENT_TYPE, EncodingProblem, FaultCode, FaultOnWire, Limit, Malformed, Position, SoapFault,
    render_refusal,
};
pub use fields::{FieldText, Fields, MAX_NODES, MAX_ROW_LEAVES, Row};
pub use header::KnownHeader;
pub use media_type::{Charset, MediaTypeError, charset_of, check_media_type};
pub use text::{BodyText, body_text};
pub use wsdl::{asks_for_wsdl, wsdl};
