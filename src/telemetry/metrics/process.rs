//! What the system knows of this process, under the names that Prometheus' own libraries have for it. Read when somebody asks; where the
//! system has no `/proc`, there is nothing.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

/// In `/proc/PID/stat` times are in hundredths of a second on every architecture that the gate is built for (`USER_HZ`, proc(5)).
const TICKS: f64 = 100.0;

/// What was read.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Process {
    /// Seconds of processor time, in user and system mode.
    pub(super) cpu: Option<f64>,
    /// Bytes.
    pub(super) resident: Option<f64>,
    pub(super) threads: Option<f64>,
    pub(super) open_fds: Option<f64>,
    pub(super) max_fds: Option<f64>,
}

impl Process {
    pub(super) fn read() -> Self {
        let text = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let (stat, status, limits) = (text("stat"), text("status"), text("limits"));
        let open = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
        Self {
            cpu: cpu(&stat),
            resident: line(&status, "VmRSS:").map(|kilobytes| kilobytes * 1024.0),
            threads: line(&status, "Threads:"),
            // One of them is the directory that is read.
            open_fds: open.and_then(|open| u32::try_from(open.saturating_sub(1)).ok()).map(f64::from),
            max_fds: line(&limits, "Max open files"),
        }
    }
}

/// Seconds since 1970, now.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The 14th and 15th member; the second may have blanks and parentheses in it.
fn cpu(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut members = rest.split_whitespace().skip(11);
    let mut ticks = || members.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS)
}

/// The first number after the name that a line begins with.
fn line(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_writes_is_read() {
        let stat = "77 (a (name) b) S 1 77 77 0 -1 4194304 900 0 0 0 250 50 0 0 20 0 4 0 1234 1 2 3";
        assert_eq!(cpu(stat), Some(3.0));
        assert_eq!(cpu("77 (name) S 1"), None);
        assert_eq!(line("VmHWM:\t  9 kB\nVmRSS:\t    2048 kB\n", "VmRSS:"), Some(2048.0));
        assert_eq!(
            line("Max open files            1024                 4096                 files \n", "Max open files"),
            Some(1024.0)
        );
        assert_eq!(line("Max open files            unlimited  unlimited files\n", "Max open files"), None);
        assert_eq!(line("", "VmRSS:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_there() {
        let Process { cpu, resident, threads, open_fds, .. } = Process::read();
        assert!(cpu.is_some() && resident.unwrap() > 1e6 && threads.unwrap() >= 1.0 && open_fds.unwrap() >= 1.0);
    }
}
