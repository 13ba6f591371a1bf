//! `loadtest report`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::error::LoadtestError;
use crate::report::{page_beside, read, save_page};

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// The `result.json` of a run
    result: PathBuf,
    /// Where the page is written; without it `report.html` beside the result
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl ReportArguments {
    pub(super) fn run(self) -> Result<ExitCode, LoadtestError> {
        let result = read(&self.result)?;
        let page = self.output.unwrap_or_else(|| page_beside(&self.result));
        save_page(&result, &page)?;
        println!("{}", page.display());
        Ok(ExitCode::SUCCESS)
    }
}
