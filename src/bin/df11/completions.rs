//! `df11 completions`: the script that teaches a shell this program's words.

use clap::Command;
use clap_complete::Shell;

use crate::exit::{Outcome, Verdict};
use crate::terminal::Terminal;

/// Print the completion script of a shell, to be sourced by it
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// `program` is the one whose words these are.
    pub fn run(&self, mut program: Command, terminal: &Terminal) -> Outcome {
        // Into memory first: the generator panics where its writer fails, and a pipe may be closed at any time.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "df11", &mut script);
        terminal.result(&String::from_utf8_lossy(&script))?;
        Ok(Verdict::Fine)
    }
}
