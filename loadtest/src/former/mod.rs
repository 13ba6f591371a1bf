//! The commands of before the scenarios: `submit`, `verify`, `unlock` and `list`, each with a loop of its own. They stay until
//! their numbers and those of the scenarios have been measured interleaved, once.

mod arguments;
mod counts;
mod desk;
mod engine;
mod listing;
mod paced;
mod report;
mod request;

pub use arguments::{Command, run};
pub use desk::{DeskReport, Operators, Positives, unlock, verify};
pub use engine::{Settings, submit};
pub use listing::{Listing, ListingReport, list};
pub use paced::Pace;
pub use report::{Latency, Method, Report, Window};
pub use request::{Credentials, Submission};
