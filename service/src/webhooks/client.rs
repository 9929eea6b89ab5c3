//! The only HTTP client for user-supplied addresses.
//!
//! Checks the address when connecting, not when the URL is stored: a name may resolve differently by then. So each request resolves the
//! name again (no connection is kept), drops forbidden addresses, and follows no redirects. An IP address in the URL bypasses the
//! resolver, so it is checked here too.

use std::{error::Error as StdError, fmt, io, net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    text::cut,
    webhooks::{
        MAX_URL,
        address::{IpNetwork, is_allowed, is_public, is_web_port},
    },
};
use reqwest::{
    Certificate, Client,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{CONTENT_TYPE, RETRY_AFTER},
    redirect::Policy,
};
use url::{Host, Url};

/// Timeout of a whole request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of connecting.
const CONNECT: Duration = Duration::from_secs(5);
/// Maximum bytes of a response that are read.
const READ: usize = 64 * 1024;
/// Maximum bytes of a response that are kept.
const EXCERPT: usize = 1024;

/// Resolves host names.
#[async_trait]
pub trait HostResolver: Send + Sync {
    /// Returns the addresses of a name.
    ///
    /// # Errors
    /// Returns an error if it has none.
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemHostResolver;

#[async_trait]
impl HostResolver for SystemHostResolver {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Result of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookResponse {
    /// The status, if there was a response.
    pub status: Option<u16>,
    /// The beginning of the body.
    pub excerpt: String,
    /// Seconds after which the receiver asked for a retry.
    pub retry_after: Option<i64>,
    /// Why there was no response.
    pub error: Option<String>,
}

/// The webhook headers of a request.
#[derive(Debug, Clone)]
pub struct WebhookHeaders {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`, in seconds.
    pub seconds: i64,
    /// `webhook-signature`.
    pub signature: String,
}

/// Sends webhooks.
pub struct WebhookClient {
    https: Result<Client, String>,
    http: Result<Client, String>,
    allowed: Arc<[IpNetwork]>,
}

/// An address was blocked.
#[derive(Debug)]
struct AddressBlocked(bool);

impl fmt::Display for AddressBlocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 {
            "Not sent: without https, only addresses that the operator allows can be called."
        } else {
            "Not sent: the address belongs to a private or reserved network. The operator can allow it with the setting EARSHOT_WEBHOOK_ALLOW."
        })
    }
}

impl StdError for AddressBlocked {}

/// The addresses allowed for one kind of request.
#[derive(Clone)]
struct AddressPolicy {
    allowed: Arc<[IpNetwork]>,
    /// Plain HTTP: only addresses allowed by the operator, since anyone on the network path can read it.
    only_allowed: bool,
}

impl AddressPolicy {
    fn fits(&self, address: IpAddr) -> bool {
        is_allowed(&self.allowed, address) || (!self.only_allowed && is_public(address))
    }
}

/// Resolves names and drops forbidden addresses.
struct GuardedResolver {
    lookup: Arc<dyn HostResolver>,
    rule: AddressPolicy,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, rule) = (Arc::clone(&self.lookup), self.rule.clone());
        Box::pin(async move {
            let found = lookup.lookup(name.as_str()).await?;
            let fit: Vec<_> = found.into_iter().filter(|address| rule.fits(*address)).map(|address| (address, 0).into()).collect();
            if fit.is_empty() {
                return Err(AddressBlocked(rule.only_allowed).into());
            }
            let fit: Addrs = Box::new(fit.into_iter());
            Ok(fit)
        })
    }
}

impl WebhookClient {
    /// Creates a client for the public internet and the addresses allowed by the operator.
    #[must_use]
    pub fn new(allowed: &[IpNetwork], lookup: Arc<dyn HostResolver>) -> Self {
        Self::trusting(allowed, lookup, &[])
    }

    /// As [`WebhookClient::new`], also trusting these authorities (certificates in DER).
    #[must_use]
    pub fn trusting(allowed: &[IpNetwork], lookup: Arc<dyn HostResolver>, authorities: &[Vec<u8>]) -> Self {
        // Fails if a provider is already installed; it is the same one.
        drop(rustls::crypto::ring::default_provider().install_default());
        let allowed: Arc<[IpNetwork]> = allowed.into();
        let client = |only_allowed: bool| {
            let rule = AddressPolicy { allowed: Arc::clone(&allowed), only_allowed };
            let builder = Client::builder()
                .dns_resolver(Arc::new(GuardedResolver { lookup: Arc::clone(&lookup), rule }))
                .redirect(Policy::none())
                .no_proxy()
                .referer(false)
                .retry(reqwest::retry::never())
                .pool_max_idle_per_host(0)
                .timeout(TIMEOUT)
                .connect_timeout(CONNECT)
                .http1_only()
                .user_agent(concat!("Earshot/", env!("CARGO_PKG_VERSION")));
            // Plain HTTP needs no certificates, so it works on machines without any.
            let trusted = authorities.iter().filter_map(|der| Certificate::from_der(der).ok());
            let builder = if only_allowed { builder.tls_certs_only([]) } else { builder.https_only(true).tls_certs_merge(trusted) };
            builder.build().map_err(|error| {
                tracing::error!(error = %chain(&error), "webhooks cannot be sent");
                "This server has no CA certificates to verify the receiver's certificate. The operator can install them.".to_owned()
            })
        };
        Self { https: client(false), http: client(true), allowed }
    }

    /// Posts a body and returns the result. Never fails: a missing response is a result too.
    pub async fn send(&self, url: &str, head: &WebhookHeaders, body: String) -> WebhookResponse {
        let failed = |error: String| WebhookResponse { error: Some(error), ..WebhookResponse::default() };
        let url = match check_url(url, &self.allowed) {
            Ok(url) => url,
            Err(why) => return failed(why),
        };
        let client = match if url.scheme() == "http" { &self.http } else { &self.https } {
            Ok(client) => client,
            Err(why) => return failed(why.clone()),
        };
        let request = client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &head.id)
            .header("webhook-timestamp", head.seconds)
            .header("webhook-signature", &head.signature)
            .body(body);
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return failed(explain(&error)),
        };
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|h| h.to_str().ok()?.trim().parse().ok());
        let (mut excerpt_bytes, mut read) = (Vec::new(), 0);
        // Errors after the status do not change the outcome.
        while let Ok(Some(piece)) = response.chunk().await {
            let room = EXCERPT.saturating_sub(excerpt_bytes.len()).min(piece.len());
            excerpt_bytes.extend_from_slice(&piece[..room]);
            read += piece.len();
            if read >= READ {
                break;
            }
        }
        // PostgreSQL text cannot contain NUL.
        let excerpt = String::from_utf8_lossy(&excerpt_bytes).replace('\0', "\u{fffd}");
        WebhookResponse { status: Some(status), excerpt, retry_after, error: None }
    }
}

/// Joins the messages of an error and its causes. Omits the URL: it may contain a secret.
fn chain(error: &dyn StdError) -> String {
    let mut parts = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        parts.push(error.to_string());
        next = error.source();
    }
    parts.join(": ")
}

fn explain(error: &reqwest::Error) -> String {
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    let mut last = None;
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<AddressBlocked>() {
            return refused.to_string();
        }
        last = Some(inner.to_string());
        cause = inner.source();
    }
    if error.is_timeout() {
        return "No response within 10 seconds.".into();
    }
    let why = last.unwrap_or_else(|| "unknown reason".into());
    let why = cut(&why, 300);
    if error.is_connect() { format!("Could not connect: {why}.") } else { format!("Invalid response: {why}.") }
}

/// Parses the URL if the URL itself gives no reason to block it.
///
/// # Errors
/// A message with the problem and the remedy.
pub fn check_url(text: &str, allowed: &[IpNetwork]) -> Result<Url, String> {
    let text = text.trim();
    if text.chars().count() > MAX_URL {
        return Err(format!("URLs can be up to {MAX_URL} characters."));
    }
    let url = Url::parse(text).map_err(|_| "Enter a full URL like https://example.com/hooks/earshot.".to_owned())?;
    match url.scheme() {
        "https" => {}
        "http" if !allowed.is_empty() => {}
        "http" => return Err("Use https so that feedback is encrypted in transit. For receivers in your own network, the operator can allow http with the setting EARSHOT_WEBHOOK_ALLOW.".into()),
        _ => return Err("The URL must begin with https://.".into()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("Remove the user name and password from the URL; the signature proves who sent the event.".into());
    }
    if !url.port_or_known_default().is_some_and(is_web_port) {
        return Err("Use port 443 or a port from 1024 up.".into());
    }
    let rule = AddressPolicy { allowed: allowed.into(), only_allowed: url.scheme() == "http" };
    let literal = match url.host() {
        Some(Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
        Some(Host::Ipv6(v6)) => Some(IpAddr::V6(v6)),
        Some(Host::Domain(name)) if is_this_machine(name) => Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
        Some(Host::Domain(_)) => None,
        None => return Err("The URL has no host.".into()),
    };
    match literal {
        Some(address) if !rule.fits(address) => Err(AddressBlocked(rule.only_allowed).to_string()),
        _ => Ok(url),
    }
}

fn is_this_machine(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: [&str; 34] = [
        "",
        "example.com/hook",
        "ftp://example.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://example.com/",
        "https://user@example.com/",
        "https://user:word@example.com/",
        "https://example.com:22/",
        "https://example.com:25/",
        "https://example.com:0/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://a.localhost:8080/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://0/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.0.1/",
        "https://100.64.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://2852039166/",
        "https://168.63.129.16/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
    ];

    #[test]
    fn urls_that_must_not_be_called() {
        for url in REFUSED {
            assert!(check_url(url, &[]).is_err(), "{url}");
        }
        for url in
            ["https://example.com", "https://example.com:8443/a?b=c", "https://8.8.8.8/", "https://[2606:4700::1111]/", " https://ex.com/ "]
        {
            assert!(check_url(url, &[]).is_ok(), "{url}");
        }
        assert!(check_url(&format!("https://example.com/{}", "a".repeat(MAX_URL)), &[]).is_err());
    }

    #[test]
    fn the_operator_allows_blocks() {
        let allowed = [IpNetwork::parse("10.0.0.0/8").unwrap(), IpNetwork::parse("127.0.0.1").unwrap()];
        for url in ["https://10.1.2.3/", "http://10.1.2.3:8080/", "http://127.0.0.1:3000/", "http://localhost:3000/", "http://hooks.lan/"] {
            assert!(check_url(url, &allowed).is_ok(), "{url}");
        }
        // Plain HTTP to anything else stays blocked, as far as the URL shows; the resolver checks the rest.
        for url in ["http://8.8.8.8/", "http://192.168.0.1/", "https://127.0.0.2/", "https://169.254.169.254/", "http://u:p@10.1.2.3/"] {
            assert!(check_url(url, &allowed).is_err(), "{url}");
        }
    }
}
