//! A network interface, found by name or address.

use std::ffi::CString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::str::FromStr;

use socket2::{Domain, Socket, Type};

use crate::sys;
use crate::{InterfaceError, OsError};

/// A network interface of this host, found once and then known by its index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    name: String,
    index: u32,
    addresses: Vec<IpAddr>,
}

impl Interface {
    /// The interfaces of this host in the kernel's order, with and without addresses.
    ///
    /// # Errors
    /// [`InterfaceError::List`] when the kernel does not tell.
    pub fn all() -> Result<Vec<Interface>, InterfaceError> {
        let mut interfaces: Vec<Interface> = Vec::new();
        for (name, index, address) in sys::interface_addresses().map_err(InterfaceError::List)? {
            let known = interfaces
                .iter()
                .position(|interface| interface.index == index);
            let at = known.unwrap_or_else(|| {
                interfaces.push(Interface {
                    name,
                    index,
                    addresses: Vec::new(),
                });
                interfaces.len() - 1
            });
            interfaces[at].addresses.extend(address);
        }
        Ok(interfaces)
    }

    /// The interface with this name (`eth0`) or this address (`192.168.1.5`, `fe80::1`).
    ///
    /// # Errors
    /// [`InterfaceError::NotFound`], which lists the interfaces there are.
    pub fn find(wanted: &str) -> Result<Interface, InterfaceError> {
        let address: Option<IpAddr> = wanted.parse().ok();
        Interface::find_where(wanted, |interface| {
            interface.name == wanted || address.is_some_and(|a| interface.addresses.contains(&a))
        })
    }

    /// The loopback interface: the default, as nothing leaves the host by it.
    ///
    /// # Errors
    /// [`InterfaceError::NotFound`] when it is down or has no address.
    pub fn loopback() -> Result<Interface, InterfaceError> {
        Interface::find_where("loopback", |interface| {
            interface.addresses.iter().any(IpAddr::is_loopback)
        })
    }

    fn find_where(
        wanted: &str,
        fits: impl Fn(&Interface) -> bool,
    ) -> Result<Interface, InterfaceError> {
        let interfaces = Interface::all()?;
        interfaces
            .iter()
            .find(|interface| fits(interface))
            .cloned()
            .ok_or_else(|| InterfaceError::NotFound {
                wanted: wanted.to_owned(),
                available: interfaces.iter().map(ToString::to_string).collect(),
            })
    }

    /// The name, as `lo` or `eth0`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kernel's index of the interface.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The addresses it had when it was found.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Whether its card can stamp datagrams as they come in, by a clock of its own.
    ///
    /// # Errors
    /// [`OsError`] when the kernel does not tell.
    pub fn stamps_in_hardware(&self) -> Result<bool, OsError> {
        const BOTH: u32 = libc::SOF_TIMESTAMPING_RX_HARDWARE | libc::SOF_TIMESTAMPING_RAW_HARDWARE;
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
        // A name never holds a zero byte; if it did, there would be no such interface.
        let name = CString::new(self.name.as_str()).unwrap_or_default();
        Ok(sys::stamps(socket.as_fd(), &name)? & BOTH == BOTH)
    }

    /// Its first IPv4 address.
    #[must_use]
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        self.addresses.iter().find_map(|address| match address {
            IpAddr::V4(v4) => Some(*v4),
            IpAddr::V6(_) => None,
        })
    }

    /// Its first IPv6 address.
    #[must_use]
    pub fn ipv6(&self) -> Option<Ipv6Addr> {
        self.addresses.iter().find_map(|address| match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => Some(*v6),
        })
    }
}

impl FromStr for Interface {
    type Err = InterfaceError;

    /// The same as [`Interface::find`].
    fn from_str(text: &str) -> Result<Interface, InterfaceError> {
        Interface::find(text)
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        write!(f, "{} ({})", self.name, addresses.join(", "))
    }
}
