//! The messages of each service: one file a service, with the descriptions of its request and its answer and the request's
//! values by name.

use sistema_ts_model::Service;

use super::description::Message;

pub mod shared;

pub mod annullamento_esecuzione_test;
pub mod conferma_sblocco_immuni;
pub mod elenco_test_effettuati;
pub mod invio_codice_otp;
pub mod invio_esecuzione_test;
pub mod sblocco_codice_immuni;
pub mod verifica_positivita;

/// Every service with its request and its answer, in the order of the document.
pub static ALL: [(Service, &Message, &Message); Service::ALL.len()] = [
    (
        Service::SubmitTest,
        &invio_esecuzione_test::REQUEST,
        &invio_esecuzione_test::ANSWER,
    ),
    (
        Service::CancelTest,
        &annullamento_esecuzione_test::REQUEST,
        &annullamento_esecuzione_test::ANSWER,
    ),
    (
        Service::ListTests,
        &elenco_test_effettuati::REQUEST,
        &elenco_test_effettuati::ANSWER,
    ),
    (
        Service::VerifyPositive,
        &verifica_positivita::REQUEST,
        &verifica_positivita::ANSWER,
    ),
    (
        Service::UnlockCode,
        &sblocco_codice_immuni::REQUEST,
        &sblocco_codice_immuni::ANSWER,
    ),
    (
        Service::ConfirmUnlock,
        &conferma_sblocco_immuni::REQUEST,
        &conferma_sblocco_immuni::ANSWER,
    ),
    (
        Service::SendOtp,
        &invio_codice_otp::REQUEST,
        &invio_codice_otp::ANSWER,
    ),
];
