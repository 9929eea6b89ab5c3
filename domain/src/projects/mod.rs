//! Projects, their appearance, and the sites that may embed them.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    FieldErrors, Timestamp, Zone, colour::is_colour, identity::UnsignedClaimPolicy, ids::ProjectId, language::is_language_tag,
    text::too_long,
};

/// Light, dark, or the setting of the person's system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThemeMode {
    /// The system's setting.
    #[default]
    Auto,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

impl ThemeMode {
    /// The word stored, shown, and put into `data-theme`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Parses the word; anything unknown is [`ThemeMode::Auto`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::Auto,
        }
    }
}

/// One product that collects feedback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Identity.
    pub id: ProjectId,
    /// The name in URLs: `/p/{slug}/inbox`.
    pub slug: String,
    /// The name on the screen.
    pub name: String,
    /// The public key of the embed snippet; not a secret.
    pub key: String,
    /// Origins that may embed surveys; empty means any site.
    pub origins: Vec<String>,
    /// BCP 47 language of texts without a language of their own.
    pub language: String,
    /// The time zone that defines days in results, filters, imports and exports.
    #[serde(default)]
    pub zone: Zone,
    /// Accent colour, `#rrggbb`.
    pub accent: String,
    /// Theme of the respondent pages.
    pub theme: ThemeMode,
    /// Whether people may submit tickets at `/p/{slug}`.
    #[serde(default = "has_portal")]
    pub portal: bool,
    /// Names of query parameters to keep in stored page URLs; the rest of the query and the fragment are not stored.
    #[serde(default)]
    pub kept_parameters: Vec<String>,
    /// The handling of unsigned claims about visitors.
    #[serde(default)]
    pub unsigned_identity: UnsignedClaimPolicy,
    /// Creation time.
    pub created_at: Timestamp,
}

/// Projects stored before the portal existed have one.
fn has_portal() -> bool {
    true
}

/// Maximum length of a project's name, in characters.
pub const MAX_NAME: usize = 80;
/// Maximum length of a list of origins, in characters.
const MAX_ORIGINS: usize = 4_000;
/// Maximum length of a list of query parameters, in characters.
pub const MAX_PARAMETERS: usize = 2_000;

/// The accent colour of a new project; contrast of at least 4.5:1 against white, and 3:1 against the background of dark respondent pages.
pub const DEFAULT_ACCENT: &str = "#3868d8";

/// Turns a name into a URL part: lower-case ASCII letters, digits and single hyphens, 40 characters at most.
#[must_use]
pub fn slug(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
        if out.len() >= 40 {
            break;
        }
    }
    let out = out.trim_end_matches('-').to_owned();
    if out.is_empty() { "project".into() } else { out }
}

/// Parses origins, separated by white space or line breaks, and returns each as browsers send it in `Origin`
/// (<https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin>): lower case, international names in punycode,
/// without the scheme's default port.
///
/// # Errors
/// A message per word that is not an origin, or one for a list that is too long.
pub fn parse_origins(text: &str) -> Result<Vec<String>, FieldErrors> {
    let mut errors = FieldErrors::default();
    let mut out: Vec<String> = Vec::new();
    if too_long(text, MAX_ORIGINS).is_some() {
        return Err(FieldErrors::one("origins", "length", "This list is too long. Enter fewer origins."));
    }
    for word in text.split_whitespace() {
        match parse_origin(word) {
            Ok(origin) if out.contains(&origin) => {}
            Ok(origin) => out.push(origin),
            Err(message) => errors.add("origins", "origin", message),
        }
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}

/// Parses one origin into the form that browsers send; see [`parse_origins`].
///
/// # Errors
/// A message that says what to write instead.
pub fn parse_origin(text: &str) -> Result<String, String> {
    let wrong = |why: &str| Err(format!("“{text}” {why}"));
    let no_origin = "is not an origin. Enter it like https://www.example.com.";
    let (scheme, after) = text.split_once("://").unwrap_or(("", text));
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return match Url::parse(&format!("https://{text}")) {
            Ok(url) if scheme.is_empty() && url.host_str().is_some_and(|host| host.contains('.')) => {
                wrong(&format!("has no scheme. Enter it like {}.", url.origin().ascii_serialization()))
            }
            _ => wrong(no_origin),
        };
    }
    let Ok(url) = Url::parse(text) else { return wrong(no_origin) };
    let origin = url.origin().ascii_serialization();
    if after.contains('*') {
        return wrong("has a wildcard, which is not supported. List each site separately.");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong(&format!("contains a user name or password. Enter only {origin}."));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return wrong(&format!("has more than a scheme, host and port. Enter only {origin}."));
    }
    Ok(origin)
}

/// Parses the name of a time zone.
///
/// # Errors
/// A message for the person who chose it.
pub fn parse_zone(text: &str) -> Result<Zone, FieldErrors> {
    Zone::try_from(text.to_owned()).map_err(|message| FieldErrors::one("time_zone", "time_zone", message))
}

/// Most query parameters that a project keeps.
const MAX_KEPT: usize = 30;

/// Parses names of query parameters, separated by white space or commas.
///
/// # Errors
/// A message for each invalid name, and for more than `MAX_KEPT`.
pub fn parse_parameters(text: &str) -> Result<Vec<String>, FieldErrors> {
    let mut errors = FieldErrors::default();
    let mut out: Vec<String> = Vec::new();
    if too_long(text, MAX_PARAMETERS).is_some() {
        return Err(FieldErrors::one("kept_parameters", "length", "This list is too long. Enter fewer parameters."));
    }
    for word in text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()) {
        // Only characters that URLs carry unescaped, so that names can be compared as they are written.
        let fits = word.len() <= 50 && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~'));
        if !fits {
            let message =
                format!("“{word}” is not a valid parameter name. Use letters, digits, hyphens, dots and underscores, as in utm_source.");
            errors.add("kept_parameters", "parameter", message);
        } else if !out.iter().any(|name| name == word) {
            out.push(word.to_owned());
        }
    }
    if out.len() > MAX_KEPT {
        errors.add("kept_parameters", "too_many", format!("Keep at most {MAX_KEPT} parameters."));
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}

/// Parses a colour as `#rrggbb`, in lower case.
///
/// # Errors
/// Returns an error if it is not a colour.
pub fn parse_accent(text: &str) -> Result<String, FieldErrors> {
    let text = text.trim().to_ascii_lowercase();
    if is_colour(&text) { Ok(text) } else { Err(FieldErrors::one("accent", "colour", "Enter a color like #2f5fd0.")) }
}

/// Parses a project's default language.
///
/// # Errors
/// Returns an error if it is not a language tag.
pub fn parse_language(text: &str) -> Result<String, FieldErrors> {
    if is_language_tag(text) {
        Ok(text.to_owned())
    } else {
        Err(FieldErrors::one("language", "language", "Choose a language from the list."))
    }
}

impl Project {
    /// Returns whether a page of this origin may embed the project's surveys.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.origins.is_empty() || self.origins.iter().any(|o| o == origin)
    }

    /// The URL of a page as stored: without its fragment, and with only those query parameters that the project keeps. Sites put secrets
    /// there, such as password reset tokens.
    #[must_use]
    pub fn sanitize_page_url(&self, address: &str) -> String {
        let address = address.split('#').next().unwrap_or_default();
        let (page, query) = address.split_once('?').unwrap_or((address, ""));
        let is_kept = |pair: &&str| self.kept_parameters.iter().any(|name| pair.split('=').next() == Some(name));
        let pairs: Vec<&str> = query.split('&').filter(is_kept).collect();
        if pairs.is_empty() { page.to_owned() } else { format!("{page}?{}", pairs.join("&")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_url_parts() {
        assert_eq!(slug("My  Great App!"), "my-great-app");
        assert_eq!(slug("日本"), "project");
        assert!(slug(&"x".repeat(99)).len() <= 40);
    }

    #[test]
    fn colours_are_kept_in_lower_case() {
        assert_eq!(parse_accent(" #2F5fd0").unwrap(), "#2f5fd0");
        for bad in ["", "2f5fd0", "#2f5fd", "#2f5fdg", "#2f5fd0;", "red", "#éaaaa"] {
            assert!(parse_accent(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn languages_have_the_shape_of_tags() {
        // The same rule as for surveys, which inherit the project's language.
        for good in ["en", "pt-BR", "zh-Hant-TW", "de-1996"] {
            assert!(parse_language(good).is_ok(), "{good}");
        }
        for bad in ["", "english", "e", "en_US", "en-", "en\" onload"] {
            assert!(parse_language(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_are_kept_as_browsers_send_them() {
        for (typed, sent) in [
            ("https://www.example.com", "https://www.example.com"),
            ("https://www.example.com/", "https://www.example.com"),
            ("HTTPS://A.Example", "https://a.example"),
            ("https://x.example:443", "https://x.example"),
            ("http://x.example:80/", "http://x.example"),
            ("https://x.example:8443", "https://x.example:8443"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
            ("https://bu\u{308}cher.example", "https://xn--bcher-kva.example"),
            ("https://例え.テスト:443", "https://xn--r8jz45g.xn--zckzah"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ] {
            assert_eq!(parse_origin(typed).as_deref(), Ok(sent), "{typed}");
            assert_eq!(parse_origin(sent).as_deref(), Ok(sent), "what was stored is read back");
        }
        assert_eq!(parse_origins("https://a.example:443\nhttps://A.example/ https://b.example").unwrap().len(), 2);
        assert_eq!(parse_origins(" \n ").unwrap(), Vec::<String>::new());
        let long = "https://a.example ".repeat(MAX_ORIGINS / 18 + 1);
        assert_eq!(parse_origins(&long).unwrap_err().0[0].code, "length");
        assert_eq!(parse_parameters(&"p ".repeat(MAX_PARAMETERS / 2 + 1)).unwrap_err().0[0].code, "length");
    }

    #[test]
    fn what_is_no_origin_is_told_with_what_to_write() {
        for (typed, message) in [
            ("https://a.example/path", "Enter only https://a.example."),
            ("https://a.example/?q=1", "Enter only https://a.example."),
            ("https://a.example#top", "Enter only https://a.example."),
            ("https://ann:secret@a.example", "Enter only https://a.example."),
            ("www.example.com", "Enter it like https://www.example.com."),
            ("bücher.example/shop", "Enter it like https://xn--bcher-kva.example."),
            ("https://*.example.com", "wildcard"),
            ("javascript:alert(1)", "is not an origin"),
            ("ftp://a.example", "is not an origin"),
            ("null", "is not an origin"),
            ("https://", "is not an origin"),
            ("https://a.example:99999", "is not an origin"),
            ("https://a b", "is not an origin"),
        ] {
            let errors = parse_origins(typed).unwrap_err();
            assert!(errors.message_for("origins").is_some_and(|text| text.contains(message)), "{typed}: {errors:?}");
        }
    }

    #[test]
    fn addresses_keep_the_parameters_that_are_listed() {
        let sanitized = |address: &str| {
            let project = Project {
                id: ProjectId(uuid::Uuid::nil()),
                slug: String::new(),
                name: String::new(),
                key: String::new(),
                origins: Vec::new(),
                language: "en".into(),
                accent: DEFAULT_ACCENT.into(),
                theme: ThemeMode::Auto,
                portal: true,
                kept_parameters: parse_parameters("plan, utm_source\nplan").unwrap(),
                zone: Zone::default(),
                unsigned_identity: UnsignedClaimPolicy::Shown,
                created_at: Timestamp(0),
            };
            assert_eq!(project.kept_parameters, ["plan", "utm_source"]);
            project.sanitize_page_url(address)
        };
        for (address, stored) in [
            ("https://a.example/reset?token=SECRET#frag", "https://a.example/reset"),
            ("https://a.example/x?plan=pro&token=S&utm_source=a%20b#plan=1", "https://a.example/x?plan=pro&utm_source=a%20b"),
            ("https://a.example/x?token=?plan=pro", "https://a.example/x"),
            ("https://a.example/x?Plan=pro&planet=x&pl%61n=y", "https://a.example/x"),
            ("https://a.example/x?plan", "https://a.example/x?plan"),
            ("https://a.example/#?plan=pro", "https://a.example/"),
            ("https://a.example/x?", "https://a.example/x"),
            ("", ""),
        ] {
            assert_eq!(sanitized(address), stored, "{address}");
        }
    }

    #[test]
    fn parameters_are_names() {
        assert_eq!(parse_parameters("").unwrap(), Vec::<String>::new());
        for bad in ["a=b", "?a", "ä", "a[]", &"x".repeat(51), &(0..31).map(|n| format!("p{n} ")).collect::<String>()] {
            assert!(parse_parameters(bad).unwrap_err().message_for("kept_parameters").is_some(), "{bad}");
        }
    }
}
