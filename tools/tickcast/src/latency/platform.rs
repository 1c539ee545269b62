//! What the machine did while it was measured: the difference of two readings of its counters.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tickcast_latency::Setting;
use tickcast_net::Group;

use crate::show;
use crate::system::System;

/// The kernel counts steal time in hundredths of a second.
const MS_PER_JIFFY: u64 = 10;

/// A reading of all counters.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Reading {
    /// Of each thread of ours, by name; those of one name together.
    threads: BTreeMap<String, ThreadCounts>,
    /// Steal time of each core, ms.
    steal_ms: BTreeMap<String, u64>,
}

/// What a thread was kept from its work by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct ThreadCounts {
    /// It gave up its core: it slept, yielded or waited.
    voluntary: u64,
    /// Its core was taken away.
    involuntary: u64,
    /// Pages that were in memory and not yet its own.
    minor_faults: u64,
    /// Pages that had to be read from a disk.
    major_faults: u64,
}

impl Reading {
    /// Reads now.
    pub(super) fn take(system: &System) -> Reading {
        let mut reading = Reading {
            steal_ms: steal(&system.text("proc/stat").unwrap_or_default()),
            ..Reading::default()
        };
        for thread in system.names("proc/self/task", "") {
            let file = |name: &str| system.text(&format!("proc/self/task/{thread}/{name}"));
            // A thread may end between two looks.
            let (Some(name), Some(status), Some(stat)) =
                (file("comm"), file("status"), file("stat"))
            else {
                continue;
            };
            *reading.threads.entry(name).or_default() += ThreadCounts::read(&status, &stat);
        }
        reading
    }

    /// Adds what was counted from one reading to a later one.
    pub(super) fn add(&mut self, from: &Reading, to: &Reading) {
        for (name, to) in &to.threads {
            let from = from.threads.get(name).copied().unwrap_or_default();
            *self.threads.entry(name.clone()).or_default() += to.since(from);
        }
        for (core, to) in &to.steal_ms {
            let from = from.steal_ms.get(core).copied().unwrap_or(*to);
            *self.steal_ms.entry(core.clone()).or_default() += to.saturating_sub(from);
        }
    }

    /// The counters as names and values: those of threads that a tick passes (`tc-…`), of the
    /// others together, and of cores.
    pub(super) fn counters(&self) -> Vec<Setting> {
        let mut counters = Vec::new();
        let mut others = ThreadCounts::default();
        for (name, counts) in &self.threads {
            if is_passed(name) {
                counts.write(name, &mut counters);
            } else {
                others += *counts;
            }
        }
        others.write("other threads of this process", &mut counters);
        for (core, ms) in &self.steal_ms {
            counters.push(setting(&format!("steal time, {core}"), *ms, "ms"));
        }
        counters
    }
}

/// Whether ticks pass a thread of this name on their way.
fn is_passed(name: &str) -> bool {
    ["tc-send", "tc-receive", "tc-strategy"]
        .iter()
        .any(|beginning| name.starts_with(beginning))
}

/// A counter with its unit.
pub(super) fn setting(name: &str, value: u64, unit: &str) -> Setting {
    Setting {
        name: name.into(),
        value: format!("{} {unit}", show::count(value)).trim_end().into(),
    }
}

impl ThreadCounts {
    fn read(status: &str, stat: &str) -> ThreadCounts {
        let of_status = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.trim_start_matches(':').trim().parse().ok())
                .unwrap_or(0)
        };
        // After the name, which may hold anything but ends at the last bracket: field 3 and on.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .map_or("", |(_, rest)| rest)
            .split_whitespace()
            .collect();
        let of_stat = |field: usize| {
            let text = fields.get(field - 3);
            text.and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        ThreadCounts {
            voluntary: of_status("voluntary_ctxt_switches"),
            involuntary: of_status("nonvoluntary_ctxt_switches"),
            minor_faults: of_stat(10),
            major_faults: of_stat(12),
        }
    }

    fn since(self, before: ThreadCounts) -> ThreadCounts {
        ThreadCounts {
            voluntary: self.voluntary.saturating_sub(before.voluntary),
            involuntary: self.involuntary.saturating_sub(before.involuntary),
            minor_faults: self.minor_faults.saturating_sub(before.minor_faults),
            major_faults: self.major_faults.saturating_sub(before.major_faults),
        }
    }

    fn write(self, thread: &str, into: &mut Vec<Setting>) {
        for (what, count) in [
            ("voluntary context switches", self.voluntary),
            ("involuntary context switches", self.involuntary),
            ("minor page faults", self.minor_faults),
            ("major page faults", self.major_faults),
        ] {
            into.push(setting(&format!("{what}, {thread}"), count, ""));
        }
    }
}

impl std::ops::AddAssign for ThreadCounts {
    fn add_assign(&mut self, more: ThreadCounts) {
        self.voluntary += more.voluntary;
        self.involuntary += more.involuntary;
        self.minor_faults += more.minor_faults;
        self.major_faults += more.major_faults;
    }
}

/// Steal time of each core in `/proc/stat`: what the hypervisor gave to others, ms.
fn steal(text: &str) -> BTreeMap<String, u64> {
    let core = |line: &str| {
        let mut fields = line.split_whitespace();
        let number = fields.next()?.strip_prefix("cpu")?;
        // Without a number it is that of all cores together.
        (!number.is_empty()).then_some(())?;
        let jiffies: u64 = fields.nth(7)?.parse().ok()?;
        Some((format!("core {number}"), jiffies * MS_PER_JIFFY))
    };
    text.lines().filter_map(core).collect()
}

/// How fast each core runs now: `2,000 MHz`; empty where the system does not say.
pub(super) fn frequencies(system: &System, cores: &[usize]) -> Vec<Setting> {
    let cpuinfo = system.text("proc/cpuinfo").unwrap_or_default();
    let of = |&core: &usize| {
        let stated = stated_frequency(&cpuinfo, core);
        let file = format!("sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq");
        let mhz = system.number::<u64>(&file).map(|khz| khz / 1_000);
        let mhz = mhz.or(stated)?;
        Some(setting(&format!("frequency, core {core}"), mhz, "MHz"))
    };
    cores.iter().filter_map(of).collect()
}

/// The frequency of a core in `/proc/cpuinfo`, MHz.
fn stated_frequency(cpuinfo: &str, core: usize) -> Option<u64> {
    let mut lines = cpuinfo.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim(), value.trim()))
    });
    let number = core.to_string();
    lines.find(|line| *line == ("processor", number.as_str()))?;
    let (_, mhz) = lines.find(|(name, _)| matches!(*name, "processor" | "cpu MHz"))?;
    Some(mhz.parse::<f64>().ok()? as u64).filter(|_| mhz.contains('.'))
}

/// The most bytes that were seen to wait in the receive buffers of lines A and B. Looked at now and
/// then: what came and went in between is not seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct BufferMarks([u64; 2]);

impl BufferMarks {
    /// Looks at the buffers of these lines.
    pub(super) fn look(&mut self, system: &System, lines: [Option<Group>; 2]) {
        for (mark, line) in self.0.iter_mut().zip(lines) {
            let Some(line) = line else { continue };
            let file = match line.addr() {
                IpAddr::V4(_) => "proc/net/udp",
                IpAddr::V6(_) => "proc/net/udp6",
            };
            let text = system.text(file).unwrap_or_default();
            *mark = (*mark).max(waiting(&text, line));
        }
    }

    /// As counters.
    pub(super) fn counters(self) -> impl Iterator<Item = Setting> {
        ["A", "B"].into_iter().zip(self.0).map(|(line, bytes)| {
            let name = format!("receive buffer, line {line}, most seen (sampled)");
            setting(&name, bytes, "bytes")
        })
    }
}

/// Bytes that wait in the socket bound to this group, by `/proc/net/udp`.
fn waiting(text: &str, line: Group) -> u64 {
    let address: String = match line.addr() {
        IpAddr::V4(v4) => format!("{:08X}", u32::from_le_bytes(v4.octets())),
        IpAddr::V6(v6) => {
            let words = v6.octets();
            let words = words.chunks_exact(4).map(|word| {
                let word = word.first_chunk().copied().unwrap_or_default();
                format!("{:08X}", u32::from_le_bytes(word))
            });
            words.collect()
        }
    };
    let local = format!("{address}:{:04X}", line.port());
    let of = |row: &str| {
        let mut fields = row.split_whitespace();
        (fields.nth(1)? == local).then_some(())?;
        let (_, receive) = fields.nth(2)?.split_once(':')?;
        u64::from_str_radix(receive, 16).ok()
    };
    text.lines().filter_map(of).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::made_of;

    const STATUS: &str = "Name:\ttc-send\nvoluntary_ctxt_switches:\t12\n\
                          nonvoluntary_ctxt_switches:\t3\n";
    const LATER: &str = "Name:\ttc-send\nvoluntary_ctxt_switches:\t15\n\
                         nonvoluntary_ctxt_switches:\t4\n";

    fn system(status: &str, steal: u64) -> (tempfile::TempDir, System) {
        let stat = format!("cpu  9 9 9 9 9 9 9 99 0 0\ncpu0 1 2 3 4 5 6 7 {steal} 0 0\nintr 5\n");
        made_of(&[
            ("proc/stat", &stat),
            ("proc/self/task/7/comm", "tc-send\n"),
            ("proc/self/task/7/status", status),
            // A name may hold brackets and blanks.
            (
                "proc/self/task/7/stat",
                "7 (a) b) S 1 1 1 0 -1 64 50 0 2 0 0",
            ),
            ("proc/self/task/9/comm", "gone\n"),
        ])
    }

    #[test]
    fn what_was_counted_between_two_readings() {
        let (_first, first) = system(STATUS, 5);
        let (_second, second) = system(LATER, 7);
        let mut sum = Reading::default();
        sum.add(&Reading::take(&first), &Reading::take(&second));
        sum.add(&Reading::take(&first), &Reading::take(&second));
        let counters = sum.counters();
        let of = |name: &str| {
            let found = counters.iter().find(|counter| counter.name == name);
            found.map(|counter| counter.value.as_str())
        };
        assert_eq!(of("voluntary context switches, tc-send"), Some("6"));
        assert_eq!(of("involuntary context switches, tc-send"), Some("2"));
        assert_eq!(of("minor page faults, tc-send"), Some("0"));
        assert_eq!(of("steal time, core 0"), Some("40 ms"));
        assert_eq!(of("steal time, core "), None);
    }

    #[test]
    fn page_faults_are_the_right_fields() {
        let (_folder, system) = system(STATUS, 0);
        let counts = Reading::take(&system).threads["tc-send"];
        assert_eq!((counts.minor_faults, counts.major_faults), (50, 2));
    }

    #[test]
    fn this_process_has_threads_and_this_machine_cores() {
        let reading = Reading::take(&System::here());
        assert!(!reading.threads.is_empty());
        let (_folder, nothing) = made_of(&[]);
        assert_eq!(Reading::take(&nothing), Reading::default());
    }

    #[test]
    fn bytes_that_wait_are_found_by_the_group() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n\
                    12: 0107C0EF:36B1 00000000:0000 07 00000000:00001A00 00:00000000 0\n\
                    13: 0107C0EF:36B2 00000000:0000 07 00000000:00000300 00:00000000 0\n";
        let line: Group = "239.192.7.1:14001".parse().unwrap();
        assert_eq!(waiting(text, line), 0x1a00);
        let line: Group = "[ff15::7:1]:14001".parse().unwrap();
        assert_eq!(waiting(text, line), 0);
        let text = "1: 000015FF000000000000000001000700:36B1 0:0 07 0:5 0";
        assert_eq!(waiting(text, line), 5);
    }

    #[test]
    fn frequencies_are_the_kernels_or_those_that_the_processor_states() {
        let (_folder, system) = made_of(&[
            (
                "proc/cpuinfo",
                "processor\t: 0\ncpu MHz\t\t: 2100.123\n\nprocessor : 3\ncpu MHz : 2200.0\n",
            ),
            (
                "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq",
                "3500000\n",
            ),
        ]);
        let values: Vec<String> = frequencies(&system, &[0, 3, 4])
            .into_iter()
            .map(|setting| setting.value)
            .collect();
        assert_eq!(values, ["3,500 MHz", "2,200 MHz"]);
    }
}
