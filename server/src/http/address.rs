//! Where a request came from, for limits and the list of sessions. No header is believed unless proxies are configured.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};

use crate::state::{App, AppState};

/// How people reach us, for links to show: the setting, or what the request was sent to.
#[must_use]
pub fn origin(app: &App, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or("localhost");
    app.config.public_url.clone().unwrap_or_else(|| format!("http://{host}"))
}

/// The client's address. Behind `trusted_proxies` = n, the n-th `X-Forwarded-For` entry from the right.
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
        let forwarded: Vec<IpAddr> = parts
            .headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|h| h.to_str().ok())
            .flat_map(|h| h.split(','))
            .filter_map(|a| a.trim().parse().ok())
            .collect();
        let at = forwarded.len().checked_sub(hops);
        Ok(Self(at.and_then(|i| forwarded.get(i)).copied().unwrap_or(peer)))
    }
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
