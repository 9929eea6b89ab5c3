//! Client addresses, for limits and the list of sessions. No header is trusted unless proxies are configured.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};
use service::limits::budget::narrow;

use crate::http::WebState;

/// The client's address: the peer of the connection, or the address that trusted proxies report in `X-Forwarded-For`, with or without
/// a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The unit that limits count by: the address, or for IPv6 its /64, since a household or server has at least that.
    #[must_use]
    pub fn bucket(self) -> IpAddr {
        narrow(self.0)
    }
}

impl FromRequestParts<WebState> for ClientAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, web: &WebState) -> Result<Self, Self::Rejection> {
        Ok(Self(web.http.trusted_proxies.client(peer(parts), &forwarded(&parts.headers))))
    }
}

/// Address of the other end of the connection.
fn peer(parts: &Parts) -> IpAddr {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::from([127, 0, 0, 1]), |c| c.0.ip())
}

/// The entries of `X-Forwarded-For` from left to right, across repeated headers; `None` for those that are not an address.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let entries = headers.get_all("x-forwarded-for").iter().flat_map(|h| h.as_bytes().split(|b| *b == b','));
    entries.map(|entry| entry_address(std::str::from_utf8(entry).ok()?.trim())).collect()
}

fn entry_address(entry: &str) -> Option<IpAddr> {
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    entry.parse().ok().or_else(|| Some(entry.parse::<SocketAddr>().ok()?.ip())).or_else(bracketed)
}

/// The URL under which the browser reached us, `https://feedback.example.com` without a trailing slash: configured, or taken from the
/// request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(pub String);

impl FromRequestParts<WebState> for BaseUrl {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, web: &WebState) -> Result<Self, Self::Rejection> {
        if let Some(url) = &web.app.settings.public_url {
            return Ok(Self(url.clone()));
        }
        let text = |name: &str| parts.headers.get(name).and_then(|h| h.to_str().ok());
        let plain = |host: &&str| !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c));
        let host = text("host").filter(plain).map_or_else(|| web.http.listen.to_string(), ToOwned::to_owned);
        // A trusted proxy reports the scheme that the browser used.
        let https =
            web.http.trusted_proxies.trusts(peer(parts)) && text("x-forwarded-proto").is_some_and(|p| p.eq_ignore_ascii_case("https"));
        Ok(Self(format!("{}://{host}", if https { "https" } else { "http" })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_with_or_without_a_port() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            forwarded(&headers).iter().map(|a| a.map_or_else(|| "-".to_owned(), |a| a.to_string())).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(read(&["198.51.100.7, 203.0.113.9:5678"]), "198.51.100.7 203.0.113.9");
        assert_eq!(read(&["198.51.100.7", "[2001:db8::1]:443,[2001:db8::2]"]), "198.51.100.7 2001:db8::1 2001:db8::2");
        assert_eq!(read(&["198.51.100.7, unknown, "]), "198.51.100.7 - -");
        assert_eq!(read(&[]), "");
    }
}
