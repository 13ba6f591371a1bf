//! The messages of each service: one file a service, with the descriptions of its request and its answer and the request's
//! values by name.

pub mod shared;

pub mod annullamento_esecuzione_test;
pub mod conferma_sblocco_immuni;
pub mod elenco_test_effettuati;
pub mod invio_codice_otp;
pub mod invio_esecuzione_test;
pub mod sblocco_codice_immuni;
pub mod verifica_positivita;
