//! What an earlier run has left in `OUTPUT.partial`, and what the next one may do with it.
//!
//! ```text
//!                                                        neither            `resume`        `force`
//! nothing finished                                       begun anew         begun anew      begun anew
//! finished files of a job with a journal                 refused            gone on with    begun anew
//! all of the work, finished but not in its place         refused            the same        begun anew
//! what a run had replaced when it was killed             refused            refused         removed
//! something that df11 has not made                       refused            refused         refused
//! ```
//!
//! Where two names cannot be exchanged, a kill can leave both OUTPUTs here and none in its place: then the old one goes back first.

use std::path::PathBuf;

use super::identity::inode;
use super::journal::Journal;
use super::place::Gate;
use super::rename::without_replacing;
use super::tidy::{exists, refused, remove};
use super::working::Working;
use crate::Error;
use crate::error::OutputReason;

/// What is left.
enum Remains {
    /// Nothing, or nothing that is finished.
    Unfinished,
    /// So many finished files.
    Resumable(usize),
    /// All of the work, as `output`.
    Finished,
    /// An OUTPUT that was replaced, at this path or at `replaced`.
    Replaced(PathBuf),
}

/// How a job goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// In an empty folder.
    Anew,
    /// With what its journal calls finished.
    Resumed,
}

/// Makes the folder ready for a job, which goes on with what is there if it `may_resume`, and empties it otherwise, if that is allowed.
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

    /// Removes them.
    fn remove(self, working: &Working, gate: &Gate) -> Result<(), Error> {
        if let Remains::Replaced(path) = self {
            remove_replaced(&path, gate)?;
        }
        remove_replaced(&working.replaced(), gate)?;
        working.clear()
    }
}

/// Removes what OUTPUT was, if nothing is lost with it.
pub(super) fn remove_replaced(path: &std::path::Path, gate: &Gate) -> Result<(), Error> {
    if exists(path) {
        gate.check_replaced(path)?;
        remove(path).map_err(Error::io("remove", path))?;
    }
    Ok(())
}
