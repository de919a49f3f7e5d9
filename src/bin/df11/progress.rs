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
/// while nothing is, the time left counts down, and never grows. What an earlier run did, and what
/// the job reads beside its work, do not count: their time is taken out.
struct Pace {
    /// When this run's work began, moved on by the time that was taken out.
    began: Instant,
    /// When anything was reported last.
    last: Instant,
    /// 0 before the job begins.
    total: u64,
    /// Done by this run.
    done: u64,
    /// Done by an earlier run.
    kept: u64,
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
                bar.set_position(0);
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

    fn kept(&self, bytes: u64) {
        match &self.how {
            How::Silent => {}
            How::Drawn(bar, pace) => {
                with(pace, |pace| pace.keep(bytes, Instant::now()));
                bar.inc(bytes);
            }
            How::Told(log) => with(log, |log| log.pace.keep(bytes, Instant::now())),
        }
    }

    fn reading(&self, name: &str, bytes: u64, total: u64) {
        let what = || format!("reading {}: {} of {}", shown(name), size(bytes), size(total));
        match &self.how {
            How::Silent => {}
            How::Drawn(bar, pace) => {
                let has_begun = with(pace, |pace| {
                    pace.take_out_time(Instant::now());
                    pace.total > 0
                });
                if !has_begun {
                    bar.set_length(total);
                    bar.set_position(bytes);
                }
                bar.set_message(what());
            }
            How::Told(log) => with(log, |log| {
                if log.reading(Instant::now()) {
                    to_stderr(what());
                }
            }),
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
        Pace { began: now, last: now, total: 0, done: 0, kept: 0, end: None }
    }

    fn begin(&mut self, total: u64, now: Instant) {
        *self = Pace { total, ..Pace::new(now) };
    }

    fn advance(&mut self, bytes: u64, now: Instant) {
        self.done += bytes;
        self.last = now;
        if self.done > 0 {
            let rest = self.total.saturating_sub(self.kept).saturating_sub(self.done);
            let left = (now - self.began).as_secs_f64() * rest as f64 / self.done as f64;
            self.end = Duration::try_from_secs_f64(left).ok().and_then(|left| now.checked_add(left));
        }
    }

    fn keep(&mut self, bytes: u64, now: Instant) {
        self.kept += bytes;
        self.take_out_time(now);
    }

    /// Leaves out the time since the last report. The time left stands still meanwhile.
    fn take_out_time(&mut self, now: Instant) {
        let out = now - self.last;
        self.began += out;
        self.end = self.end.and_then(|end| end.checked_add(out));
        self.last = now;
    }

    /// The share of the work that is done.
    fn share(&self) -> f64 {
        let done = self.done + self.kept;
        done as f64 / self.total.max(done).max(1) as f64
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

    /// Whether a line about something that is read is due now.
    fn reading(&mut self, now: Instant) -> bool {
        self.pace.take_out_time(now);
        let is_due = now - self.last_line >= BETWEEN_LINES;
        if is_due {
            self.last_line = now;
        }
        is_due
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
    fn what_an_earlier_run_did_and_what_is_read_beside_the_work_do_not_change_the_speed() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut log = Log::new(began);
        log.pace.begin(1000, began);
        log.pace.keep(300, after(1));
        log.pace.keep(300, after(2));
        assert_eq!(log.pace.left(after(2)), None);
        assert!(!log.reading(after(9)) && log.reading(after(12)) && !log.reading(after(13)));
        log.pace.advance(100, after(23));
        assert_eq!(log.pace.share(), 0.7);
        assert_eq!(log.pace.left(after(23)), Some(Duration::from_secs(30)));
        log.reading(after(1023));
        log.pace.advance(100, after(1033));
        assert_eq!(log.pace.left(after(1033)), Some(Duration::from_secs(20)));
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
