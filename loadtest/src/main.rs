//! The `loadtest` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    sistema_ts_loadtest::run()
}
