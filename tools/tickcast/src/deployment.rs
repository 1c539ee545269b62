//! How a command runs: each thread's core, priority and way of waiting, its buffers and memory.

use std::fmt;
use std::path::Path;

use anyhow::bail;
use serde::{Serialize, Serializer};
use tickcast_net::{BufferSize, Idle, lock_memory};
use tracing::{info, warn};

use crate::show;
use crate::system::System;

/// A thread of the data plane, or one that has a flag of its own.
#[derive(Debug, Clone, Serialize)]
pub struct Thread {
    /// Its name, as the kernel shows it.
    pub name: String,
    /// The one core it runs on.
    pub core: Option<usize>,
    /// Its real-time priority.
    pub priority: Option<u8>,
    /// How it waits.
    #[serde(serialize_with = "as_text")]
    pub idle: Idle,
}

fn as_text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl Thread {
    /// Whether it keeps its core even when it has nothing to do.
    fn never_sleeps(&self) -> bool {
        self.idle != Idle::Park
    }

    /// Whether the other would wait for ever on a core that both have.
    fn shuts_out(&self, other: &Thread) -> bool {
        let ahead = self.priority > other.priority;
        // Equals give way by yielding; ordinary threads have to share in any case.
        let stubborn =
            self.priority.is_some() && self.priority == other.priority && self.idle == Idle::Spin;
        self.never_sleeps() && (ahead || stubborn)
    }
}

impl fmt::Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on ", self.name)?;
        match self.core {
            Some(core) => write!(f, "core {core}")?,
            None => f.write_str("any core")?,
        }
        if let Some(priority) = self.priority {
            write!(f, " at real-time priority {priority}")?;
        }
        write!(f, ", idle {}", self.idle)
    }
}

/// Every two of them that share a core.
fn neighbours(threads: &[Thread]) -> impl Iterator<Item = (usize, &Thread, &Thread)> {
    threads.iter().enumerate().flat_map(move |(at, one)| {
        threads[at + 1..].iter().filter_map(move |other| {
            let core = one.core.filter(|_| one.core == other.core)?;
            Some((core, one, other))
        })
    })
}

/// Whether all of them will ever run, on so many cores.
///
/// # Errors
/// What is wrong, and what to do.
pub fn check(threads: &[Thread], cores: usize) -> Result<(), String> {
    for (core, one, other) in neighbours(threads) {
        for (one, other) in [(one, other), (other, one)] {
            if one.shuts_out(other) {
                return Err(format!(
                    "{} would never run: core {core} is held by {one}, which never sleeps; give \
                     each a core of its own, or take --idle park",
                    other.name
                ));
            }
        }
    }
    let held = threads
        .iter()
        .filter(|thread| thread.priority.is_some() && thread.never_sleeps())
        .count();
    if held >= cores {
        return Err(format!(
            "real-time threads that never sleep would hold {held} of {cores} cores and leave none \
             to the rest of this program: give fewer a priority, or take --idle park"
        ));
    }
    Ok(())
}

/// What may be meant and is seldom good.
fn notices(threads: &[Thread], interfaces: &[&str], system: &System) -> Vec<String> {
    let mut notices = Vec::new();
    let mut interfaces = interfaces.to_vec();
    interfaces.dedup();
    for (core, one, other) in neighbours(threads) {
        if one.idle == Idle::Spin && other.idle == Idle::Spin {
            notices.push(format!(
                "{} and {} both spin on core {core}: each stands still while the other has its \
                 turn; give each a core of its own, or take --idle yield",
                one.name, other.name
            ));
        }
    }
    let throttled = system.realtime_runtime_us().filter(|&us| us >= 0);
    let held = threads
        .iter()
        .find(|thread| thread.priority.is_some() && thread.never_sleeps());
    if let (Some(thread), Some(us)) = (held, throttled) {
        notices.push(format!(
            "{} never sleeps, and the kernel lets real-time threads run for {} µs of each second \
             (kernel.sched_rt_runtime_us): it may be stopped for the rest; `sysctl -w \
             kernel.sched_rt_runtime_us=-1` lifts that",
            thread.name,
            show::count(us.unsigned_abs()),
        ));
    }
    for thread in threads {
        let node = thread.core.and_then(|core| system.node_of_core(core));
        for interface in &interfaces {
            let device = system.node_of_interface(interface);
            let (Some(node), Some(device)) = (node, device) else {
                continue;
            };
            if node != device {
                notices.push(format!(
                    "{} runs on memory node {node}, and {interface} is attached to node \
                     {device}: packets cross between them; choose a core of node {device}, \
                     `tickcast machine` shows them",
                    thread.name,
                ));
            }
        }
    }
    notices
}

/// The socket buffers of lines A and B.
type Buffers = [Option<BufferSize>; 2];

/// A socket buffer, as `--json` shows it.
#[derive(Debug, Clone, Serialize)]
struct Buffer {
    /// `send` or `receive`.
    kind: &'static str,
    line: &'static str,
    asked: usize,
    got: usize,
}

/// How the command runs, as `--json` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Deployment {
    threads: Vec<Thread>,
    buffers: Vec<Buffer>,
    memory_locked: bool,
    notices: Vec<String>,
}

impl Deployment {
    /// These threads on these interfaces. Says what is seldom good about it, to the log.
    pub fn plan(threads: Vec<Thread>, interfaces: &[&str]) -> Deployment {
        let notices = notices(&threads, interfaces, &System::here());
        for notice in &notices {
            warn!("{notice}");
        }
        Deployment {
            threads,
            buffers: Vec::new(),
            memory_locked: false,
            notices,
        }
    }

    /// Locks what memory there is before anything is started: whoever may not lock even that is
    /// told before the first tick.
    ///
    /// # Errors
    /// When it may not be locked, or `mapped`, a file that is part of it, does not fit.
    pub fn lock_memory(&mut self, mapped: Option<&Path>) -> anyhow::Result<()> {
        let bytes = mapped.and_then(|path| Some(path.metadata().ok()?.len()));
        if let (Some(bytes), Some(available)) = (bytes, System::here().memory_available())
            && bytes > available
        {
            bail!(
                "--lock-memory locks the tick file too, {} bytes, and this machine has {} to \
                 spare: leave it out, or publish a shorter file",
                show::count(bytes),
                show::count(available)
            );
        }
        lock_memory()?;
        self.memory_locked = true;
        Ok(())
    }

    /// To be called once all is started: locks what memory came since, and says how it runs.
    ///
    /// # Errors
    /// When more may not be locked.
    pub fn started(&mut self, buffers: &[(&'static str, Buffers)]) -> anyhow::Result<()> {
        if self.memory_locked {
            lock_memory()?;
        }
        for &(kind, buffers) in buffers {
            for (line, buffer) in ["A", "B"].into_iter().zip(buffers) {
                let Some(BufferSize { asked, got }) = buffer else {
                    continue;
                };
                info!("line {line}: {kind} buffer {got} bytes of {asked} asked for");
                self.buffers.push(Buffer {
                    kind,
                    line,
                    asked,
                    got,
                });
            }
        }
        for thread in &self.threads {
            info!("{thread}");
        }
        if self.memory_locked {
            info!("memory locked");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::made_of;

    fn thread(name: &str, core: Option<usize>, priority: Option<u8>, idle: Idle) -> Thread {
        Thread {
            name: name.into(),
            core,
            priority,
            idle,
        }
    }

    /// Two threads on core 1, each with a priority and a way of waiting.
    fn two(one: (Option<u8>, Idle), other: (Option<u8>, Idle)) -> [Thread; 2] {
        [
            thread("tc-one", Some(1), one.0, one.1),
            thread("tc-other", Some(1), other.0, other.1),
        ]
    }

    #[test]
    fn a_thread_that_would_never_run_is_refused() {
        use Idle::{Park, Spin, Yield};
        for (one, other, refused) in [
            ((None, Spin), (None, Spin), None),
            ((Some(5), Park), (None, Spin), None),
            ((Some(5), Yield), (Some(5), Yield), None),
            ((Some(5), Spin), (Some(5), Park), Some("tc-other")),
            ((Some(5), Yield), (None, Park), Some("tc-other")),
            ((None, Spin), (Some(5), Yield), Some("tc-one")),
            ((Some(5), Yield), (Some(6), Spin), Some("tc-one")),
        ] {
            let said = check(&two(one, other), 8);
            match refused {
                None => assert_eq!(said, Ok(()), "{one:?} {other:?}"),
                Some(name) => {
                    let said = said.expect_err("one never runs");
                    assert!(
                        said.starts_with(&format!("{name} would never run")),
                        "{said}"
                    );
                    assert!(
                        said.contains("core 1") && said.contains("priority"),
                        "{said}"
                    );
                }
            }
            let apart = [
                thread("tc-one", Some(1), one.0, one.1),
                thread("tc-other", Some(2), other.0, other.1),
            ];
            assert_eq!(check(&apart, 8), Ok(()));
        }
    }

    #[test]
    fn a_core_is_left_to_the_rest() {
        let spinning = |core| thread("tc-x", Some(core), Some(1), Idle::Spin);
        assert_eq!(check(&[spinning(0), spinning(1)], 3), Ok(()));
        let said = check(&[spinning(0), spinning(1)], 2).expect_err("none is left");
        assert!(said.contains("2 of 2 cores"), "{said}");
        let sleeping = thread("tc-x", Some(0), Some(1), Idle::Park);
        assert_eq!(check(&[sleeping, spinning(1)], 2), Ok(()));
    }

    #[test]
    fn what_is_seldom_good_is_said() {
        let (_folder, system) = made_of(&[
            ("proc/sys/kernel/sched_rt_runtime_us", "950000\n"),
            ("sys/devices/system/cpu/cpu1/node0/cpulist", "0-3\n"),
            ("sys/class/net/eth1/device/numa_node", "1\n"),
            ("sys/class/net/eth0/device/numa_node", "0\n"),
        ]);
        let spin = || (None, Idle::Spin);
        let said = notices(&two(spin(), spin()), &["lo", "eth0"], &system);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("both spin on core 1"), "{said:?}");

        let alone = [thread("tc-one", Some(1), Some(50), Idle::Spin)];
        let said = notices(&alone, &["eth0", "eth1"], &system);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("950,000 µs"), "{said:?}");
        assert!(said[0].contains("sched_rt_runtime_us=-1"), "{said:?}");
        for word in ["tc-one", "node 0", "eth1", "node 1"] {
            assert!(said[1].contains(word), "{said:?}");
        }

        let (_folder, nothing) = made_of(&[]);
        assert_eq!(notices(&alone, &["eth0", "eth1"], &nothing), [""; 0]);
    }
}
