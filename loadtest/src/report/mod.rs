//! What a run found: one value that holds all of it, and what is made from that value.

mod result;

pub use result::{
    CallerResult, CpuAndMemory, EventResult, Machine, Method, ObjectiveResult, OutcomeResult,
    Percentiles, RuleResult, RunResult, SCHEMA, ScenarioFacts, Second, StepResult, Truth,
    ValidityCheck, Verdict,
};
