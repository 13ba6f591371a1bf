//! What counts as one source: an address, and the networks that one customer of a provider holds.
//!
//! The source is the peer of the connection, or what a listed proxy says of it by the PROXY protocol; no header of a request plays a part.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The lengths of the IPv6 networks that one host, one customer and one large customer take addresses from as they like.
const LENGTHS: [u8; Source::LEVELS] = [48, 56, 64];

/// The same of an IPv4 address in IPv6 notation: its network of 24 bits, and the address itself.
const MAPPED_LENGTHS: [u8; Source::LEVELS] = [96 + 24, 96 + 32, 96 + 32];

/// A network: its first address, in IPv6 notation, and how many bits of it count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Network {
    bits: u128,
    length: u8,
}

impl Network {
    /// The network of so many bits, 1 to 128, in which an address lies.
    fn of(address: Ipv6Addr, length: u8) -> Self {
        let bits = address.to_bits() & (u128::MAX << (128 - u32::from(length)));
        Network { bits, length }
    }
}

/// Where an attempt comes from: its networks, the widest first. An IPv4 address lies in its network of 24 bits, the least that the internet
/// routes, and is a network of its own on the two levels below; it is the same one if it is written as IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source([Network; Source::LEVELS]);

impl Source {
    /// Networks of one source.
    pub(super) const LEVELS: usize = 3;

    /// The source of an address; all whose proxy does not say where they come from are one.
    pub(super) fn of(address: Option<IpAddr>) -> Self {
        let alike = |bits, length| Source([Network { bits, length }; Self::LEVELS]);
        match address.map(|address| address.to_canonical()) {
            None => alike(0, 0),
            Some(IpAddr::V4(address)) => {
                let mapped = address.to_ipv6_mapped();
                Source(MAPPED_LENGTHS.map(|length| Network::of(mapped, length)))
            }
            Some(IpAddr::V6(address)) => Source(LENGTHS.map(|length| Network::of(address, length))),
        }
    }

    /// Its networks, the widest first.
    pub(super) fn networks(&self) -> [Network; Self::LEVELS] {
        self.0
    }

    /// Its narrowest network: /64, or one IPv4 address.
    pub(super) fn narrowest(&self) -> Network {
        self.0[Self::LEVELS - 1]
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Network { bits, length } = self.narrowest();
        match length {
            0 => formatter.write_str("unknown"),
            _ => Ipv6Addr::from_bits(bits).to_canonical().fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that one host counts as many, or many as one.
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn source(address: &str) -> Source {
        Source::of(Some(address.parse().unwrap()))
    }

    #[test]
    fn an_ipv4_address_is_one_source_however_it_is_written() {
        assert_eq!(source("192.0.2.1"), source("::ffff:192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_ne!(source("192.0.2.1"), Source::of(None));
        assert_eq!(source("::ffff:192.0.2.1").to_string(), "192.0.2.1");
        assert_eq!(Source::of(None).to_string(), "unknown");
    }

    /// How many networks two addresses have in common.
    fn shared(one: &str, other: &str) -> usize {
        let (one, other) = (source(one).networks(), source(other).networks());
        one.iter().zip(&other).filter(|(a, b)| a == b).count()
    }

    #[test]
    fn an_ipv4_address_shares_its_network_of_24_bits_and_nothing_else() {
        assert_eq!(shared("192.0.2.1", "192.0.2.255"), 1);
        assert_eq!(shared("192.0.2.1", "::ffff:192.0.2.2"), 1);
        assert_eq!(shared("192.0.2.1", "192.0.3.1"), 0);
        // No IPv6 network holds all of IPv4.
        assert_eq!(shared("192.0.2.1", "::"), 0);
    }

    #[test]
    fn an_ipv6_address_has_three_networks() {
        assert_eq!(shared("2001:db8:0:1::1", "2001:db8:0:1:ffff::9"), 3);
        assert_eq!(shared("2001:db8:0:1::1", "2001:db8:0:2::1"), 2);
        assert_eq!(shared("2001:db8:0:100::1", "2001:db8:0:200::1"), 1);
        assert_eq!(shared("2001:db8:1::1", "2001:db8:2::1"), 0);
        assert_eq!(source("2001:db8:0:1::9").to_string(), "2001:db8:0:1::");
    }
}
