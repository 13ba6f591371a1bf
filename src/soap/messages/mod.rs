//! The messages of each service: one file a service, with the descriptions of its request and its answer and the request's
//! values by name.

pub mod invio_esecuzione_test;
pub mod shared;
