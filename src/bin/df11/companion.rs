//! Programs that belong to df11 but are not in it: `df11 NAME ...` starts `df11-NAME ...`, as cargo
//! starts `cargo-NAME`. Verbs of df11 itself come first.
//!
//! A program is looked for beside this one, then in the absolute folders of PATH. A relative folder
//! there, or the current one, could hold what a stranger left.

use std::env::{self, consts::EXE_SUFFIX};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::exit::COULD_NOT_RUN;
use crate::terminal::{Talk, Terminal};

/// The programs that the project has, in the workspace `candle/`.
const OURS: [&str; 2] = ["generate", "embed"];

/// Runs the program that the first argument names, if there is one. `None` if the word is no verb
/// of anybody.
pub fn run() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let name = arguments.next()?.into_string().ok().filter(|name| is_name(name))?;
    let error = |text: String| {
        Terminal::new(Talk { quiet: false, verbose: false }).error(text);
        Some(ExitCode::from(COULD_NOT_RUN))
    };
    match find(&name) {
        Some(path) => match start(Command::new(&path).args(arguments)) {
            Ok(code) => Some(code),
            Err(fault) => error(format!("cannot start {}: {fault}", df11::shown::shown(&path))),
        },
        None if OURS.contains(&&*name) => error(format!(
            "`df11 {name}` is a program of its own, df11-{name}, which is neither beside this one nor in PATH. In a \
             checkout, `cargo install --path candle/df11-generate` installs it"
        )),
        None => None,
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn find(name: &str) -> Option<PathBuf> {
    let beside = env::current_exe().ok().and_then(|program| program.parent().map(Path::to_path_buf));
    let path: OsString = env::var_os("PATH").unwrap_or_default();
    let folders = beside.into_iter().chain(env::split_paths(&path)).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(format!("df11-{name}{EXE_SUFFIX}"))).find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

/// Takes this process's place, so that signals and the exit status are the program's own.
#[cfg(unix)]
fn start(command: &mut Command) -> std::io::Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    Err(command.exec())
}

#[cfg(not(unix))]
fn start(command: &mut Command) -> std::io::Result<ExitCode> {
    let status = command.status()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::from(COULD_NOT_RUN), ExitCode::from))
}
