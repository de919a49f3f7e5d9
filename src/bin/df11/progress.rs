//! The progress of a job: a bar with total and time left on a terminal, an occasional line
//! elsewhere.

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use df11::shown::shown;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::exit::Failure;
use crate::signals::Stop;
use crate::terminal::{Terminal, size, to_stderr};

/// Short jobs finish without a line; long ones leave a readable log.
const BETWEEN_LINES: Duration = Duration::from_secs(10);
/// The time left keeps counting down while a step takes long.
const REDRAW: Duration = Duration::from_millis(250);
const TEMPLATE: &str = "{bar:24} {percent:>3} %  {decimal_bytes} of {decimal_total_bytes}  {left} left  {wide_msg}";

/// Shows the user the progress that the library reports. Dropping it leaves the terminal clean.
pub struct Progress {
    verbose: bool,
    how: How,
    stop: Option<Stop>,
}

enum How {
    Silent,
    Drawn(ProgressBar, Arc<Mutex<Pace>>),
    Told(Mutex<Log>),
}

struct Log {
    last_line: Instant,
    pace: Pace,
    unit: String,
}

/// How fast the job is, and when it will end. The end is predicted anew only as something is done:
/// while nothing is, the time left counts down, and never grows.
struct Pace {
    began: Instant,
    total: u64,
    done: u64,
    end: Option<Instant>,
}

impl Progress {
    pub fn new(terminal: &Terminal) -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let how = if terminal.quiet() {
            How::Silent
        } else if bar.is_hidden() {
            How::Told(Mutex::new(Log::new(Instant::now())))
        } else {
            let pace = Arc::new(Mutex::new(Pace::new(Instant::now())));
            if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                let of_bar = Arc::clone(&pace);
                let left = move |_: &ProgressState, text: &mut dyn Write| {
                    let left = with(&of_bar, |pace| pace.left(Instant::now()));
                    let words = left.map_or_else(|| "?".into(), |left| format!("{:#}", HumanDuration(left)));
                    let _ = text.write_str(&words);
                };
                bar.set_style(style.progress_chars("=> ").with_key("left", left));
            }
            How::Drawn(bar, pace)
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
        if let How::Drawn(bar, _) = &self.how {
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
            How::Drawn(bar, pace) => {
                with(pace, |pace| pace.begin(total_bytes, Instant::now()));
                bar.set_length(total_bytes);
                bar.enable_steady_tick(REDRAW);
            }
            How::Told(log) => with(log, |log| log.pace.begin(total_bytes, Instant::now())),
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(Stop::is_wanted)
    }

    fn unit(&self, name: &str) {
        let name = shown(name).to_string();
        match &self.how {
            How::Silent => {}
            How::Drawn(bar, _) => {
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
            How::Drawn(bar, pace) => {
                with(pace, |pace| pace.advance(bytes, Instant::now()));
                bar.inc(bytes);
            }
            How::Told(log) => with(log, |log| {
                if let Some(line) = log.advance(bytes, Instant::now()) {
                    to_stderr(line);
                }
            }),
        }
    }
}

/// If another thread panicked while it held the lock, the value is still good enough to continue.
fn with<T, R>(shared: &Mutex<T>, use_it: impl FnOnce(&mut T) -> R) -> R {
    use_it(&mut shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
}

impl Pace {
    fn new(now: Instant) -> Pace {
        Pace { began: now, total: 0, done: 0, end: None }
    }

    fn begin(&mut self, total: u64, now: Instant) {
        *self = Pace { total, ..Pace::new(now) };
    }

    fn advance(&mut self, bytes: u64, now: Instant) {
        self.done += bytes;
        if self.done > 0 {
            let share = self.share();
            let left = (now - self.began).as_secs_f64() * (1.0 - share) / share;
            self.end = Duration::try_from_secs_f64(left).ok().and_then(|left| now.checked_add(left));
        }
    }

    /// The share of the work that is done.
    fn share(&self) -> f64 {
        self.done as f64 / self.total.max(self.done).max(1) as f64
    }

    /// The time left; `None` if nothing tells it yet.
    fn left(&self, now: Instant) -> Option<Duration> {
        self.end.map(|end| end.saturating_duration_since(now))
    }
}

impl Log {
    fn new(now: Instant) -> Log {
        Log { last_line: now, pace: Pace::new(now), unit: String::new() }
    }

    /// The line that is due now, if there is one.
    fn advance(&mut self, bytes: u64, now: Instant) -> Option<String> {
        self.pace.advance(bytes, now);
        if now - self.last_line < BETWEEN_LINES {
            return None;
        }
        let left = self.pace.left(now)?.as_secs_f64();
        self.last_line = now;
        let (percent, total) = (self.pace.share() * 100.0, size(self.pace.total));
        Some(format!("{percent:>3.0} %  of {total}, {left:.0} s left, {}", self.unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_job_is_told_every_ten_seconds() {
        let began = Instant::now();
        let mut log = Log::new(began);
        log.pace.begin(4_000_000, began);
        log.unit = "model.layers.1".into();
        assert_eq!(log.advance(500_000, began + Duration::from_secs(9)), None);
        let line = log.advance(500_000, began + Duration::from_secs(11));
        assert_eq!(line.as_deref(), Some(" 25 %  of 4.00 MB, 33 s left, model.layers.1"));
        assert_eq!(log.advance(500_000, began + Duration::from_secs(20)), None);
        assert!(log.advance(500_000, began + Duration::from_secs(22)).is_some_and(|line| line.starts_with(" 50 %")));
    }
    #[test]
    fn the_time_left_counts_down_while_nothing_is_done() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut pace = Pace::new(began);
        pace.begin(100, began);
        assert_eq!(pace.left(after(5)), None);
        pace.advance(0, after(5));
        assert_eq!(pace.left(after(5)), None);
        pace.advance(50, after(10));
        for (seconds, left) in [(10, 10), (14, 6), (20, 0), (300, 0)] {
            assert_eq!(pace.left(after(seconds)), Some(Duration::from_secs(left)));
        }
        pace.advance(50, after(300));
        assert_eq!(pace.left(after(300)), Some(Duration::ZERO));
    }
}
