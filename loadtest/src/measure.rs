//! Clocks and the statistics that the reports use.

use rustix::time::{ClockId, clock_gettime};

/// CPU seconds that this thread has used.
pub(crate) fn thread_cpu() -> f64 {
    seconds(ClockId::ThreadCPUTime)
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// CPU seconds of `work` on this thread.
pub(crate) fn cpu_of<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = thread_cpu();
    let out = work();
    (thread_cpu() - start, out)
}

/// The value at `part` (0 to 1) of the sorted values.
pub(crate) fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

/// Least-squares slope of ln(y) over ln(x): 1 is linear, 2 quadratic.
pub(crate) fn log_slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let logs = || points.iter().map(|&(x, y)| (x.ln(), y.ln()));
    let (mx, my) = (logs().map(|p| p.0).sum::<f64>() / n, logs().map(|p| p.1).sum::<f64>() / n);
    let covariance: f64 = logs().map(|(x, y)| (x - mx) * (y - my)).sum();
    covariance / logs().map(|(x, _)| (x - mx).powi(2)).sum::<f64>()
}

/// The most memory that this process has held, in bytes, as Linux tells it.
pub(crate) fn peak_memory() -> u64 {
    peak_memory_of("self")
}

/// The same for the process with this id.
pub(crate) fn peak_memory_of(process: &str) -> u64 {
    status_bytes(process, "VmHWM:")
}

/// The memory that the process with this id holds, in bytes.
pub(crate) fn memory_of(process: &str) -> u64 {
    status_bytes(process, "VmRSS:")
}

fn status_bytes(process: &str, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// What the figures were measured on.
pub(crate) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores", model.unwrap_or("unknown processor"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slope_of_a_square_is_two() {
        let points: Vec<(f64, f64)> = [1.0, 10.0, 100.0].map(|x: f64| (x, 3.0 * x * x)).to_vec();
        assert!((log_slope(&points) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values = [5.0, 1.0, 3.0];
        assert_eq!([0.0, 0.5, 1.0].map(|part| quantile(&values, part)), [1.0, 3.0, 5.0]);
    }
}
