//! Where a request came from, for limits and the list of sessions. No header is believed unless proxies are configured.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};

use crate::state::AppState;

/// The client's address. Behind `trusted_proxies` = n, the n-th `X-Forwarded-For` entry from the right, with or without a port. Entries are
/// counted whether they can be read or not, since those further left are the client's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// What limits count by: the address, for IPv6 its /64, since a household or server has at least that.
    #[must_use]
    pub fn bucket(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 @ IpAddr::V4(_) => v4,
        }
    }
}

impl FromRequestParts<AppState> for ClientAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::from([127, 0, 0, 1]), |c| c.0.ip());
        let hops = app.config.trusted_proxies;
        if hops == 0 {
            return Ok(Self(peer));
        }
        Ok(Self(forwarded(&parts.headers, hops).unwrap_or(peer)))
    }
}

/// The `hops`-th entry from the right; `None` when there are fewer, or it is no address.
fn forwarded(headers: &HeaderMap, hops: usize) -> Option<IpAddr> {
    let entries: Vec<&[u8]> = headers.get_all("x-forwarded-for").iter().flat_map(|h| h.as_bytes().split(|b| *b == b',')).collect();
    let entry = std::str::from_utf8(entries.get(entries.len().checked_sub(hops)?)?).ok()?.trim();
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    entry.parse().ok().or_else(|| Some(entry.parse::<SocketAddr>().ok()?.ip())).or_else(bracketed)
}

/// How the browser reached us, `https://feedback.example.com` without a slash at the end: as configured, else as this request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(pub String);

impl FromRequestParts<AppState> for BaseUrl {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Self::Rejection> {
        if let Some(url) = &app.config.public_url {
            return Ok(Self(url.clone()));
        }
        let text = |name: &str| parts.headers.get(name).and_then(|h| h.to_str().ok());
        let plain = |host: &&str| !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c));
        let host = text("host").filter(plain).map_or_else(|| app.config.listen.to_string(), ToOwned::to_owned);
        // A proxy in front says how it was reached, if we were told to believe it.
        let https = app.config.trusted_proxies > 0 && text("x-forwarded-proto").is_some_and(|p| p.eq_ignore_ascii_case("https"));
        Ok(Self(format!("{}://{host}", if https { "https" } else { "http" })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_is_counted_from_the_right_whatever_stands_left_of_it() {
        let address = |values: &[&str], hops| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            forwarded(&headers, hops).map(|a| a.to_string())
        };
        assert_eq!(address(&["198.51.100.7, 203.0.113.9"], 1).as_deref(), Some("203.0.113.9"));
        assert_eq!(address(&["198.51.100.7, 203.0.113.9:5678"], 1).as_deref(), Some("203.0.113.9"));
        assert_eq!(address(&["198.51.100.7", "[2001:db8::1]:443"], 1).as_deref(), Some("2001:db8::1"));
        assert_eq!(address(&["198.51.100.7,[2001:db8::1]"], 1).as_deref(), Some("2001:db8::1"));
        assert_eq!(address(&["203.0.113.9, 10.0.0.1"], 2).as_deref(), Some("203.0.113.9"));
        // What the proxy could not name is nobody, and not whom the client claims to be.
        assert_eq!(address(&["198.51.100.7, unknown"], 1), None);
        assert_eq!(address(&["198.51.100.7, "], 1), None);
        assert_eq!(address(&["203.0.113.9"], 2), None);
        assert_eq!(address(&[], 1), None);
    }
}
