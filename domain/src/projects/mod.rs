//! A project and how it looks and where it may be embedded.

use serde::{Deserialize, Serialize};

use crate::{FieldErrors, Timestamp, colour::is_colour, ids::ProjectId, language::is_language_tag};

/// Light, dark, or as the person's system asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThemeMode {
    /// As the system asks.
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

    /// Reads the word; anything unknown is [`ThemeMode::Auto`].
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
    /// BCP 47 language of texts that name none.
    pub language: String,
    /// Accent colour, `#rrggbb`.
    pub accent: String,
    /// Looks of the respondent pages.
    pub theme: ThemeMode,
    /// Whether people may write tickets at `/p/{slug}`.
    #[serde(default = "has_portal")]
    pub portal: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Projects that were stored before there was a portal have one.
fn has_portal() -> bool {
    true
}

/// The accent colour of a new project; 4.5:1 and better against white, 3:1 and better against the ground of dark respondent pages.
pub const DEFAULT_ACCENT: &str = "#3868d8";

/// Turns a name into a URL part: lower case ASCII letters, digits and single hyphens, 40 characters at most.
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

/// Reads origins, one per line or separated by white space, as `scheme://host[:port]` (RFC 6454) without a path.
///
/// # Errors
/// A message per origin that is not one.
pub fn parse_origins(text: &str) -> Result<Vec<String>, FieldErrors> {
    let mut errors = FieldErrors::default();
    let mut out: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let lower = word.trim_end_matches('/').to_ascii_lowercase();
        let host = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
        let fits =
            host.is_some_and(|h| !h.is_empty() && h.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']')));
        if !fits {
            errors.add("origins", "origin", format!("“{word}” is not an origin. Write it like https://www.example.com, without a path."));
        } else if !out.contains(&lower) {
            out.push(lower);
        }
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}

/// Reads a colour as `#rrggbb`, in lower case.
///
/// # Errors
/// When it is none.
pub fn parse_accent(text: &str) -> Result<String, FieldErrors> {
    let text = text.trim().to_ascii_lowercase();
    if is_colour(&text) { Ok(text) } else { Err(FieldErrors::one("accent", "colour", "Choose a colour, written like #2f5fd0.")) }
}

/// Reads a project's default language.
///
/// # Errors
/// When it is no language tag.
pub fn parse_language(text: &str) -> Result<String, FieldErrors> {
    if is_language_tag(text) {
        Ok(text.to_owned())
    } else {
        Err(FieldErrors::one("language", "language", "Choose a language from the list."))
    }
}

impl Project {
    /// Whether a page of this origin may embed the project's surveys.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        self.origins.is_empty() || self.origins.iter().any(|o| o == origin)
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
        // The same rule as for surveys, which take the project's language.
        for good in ["en", "pt-BR", "zh-Hant-TW", "de-1996"] {
            assert!(parse_language(good).is_ok(), "{good}");
        }
        for bad in ["", "english", "e", "en_US", "en-", "en\" onload"] {
            assert!(parse_language(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_have_no_path() {
        assert_eq!(parse_origins("https://A.example/ http://localhost:8080").unwrap().len(), 2);
        assert!(parse_origins("https://a.example/path").is_err());
        assert!(parse_origins("javascript:alert(1)").is_err());
    }
}
