//! What an earlier run left in `OUTPUT.partial`, and what the next run may do with it.
//!
//! ```text
//!                                                     neither      `resume`     `force`
//! nothing finished                                    begun anew   begun anew   begun anew
//! finished files of a job with a journal              refused      resumed      begun anew
//! all of the work, finished but not in its place      refused      resumed      begun anew
//! an old OUTPUT, replaced when the run was killed     refused      refused      removed
//! something that df11 did not make                    refused      refused      refused
//! ```
//!
//! Where two names cannot be exchanged, a kill can leave both the old and the new OUTPUT here, and
//! none in its place. Then the old one goes back first.

use std::path::PathBuf;

use super::identity::inode;
use super::journal::Journal;
use super::place::Gate;
use super::rename::without_replacing;
use super::tidy::{exists, refused, remove};
use super::working::Working;
use crate::Error;
use crate::error::OutputReason;

/// What an earlier run left.
enum Remains {
    /// Nothing, or nothing that is finished.
    Unfinished,
    /// This many finished files.
    Resumable(usize),
    /// All of the work, under the name `output`.
    Finished,
    /// An OUTPUT that was replaced, at this path or under the name `replaced`.
    Replaced(PathBuf),
}

/// How a job begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// With an empty folder.
    Anew,
    /// With the files that its journal calls finished.
    Resumed,
}

/// Prepares the folder for a job. If the job `may_resume`, it continues with what is there.
/// Otherwise the folder is emptied, if that is allowed.
pub(super) fn settle(working: &Working, gate: &Gate, may_resume: bool) -> Result<Start, Error> {
    let remains = Remains::of(working, gate)?;
    if let Some(stranger) = working.stranger(!matches!(remains, Remains::Replaced(_)))? {
        return Err(refused(&gate.place, OutputReason::InTheWay { found: stranger }));
    }
    let partial = working.path().to_path_buf();
    let reason = match remains {
        Remains::Unfinished => {
            working.clear()?;
            return Ok(Start::Anew);
        }
        Remains::Resumable(_) | Remains::Finished if may_resume && exists(&working.journal()) => {
            return Ok(Start::Resumed);
        }
        _ if gate.force => {
            remains.remove(working, gate)?;
            return Ok(Start::Anew);
        }
        Remains::Resumable(files) => OutputReason::LeftFiles { partial, files },
        Remains::Finished => OutputReason::LeftWork { partial, output: working.output() },
        Remains::Replaced(replaced) => OutputReason::LeftReplaced { partial, replaced },
    };
    Err(refused(&gate.place, reason))
}

impl Remains {
    fn of(working: &Working, gate: &Gate) -> Result<Remains, Error> {
        let (output, replaced) = (working.output(), working.replaced());
        if let Some(number) = working.done()? {
            if exists(&output) && inode(&output).map_err(Error::io("open", &output))? == number {
                if exists(&replaced) && !exists(&gate.place) {
                    without_replacing(&replaced, &gate.place).map_err(Error::io("rename back", &replaced))?;
                }
                return Ok(Remains::Finished);
            }
            let left = [output, replaced].into_iter().find(|path| exists(path));
            return Ok(left.map_or(Remains::Unfinished, Remains::Replaced));
        }
        let finished = if exists(&output) { Journal::count(&working.journal())? } else { 0 };
        Ok(if finished > 0 { Remains::Resumable(finished) } else { Remains::Unfinished })
    }

    /// Removes the remains.
    fn remove(self, working: &Working, gate: &Gate) -> Result<(), Error> {
        if let Remains::Replaced(path) = self {
            remove_replaced(&path, gate)?;
        }
        remove_replaced(&working.replaced(), gate)?;
        working.clear()
    }
}

/// Removes the old OUTPUT, if no input is lost with it.
pub(super) fn remove_replaced(path: &std::path::Path, gate: &Gate) -> Result<(), Error> {
    if exists(path) {
        gate.check_replaced(path)?;
        remove(path).map_err(Error::io("remove", path))?;
    }
    Ok(())
}
