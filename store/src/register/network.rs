//! The one form in which a network is kept and compared.

use ipnet::{IpNet, Ipv4Net};

/// The prefix of IPv4 addresses written as IPv6, `::ffff:0:0/96`.
const MAPPED_PREFIX: u8 = 96;

/// A network with its host bits cleared; one of IPv4 addresses written as IPv6 becomes the IPv4 network that it stands for, as an address
/// from there does before it is looked up.
#[must_use]
pub fn canonical_network(network: IpNet) -> IpNet {
    if let IpNet::V6(six) = network
        && let Some(address) = six.addr().to_ipv4_mapped()
        && let Some(prefix) = six.prefix_len().checked_sub(MAPPED_PREFIX)
        && let Ok(four) = Ipv4Net::new(address, prefix)
    {
        return IpNet::V4(four.trunc());
    }
    network.trunc()
}

#[cfg(test)]
mod tests {
    //! A failure means that a network which an administrator registered lets nobody in, or others than those it names.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_network_is_kept_in_one_form_however_it_is_given() {
        for (given, kept) in [
            ("192.0.2.77/24", "192.0.2.0/24"),
            ("192.0.2.77/32", "192.0.2.77/32"),
            ("2001:db8::1/64", "2001:db8::/64"),
            ("::ffff:192.0.2.77/120", "192.0.2.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            // Wider than the mapped addresses: a network of IPv6, in which no IPv4 address lies.
            ("::ffff:0:0/95", "::fffe:0:0/95"),
            ("::/0", "::/0"),
        ] {
            let network = canonical_network(given.parse().unwrap());
            assert_eq!(network, kept.parse::<IpNet>().unwrap(), "{given}");
            assert_eq!(canonical_network(network), network);
        }
    }
}
