//! What the program promises: its verbs, its exit codes, what it prints and where, and what it
//! leaves.
//!
//! - [`round_trips`]: every form comes back, byte for byte;
//! - [`reports`]: what inspect, bench, backends and completions print;
//! - [`plan`]: where a model goes on devices;
//! - [`predicted`]: estimates and dry runs;
//! - [`companion`]: programs that `df11 NAME` starts;
//! - [`conduct`]: streams, exit codes, existing outputs, broken pipes;
//! - [`interrupted`]: signals, kills, full disks, and how the next run goes on;
//! - [`links`]: links, pipes and devices in a model's folder;
//! - [`killed`]: a kill at any moment;
//! - [`two_runs`]: one OUTPUT, and more than one writer;
//! - [`sources`]: nothing that is read is lost;
//! - [`replaced`]: nothing that is not ours is replaced, with `--force` or without;
//! - [`rights`]: who may read what is written;
//! - [`limits`]: many shards and few open files;
//! - [`stopped`]: a first signal at any moment;
//! - [`unearned`]: files made to cost much, in as little memory as their size allows;
//! - [`memory`]: no more of it than allowed;
//! - [`devices`]: GPU backends, on a driver whose device is played on the processor;
//! - [`hostile`]: names that try to speak for us;
//! - [`damage`]: bad input is refused by name and leaves nothing;
//! - [`lies`]: every verb and level refuses a unit whose structure lies;
//! - [`sampled_damage`]: a large sample of all damage.

#[cfg(unix)]
mod companion;
mod conduct;
mod damage;
mod devices;
mod hostile;
#[cfg(unix)]
mod interrupted;
#[cfg(unix)]
mod killed;
mod lies;
#[cfg(unix)]
mod limits;
#[cfg(unix)]
mod links;
#[cfg(target_os = "linux")]
mod memory;
mod miniature;
mod plan;
mod predicted;
#[cfg(unix)]
mod replaced;
mod reports;
#[cfg(unix)]
mod rights;
mod round_trips;
#[path = "../support/runs.rs"]
mod runs;
mod sampled_damage;
#[cfg(unix)]
mod sources;
#[cfg(unix)]
mod stopped;
#[path = "../support/mod.rs"]
mod support;
#[cfg(unix)]
mod two_runs;
#[cfg(target_os = "linux")]
mod unearned;

#[cfg(unix)]
use std::process::{Command, Output, Stdio};

use runs::{Place, Run, df11, ended, program, text};

/// Runs a shell script with the program as `$0` and these arguments as `$1`, `$2` ...
#[cfg(unix)]
fn shell(script: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_df11")]).args(arguments);
    command.env_remove("DF11_BACKEND").stdin(Stdio::null()).output().expect("a shell")
}

impl Run {
    #[track_caller]
    fn fine(self) -> Run {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self
    }

    /// Checks that the run ended with this code, and that its errors hold all these words.
    #[track_caller]
    fn fails(self, code: i32, words: &[&str]) -> Run {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.starts_with("error: "), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in: {}", self.stderr);
        }
        self
    }
}

impl Place {
    /// The names in the folder.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("the folder");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}
