//! What the model's types accept, refuse and write, in moments. One program: it is linked once, and `make mutants` runs it for each mistake.
//! What takes seconds has programs of its own beside this folder.

#![allow(clippy::unwrap_used)]

mod check_symbol;
mod clock;
mod codice_fiscale;
mod contact;
mod cun_parsing;
mod dates;
mod identifiers;
mod life_edges;
#[path = "../life_support/mod.rs"]
mod life_support;
mod life_table;
mod normalization;
mod secrets;
mod spoken;
mod timestamp;
mod vectors;
