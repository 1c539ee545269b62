//! The floor: multicast with bare sockets, one `send` and one `recv` a datagram, without stamps, at
//! the rate of the run, on its cores. What a tick costs beyond it is ours.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use socket2::{Domain, Protocol, Socket, Type};
use tickcast_latency::{Histograms, Provenance, Recorder, Stage, stages};
use tickcast_net::thread::spawn_named;
use tickcast_net::{DEFAULT_RECEIVE_BUFFER, Group, Interface, clock};
use tickcast_wire::{EMPTY_PACKET_BYTES, TICK_BYTES};

use crate::interrupt::Interrupt;

/// As long as a packet with one tick.
const DATAGRAM_BYTES: usize = EMPTY_PACKET_BYTES + TICK_BYTES;
/// What is sent first and not counted: the cores and the way get warm.
const WARM_UP: Duration = Duration::from_millis(100);
/// Time for the last datagrams to arrive.
const STRAGGLERS: Duration = Duration::from_millis(20);
/// About as long as a window of the run.
const WINDOW: Duration = Duration::from_millis(80);
/// Beyond the ports of the run, on the same groups.
const PORTS_ABOVE: u16 = 10;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// How the floor is taken.
#[derive(Debug, Clone)]
pub(super) struct Floor {
    /// The groups of the run.
    pub(super) lines: [Group; 2],
    pub(super) interface: Interface,
    /// Datagrams a second on each line, evenly spaced.
    pub(super) rate: u64,
    pub(super) send_core: Option<usize>,
    pub(super) receive_core: Option<usize>,
}

impl Floor {
    /// Takes the floor for so long, window by window: as `total`, from when each datagram was due
    /// to it being read, the first of its copies. Open loop: what the sender is late by counts.
    ///
    /// # Errors
    /// When a socket or thread cannot be had, or nothing arrives.
    pub(super) fn take(
        &self,
        duration: Duration,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Vec<Histograms>> {
        let (mut senders, mut receivers) = (Vec::new(), Vec::new());
        for line in self.lines {
            let IpAddr::V4(group) = line.addr() else {
                bail!("the floor takes IPv4 groups, not {line}");
            };
            let group = SocketAddrV4::new(group, line.port() + PORTS_ABOVE);
            let local = self.interface.ipv4();
            let local = local.context("the interface has no IPv4 address for the floor")?;
            senders.push(sender(group, local).context("cannot open a bare socket to send")?);
            let receiver = receiver(group, local);
            receivers.push(receiver.context("cannot open a bare socket to receive")?);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (recorder, mut reporter) = stages(&[Stage::Total]);
        let receiving = {
            let stop = Arc::clone(&stop);
            spawn_named("tc-floor-in", self.receive_core, move || {
                receive(&receivers, recorder, &stop);
            })?
        };
        let (rate, asked) = (self.rate.max(1), interrupt.clone());
        let sending = spawn_named("tc-floor-out", self.send_core, move || {
            send(&senders, rate, WARM_UP + duration, &asked);
        });
        let mut windows = Vec::new();
        while sending.as_ref().is_ok_and(|sending| !sending.is_finished()) && !interrupt.is_set() {
            std::thread::sleep(WINDOW);
            reporter.request();
            std::thread::sleep(STRAGGLERS);
            windows.push(Histograms::new(&[]));
            reporter.collect(windows.last_mut().context("it was just made")?);
        }
        std::thread::sleep(STRAGGLERS);
        stop.store(true, Ordering::Relaxed);
        let panicked = "a thread of the floor panicked";
        receiving.join().ok().context(panicked)?;
        sending?.join().ok().context(panicked)?;
        windows.push(Histograms::new(&[]));
        reporter.collect(windows.last_mut().context("it was just made")?);
        windows.retain(|window| window.sum(Stage::Total).is_some_and(|sum| !sum.is_empty()));
        if windows.is_empty() && !interrupt.is_set() {
            bail!("nothing of the floor arrived: multicast does not come back on this interface");
        }
        Ok(windows)
    }
}

fn sender(group: SocketAddrV4, local: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_multicast_if_v4(&local)?;
    socket.connect(&group.into())?;
    Ok(socket.into())
}

fn receiver(group: SocketAddrV4, local: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(DEFAULT_RECEIVE_BUFFER)?;
    socket.bind(&group.into())?;
    socket.join_multicast_v4(group.ip(), &local)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Sends on the schedule, each datagram with the instant at which it was due and whether it counts.
fn send(senders: &[UdpSocket], rate: u64, duration: Duration, interrupt: &Interrupt) {
    let mut datagram = [0; DATAGRAM_BYTES];
    // Paced by the clock that does not step, stamped by the one that the receiver reads.
    let (start, started) = (clock::realtime_ns(), clock::monotonic_ns());
    for number in 0_u64.. {
        let after = u128::from(number) * u128::from(NANOS_PER_SECOND) / u128::from(rate);
        let after = after as u64;
        if after >= duration.as_nanos() as u64 || interrupt.is_set() {
            return;
        }
        while clock::monotonic_ns() - started < after {
            std::hint::spin_loop();
        }
        let due = start + after;
        datagram[..8].copy_from_slice(&due.to_le_bytes());
        datagram[8] = u8::from(after >= WARM_UP.as_nanos() as u64);
        for sender in senders {
            // A refusal is a loss: it has no sample.
            let _ = sender.send(&datagram);
        }
    }
}

/// Spins on the sockets, one after the other, until told to stop.
fn receive(receivers: &[UdpSocket], mut recorder: Recorder, stop: &AtomicBool) {
    let mut datagram = [0; DATAGRAM_BYTES];
    let mut latest = 0;
    while !stop.load(Ordering::Relaxed) {
        for receiver in receivers {
            let Ok(DATAGRAM_BYTES) = receiver.recv(&mut datagram) else {
                continue;
            };
            let read = clock::realtime_ns();
            let due = datagram
                .first_chunk()
                .map_or(0, |word| u64::from_le_bytes(*word));
            if due > latest {
                latest = due;
                if datagram[8] != 0 {
                    recorder.record((Stage::Total, Provenance::A), due, read, 1);
                }
            }
        }
        recorder.poll_swap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::together::groups;

    #[test]
    fn every_datagram_counts_once() {
        let floor = Floor {
            lines: groups().unwrap(),
            interface: Interface::loopback().unwrap(),
            rate: 2_000,
            send_core: None,
            receive_core: None,
        };
        let interrupt = Interrupt::watch().unwrap();
        let windows = floor.take(Duration::from_millis(200), &interrupt).unwrap();
        let sums = windows.iter().filter_map(|window| window.sum(Stage::Total));
        let samples: u64 = sums.map(|sum| sum.histogram().len()).sum();
        // The first that counts is due at most one step after the warm-up.
        assert!((399..=400).contains(&samples), "{samples}");
    }
}
