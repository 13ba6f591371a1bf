//! `invioEsecuzioneTest` (§2.4.1).

pub mod rules;
