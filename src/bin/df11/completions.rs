//! `df11 completions`: prints the script that completes this program's commands in a shell.

use clap::Command;
use clap_complete::Shell;

use crate::exit::{Outcome, Verdict};
use crate::terminal::Terminal;

/// Print the completion script for a shell; the shell must source it
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// `program` is the command line to complete.
    pub fn run(&self, mut program: Command, terminal: &Terminal) -> Outcome {
        // Write into memory first. The generator panics if its writer fails, and a pipe may close
        // at any time.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "df11", &mut script);
        terminal.result(&String::from_utf8_lossy(&script))?;
        Ok(Verdict::Fine)
    }
}
