//! Reverse proxies that are trusted to report the client's address.

use std::{fmt, net::IpAddr, str::FromStr};

use domain::webhooks::address::{IpNetwork, IpNetworkParseError};
use serde::{Deserialize, Deserializer, de};

/// Reverse proxies in front of us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TrustedProxies {
    /// No proxy: no header is trusted.
    #[default]
    None,
    /// Number of proxies in a row. Safe only if the last proxy alone can reach our port: every peer is taken for it.
    Hops(usize),
    /// Addresses of the proxies. Headers from other peers are ignored.
    Addresses(Vec<IpNetwork>),
}

impl TrustedProxies {
    /// Whether no header is trusted.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Whether headers from `peer`, the other end of the connection, are trusted.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        match self {
            Self::None => false,
            Self::Hops(_) => true,
            Self::Addresses(blocks) => holds(blocks, peer),
        }
    }

    /// The client's address: `peer` opened the connection, and `forwarded` are the entries of `X-Forwarded-For` from left to right,
    /// `None` for those that are not an address. The client itself may have written the entries to the left of the trusted proxies'.
    #[must_use]
    pub fn client(&self, peer: IpAddr, forwarded: &[Option<IpAddr>]) -> IpAddr {
        match self {
            Self::None => peer,
            // Unreadable entries count too.
            Self::Hops(hops) => forwarded.len().checked_sub(*hops).and_then(|at| forwarded.get(at).copied().flatten()).unwrap_or(peer),
            Self::Addresses(blocks) => {
                let mut client = peer;
                for entry in forwarded.iter().rev() {
                    if !holds(blocks, client) {
                        break;
                    }
                    // A trusted proxy wrote something that is not an address: nothing to the left of it can be trusted.
                    let Some(entry) = *entry else { break };
                    client = entry;
                }
                client
            }
        }
    }
}

/// Parses a comma-separated list of addresses and networks.
pub(super) fn blocks(text: &str) -> Result<Vec<IpNetwork>, IpNetworkParseError> {
    text.split(',').filter(|part| !part.trim().is_empty()).map(IpNetwork::parse).collect()
}

fn holds(blocks: &[IpNetwork], address: IpAddr) -> bool {
    let address = address.to_canonical();
    blocks.iter().any(|block| block.holds(address))
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Hops(hops) => write!(f, "{hops}"),
            Self::Addresses(blocks) => f.write_str(&blocks.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
        }
    }
}

impl FromStr for TrustedProxies {
    type Err = IpNetworkParseError;

    fn from_str(text: &str) -> Result<Self, IpNetworkParseError> {
        if let Ok(hops) = text.trim().parse::<usize>() {
            return Ok(if hops == 0 { Self::None } else { Self::Hops(hops) });
        }
        let blocks = blocks(text)?;
        Ok(if blocks.is_empty() { Self::None } else { Self::Addresses(blocks) })
    }
}

impl<'de> Deserialize<'de> for TrustedProxies {
    /// Accepts a number, or the same text as on the command line.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum ProxySetting {
            Hops(usize),
            Text(String),
        }
        match ProxySetting::deserialize(deserializer)? {
            ProxySetting::Hops(0) => Ok(Self::None),
            ProxySetting::Hops(hops) => Ok(Self::Hops(hops)),
            ProxySetting::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn client(proxies: &str, peer: &str, forwarded: &[&str]) -> String {
        let forwarded: Vec<Option<IpAddr>> = forwarded.iter().map(|text| text.parse().ok()).collect();
        proxies.parse::<TrustedProxies>().unwrap().client(ip(peer), &forwarded).to_string()
    }

    #[test]
    fn nobody_is_believed_without_proxies() {
        assert_eq!(client("", "203.0.113.9", &["198.51.100.7"]), "203.0.113.9");
        assert_eq!(client("0", "203.0.113.9", &["198.51.100.7"]), "203.0.113.9");
    }

    #[test]
    fn hops_are_counted_from_the_right() {
        assert_eq!(client("1", "10.0.0.1", &["1.1.1.1", "198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("2", "10.0.0.1", &["1.1.1.1", "198.51.100.7", "10.0.0.2"]), "198.51.100.7");
        assert_eq!(client("2", "10.0.0.1", &["10.0.0.2"]), "10.0.0.1");
        assert_eq!(client("1", "10.0.0.1", &["1.1.1.1", "unknown"]), "10.0.0.1");
    }

    #[test]
    fn only_proxies_that_are_named_are_believed() {
        let proxies = "10.0.0.0/8, 127.0.0.1, fd00::/8";
        // A client that bypasses the proxies can write any header, and is not trusted.
        assert_eq!(client(proxies, "203.0.113.9", &["198.51.100.7"]), "203.0.113.9");
        assert_eq!(client(proxies, "10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client(proxies, "::ffff:10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        // Entries that the client wrote to the left of its own address are not trusted either.
        assert_eq!(client(proxies, "10.0.0.1", &["10.9.9.9", "198.51.100.7", "10.0.0.2"]), "198.51.100.7");
        assert_eq!(client(proxies, "fd00::1", &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(client(proxies, "10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client(proxies, "10.0.0.1", &["198.51.100.7", "unknown"]), "10.0.0.1");
        // Every entry is a proxy: the client is one of our own machines.
        assert_eq!(client(proxies, "10.0.0.1", &["10.0.0.3"]), "10.0.0.3");
    }
}
