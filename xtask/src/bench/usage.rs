//! What a process uses, by the kernel's own accounts in `/proc`: memory as `/proc/PID/status` and `smaps_rollup` tell it,
//! processor time as `/proc/PID/stat` does.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

/// `USER_HZ`, in which `/proc` tells processor time: 100 on every architecture that is built for.
const TICKS_PER_SECOND: u64 = 100;

/// How often it is asked whether a process works.
const GLANCE: Duration = Duration::from_millis(10);

/// The memory of a process, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Memory {
    /// In RAM now (`VmRSS`): what a limit in Kubernetes is about, together with the page cache.
    pub(super) resident: u64,
    /// The most that was in RAM since the process began (`VmHWM`).
    pub(super) peak: u64,
    /// Of what is in RAM, that which belongs to no file (`RssAnon`): heap and stacks.
    pub(super) anonymous: u64,
    /// In RAM, pages that others use, too, counted in part (`Pss`).
    pub(super) proportional: u64,
}

/// What a process has in memory.
///
/// # Errors
/// When there is no such process, or the kernel does not tell.
pub(super) fn memory(pid: u32) -> Result<Memory> {
    let status = read(pid, "status")?;
    let of = |name| kilobytes(&status, name).with_context(|| format!("/proc/{pid}/status has no {name}"));
    let (resident, peak, anonymous) = (of("VmRSS")?, of("VmHWM")?, of("RssAnon")?);
    let rollup = read(pid, "smaps_rollup")?;
    let proportional = kilobytes(&rollup, "Pss").with_context(|| format!("/proc/{pid}/smaps_rollup has no Pss"))?;
    Ok(Memory { resident, peak, anonymous, proportional })
}

/// The processor time of all threads of a process since it began, user and system, to 10 ms.
///
/// # Errors
/// When there is no such process.
pub(super) fn processor(pid: u32) -> Result<Duration> {
    let stat = read(pid, "stat")?;
    let ticks = ticks(&stat).with_context(|| format!("/proc/{pid}/stat is not as proc(5) says: {stat}"))?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Waits until a process has not worked for `quiet`, and returns when it last did. It is not asked for anything meanwhile, which
/// would be work of its own.
///
/// # Errors
/// When the process is gone, or works on after `limit`.
pub(super) fn until_quiet(pid: u32, quiet: Duration, limit: Duration) -> Result<Instant> {
    let begin = Instant::now();
    let (mut used, mut busy) = (processor(pid)?, begin);
    loop {
        thread::sleep(GLANCE);
        let now = Instant::now();
        let total = processor(pid)?;
        if total != used {
            (used, busy) = (total, now);
        } else if now.duration_since(busy) >= quiet {
            return Ok(busy);
        }
        if now.duration_since(begin) > limit {
            bail!("process {pid} is still at work after {} s", limit.as_secs());
        }
    }
}

fn read(pid: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).with_context(|| format!("reading {path}: the benchmark needs Linux"))
}

/// The value of a line `NAME:   123 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// `utime` and `stime`, the 14th and 15th field. The second is the name in brackets, in which anything may stand.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    next()?.checked_add(next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_bytes() {
        let status = "Name:\ta\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nRssAnon:\t 512 kB\n";
        assert_eq!((kilobytes(status, "VmRSS"), kilobytes(status, "VmHWM")), (Some(1 << 20), Some(2 << 20)));
        assert_eq!(kilobytes(status, "VmSwap"), None);
    }

    #[test]
    fn the_name_of_a_process_may_look_like_fields() {
        let stat = "42 (a) b 1 (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0";
        assert_eq!(ticks(stat), Some(200));
        assert_eq!(ticks("42 (a) S 1"), None);
    }

    #[test]
    fn a_process_can_look_at_itself() {
        let own = std::process::id();
        let memory = memory(own).unwrap();
        assert!(memory.resident > 0 && memory.peak >= memory.anonymous, "{memory:?}");
        assert!(processor(own).is_ok());
    }
}
