//! The network addresses that the program may call for its users. An admin of a project chooses a webhook's URL, but the program runs in
//! the operator's network: addresses that only that network can reach are rejected, unless the operator allows them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use thiserror::Error;

/// A block of addresses: `10.0.0.0/8`, `fd00::/8`, or a single one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpNetwork {
    first: IpAddr,
    bits: u32,
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// The error for a block that could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("“{0}” is not an address block; write it like 10.1.0.0/16, fd12::/64 or 192.168.1.5")]
pub struct IpNetworkParseError(String);

impl IpNetwork {
    const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u32) -> Self {
        Self { first: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }
    }

    const fn v6(first: Ipv6Addr, bits: u32) -> Self {
        Self { first: IpAddr::V6(first), bits }
    }

    /// Parses `address/bits` or an address.
    ///
    /// # Errors
    /// Returns an error if it is neither.
    pub fn parse(text: &str) -> Result<Self, IpNetworkParseError> {
        let wrong = || IpNetworkParseError(text.trim().to_owned());
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| wrong())?)),
            None => (text.trim(), None),
        };
        let first: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        if bits > most { Err(wrong()) } else { Ok(Self { first, bits }) }
    }

    /// Returns whether an address is in this block. IPv4 addresses match only IPv4 blocks, and IPv6 addresses only IPv6 blocks.
    #[must_use]
    pub fn holds(self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                (first.to_bits() ^ address.to_bits()).checked_shr(32 - self.bits).unwrap_or_default() == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                (first.to_bits() ^ address.to_bits()).checked_shr(128 - self.bits).unwrap_or_default() == 0
            }
            _ => false,
        }
    }
}

/// IPv4 blocks that are not the public internet (IANA's registry of special-purpose addresses), and one that clouds use internally.
const NOT_PUBLIC_V4: [IpNetwork; 17] = [
    IpNetwork::v4(0, 0, 0, 0, 8),          // this network, unspecified
    IpNetwork::v4(10, 0, 0, 0, 8),         // private
    IpNetwork::v4(100, 64, 0, 0, 10),      // carriers' NAT; Alibaba's metadata
    IpNetwork::v4(127, 0, 0, 0, 8),        // loopback
    IpNetwork::v4(168, 63, 129, 16, 32),   // Azure's own services
    IpNetwork::v4(169, 254, 0, 0, 16),     // link-local; metadata of most clouds
    IpNetwork::v4(172, 16, 0, 0, 12),      // private
    IpNetwork::v4(192, 0, 0, 0, 24),       // protocol assignments; Oracle's metadata
    IpNetwork::v4(192, 0, 2, 0, 24),       // documentation
    IpNetwork::v4(192, 88, 99, 0, 24),     // 6to4 relays
    IpNetwork::v4(192, 168, 0, 0, 16),     // private
    IpNetwork::v4(198, 18, 0, 0, 15),      // benchmarks
    IpNetwork::v4(198, 51, 100, 0, 24),    // documentation
    IpNetwork::v4(203, 0, 113, 0, 24),     // documentation
    IpNetwork::v4(224, 0, 0, 0, 4),        // multicast
    IpNetwork::v4(240, 0, 0, 0, 4),        // reserved
    IpNetwork::v4(255, 255, 255, 255, 32), // broadcast
];

/// The public IPv6 internet; all other addresses are loopback, private (also clouds' metadata), link-local, multicast or unassigned.
const PUBLIC_V6: IpNetwork = IpNetwork::v6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Blocks inside it that are not public.
const NOT_PUBLIC_V6: [IpNetwork; 4] = [
    IpNetwork::v6(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, benchmarks, ORCHID
    IpNetwork::v6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    IpNetwork::v6(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: wraps any IPv4 address
    IpNetwork::v6(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// NAT64: an IPv4 address embedded in an IPv6 one, as used by networks without IPv4 of their own.
const NAT64: IpNetwork = IpNetwork::v6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// The effective address: extracts an IPv4 address embedded in an IPv6 one.
#[must_use]
pub fn unmap_ipv4(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => {
            let [.., a, b, c, d] = v6.octets();
            if v6.to_ipv4_mapped().is_some() || NAT64.holds(address) { IpAddr::V4(Ipv4Addr::new(a, b, c, d)) } else { address }
        }
        IpAddr::V4(_) => address,
    }
}

/// Returns whether an address belongs to the public internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    let address = unmap_ipv4(address);
    match address {
        IpAddr::V4(_) => !NOT_PUBLIC_V4.iter().any(|block| block.holds(address)),
        IpAddr::V6(_) => PUBLIC_V6.holds(address) && !NOT_PUBLIC_V6.iter().any(|block| block.holds(address)),
    }
}

/// Returns whether an address is in a block that the operator allowed.
#[must_use]
pub fn is_allowed(allowed: &[IpNetwork], address: IpAddr) -> bool {
    allowed.iter().any(|block| block.holds(address) || block.holds(unmap_ipv4(address)))
}

/// Returns whether web servers use a port: the two standard ones, and those that need no privileges.
#[must_use]
pub fn is_web_port(port: u16) -> bool {
    matches!(port, 80 | 443 | 1024..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    /// The first and last address of each rejected block, and the allowed addresses next to it.
    const EDGES: [(&str, bool); 74] = [
        ("0.0.0.0", false),
        ("0.255.255.255", false),
        ("1.0.0.0", true),
        ("9.255.255.255", true),
        ("10.0.0.0", false),
        ("10.255.255.255", false),
        ("11.0.0.0", true),
        ("100.63.255.255", true),
        ("100.64.0.0", false),
        ("100.100.100.200", false),
        ("100.127.255.255", false),
        ("100.128.0.0", true),
        ("126.255.255.255", true),
        ("127.0.0.1", false),
        ("127.255.255.255", false),
        ("128.0.0.0", true),
        ("168.63.129.15", true),
        ("168.63.129.16", false),
        ("168.63.129.17", true),
        ("169.253.255.255", true),
        ("169.254.0.0", false),
        ("169.254.169.254", false),
        ("169.254.255.255", false),
        ("169.255.0.0", true),
        ("172.15.255.255", true),
        ("172.16.0.0", false),
        ("172.31.255.255", false),
        ("172.32.0.0", true),
        ("192.0.0.0", false),
        ("192.0.0.192", false),
        ("192.0.0.255", false),
        ("192.0.1.0", true),
        ("192.0.2.0", false),
        ("192.0.2.255", false),
        ("192.0.3.0", true),
        ("192.88.99.1", false),
        ("192.167.255.255", true),
        ("192.168.0.0", false),
        ("192.168.255.255", false),
        ("192.169.0.0", true),
        ("198.17.255.255", true),
        ("198.18.0.0", false),
        ("198.19.255.255", false),
        ("198.20.0.0", true),
        ("198.51.100.7", false),
        ("203.0.113.7", false),
        ("223.255.255.255", true),
        ("224.0.0.1", false),
        ("239.255.255.255", false),
        ("240.0.0.1", false),
        ("255.255.255.255", false),
        ("8.8.8.8", true),
        ("::", false),
        ("::1", false),
        ("::8.8.8.8", false),
        ("::ffff:8.8.8.8", true),
        ("::ffff:127.0.0.1", false),
        ("::ffff:169.254.169.254", false),
        ("64:ff9b::8.8.8.8", true),
        ("64:ff9b::10.0.0.1", false),
        ("64:ff9b:1::8.8.8.8", false),
        ("100::1", false),
        ("2001::1", false),
        ("2001:1ff:ffff::1", false),
        ("2001:200::1", true),
        ("2001:db8::1", false),
        ("2001:db9::1", true),
        ("2002:808:808::1", false),
        ("2606:4700:4700::1111", true),
        ("3fff:fff::1", false),
        ("3fff:1000::1", true),
        ("fd00:ec2::254", false),
        ("fe80::1", false),
        ("ff02::1", false),
    ];

    #[test]
    fn edges_of_every_block() {
        for (address, expected) in EDGES {
            assert_eq!(public(address), expected, "{address}");
        }
    }

    #[test]
    fn blocks_are_read_or_refused() {
        let block = |text: &str| IpNetwork::parse(text).unwrap();
        assert!(block(" 10.1.2.3/8 ").holds("10.200.0.1".parse().unwrap()));
        assert!(!block("10.0.0.0/8").holds("11.0.0.0".parse().unwrap()));
        assert!(block("192.168.1.5").holds("192.168.1.5".parse().unwrap()));
        assert!(!block("192.168.1.5").holds("192.168.1.6".parse().unwrap()));
        assert!(block("0.0.0.0/0").holds("255.1.2.3".parse().unwrap()));
        assert!(!block("0.0.0.0/0").holds("::1".parse().unwrap()));
        assert!(block("::/0").holds("ff02::1".parse().unwrap()));
        assert!(block("fd00::/8").holds("fdff::1".parse().unwrap()));
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "localhost", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8"] {
            assert!(IpNetwork::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_allowed_is_allowed_in_every_wrapping() {
        let allowed = [IpNetwork::parse("10.0.0.0/8").unwrap()];
        for text in ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3"] {
            assert!(is_allowed(&allowed, text.parse().unwrap()), "{text}");
        }
        assert!(!is_allowed(&allowed, "127.0.0.1".parse().unwrap()));
        assert!(!is_allowed(&[], "10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn ports() {
        for (port, expected) in [(0, false), (22, false), (25, false), (80, true), (443, true), (1023, false), (1024, true), (65535, true)]
        {
            assert_eq!(is_web_port(port), expected, "{port}");
        }
    }

    proptest! {
        #[test]
        fn std_agrees_about_what_is_private(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            if v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || v4.is_unspecified() || v4.is_documentation() || v4.is_broadcast() {
                prop_assert!(!is_public(v4.into()));
            }
        }

        #[test]
        fn wrapping_changes_nothing(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            let [a, b, c, d] = v4.octets();
            let nat64 = Ipv6Addr::from_bits((0x0064_ff9b_u128 << 96) | u128::from(bits));
            prop_assert_eq!(nat64.octets()[12..].to_vec(), vec![a, b, c, d]);
            prop_assert_eq!(is_public(v4.to_ipv6_mapped().into()), is_public(v4.into()));
            prop_assert_eq!(is_public(nat64.into()), is_public(v4.into()));
        }

        #[test]
        fn v6_outside_of_the_public_third_is_refused(bits: u128) {
            let v6 = Ipv6Addr::from_bits(bits);
            if v6.is_loopback() || v6.is_multicast() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified() {
                prop_assert!(!is_public(v6.into()));
            }
            let unique_local = Ipv6Addr::from_bits((bits >> 7) | (0xfc << 120));
            prop_assert!(!is_public(unique_local.into()));
        }

        #[test]
        fn a_block_holds_what_begins_like_it(first: u32, other: u32, bits in 0_u32..=32) {
            let block = IpNetwork::parse(&format!("{}/{bits}", Ipv4Addr::from_bits(first))).unwrap();
            let same = (0..bits).all(|n| (first >> (31 - n)) & 1 == (other >> (31 - n)) & 1);
            prop_assert_eq!(block.holds(Ipv4Addr::from_bits(other).into()), same);
        }
    }
}
