//! What the system says of itself under /proc and /sys. What it does not say, as in a container
//! that hides it, is `None` and never a failure.

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

/// The system, or a folder that looks like one.
#[derive(Debug, Clone)]
pub struct System {
    root: PathBuf,
}

impl System {
    /// This one.
    pub fn here() -> System {
        System::at("/")
    }

    /// The one whose files are in this folder.
    pub fn at(root: impl Into<PathBuf>) -> System {
        System { root: root.into() }
    }

    /// What a file says, without the blanks around it; `None` if there is nothing.
    pub fn text(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join(path)).ok()?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The number that a file says.
    pub fn number<T: FromStr>(&self, path: &str) -> Option<T> {
        self.text(path)?.parse().ok()
    }

    /// The names in a folder that begin so, without that beginning, in order.
    pub fn names(&self, folder: &str, beginning: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(folder)).into_iter().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_prefix(beginning).map(str::to_owned))
            .collect();
        names.sort_unstable();
        names
    }

    /// The last part of where a link leads.
    pub fn link(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.root.join(path)).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }

    /// The cores that a file lists, as in `0-3,8`.
    pub fn cores(&self, path: &str) -> Vec<usize> {
        let text = self.text(path).unwrap_or_default();
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse().ok()?..=last.parse().ok()?)
        };
        text.split(',').filter_map(range).flatten().collect()
    }

    /// The memory node of a core.
    pub fn node_of_core(&self, core: usize) -> Option<u32> {
        let nodes = self.names(&format!("sys/devices/system/cpu/cpu{core}"), "node");
        nodes.first()?.parse().ok()
    }

    /// The memory node that a network device is attached to, its own or that of the bus it is on.
    pub fn node_of_interface(&self, name: &str) -> Option<u32> {
        // A device without a node says -1, which is no `u32`.
        ["device/numa_node", "device/../numa_node"]
            .iter()
            .find_map(|file| self.number(&format!("sys/class/net/{name}/{file}")))
    }

    /// How long, of each second, real-time threads may run on a core, µs; -1 for as long as they
    /// want.
    pub fn realtime_runtime_us(&self) -> Option<i64> {
        self.number("proc/sys/kernel/sched_rt_runtime_us")
    }

    /// Bytes that could still be had without paging anything out.
    pub fn memory_available(&self) -> Option<u64> {
        let text = self.text("proc/meminfo")?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemAvailable:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }
}

/// A folder that looks like a system, for tests: paths and what they say.
#[cfg(test)]
pub fn made_of(files: &[(&str, &str)]) -> (tempfile::TempDir, System) {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("a file");
    }
    let system = System::at(folder.path());
    (folder, system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_that_says_nothing_is_no_failure() {
        let (_folder, nothing) = made_of(&[]);
        assert_eq!(nothing.text("proc/meminfo"), None);
        assert_eq!(nothing.names("sys/class/net", ""), [""; 0]);
        assert_eq!(nothing.cores("sys/devices/system/cpu/isolated"), [0; 0]);
        assert_eq!(nothing.node_of_core(0), None);
        assert_eq!(nothing.node_of_interface("eth0"), None);
        assert_eq!(nothing.memory_available(), None);
    }

    #[test]
    fn nonsense_says_nothing() {
        let (_folder, odd) = made_of(&[
            ("proc/meminfo", "MemAvailable: lots kB\n"),
            ("proc/sys/kernel/sched_rt_runtime_us", "\n"),
            ("sys/devices/system/cpu/isolated", "a-b,,3-x,7,9-8"),
            ("sys/class/net/eth0/device/numa_node", "-1\n"),
        ]);
        assert_eq!(odd.memory_available(), None);
        assert_eq!(odd.realtime_runtime_us(), None);
        assert_eq!(odd.cores("sys/devices/system/cpu/isolated"), [7]);
        assert_eq!(odd.node_of_interface("eth0"), None);
    }

    #[test]
    fn what_it_says_is_understood() {
        let (_folder, system) = made_of(&[
            ("proc/meminfo", "MemFree: 1 kB\nMemAvailable:   2048 kB\n"),
            ("proc/sys/kernel/sched_rt_runtime_us", "-1\n"),
            ("sys/devices/system/cpu/isolated", "0-2,8\n"),
            ("sys/devices/system/cpu/cpu3/node1/cpulist", "0-3\n"),
            ("sys/class/net/eth0/device/numa_node", "1\n"),
        ]);
        assert_eq!(system.memory_available(), Some(2 << 20));
        assert_eq!(system.realtime_runtime_us(), Some(-1));
        assert_eq!(
            system.cores("sys/devices/system/cpu/isolated"),
            [0, 1, 2, 8]
        );
        assert_eq!(system.node_of_core(3), Some(1));
        assert_eq!(system.node_of_interface("eth0"), Some(1));
    }
}
