//! The progress of a job: a bar with total and time left on a terminal, an occasional line
//! elsewhere.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use df11::shown::shown;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::exit::Failure;
use crate::signals::Stop;
use crate::terminal::{Terminal, size, to_stderr};

/// Short jobs finish without a line; long ones leave a readable log.
const BETWEEN_LINES: Duration = Duration::from_secs(10);
/// The time left keeps counting down during a large unit.
const REDRAW: Duration = Duration::from_millis(250);
const TEMPLATE: &str = "{bar:24} {percent:>3} %  {decimal_bytes} of {decimal_total_bytes}  {eta} left  {wide_msg}";

/// Shows the user the progress that the library reports. Dropping it leaves the terminal clean.
pub struct Progress {
    verbose: bool,
    how: How,
    stop: Option<Stop>,
}

enum How {
    Silent,
    Drawn(ProgressBar),
    Told(Mutex<Log>),
}

struct Log {
    began: Instant,
    last_line: Instant,
    total: u64,
    done: u64,
    unit: String,
}

impl Progress {
    pub fn new(terminal: &Terminal) -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let how = if terminal.quiet() {
            How::Silent
        } else if bar.is_hidden() {
            How::Told(Mutex::new(Log::new(Instant::now())))
        } else {
            if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                bar.set_style(style.progress_chars("=> "));
            }
            How::Drawn(bar)
        };
        Progress { verbose: terminal.verbose(), how, stop: None }
    }

    /// The same, for a job that cleans up when it is interrupted.
    pub fn stoppable(terminal: &Terminal) -> Result<Progress, Failure> {
        let mut progress = Progress::new(terminal);
        progress.stop = Some(Stop::on_signals()?);
        Ok(progress)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let How::Drawn(bar) = &self.how {
            bar.finish_and_clear();
        }
    }
}

impl df11::jobs::Progress for Progress {
    fn begin(&self, total_bytes: u64) {
        if let Some(stop) = &self.stop {
            stop.clean_up_first();
        }
        match &self.how {
            How::Silent => {}
            How::Drawn(bar) => {
                bar.set_length(total_bytes);
                bar.reset_eta();
                bar.enable_steady_tick(REDRAW);
            }
            How::Told(log) => with(log, |log| log.total = total_bytes),
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(Stop::is_wanted)
    }

    fn unit(&self, name: &str) {
        let name = shown(name).to_string();
        match &self.how {
            How::Silent => {}
            How::Drawn(bar) => {
                if self.verbose {
                    bar.suspend(|| to_stderr(&name));
                }
                bar.set_message(name);
            }
            How::Told(log) => {
                if self.verbose {
                    to_stderr(&name);
                }
                with(log, |log| log.unit = name);
            }
        }
    }

    fn advance(&self, bytes: u64) {
        match &self.how {
            How::Silent => {}
            How::Drawn(bar) => bar.inc(bytes),
            How::Told(log) => with(log, |log| {
                if let Some(line) = log.advance(bytes, Instant::now()) {
                    to_stderr(line);
                }
            }),
        }
    }
}

/// If another thread panicked while it held the log, the log is still good enough to continue with.
fn with(log: &Mutex<Log>, change: impl FnOnce(&mut Log)) {
    change(&mut log.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
}

impl Log {
    fn new(now: Instant) -> Log {
        Log { began: now, last_line: now, total: 0, done: 0, unit: String::new() }
    }

    /// The line that is due now, if there is one.
    fn advance(&mut self, bytes: u64, now: Instant) -> Option<String> {
        self.done += bytes;
        if now - self.last_line < BETWEEN_LINES || self.done == 0 {
            return None;
        }
        self.last_line = now;
        let share = self.done as f64 / self.total.max(self.done) as f64;
        let left = (now - self.began).as_secs_f64() * (1.0 - share) / share;
        Some(format!("{:>3.0} %  of {}, {left:.0} s left, {}", share * 100.0, size(self.total), self.unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_job_is_told_every_ten_seconds() {
        let began = Instant::now();
        let mut log = Log::new(began);
        log.total = 4_000_000;
        log.unit = "model.layers.1".into();
        assert_eq!(log.advance(500_000, began + Duration::from_secs(9)), None);
        let line = log.advance(500_000, began + Duration::from_secs(11));
        assert_eq!(line.as_deref(), Some(" 25 %  of 4.00 MB, 33 s left, model.layers.1"));
        assert_eq!(log.advance(500_000, began + Duration::from_secs(20)), None);
        assert!(log.advance(500_000, began + Duration::from_secs(22)).is_some_and(|line| line.starts_with(" 50 %")));
    }
}
