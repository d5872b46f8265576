//! What the system knows of the process: its memory and CPU time.
//!
//! Tools poll INFO, and `redis-cli --cluster create` asks every node for it twice. So each figure costs one system
//! call, and only the resident set is read from a file. If the system does not have a figure, it is zero: INFO must not
//! fail because of it.

use std::fs::File;
use std::io::Read;

use nix::sys::resource::{UsageWho, getrusage};

use crate::base::allocator;

/// Bytes of a page; /proc counts memory in pages.
const PAGE: u64 = 4096;

/// Memory of the process, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// What the program has allocated and not freed. With another allocator than slotd's own: the private part of
    /// resident memory, without the program's code.
    pub used: u64,
    /// All resident memory.
    pub resident: u64,
}

/// CPU time of a process or thread, seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuTime {
    pub user: f64,
    pub system: f64,
}

/// The process this node runs in.
pub(crate) struct Process;

impl Process {
    /// Memory now.
    pub(crate) fn memory() -> Memory {
        // Seven numbers of at most twenty digits.
        let mut text = [0; 160];
        let length = File::open("/proc/self/statm").and_then(|mut file| file.read(&mut text)).unwrap_or(0);
        let memory = parse_statm(&text[..length]).unwrap_or_default();
        match allocator::used() {
            0 => memory,
            used => Memory { used, ..memory },
        }
    }

    /// CPU time so far.
    pub(crate) fn cpu(of: UsageWho) -> CpuTime {
        let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        getrusage(of).map_or_else(
            |_| CpuTime::default(),
            |usage| CpuTime { user: seconds(usage.user_time()), system: seconds(usage.system_time()) },
        )
    }

    /// CPU time of the calling thread, if the system counts it.
    pub(crate) fn thread_cpu() -> CpuTime {
        #[cfg(target_os = "linux")]
        {
            Self::cpu(UsageWho::RUSAGE_THREAD)
        }
        #[cfg(not(target_os = "linux"))]
        CpuTime::default()
    }

    /// Memory of the machine, bytes.
    pub(crate) fn system_memory() -> u64 {
        #[cfg(target_os = "linux")]
        {
            let info = rustix::system::sysinfo();
            info.totalram as u64 * u64::from(info.mem_unit)
        }
        #[cfg(not(target_os = "linux"))]
        0
    }

    /// `Linux 6.1.0 x86_64`.
    pub(crate) fn os() -> String {
        let name = rustix::system::uname();
        [name.sysname(), name.release(), name.machine()].map(|part| part.to_string_lossy()).join(" ")
    }
}

/// The resident and the shared pages of a line of /proc/*/statm: its second and third field.
fn parse_statm(line: &[u8]) -> Option<Memory> {
    let mut pages = std::str::from_utf8(line).ok()?.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, shared) = (pages.next()?.ok()?, pages.next()?.ok()?);
    Some(Memory { used: resident.saturating_sub(shared) * PAGE, resident: resident * PAGE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_set_is_found_in_its_line() {
        let memory = parse_statm(b"314332 1768 1034 617 0 263896 0\n").expect("a line of statm");
        assert_eq!((memory.used, memory.resident), (734 * 4096, 1768 * 4096));
        assert!(parse_statm(b"").is_none() && parse_statm(b"1 x 2").is_none());
    }

    #[test]
    fn cpu_time_grows() {
        // Where the kernel looks at ticks only, all of a short time may be the system's.
        let spent = || {
            let cpu = Process::cpu(UsageWho::RUSAGE_SELF);
            cpu.user + cpu.system
        };
        let before = spent();
        // Many rounds of work: the system counts in microseconds, but some kernels in ticks of ten milliseconds.
        for _ in 0..2_000 {
            std::hint::black_box((0..100_000_u64).map(std::hint::black_box).sum::<u64>());
            if spent() > before {
                return;
            }
        }
        panic!("no CPU time was counted: {before}");
    }

    #[test]
    fn this_process_has_memory() {
        let memory = Process::memory();
        assert!(memory.used > 0 && memory.resident > 0);
        assert!(Process::system_memory() > memory.resident);
        assert_eq!(Process::os().split(' ').count(), 3, "{}", Process::os());
    }
}
