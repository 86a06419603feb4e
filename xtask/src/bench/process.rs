//! What Linux tells of another process in `/proc`.

use anyhow::{Context, Result};
use std::fs;
use std::time::Duration;

/// `AT_CLKTCK` of the auxiliary vector: ticks per second of the times in `/proc/PID/stat`.
const AT_CLKTCK: usize = 17;

/// User and system time of a process, all of its threads together.
pub(super) fn cpu_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let ticks = ticks_in(&stat).with_context(|| format!("cannot understand {path}"))?;
    Ok(Duration::from_secs_f64(ticks as f64 / ticks_per_second()? as f64))
}

/// utime and stime, the fields 14 and 15; those before are counted from behind the name, which may hold blanks.
fn ticks_in(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

fn ticks_per_second() -> Result<usize> {
    const WORD: usize = size_of::<usize>();
    let vector = fs::read("/proc/self/auxv").context("cannot read /proc/self/auxv")?;
    let words: Vec<usize> =
        vector.chunks_exact(WORD).filter_map(|word| word.try_into().ok()).map(usize::from_ne_bytes).collect();
    let entry = words.chunks_exact(2).find(|entry| entry[0] == AT_CLKTCK);
    entry.map(|entry| entry[1]).filter(|&ticks| ticks > 0).context("/proc/self/auxv has no AT_CLKTCK")
}

/// The time that the first thread of a process has run, also of one that has ended but was not waited for. It is
/// counted in nanoseconds where [`cpu_time`] is in ticks.
pub(super) fn running_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/schedstat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let time = stat.split_ascii_whitespace().next().and_then(|time| time.parse().ok());
    time.map(Duration::from_nanos).with_context(|| format!("cannot understand {path}"))
}

/// Whether a process has ended; it was not waited for.
pub(super) fn has_ended(pid: u32) -> Result<bool> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    Ok(stat.rsplit_once(')').is_some_and(|(_, after_name)| after_name.trim_start().starts_with('Z')))
}

/// How many tasks wanted to run in the last minute, on average.
pub(super) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_ascii_whitespace().next()?.parse().ok()
}

/// The most memory that a running process has had resident so far, in kB.
pub(super) fn peak_memory(pid: u32) -> Option<u64> {
    kilobytes(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmHWM:")
}

/// What a running process has resident now, in kB.
pub(crate) fn resident_memory(pid: u32) -> Option<u64> {
    kilobytes(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:")
}

fn kilobytes(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_behind_an_odd_name() {
        assert_eq!(ticks_in("7 (a ) b) S 1 7 7 0 -1 0 100 0 0 0 42 8 0 0 20 0"), Some(50));
        assert_eq!(ticks_in("7 (a) S 1"), None);
    }

    #[test]
    fn reads_memory() {
        let status = "Name:\tx\nVmHWM:\t    1234 kB\nVmRSS:\t 1 kB\n";
        assert_eq!((kilobytes(status, "VmHWM:"), kilobytes(status, "VmRSS:")), (Some(1234), Some(1)));
        assert_eq!(kilobytes("Name:\tx\nState:\tZ (zombie)\n", "VmHWM:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn knows_this_process() {
        assert!(cpu_time(std::process::id()).is_ok());
        assert!(running_time(std::process::id()).is_ok_and(|time| time > Duration::ZERO));
        assert!(has_ended(std::process::id()).is_ok_and(|ended| !ended));
        assert!(peak_memory(std::process::id()).is_some_and(|kilobytes| kilobytes > 0));
    }
}
