//! The scenarios that come with the program.

use std::path::Path;

use super::content::Scenario;
use super::place::Mistake;

/// A scenario that comes with the program.
#[derive(Debug, Clone, Copy)]
pub struct Shipped {
    /// What `loadtest run` calls it.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        /// All of them, in the order in which they are listed.
        pub const SHIPPED: &[Shipped] = &[$(Shipped {
            name: $name,
            text: include_str!(concat!("builtin/", $name, ".toml")),
        }),+];
    };
}

shipped!(
    "standard",
    "smoke",
    "steady",
    "peak-hour",
    "backlog-flush",
    "record-day",
    "steps",
    "spike",
    "mixed",
    "chain",
    "replay-storm",
    "guessing-attack",
    "greedy-region",
    "dead-backend",
    "restart",
    "certificates",
);

impl Shipped {
    /// The one with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        SHIPPED.iter().find(|shipped| shipped.name == name).copied()
    }

    /// As it is run.
    pub fn scenario(self) -> Result<Scenario, Mistake> {
        Scenario::parse(Path::new(self.name), self.text.to_owned())
    }
}
