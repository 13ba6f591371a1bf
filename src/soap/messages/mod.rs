//! The messages of each service: one file a service, with the descriptions of its request and its answer and the request's
//! values by name.

use sistema_ts_model::Service;

use super::description::Message;

pub mod shared;

pub mod asl_otp;
pub mod cancellation;
pub mod confirmation;
pub mod listing;
pub mod submission;
pub mod unlock;
pub mod verification;

/// Every service with its request and its answer, in the order of the document.
pub const ALL: [(Service, &Message, &Message); Service::ALL.len()] = [
    (
        Service::Submission,
        &submission::REQUEST,
        &submission::ANSWER,
    ),
    (
        Service::Cancellation,
        &cancellation::REQUEST,
        &cancellation::ANSWER,
    ),
    (Service::Listing, &listing::REQUEST, &listing::ANSWER),
    (
        Service::Verification,
        &verification::REQUEST,
        &verification::ANSWER,
    ),
    (Service::Unlock, &unlock::REQUEST, &unlock::ANSWER),
    (
        Service::Confirmation,
        &confirmation::REQUEST,
        &confirmation::ANSWER,
    ),
    (Service::AslOtp, &asl_otp::REQUEST, &asl_otp::ANSWER),
];

/// The descriptions of a service's request and of its answer.
#[must_use]
pub const fn of(service: Service) -> (&'static Message, &'static Message) {
    let (named, request, answer) = ALL[service as usize];
    assert!(
        named as usize == service as usize,
        "the list has the order of the services"
    );
    (request, answer)
}
