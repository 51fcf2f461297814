//! Lists of addresses and networks, as settings have them: who may come in, who speaks for others, who is near.
//!
//! An IPv4 address that came through an IPv6 socket is the IPv4 address. Does not resolve names.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// One address, or all that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u32,
}

/// Several networks; an empty list contains nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNetwork {
    /// Neither an address nor an address with a length.
    #[error("`{0}` is no address and no network; write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32")]
    Unreadable(String),
    /// The address has bits behind the length.
    #[error("`{text}` names an address within a network; write `{meant}` for the network, or the address alone")]
    Within {
        /// What was written.
        text: String,
        /// The network.
        meant: Network,
    },
}

impl Network {
    fn new(address: IpAddr, bits: u32) -> Option<Self> {
        let width = width(address);
        (bits <= width).then(|| Network { base: first(address, bits), bits })
    }

    /// Whether `address` is one of it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.base.is_ipv4() && first(address, self.bits) == self.base
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let unreadable = || BadNetwork::Unreadable(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| unreadable())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| unreadable())?;
        let network = Network::new(address, bits.unwrap_or(width(address))).ok_or_else(unreadable)?;
        if network.base != address {
            return Err(BadNetwork::Within { text: text.to_owned(), meant: network });
        }
        // An IPv4 network in IPv6 clothes would contain nobody, since addresses are undressed before they are compared.
        match (address, address.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(bare)) if network.bits >= 96 => {
                Network::new(bare.into(), network.bits - 96).ok_or_else(unreadable)
            }
            _ => Ok(network),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.base, self.bits)
    }
}

impl Networks {
    /// These networks.
    pub fn new(networks: Vec<Network>) -> Self {
        Networks(networks)
    }

    /// Whether `address` is in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Loopback, link-local and private networks of IPv4: where clients are beside the server and not behind its NAT.
    pub fn private() -> Self {
        let near = [
            ([127, 0, 0, 0], 8),
            ([10, 0, 0, 0], 8),
            ([172, 16, 0, 0], 12),
            ([192, 168, 0, 0], 16),
            ([169, 254, 0, 0], 16),
        ];
        Networks(near.into_iter().filter_map(|(base, bits)| Network::new(base.into(), bits)).collect())
    }
}

/// Who counts as one: an IPv4 address, or the /64 that an IPv6 host usually has to itself.
pub fn host_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => address,
        address => first(address, 64),
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with all but its first `bits` bits zero.
fn first(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            IpAddr::V4((address.to_bits() & u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0)).into())
        }
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0)))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn networks_contain_what_begins_like_them() {
        assert!(contains("192.0.2.7", "192.0.2.7") && !contains("192.0.2.7", "192.0.2.8"));
        assert!(contains("192.0.2.0/24", "192.0.2.255") && !contains("192.0.2.0/24", "192.0.3.0"));
        assert!(contains("192.0.2.0/24", "::ffff:192.0.2.1"), "an IPv4 address through an IPv6 socket");
        assert!(contains("::ffff:192.0.2.0/120", "192.0.2.1"), "and a network written that way");
        assert!(contains("2001:db8::/32", "2001:db8:ffff::1") && !contains("2001:db8::/32", "2001:db9::"));
        assert!(contains("0.0.0.0/0", "203.0.113.1") && !contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("::/0", "2001:db8::1") && !contains("::/0", "203.0.113.1"));
        assert!(Networks::private().contains("172.31.0.1".parse().unwrap()));
        assert!(!Networks::private().contains("172.32.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in ["", "example.com", "192.0.2.0/33", "::/129", "192.0.2/24", "192.0.2.0/-1", "192.0.2.0/"] {
            assert_eq!(text.parse::<Network>(), Err(BadNetwork::Unreadable(text.to_owned())));
        }
        let within = "192.0.2.7/24".parse::<Network>().unwrap_err().to_string();
        assert!(within.contains("write `192.0.2.0/24`"), "{within}");
    }

    #[test]
    fn a_host_is_an_address_or_a_64() {
        let host = |address: &str| host_of(address.parse().unwrap()).to_string();
        assert_eq!(host("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(host("2001:db8:1:2:3::4"), "2001:db8:1:2::");
    }

    proptest! {
        #[test]
        fn an_address_is_in_each_network_cut_from_it(address: IpAddr, other: IpAddr, bits in 0u32..=128) {
            let address = address.to_canonical();
            let bits = bits.min(width(address));
            let network = Network::new(address, bits).unwrap();
            prop_assert!(network.contains(address));
            prop_assert_eq!(network.to_string().parse::<Network>(), Ok(network));
            let other = other.to_canonical();
            let same = address.is_ipv4() == other.is_ipv4() && first(address, bits) == first(other, bits);
            prop_assert_eq!(network.contains(other), same);
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = text.parse::<Network>();
        }
    }
}
