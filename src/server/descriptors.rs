//! Whether the process may have as many files open as it may have connections. Where it may not, connections are refused
//! by the kernel, without a word to the client, long before the cap on them says why.
//!
//! **Source:** proc(5), `/proc/[pid]/limits`; where there is no such file nothing is said.

/// Open files besides connections: sockets that listen, what each worker needs, connections that are being turned away.
const RESERVE: u64 = 256;

/// Warns if fewer files may be open than `connections_max` connections need.
pub(super) fn warn_if_few(connections_max: usize) {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let needed = (connections_max as u64).saturating_add(RESERVE);
    if let Some(open_files_max) = soft_limit(&limits).filter(|open_files_max| *open_files_max < needed) {
        tracing::warn!(open_files_max, needed, "fewer files may be open than connections_max needs: raise ulimit -n");
    }
}

/// The soft limit of open files. None: unlimited, or unknown.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read_from_its_line() {
        let limits = |soft: &str| {
            format!(
                "Limit  Soft Limit  Hard Limit  Units\nMax processes  7  8  processes\nMax open files  {soft}  4096  files\n"
            )
        };
        assert_eq!(soft_limit(&limits("1024")), Some(1024));
        assert_eq!(soft_limit(&limits("unlimited")), None);
        assert_eq!(soft_limit(""), None);
    }
}
