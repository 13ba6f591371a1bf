//! The steps: what each sends, what it goes on from, and what its answer hands on to others.

mod handover;
mod template;
mod work;

pub(crate) use handover::Steps;
pub(crate) use template::ListingRange;
pub(crate) use work::Work;

#[cfg(test)]
mod tests;
