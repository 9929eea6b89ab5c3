//! Mail settings, parsed from a URL and addresses.

use domain::Secret;
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use service::{
    error::{Error, Result},
    settings::MailSettings,
};
use url::{Host, Url};

use super::wrong;

/// Combines the settings; `None` without a mail server.
///
/// # Errors
/// Returns an error with the name of the wrong setting, never with the password.
pub(super) fn read(smtp_url: Option<String>, from: Option<String>, public_url: Option<&str>) -> Result<Option<MailSettings>> {
    let Some(smtp_url) = smtp_url.filter(|url| !url.is_empty()) else { return Ok(None) };
    let (server, exposed) = server(&smtp_url)?;
    let wrong_from = |why: &str| wrong("mail_from", why);
    let from = from
        .filter(|text| !text.is_empty())
        .ok_or_else(|| wrong_from("it is required for e-mail: set a sender like feedback@example.com"))?;
    let from = from.parse().map_err(|_| wrong_from("write it like feedback@example.com or Earshot <feedback@example.com>"))?;
    let base = public_url.ok_or_else(|| wrong("public_url", "it is required for e-mail: links in e-mails start with it"))?.to_owned();
    Ok(Some(MailSettings { server: Secret(server), from, base, exposed, authorities: Vec::new() }))
}

/// The URL with its required encryption: `smtps` encrypts from the start; `smtp` uses STARTTLS unless the server is this machine or
/// `?tls=` says `none` or `opportunistic`.
fn server(text: &str) -> Result<(String, bool)> {
    let refuse = |why: &str| wrong("smtp_url", why);
    let form = "write it like smtp://user:password@mail.example.com:587 (special characters percent-encoded)";
    let mut url = Url::parse(text).map_err(|_| refuse(form))?;
    if !matches!(url.scheme(), "smtp" | "smtps") || url.host().is_none() {
        return Err(refuse(form));
    }
    let asked = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
    let here = is_this_machine(&url);
    let tls = match (url.scheme(), asked.as_deref()) {
        ("smtps", None | Some("required")) => None,
        ("smtp", Some("none")) => None,
        ("smtp", None) if here => None,
        ("smtp", Some("opportunistic")) => Some("opportunistic"),
        ("smtp", None | Some("required")) => Some("required"),
        _ => return Err(refuse("?tls= must be required, opportunistic or none, and smtps:// is always encrypted")),
    };
    let exposed = url.scheme() == "smtp" && tls != Some("required") && !here && url.password().is_some();
    url.set_query(tls.map(|tls| format!("tls={tls}")).as_deref());
    // Finds URLs that lettre rejects at start-up, not at the first e-mail. Its message may contain the URL.
    AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str()).map_err(|_| refuse(form))?;
    Ok((url.into(), exposed))
}

fn is_this_machine(url: &Url) -> bool {
    // The library parses hosts as addresses only for certain schemes, and `smtp` is not one of them.
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// For tests: a server on this machine.
///
/// # Errors
/// Never for a port.
pub fn mail_for_tests(port: u16) -> Result<MailSettings> {
    mail_for_tests_at(&format!("smtp://127.0.0.1:{port}"), Vec::new())
}

/// For tests: the server at a URL, with additional trusted certificate authorities.
///
/// # Errors
/// Returns an error if the URL is invalid.
pub fn mail_for_tests_at(url: &str, authorities: Vec<Vec<u8>>) -> Result<MailSettings> {
    let url = url.to_owned();
    let mail = read(Some(url), Some("Earshot <feedback@earshot.test>".into()), Some("http://earshot.test"))?;
    mail.map(|mail| MailSettings { authorities, ..mail }).ok_or_else(|| Error::Internal("no mail".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "Earshot <feedback@example.com>";

    fn read_url(url: &str) -> Result<(String, bool)> {
        let mail = read(Some(url.into()), Some(FROM.into()), Some("https://feedback.example.com"))?.unwrap();
        Ok((mail.server.0, mail.exposed))
    }

    #[test]
    fn what_travels_to_another_machine_is_encrypted_unless_somebody_says_otherwise() {
        assert_eq!(read_url("smtp://u:p@mail.example.com:587").unwrap(), ("smtp://u:p@mail.example.com:587?tls=required".into(), false));
        assert_eq!(read_url("smtp://mail.example.com").unwrap().0, "smtp://mail.example.com?tls=required");
        assert_eq!(read_url("smtps://u:p@mail.example.com").unwrap(), ("smtps://u:p@mail.example.com".into(), false));
        assert_eq!(read_url("smtp://u:p@mail.example.com?tls=none").unwrap(), ("smtp://u:p@mail.example.com".into(), true));
        assert_eq!(read_url("smtp://mail.example.com?tls=none").unwrap(), ("smtp://mail.example.com".into(), false));
        for here in ["localhost", "127.0.0.1", "[::1]"] {
            assert_eq!(read_url(&format!("smtp://u:p@{here}:25")).unwrap(), (format!("smtp://u:p@{here}:25"), false));
        }
        assert_eq!(read_url("smtp://localhost:25?tls=required").unwrap().0, "smtp://localhost:25?tls=required");
    }

    #[test]
    fn what_is_wrong_is_named_without_the_password() {
        for (url, from, base, name) in [
            ("http://u:hunter2@mail.example.com", FROM, Some("https://a.example"), "EARSHOT_SMTP_URL"),
            ("smtp://u:hunter2@mail.example.com?tls=maybe", FROM, Some("https://a.example"), "EARSHOT_SMTP_URL"),
            ("smtps://u:hunter2@mail.example.com?tls=none", FROM, Some("https://a.example"), "EARSHOT_SMTP_URL"),
            ("smtp://u:hunter2@mail.example.com", "", Some("https://a.example"), "EARSHOT_MAIL_FROM"),
            ("smtp://u:hunter2@mail.example.com", "nobody", Some("https://a.example"), "EARSHOT_MAIL_FROM"),
            ("smtp://u:hunter2@mail.example.com", "A <a@b.example>\r\nBcc: c@d.example", Some("https://a.example"), "EARSHOT_MAIL_FROM"),
            ("smtp://u:hunter2@mail.example.com", FROM, None, "EARSHOT_PUBLIC_URL"),
        ] {
            let text = read(Some(url.into()), Some(from.into()), base).unwrap_err().to_string();
            assert!(text.contains(name) && !text.contains("hunter2"), "{text}");
        }
        let mail = read(Some("smtp://u:hunter2@localhost".into()), Some(FROM.into()), Some("http://localhost:3000")).unwrap();
        assert!(!format!("{mail:?}").contains("hunter2"));
        assert!(read(None, None, None).unwrap().is_none());
    }
}
