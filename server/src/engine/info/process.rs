//! What the system knows of the process: memory and CPU, read from /proc when somebody asks.
//!
//! Where /proc is missing, everything is zero: INFO must not fail because of it.

use std::fs::read_to_string;

/// Bytes of a page; /proc counts memory in pages.
const PAGE: u64 = 4096;
/// Seconds in a clock tick of /proc/*/stat: 100 ticks a second on every Linux (USER_HZ).
const TICK_S: f64 = 0.01;

/// Memory of the process, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Resident memory that is the process's own: its data, not its program.
    pub used: u64,
    /// All resident memory.
    pub resident: u64,
}

/// CPU time of a process or thread, seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTime {
    pub user: f64,
    pub system: f64,
    pub children_user: f64,
    pub children_system: f64,
}

/// The process this node runs in.
pub struct Process;

impl Process {
    /// Memory now.
    pub fn memory() -> Memory {
        let Ok(text) = read_to_string("/proc/self/statm") else { return Memory::default() };
        let mut pages = text.split(' ').skip(1).map(|word| word.trim().parse::<u64>().unwrap_or(0));
        let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
        Memory { used: resident.saturating_sub(shared) * PAGE, resident: resident * PAGE }
    }

    /// CPU time of the whole process.
    pub fn cpu() -> CpuTime {
        cpu_of("/proc/self/stat")
    }

    /// CPU time of the thread that asks.
    pub fn thread_cpu() -> CpuTime {
        cpu_of("/proc/thread-self/stat")
    }

    /// Memory of the machine, bytes.
    pub fn system_memory() -> u64 {
        let text = read_to_string("/proc/meminfo").unwrap_or_default();
        let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        total.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0) * 1024
    }

    /// `Linux 6.1.0 x86_64`.
    pub fn os() -> String {
        let line = |path| read_to_string(path).unwrap_or_default().trim().to_owned();
        format!("{} {} {}", line("/proc/sys/kernel/ostype"), line("/proc/sys/kernel/osrelease"), std::env::consts::ARCH)
    }
}

fn cpu_of(path: &str) -> CpuTime {
    read_to_string(path).ok().and_then(|text| parse_stat(&text)).unwrap_or_default()
}

/// The CPU times of a stat line. Its second field is the program's name in parentheses, which may itself contain spaces and parentheses.
fn parse_stat(text: &str) -> Option<CpuTime> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut ticks = rest.split_whitespace().skip(11).map(|word| word.parse::<u64>().map(|ticks| ticks as f64 * TICK_S));
    Some(CpuTime {
        user: ticks.next()?.ok()?,
        system: ticks.next()?.ok()?,
        children_user: ticks.next()?.ok()?,
        children_system: ticks.next()?.ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_times_are_found_behind_any_program_name() {
        let line = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 75 10 5 20 0 4 0 1000 0 0";
        let cpu = parse_stat(line).expect("a stat line");
        assert!((cpu.user - 2.5).abs() < 1e-9 && (cpu.system - 0.75).abs() < 1e-9);
        assert!((cpu.children_user - 0.1).abs() < 1e-9 && (cpu.children_system - 0.05).abs() < 1e-9);
        assert!(parse_stat("nonsense").is_none());
    }

    #[test]
    fn this_process_has_memory() {
        let memory = Process::memory();
        assert!(memory.used > 0 && memory.resident >= memory.used);
        assert!(Process::system_memory() > memory.resident);
    }
}
