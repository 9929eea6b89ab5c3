//! Settings: read once at start from flags, `EARSHOT_*` variables and a TOML file. Errors name the wrong setting.
//!
//! Flags override variables, variables override the file, the file overrides the defaults.

mod file;
mod mail;
mod proxies;

pub use mail::{mail_for_tests, mail_for_tests_at};
pub use proxies::TrustedProxies;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use domain::{Secret, projects::parse_origin, webhooks::address::IpNetwork};
use serde::Deserialize;
use service::{
    accounts::password::PasswordCost,
    error::{Error, Result},
    settings::{Settings, megabytes, own_program},
};
use tracing_subscriber::EnvFilter;

/// All settings of `earshot serve`, validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// Settings of the use cases.
    pub settings: Settings,
    /// `postgres://…` instead of SQLite. Contains a password: never logged.
    pub database_url: Option<Secret<String>>,
    /// Settings of HTTP only.
    pub http: HttpConfig,
    /// Log filter, in the syntax of `tracing`.
    pub log: String,
    /// Log format.
    pub log_format: LogFormat,
}

/// The settings of HTTP.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted.
    pub trusted_proxies: TrustedProxies,
    /// `Strict-Transport-Security`; only sent if the public URL is https.
    pub hsts: Hsts,
    /// Maximum simultaneous connections from one address; only without a proxy.
    pub connections_per_address: usize,
    /// Bearer token for `/metrics`; without it, `/metrics` does not exist.
    pub metrics_token: Option<Secret<String>>,
}

/// Log format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object for each line, for programs.
    Json,
}

/// The `Strict-Transport-Security` header (RFC 6797).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hsts {
    /// This host and its subdomains (OWASP ASVS 5.0 3.4.1).
    #[default]
    Subdomains,
    /// This host alone: another service on a subdomain has no HTTPS.
    Host,
    /// Not sent: the proxy does.
    Off,
}

impl Hsts {
    /// The header's value.
    #[must_use]
    pub fn value(self) -> Option<&'static str> {
        match self {
            Self::Subdomains => Some("max-age=31536000; includeSubDomains"),
            Self::Host => Some("max-age=31536000"),
            Self::Off => None,
        }
    }
}

/// The settings that every subcommand takes.
#[derive(Debug, Clone, Default, Args)]
pub struct StoreArgs {
    /// Directory for the database and the search index; created if missing [default: ./data]
    #[arg(long, env = "EARSHOT_DATA", value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// PostgreSQL instead of the embedded SQLite: postgres://user:password@host/database
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true, global = true)]
    pub database_url: Option<String>,
    /// TOML file with any of these settings, named like the flags with _ instead of -
    #[arg(long, env = "EARSHOT_CONFIG", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// File with a secret of at least 32 characters that signs links together with the database's own; keep it out of database backups
    #[arg(long, env = "EARSHOT_SECRET_FILE", value_name = "FILE", global = true)]
    pub secret_file: Option<PathBuf>,
    /// What to log: error, warn, info, debug, or a filter like info,server=debug [default: info]
    #[arg(long, env = "EARSHOT_LOG", value_name = "FILTER", global = true)]
    pub log: Option<String>,
    /// Log format: plain text or JSON [default: text]
    #[arg(long, env = "EARSHOT_LOG_FORMAT", value_name = "FORMAT", global = true)]
    pub log_format: Option<LogFormat>,
}

/// The settings of serving.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Address and port to listen on [default: 127.0.0.1:3000]
    #[arg(long, env = "EARSHOT_LISTEN", value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// The URL of this installation, for example `https://feedback.example.com`; with https, cookies are Secure
    #[arg(long, env = "EARSHOT_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Reverse proxies whose X-Forwarded-For is trusted: their addresses (127.0.0.1,10.1.0.0/16), or the number of proxies
    /// in a row if this port is reachable only through them [default: none]
    #[arg(long, env = "EARSHOT_TRUSTED_PROXIES", value_name = "CIDR,…|N")]
    pub trusted_proxies: Option<TrustedProxies>,
    /// Strict-Transport-Security, sent if the public URL is https: for this host and its subdomains, this host only, or not at all
    /// [default: subdomains]
    #[arg(long, env = "EARSHOT_HSTS", value_name = "WHAT")]
    pub hsts: Option<Hsts>,
    /// Maximum submissions per minute from one network address [default: 60]
    #[arg(long, env = "EARSHOT_RATE_PER_ADDRESS", value_name = "N")]
    pub rate_per_address: Option<u32>,
    /// Maximum submissions per minute that one project stores, counted separately for surveys and the portal [default: 600]
    #[arg(long, env = "EARSHOT_RATE_PER_KEY", value_name = "N")]
    pub rate_per_key: Option<u32>,
    /// Maximum requests per minute with one API key [default: 600]
    #[arg(long, env = "EARSHOT_RATE_PER_API_KEY", value_name = "N")]
    pub rate_per_api_key: Option<u32>,
    /// Maximum simultaneous connections from one network address, without a proxy; connections of signed-in people do not
    /// count [default: 64]
    #[arg(long, env = "EARSHOT_CONNECTIONS_PER_ADDRESS", value_name = "N")]
    pub connections_per_address: Option<usize>,
    /// Megabytes of stored files in one project above which visitors cannot attach more [default: 5000]
    #[arg(long, env = "EARSHOT_FILES_PER_PROJECT", value_name = "MB")]
    pub files_per_project: Option<u64>,
    /// Megabytes of stored files in all projects above which visitors cannot attach more [default: 20000]
    #[arg(long, env = "EARSHOT_FILES_IN_ALL", value_name = "MB")]
    pub files_in_all: Option<u64>,
    /// Megabytes of disk space that attached files must leave free [default: 500]
    #[arg(long, env = "EARSHOT_KEEP_FREE", value_name = "MB")]
    pub keep_free: Option<u64>,
    /// Mail server: `smtp://user:password@host:587` (STARTTLS) or `smtps://…`; without it, no e-mail is sent
    #[arg(long, env = "EARSHOT_SMTP_URL", value_name = "URL", hide_env_values = true)]
    pub smtp_url: Option<String>,
    /// Sender of e-mails: `feedback@example.com` or `Earshot <feedback@example.com>`
    #[arg(long, env = "EARSHOT_MAIL_FROM", value_name = "ADDRESS")]
    pub mail_from: Option<String>,
    /// Bearer token that grants access to /metrics; without it, /metrics does not exist
    #[arg(long, env = "EARSHOT_METRICS_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub metrics_token: Option<String>,
    /// Private addresses that webhooks may call, also without https: 10.1.0.0/16,192.168.1.5 [default: none]
    #[arg(long, env = "EARSHOT_WEBHOOK_ALLOW", value_name = "CIDR,…")]
    pub webhook_allow: Option<String>,
    /// Fill an empty installation with demo data and serve a demo site that embeds its widget
    #[arg(long)]
    pub demo: bool,
    /// Address of the demo site; another free port if this one is in use [default: 127.0.0.1:3001]
    #[arg(long, value_name = "ADDR", requires = "demo")]
    pub demo_listen: Option<SocketAddr>,
}

impl Config {
    /// Merges flags and variables (both in the arguments) with the file, and validates the result.
    ///
    /// # Errors
    /// Returns an error that names the wrong setting and how to fix it.
    pub fn load(store: StoreArgs, serve: ServeArgs) -> Result<Self> {
        let file = match &store.config {
            Some(path) => file::read(path)?,
            None => file::ConfigFile::default(),
        };
        let public_url = serve.public_url.or(file.public_url).map(|url| public_url(&url)).transpose()?;
        let mail = mail::read(serve.smtp_url.or(file.smtp_url), serve.mail_from.or(file.mail_from), public_url.as_deref())?;
        let config = Self {
            settings: Settings {
                mail,
                program: own_program(),
                data: store.data.or(file.data).unwrap_or_else(|| Path::new("data").to_owned()),
                public_url,
                rate_per_address: serve.rate_per_address.or(file.rate_per_address).unwrap_or(60),
                rate_per_key: serve.rate_per_key.or(file.rate_per_key).unwrap_or(600),
                rate_per_api_key: serve.rate_per_api_key.or(file.rate_per_api_key).unwrap_or(600),
                files_per_project: megabytes(serve.files_per_project.or(file.files_per_project).unwrap_or(5_000)),
                files_in_all: megabytes(serve.files_in_all.or(file.files_in_all).unwrap_or(20_000)),
                keep_free: megabytes(serve.keep_free.or(file.keep_free).unwrap_or(500)),
                webhook_allow: blocks(&serve.webhook_allow.or(file.webhook_allow).unwrap_or_default())?,
                secret: store.secret_file.or(file.secret_file).map(|path| secret(&path)).transpose()?,
                password_cost: PasswordCost::OWASP,
            },
            database_url: store.database_url.or(file.database_url).map(Secret),
            http: HttpConfig {
                listen: serve.listen.or(file.listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 3000))),
                trusted_proxies: serve.trusted_proxies.or(file.trusted_proxies).unwrap_or_default(),
                hsts: serve.hsts.or(file.hsts).unwrap_or_default(),
                connections_per_address: serve.connections_per_address.or(file.connections_per_address).unwrap_or(64),
                metrics_token: serve.metrics_token.or(file.metrics_token).map(Secret),
            },
            log: store.log.or(file.log).unwrap_or_else(|| "info".into()),
            log_format: store.log_format.or(file.log_format).unwrap_or_default(),
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        if let Some(Secret(url)) = &self.database_url
            && !url.starts_with("postgres://")
            && !url.starts_with("postgresql://")
        {
            return Err(wrong("database_url", "DATABASE_URL", "it must begin with postgres:// (omit it to use the embedded SQLite)"));
        }
        for (name, variable, rate) in [
            ("rate_per_address", "EARSHOT_RATE_PER_ADDRESS", self.settings.rate_per_address),
            ("rate_per_key", "EARSHOT_RATE_PER_KEY", self.settings.rate_per_key),
            ("rate_per_api_key", "EARSHOT_RATE_PER_API_KEY", self.settings.rate_per_api_key),
        ] {
            if rate == 0 {
                return Err(wrong(name, variable, "it must be at least 1: 0 would refuse everything"));
            }
        }
        if self.http.connections_per_address == 0 {
            return Err(wrong(
                "connections_per_address",
                "EARSHOT_CONNECTIONS_PER_ADDRESS",
                "it must be at least 1: 0 would refuse everyone",
            ));
        }
        if self.http.metrics_token.as_ref().is_some_and(|Secret(token)| token.chars().count() < 16) {
            return Err(wrong(
                "metrics_token",
                "EARSHOT_METRICS_TOKEN",
                "it must have at least 16 characters so that it cannot be guessed",
            ));
        }
        if let Err(error) = EnvFilter::try_new(&self.log) {
            return Err(wrong("log", "EARSHOT_LOG", &format!("{error}; write it like info or info,server=debug")));
        }
        Ok(())
    }

    /// Starts the log as configured, on standard error. Calls after the first have no effect.
    pub fn start_log(&self) {
        // The filter was validated at start.
        let filter = EnvFilter::try_new(&self.log).unwrap_or_default();
        // A failed write, as on a full disk, must not stop the program; reporting it on standard error as well would.
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
        let started = match self.log_format {
            LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
            LogFormat::Json => log.json().try_init(),
        };
        drop(started);
    }

    /// For tests: everything in `data`, a free port, generous limits.
    #[must_use]
    pub fn for_tests(data: PathBuf) -> Self {
        Self {
            settings: Settings::for_tests(data),
            database_url: None,
            http: HttpConfig {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                trusted_proxies: TrustedProxies::None,
                hsts: Hsts::default(),
                connections_per_address: 64,
                metrics_token: None,
            },
            log: "info".into(),
            log_format: LogFormat::Text,
        }
    }
}

/// An error that names a wrong setting as it is written in the file, as a flag and as a variable.
fn wrong(name: &str, variable: &str, why: &str) -> Error {
    let flag = name.replace('_', "-");
    Error::Internal(format!("the setting {name} (--{flag}, {variable}) is wrong: {why}"))
}

/// Reads the secret in a file, without surrounding white space.
fn secret(path: &Path) -> Result<Secret<Vec<u8>>> {
    let why = |why: &str| wrong("secret_file", "EARSHOT_SECRET_FILE", &format!("{} {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|e| why(&format!("cannot be read: {e}")))?;
    let bytes = bytes.trim_ascii();
    if bytes.len() < 32 {
        return Err(why("must contain at least 32 characters, for example from `openssl rand -hex 32`"));
    }
    Ok(Secret(bytes.to_vec()))
}

fn blocks(text: &str) -> Result<Vec<IpNetwork>> {
    proxies::blocks(text).map_err(|e| wrong("webhook_allow", "EARSHOT_WEBHOOK_ALLOW", &e.to_string()))
}

/// The URL as browsers write an origin: without the scheme's default port, and with host names in ASCII.
fn public_url(text: &str) -> Result<String> {
    parse_origin(text.trim_end_matches('/'))
        .map_err(|_| wrong("public_url", "EARSHOT_PUBLIC_URL", "write it like https://feedback.example.com, without a path"))
}

/// `EARSHOT_*` variables of this process that are not settings, most likely misspelt.
#[must_use]
pub fn unknown_variables() -> Vec<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
    let all = std::env::vars_os();
    unknown_among(all.filter_map(|(name, _)| name.into_string().ok()))
}

fn unknown_among(names: impl Iterator<Item = String>) -> Vec<String> {
    const KNOWN: &[&str] = &[
        "EARSHOT_DATA",
        "EARSHOT_CONFIG",
        "EARSHOT_LOG",
        "EARSHOT_LOG_FORMAT",
        "EARSHOT_LISTEN",
        "EARSHOT_PUBLIC_URL",
        "EARSHOT_TRUSTED_PROXIES",
        "EARSHOT_HSTS",
        "EARSHOT_RATE_PER_ADDRESS",
        "EARSHOT_RATE_PER_KEY",
        "EARSHOT_RATE_PER_API_KEY",
        "EARSHOT_CONNECTIONS_PER_ADDRESS",
        "EARSHOT_FILES_PER_PROJECT",
        "EARSHOT_FILES_IN_ALL",
        "EARSHOT_KEEP_FREE",
        "EARSHOT_SMTP_URL",
        "EARSHOT_MAIL_FROM",
        "EARSHOT_METRICS_TOKEN",
        "EARSHOT_WEBHOOK_ALLOW",
        "EARSHOT_SECRET_FILE",
    ];
    names.filter(|n| n.starts_with("EARSHOT_") && !n.starts_with("EARSHOT_TEST_") && !KNOWN.contains(&n.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        store: StoreArgs,
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn load(args: &[&str]) -> Result<Config> {
        let line = Line::try_parse_from(std::iter::once(&"earshot").chain(args)).map_err(|e| Error::Internal(e.to_string()))?;
        Config::load(line.store, line.serve)
    }

    fn refusal(args: &[&str]) -> String {
        load(args).unwrap_err().to_string()
    }

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("earshot.toml");
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (dir, path)
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let (_dir, path) =
            file("listen = \"127.0.0.1:4000\"\ntrusted_proxies = 2\nlog_format = \"json\"\npublic_url = \"https://F.example/\"\n");
        let config = load(&["--config", &path, "--listen", "0.0.0.0:5000"]).unwrap();
        assert_eq!(config.http.listen.to_string(), "0.0.0.0:5000");
        assert_eq!((config.http.trusted_proxies, config.log_format), (TrustedProxies::Hops(2), LogFormat::Json));
        assert_eq!(config.settings.public_url.as_deref(), Some("https://f.example"));
        assert!(config.settings.is_https());
        assert_eq!(
            load(&["--public-url", "https://Bücher.example:443"]).unwrap().settings.public_url.as_deref(),
            Some("https://xn--bcher-kva.example")
        );
        assert_eq!((config.settings.rate_per_address, config.settings.rate_per_key), (60, 600));
        // OWASP's figures, not the constant: the tests of sign-in use a lower cost.
        assert_eq!(config.settings.password_cost, PasswordCost { memory_kib: 19 * 1024, passes: 2 });
    }

    #[test]
    fn what_is_wrong_is_named() {
        let (_dir, path) = file("listne = \"127.0.0.1:4000\"\n");
        assert!(refusal(&["--config", &path]).contains("listne"), "{}", refusal(&["--config", &path]));
        let (_dir, path) = file("listen = \"everywhere\"\n");
        let text = refusal(&["--config", &path]);
        assert!(text.contains("listen") && text.contains("line 1"), "{text}");
        assert!(refusal(&["--listen", "3000"]).contains("--listen"));
        assert!(refusal(&["--public-url", "feedback.example.com"]).contains("EARSHOT_PUBLIC_URL"));
        assert!(refusal(&["--public-url", "https://a.example/path"]).contains("--public-url"));
        assert!(refusal(&["--rate-per-key", "0"]).contains("--rate-per-key"));
        assert!(refusal(&["--webhook-allow", "10.0.0.0/8,lan"]).contains("“lan”"));
        assert!(refusal(&["--trusted-proxies", "10.0.0.0/8,lan"]).contains("“lan”"));
        assert!(refusal(&["--log", "a=b=c"]).contains("EARSHOT_LOG"));
        assert!(refusal(&["--config", "/nowhere/earshot.toml"]).contains("/nowhere/earshot.toml"));
    }

    #[test]
    fn the_database_password_is_in_no_message() {
        let text = refusal(&["--database-url", "mysql://u:hunter2@h/d"]);
        assert!(text.contains("DATABASE_URL") && !text.contains("hunter2"), "{text}");
        let config = load(&["--database-url", "postgres://u:hunter2@h/d"]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        let (_dir, path) = file("database_url = 7 # hunter2\n");
        assert!(!refusal(&["--config", &path]).contains("hunter2"));
    }

    #[test]
    fn a_secret_file_is_read_and_told_nowhere() {
        let (_dir, path) = file("hunter2hunter2hunter2hunter2hunter2\n");
        let config = load(&["--secret-file", &path]).unwrap();
        assert_eq!(config.settings.secret.as_ref().unwrap().0, b"hunter2hunter2hunter2hunter2hunter2");
        assert!(!format!("{config:?}").contains("hunter2"));
        let (_dir, path) = file("hunter2\n");
        let text = refusal(&["--secret-file", &path]);
        assert!(text.contains("EARSHOT_SECRET_FILE") && text.contains("32") && !text.contains("hunter2"), "{text}");
        assert!(refusal(&["--secret-file", "/nowhere/secret"]).contains("/nowhere/secret"));
    }

    #[test]
    fn misspelt_variables_are_found() {
        let names = ["EARSHOT_LISTNE", "EARSHOT_LISTEN", "EARSHOT_TEST_POSTGRES", "PATH"].map(String::from);
        assert_eq!(unknown_among(names.into_iter()), ["EARSHOT_LISTNE"]);
    }
}
