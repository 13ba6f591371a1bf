//! The `sistema-ts` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    sistema_ts::cli::run()
}
