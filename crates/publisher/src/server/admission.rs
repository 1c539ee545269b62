//! Which connections get a place.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use crate::counters::Counter;

/// The shortest time that a client without a place is told to wait, in ns: 100 ms.
const RETRY_NS: u64 = 100_000_000;

/// Why a connection gets no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It comes from outside the networks that are served. It is told nothing.
    NotAllowed,
    /// Its address has as many as one may have.
    AddressLimit,
    /// All places are taken.
    Full,
}

impl Refusal {
    pub(crate) const fn counter(self) -> Counter {
        match self {
            Refusal::NotAllowed => Counter::NotAllowed,
            Refusal::AddressLimit => Counter::AddressLimit,
            Refusal::Full => Counter::RefusedClients,
        }
    }
}

/// Who is connected, by address.
#[derive(Debug)]
pub(crate) struct Admission {
    allow: Vec<IpNet>,
    per_address: usize,
    /// Clients by address; never more entries than there are clients.
    addresses: HashMap<IpAddr, usize>,
    /// How many were told when to come again.
    refused: u64,
}

impl Admission {
    /// No networks allow all.
    pub(crate) fn new(allow: Vec<IpNet>, per_address: usize) -> Admission {
        Admission {
            allow,
            per_address,
            addresses: HashMap::new(),
            refused: 0,
        }
    }

    /// Whether this address may have one more connection.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        let address = address.to_canonical();
        if !self.allow.is_empty() && !self.allow.iter().any(|net| net.contains(&address)) {
            return Err(Refusal::NotAllowed);
        }
        let connected = self.addresses.get(&one_host(address)).copied();
        if connected.unwrap_or(0) >= self.per_address {
            return Err(Refusal::AddressLimit);
        }
        Ok(())
    }

    pub(crate) fn enter(&mut self, address: IpAddr) {
        *self.addresses.entry(one_host(address)).or_default() += 1;
    }

    pub(crate) fn leave(&mut self, address: IpAddr) {
        let address = one_host(address);
        if let Some(connected) = self.addresses.get_mut(&address) {
            *connected -= 1;
            if *connected == 0 {
                self.addresses.remove(&address);
            }
        }
    }

    /// When to come again, in ns: up to twice the shortest time, spread evenly over those that are
    /// refused.
    pub(crate) fn retry_ns(&mut self) -> u64 {
        self.refused = self.refused.wrapping_add(1);
        // Multiples of the golden ratio never come close to each other.
        let spread = self.refused.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        RETRY_NS + ((spread * RETRY_NS) >> 32)
    }
}

/// What counts as one host: of IPv6 its network of 64 bits, in which it may have any address.
fn one_host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = (address.to_bits() >> 64) << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_host_does_not_take_the_places_of_others() {
        let mut admission = Admission::new(vec![], 2);
        for _ in 0..2 {
            assert_eq!(admission.check(ip("10.0.0.1")), Ok(()));
            admission.enter(ip("10.0.0.1"));
        }
        assert_eq!(admission.check(ip("10.0.0.1")), Err(Refusal::AddressLimit));
        let mapped = ip("::ffff:10.0.0.1");
        assert_eq!(admission.check(mapped), Err(Refusal::AddressLimit));
        assert_eq!(admission.check(ip("10.0.0.2")), Ok(()));
        admission.leave(ip("10.0.0.1"));
        assert_eq!(admission.check(ip("10.0.0.1")), Ok(()));
        admission.leave(ip("10.0.0.1"));
        assert!(admission.addresses.is_empty());
    }

    #[test]
    fn an_ipv6_host_is_its_network() {
        let mut admission = Admission::new(vec![], 1);
        admission.enter(ip("fd00:1:2:3::1"));
        let neighbour = ip("fd00:1:2:3:ffff::9");
        assert_eq!(admission.check(neighbour), Err(Refusal::AddressLimit));
        assert_eq!(admission.check(ip("fd00:1:2:4::1")), Ok(()));
    }

    #[test]
    fn only_networks_that_are_served_get_in() {
        let allow = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().unwrap());
        let admission = Admission::new(allow.to_vec(), 1);
        for inside in ["10.255.0.1", "::ffff:10.1.2.3", "fdff::1"] {
            assert_eq!(admission.check(ip(inside)), Ok(()), "{inside}");
        }
        for outside in ["11.0.0.1", "127.0.0.1", "::1", "::ffff:11.0.0.1", "fe80::1"] {
            let refused = Err(Refusal::NotAllowed);
            assert_eq!(admission.check(ip(outside)), refused, "{outside}");
        }
    }

    #[test]
    fn those_refused_do_not_come_back_at_once() {
        let mut admission = Admission::new(vec![], 1);
        let mut times: Vec<u64> = (0..1000).map(|_| admission.retry_ns()).collect();
        times.sort_unstable();
        assert!(times[0] >= RETRY_NS && times[999] < 2 * RETRY_NS);
        // In any tenth of the time come about a tenth of them.
        for tenth in 0..10 {
            let from = RETRY_NS + tenth * RETRY_NS / 10;
            let coming = times
                .iter()
                .filter(|t| (from..from + RETRY_NS / 10).contains(t));
            assert!((90..=110).contains(&coming.count()));
        }
    }
}
