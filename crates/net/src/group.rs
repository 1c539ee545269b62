//! A multicast group and its port.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::GroupError;

/// A multicast address and a port, as `239.192.7.1:4001` or `[ff15::1]:4001`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group {
    addr: IpAddr,
    port: u16,
}

impl Group {
    /// A group from its parts.
    ///
    /// # Errors
    /// [`GroupError::NotMulticast`] and [`GroupError::ZeroPort`].
    pub fn new(addr: IpAddr, port: u16) -> Result<Group, GroupError> {
        if !addr.is_multicast() {
            return Err(GroupError::NotMulticast { addr });
        }
        if port == 0 {
            return Err(GroupError::ZeroPort);
        }
        Ok(Group { addr, port })
    }

    /// The multicast address.
    #[must_use]
    pub fn addr(&self) -> IpAddr {
        self.addr
    }

    /// The UDP port, never 0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address as a socket on interface `index` uses it: an IPv6 address carries the scope.
    pub(crate) fn on_interface(&self, index: u32) -> SocketAddr {
        let mut address = SocketAddr::new(self.addr, self.port);
        if let SocketAddr::V6(v6) = &mut address {
            v6.set_scope_id(index);
        }
        address
    }
}

impl FromStr for Group {
    type Err = GroupError;

    fn from_str(text: &str) -> Result<Group, GroupError> {
        let address: SocketAddr = text.parse().map_err(|_| GroupError::Syntax {
            text: text.to_owned(),
        })?;
        Group::new(address.ip(), address.port())
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.addr, self.port).fmt(f)
    }
}
