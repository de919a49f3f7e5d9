//! Memory, for reports.

/// The most memory that this process had at once, where the system says it.
pub fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(1024 * line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?)
}

/// The weights in memory and the peak, for people.
pub fn words(form: df11_candle::Form, weights: u64) -> String {
    let peak = peak().map_or_else(String::new, |bytes| format!(", {:.2} GB at the peak", gigabytes(bytes)));
    format!("weights in form {form}: {:.2} GB in memory{peak}", gigabytes(weights))
}

fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}
