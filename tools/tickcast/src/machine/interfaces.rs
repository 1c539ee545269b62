//! The network devices.

use std::fmt;

use serde::Serialize;
use tickcast_net::Interface;

use crate::show::or_dash;
use crate::system::System;

/// A network device.
#[derive(Debug, Serialize)]
pub(super) struct Device {
    pub(super) name: String,
    /// `up`, `down`, or `unknown` for those that have no link, as loopback.
    pub(super) state: Option<String>,
    /// The memory node it is attached to.
    pub(super) node: Option<u32>,
    pub(super) mtu: Option<u32>,
    pub(super) driver: Option<String>,
    pub(super) receive_queues: usize,
    pub(super) send_queues: usize,
    /// Whether the card can stamp what it receives, by a clock of its own.
    pub(super) hardware_stamps: Option<bool>,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<12}{}, node {}, MTU {}, driver {}, {} receive and {} send queues{}",
            self.name,
            or_dash(&self.state),
            or_dash(&self.node),
            or_dash(&self.mtu),
            or_dash(&self.driver),
            self.receive_queues,
            self.send_queues,
            match self.hardware_stamps {
                Some(true) => ", stamps in hardware",
                _ => "",
            }
        )
    }
}

/// What the system says of its network devices.
pub(super) fn of(system: &System) -> Vec<Device> {
    let of = |name: String| {
        let folder = format!("sys/class/net/{name}");
        Device {
            state: system.text(&format!("{folder}/operstate")),
            node: system.node_of_interface(&name),
            mtu: system.number(&format!("{folder}/mtu")),
            driver: system.link(&format!("{folder}/device/driver")),
            receive_queues: system.names(&format!("{folder}/queues"), "rx-").len(),
            send_queues: system.names(&format!("{folder}/queues"), "tx-").len(),
            hardware_stamps: None,
            name,
        }
    };
    let names = system.names("sys/class/net", "").into_iter();
    names.map(of).collect()
}

/// Asks the kernel which of them stamp in hardware.
pub(super) fn ask_for_stamps(devices: &mut [Device]) {
    for device in devices {
        let interface = Interface::find(&device.name).ok();
        device.hardware_stamps = interface.and_then(|it| it.stamps_in_hardware().ok());
    }
}
