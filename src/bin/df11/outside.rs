//! Verbs that are programs of their own: `df11 NAME` starts `df11-NAME`.
//!
//! It is looked for beside this program, then in the absolute folders of PATH. The current folder is
//! never searched: it may hold anyone's files. Own verbs come first, and what is no such program
//! stays a mistyped verb.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Verbs that come in a package of their own, which is named as the program is.
const KNOWN: [&str; 1] = ["generate"];

/// What to do about a verb that this program does not have.
pub enum Outside {
    /// Start this program with these arguments.
    Program(PathBuf, Vec<OsString>),
    /// It is known, and not installed: how to get it.
    Missing(String),
    /// Nothing is known of it.
    Unknown,
}

/// Looks for the program of the first argument.
pub fn find() -> Outside {
    let mut arguments = env::args_os().skip(1);
    let Some(name) = arguments.next().and_then(|name| name.into_string().ok()).filter(|name| is_name(name)) else {
        return Outside::Unknown;
    };
    let file = format!("df11-{name}{}", env::consts::EXE_SUFFIX);
    let beside = env::current_exe().ok().and_then(|program| Some(program.parent()?.to_path_buf()));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = beside.into_iter().chain(env::split_paths(&path).filter(|folder| folder.is_absolute()));
    let found = folders.map(|folder| folder.join(&file)).find(|program| is_program(program));
    match found {
        Some(program) => Outside::Program(program, arguments.collect()),
        None if KNOWN.contains(&&*name) => Outside::Missing(format!(
            "df11 {name} is a program of its own, {file}, which is neither beside df11 nor in PATH: \
             install the package df11-{name}"
        )),
        None => Outside::Unknown,
    }
}

/// Starts a program in place of this one, and ends as it ends.
///
/// # Errors
/// It does not start.
pub fn start(program: &Path, arguments: Vec<OsString>) -> io::Result<ExitCode> {
    let mut command = Command::new(program);
    command.args(arguments);
    #[cfg(unix)]
    {
        // It takes this process, with its signals.
        Err(std::os::unix::process::CommandExt::exec(&mut command))
    }
    #[cfg(not(unix))]
    {
        let code = command.status()?.code().and_then(|code| u8::try_from(code).ok());
        Ok(ExitCode::from(code.unwrap_or(crate::exit::COULD_NOT_RUN)))
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && !name.starts_with('-') && name.bytes().all(allowed)
}

fn is_program(path: &Path) -> bool {
    #[cfg(unix)]
    let executable =
        |file: &std::fs::Metadata| std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let executable = |_: &std::fs::Metadata| true;
    path.metadata().is_ok_and(|file| file.is_file() && executable(&file))
}
