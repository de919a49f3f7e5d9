//! How the user ends a job by a signal. While the job only reads its input, a signal ends it at
//! once, whatever it waits for: there is nothing to clean up. Once the job writes, the first signal
//! asks it to clean up and end; the second ends it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::Failure;

/// Ctrl-C, and the signal that service managers and schedulers send before they kill. A terminal
/// that hangs up is left to `nohup` and similar tools.
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// The signal that came.
static CAME: AtomicUsize = AtomicUsize::new(0);

/// Whether a signal came.
#[derive(Debug)]
pub struct Stop {
    wanted: Arc<AtomicUsize>,
    /// Whether the next signal ends the program.
    at_once: Arc<AtomicBool>,
}

impl Stop {
    pub fn on_signals() -> Result<Stop, Failure> {
        let wanted = Arc::new(AtomicUsize::new(0));
        let at_once = Arc::new(AtomicBool::new(true));
        for signal in SIGNALS {
            // In this order: the first signal after `clean_up_first` finds `at_once` unset, and
            // sets it.
            flag::register_conditional_default(signal, Arc::clone(&at_once)).map_err(Failure::Signals)?;
            flag::register(signal, Arc::clone(&at_once)).map_err(Failure::Signals)?;
            flag::register_usize(signal, Arc::clone(&wanted), signal as usize).map_err(Failure::Signals)?;
        }
        Ok(Stop { wanted, at_once })
    }

    /// From now on there is something to clean up.
    pub fn clean_up_first(&self) {
        self.at_once.store(false, Ordering::SeqCst);
    }

    pub fn is_wanted(&self) -> bool {
        let signal = self.wanted.load(Ordering::Relaxed);
        CAME.fetch_max(signal, Ordering::Relaxed);
        signal != 0
    }
}

/// Ends the program as the signal itself would have, so that a shell stops its loop. Returns `code`
/// on a system without such signals.
pub fn end(code: u8) -> u8 {
    #[cfg(unix)]
    {
        let _ = signal_hook::low_level::emulate_default_handler(CAME.load(Ordering::Relaxed) as i32);
    }
    code
}
