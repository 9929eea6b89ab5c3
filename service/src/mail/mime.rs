//! An e-mail as a MIME message.

use std::time::{Duration, SystemTime};

use domain::Timestamp;
use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};

use super::{MailContent, messages::line};
use crate::settings::MailSettings;

/// Input of [`compose`].
pub(crate) struct MimeParts<'a> {
    pub id: String,
    pub to: &'a str,
    pub subject: &'a str,
    pub content: &'a MailContent,
    pub link: &'a str,
    pub written: Timestamp,
}

/// Converts an address for the mail server. A non-ASCII domain is converted to ASCII; the part before the @ cannot be.
pub(super) fn address(text: &str) -> Result<Address, String> {
    let refuse = || format!("“{text}” is not an address that e-mail can be sent to.");
    let (user, domain) = text.trim().rsplit_once('@').ok_or_else(refuse)?;
    if text.chars().any(char::is_control) {
        return Err(refuse());
    }
    let domain = match url::Host::parse(domain) {
        Ok(url::Host::Domain(domain)) => domain,
        _ => return Err(refuse()),
    };
    Address::new(user, domain).map_err(|_| refuse())
}

/// Composes the message. Errors are for people.
pub(super) fn compose(mail: &MailSettings, parts: &MimeParts<'_>) -> Result<Message, String> {
    let MimeParts { id, to, subject, content, link, written } = parts;
    let to = address(to)?;
    let domain = mail.from.email.domain();
    let name = content.from_name.as_deref().map(line).filter(|name| !name.is_empty()).or_else(|| mail.from.name.clone());
    let sent = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(written.0).unwrap_or_default());
    let mut builder = Message::builder()
        .message_id(Some(format!("<{id}@{domain}>")))
        .date(sent)
        .from(Mailbox::new(name, mail.from.email.clone()))
        .to(Mailbox::new(None, to))
        .subject(line(subject))
        // RFC 3834: suppresses automatic replies; the second header is for Exchange.
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into()))
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("X-Auto-Response-Suppress"), "All".into()));
    if let Some(thread) = &content.thread {
        let root = format!("<{}@{domain}>", line(thread).replace(['<', '>', ' '], ""));
        builder = builder.in_reply_to(root.clone()).references(root);
    }
    builder
        .multipart(MultiPart::alternative_plain_html(plain(content, link), html(content, link)))
        .map_err(|_| "The e-mail could not be composed.".to_owned())
}

fn plain(content: &MailContent, link: &str) -> String {
    let mut blocks: Vec<String> = content.lead.clone();
    blocks.extend(content.quote.as_ref().map(|quote| quote.trim().lines().map(|l| format!("> {l}")).collect::<Vec<_>>().join("\n")));
    blocks.extend(content.after.iter().cloned());
    if !link.is_empty() {
        blocks.push(format!("{}:\n{link}", content.link_label));
    }
    if !content.footer.is_empty() {
        blocks.push(format!("-- \n{}", content.footer.join("\n")));
    }
    let mut text = blocks.join("\n\n");
    text.push('\n');
    text
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// Renders the content as HTML, without images or other external resources.
fn html(content: &MailContent, link: &str) -> String {
    let paragraph = |text: &String| format!("<p>{}</p>\n", escape(text).replace('\n', "<br>\n"));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head><meta charset=\"utf-8\"></head>\n<body style=\"font-family: sans-serif; line-height: 1.5\">\n",
        escape(&content.language)
    );
    out.extend(content.lead.iter().map(paragraph));
    if let Some(quote) = &content.quote {
        let inner = escape(quote.trim()).replace('\n', "<br>\n");
        out.push_str(&format!("<blockquote style=\"margin: 0; padding-left: 12px; border-left: 3px solid #8888\">{inner}</blockquote>\n"));
    }
    out.extend(content.after.iter().map(paragraph));
    if !link.is_empty() {
        out.push_str(&format!("<p><a href=\"{}\">{}</a></p>\n", escape(link), escape(&content.link_label)));
    }
    if !content.footer.is_empty() {
        let lines: Vec<String> = content.footer.iter().map(|text| escape(text)).collect();
        out.push_str(&format!("<p><small>{}</small></p>\n", lines.join("<br>\n")));
    }
    out.push_str("</body>\n</html>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_world() {
        assert_eq!(address("ann@example.com").unwrap().to_string(), "ann@example.com");
        assert_eq!(address("ann@bücher.example").unwrap().to_string(), "ann@xn--bcher-kva.example");
        assert_eq!(address("jürgen@example.com").unwrap().to_string(), "jürgen@example.com");
        for bad in ["", "ann", "ann@", "@example.com", "ann@exam ple.com", "a@b.example\r\nBcc: c@d.example", "a\nb@c.example", "ann@[::1]"]
        {
            assert!(address(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn markup_of_people_is_text() {
        let content = MailContent { quote: Some("<img src=x onerror=alert(1)>\n\"&".into()), ..MailContent::default() };
        let html = html(&content, "https://a.example/?a=1&b=\"");
        assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;<br>\n&quot;&amp;"), "{html}");
        assert!(html.contains("href=\"https://a.example/?a=1&amp;b=&quot;\""), "{html}");
    }
}
