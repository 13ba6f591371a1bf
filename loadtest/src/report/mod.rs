//! What a run found: one value that holds all of it, and what is made from that value.

mod files;
mod html;
mod markup;
mod percentiles;
mod plot;
mod plots;
mod result;
mod stage;
mod tables;

pub use files::{JSON, PAGE, page_beside, read, save, save_page};
pub use html::html;
pub use percentiles::Percentiles;
pub use result::{
    CallerResult, CpuAndMemory, EventResult, Machine, Method, ObjectiveResult, OutcomeResult,
    RuleResult, RunResult, SCHEMA, ScenarioFacts, Second, StepResult, Truth, ValidityCheck,
    Verdict,
};
pub use stage::StageResult;
pub(crate) use stage::{by_stream, sentence};
