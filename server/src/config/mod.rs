//! Settings: read once at start from flags, `EARSHOT_*` variables and a TOML file. Errors name the wrong setting.
//!
//! Flags override variables, variables override the file, the file overrides the defaults.

mod declare;
mod file;
mod mail;
mod proxies;

pub use mail::{mail_for_tests, mail_for_tests_at};
pub use proxies::TrustedProxies;

use std::{
    fmt::Display,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{Arg, Args, Command, ValueEnum};
use domain::{Secret, projects::parse_origin, webhooks::address::IpNetwork};
use serde::Deserialize;
use service::{
    error::{Error, Result},
    settings::{PasswordCost, Settings, megabytes, own_program},
};
use tracing_subscriber::EnvFilter;

use self::declare::settings;

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

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        ValueEnum::from_str(text, false)
    }
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

impl FromStr for Hsts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        ValueEnum::from_str(text, false)
    }
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

settings! {
    /// The settings that every subcommand takes.
    store: StoreArgs {
        data: PathBuf {
            variable: "EARSHOT_DATA",
            value: "DIR",
            default: "./data",
            help: "Directory for the database and the search index; created if missing",
            global: true,
        }
        database_url: String {
            variable: "DATABASE_URL",
            value: "URL",
            help: "PostgreSQL instead of the embedded SQLite: postgres://user:password@host/database",
            secret: true,
            global: true,
            check: |url| is_postgres(url),
        }
        config: PathBuf {
            variable: "EARSHOT_CONFIG",
            value: "FILE",
            help: "TOML file with any of these settings, named like the flags with _ instead of -",
            global: true,
            file: skip,
        }
        secret_file: PathBuf {
            variable: "EARSHOT_SECRET_FILE",
            value: "FILE",
            help: "File with a secret of at least 32 characters that signs links together with the database's own; keep it out of database backups",
            global: true,
        }
        log: String {
            variable: "EARSHOT_LOG",
            value: "FILTER",
            default: "info",
            help: "What to log: error, warn, info, debug, or a filter like info,server=debug",
            global: true,
            check: |filter| is_filter(filter),
        }
        log_format: LogFormat {
            variable: "EARSHOT_LOG_FORMAT",
            value: "FORMAT",
            default: "text",
            help: "Log format: plain text or JSON",
            global: true,
        }
    } with {}

    /// The settings of serving.
    serve: ServeArgs {
        listen: SocketAddr {
            variable: "EARSHOT_LISTEN",
            value: "ADDR",
            default: "127.0.0.1:3000",
            help: "Address and port to listen on",
        }
        public_url: String {
            variable: "EARSHOT_PUBLIC_URL",
            value: "URL",
            help: "The URL of this installation, for example `https://feedback.example.com`; with https, cookies are Secure",
        }
        trusted_proxies: TrustedProxies {
            variable: "EARSHOT_TRUSTED_PROXIES",
            value: "CIDR,…|N",
            help: "Reverse proxies whose X-Forwarded-For is trusted: their addresses (127.0.0.1,10.1.0.0/16), or the number of proxies in a row if this port is reachable only through them [default: none]",
        }
        hsts: Hsts {
            variable: "EARSHOT_HSTS",
            value: "WHAT",
            default: "subdomains",
            help: "Strict-Transport-Security, sent if the public URL is https: for this host and its subdomains, this host only, or not at all",
        }
        rate_per_address: u32 {
            variable: "EARSHOT_RATE_PER_ADDRESS",
            value: "N",
            default: "60",
            help: "Maximum submissions per minute from one network address",
            check: |n| at_least_one(*n, "everything"),
        }
        rate_per_key: u32 {
            variable: "EARSHOT_RATE_PER_KEY",
            value: "N",
            default: "600",
            help: "Maximum submissions per minute that one project stores, counted separately for surveys and the portal",
            check: |n| at_least_one(*n, "everything"),
        }
        rate_per_api_key: u32 {
            variable: "EARSHOT_RATE_PER_API_KEY",
            value: "N",
            default: "600",
            help: "Maximum requests per minute with one API key",
            check: |n| at_least_one(*n, "everything"),
        }
        connections_per_address: usize {
            variable: "EARSHOT_CONNECTIONS_PER_ADDRESS",
            value: "N",
            default: "64",
            help: "Maximum simultaneous connections from one network address, without a proxy; connections of signed-in people do not count",
            check: |n| at_least_one(*n, "everyone"),
        }
        files_per_project: u64 {
            variable: "EARSHOT_FILES_PER_PROJECT",
            value: "MB",
            default: "5000",
            help: "Megabytes of stored files in one project above which visitors cannot attach more",
        }
        files_in_all: u64 {
            variable: "EARSHOT_FILES_IN_ALL",
            value: "MB",
            default: "20000",
            help: "Megabytes of stored files in all projects above which visitors cannot attach more",
        }
        keep_free: u64 {
            variable: "EARSHOT_KEEP_FREE",
            value: "MB",
            default: "500",
            help: "Megabytes of disk space that attached files must leave free",
        }
        smtp_url: String {
            variable: "EARSHOT_SMTP_URL",
            value: "URL",
            help: "Mail server: `smtp://user:password@host:587` (STARTTLS) or `smtps://…`; without it, no e-mail is sent",
            secret: true,
        }
        mail_from: String {
            variable: "EARSHOT_MAIL_FROM",
            value: "ADDRESS",
            help: "Sender of e-mails: `feedback@example.com` or `Earshot <feedback@example.com>`",
        }
        metrics_token: String {
            variable: "EARSHOT_METRICS_TOKEN",
            value: "TOKEN",
            help: "Bearer token that grants access to /metrics; without it, /metrics does not exist",
            secret: true,
            check: |token| is_long_enough(token),
        }
        webhook_allow: String {
            variable: "EARSHOT_WEBHOOK_ALLOW",
            value: "CIDR,…",
            help: "Private addresses that webhooks may call, also without https: 10.1.0.0/16,192.168.1.5 [default: none]",
        }
    } with {
        /// Fill an empty installation with demo data and serve a demo site that embeds its widget
        #[arg(long)]
        pub demo: bool,
        /// Address of the demo site; another free port if this one is in use [default: 127.0.0.1:3001]
        #[arg(long, value_name = "ADDR", requires = "demo")]
        pub demo_listen: Option<SocketAddr>,
    }
}

impl Config {
    /// Merges flags and variables (both in the arguments) with the file, and validates the result.
    ///
    /// # Errors
    /// Returns an error that names the wrong setting and how to fix it.
    pub fn load(store: StoreArgs, serve: ServeArgs) -> Result<Self> {
        let file = store.config.as_deref().map(file::read).transpose()?.unwrap_or_default();
        let values = Values::merge(store, serve, file)?;
        let public_url = values.public_url.map(|url| public_url(&url)).transpose()?;
        Ok(Self {
            settings: Settings {
                mail: mail::read(values.smtp_url, values.mail_from, public_url.as_deref())?,
                program: own_program(),
                data: values.data,
                public_url,
                rate_per_address: values.rate_per_address,
                rate_per_key: values.rate_per_key,
                rate_per_api_key: values.rate_per_api_key,
                files_per_project: megabytes(values.files_per_project),
                files_in_all: megabytes(values.files_in_all),
                keep_free: megabytes(values.keep_free),
                webhook_allow: blocks(&values.webhook_allow.unwrap_or_default())?,
                secret: values.secret_file.map(|path| secret(&path)).transpose()?,
                password_cost: PasswordCost::OWASP,
            },
            database_url: values.database_url.map(Secret),
            http: HttpConfig {
                listen: values.listen,
                trusted_proxies: values.trusted_proxies.unwrap_or_default(),
                hsts: values.hsts,
                connections_per_address: values.connections_per_address,
                metrics_token: values.metrics_token.map(Secret),
            },
            log: values.log,
            log_format: values.log_format,
        })
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

/// All settings as clap knows them.
fn arguments() -> Command {
    ServeArgs::augment_args(StoreArgs::augment_args(Command::new("earshot")))
}

/// An error that names a wrong setting as it is written in the file, as a flag and as a variable.
fn wrong(name: &str, why: &str) -> Error {
    let flag = name.replace('_', "-");
    let arguments = arguments();
    let variable = arguments.get_arguments().find(|argument| argument.get_id() == name).and_then(Arg::get_env).unwrap_or_default();
    Error::Internal(format!("the setting {name} (--{flag}, {}) is wrong: {why}", variable.to_string_lossy()))
}

/// Whether a setting, if it is set, fulfils its rule.
fn check<T>(name: &str, value: Option<&T>, rule: impl Fn(&T) -> Result<(), String>) -> Result<()> {
    value.map_or(Ok(()), rule).map_err(|why| wrong(name, &why))
}

/// The default of a setting, as it is declared.
fn read_default<T: FromStr<Err: Display>>(name: &str, default: &str) -> Result<T> {
    default.parse().map_err(|error| wrong(name, &format!("its default {default} cannot be read: {error}")))
}

fn is_postgres(url: &str) -> Result<(), String> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(());
    }
    Err("it must begin with postgres:// (omit it to use the embedded SQLite)".into())
}

fn is_filter(text: &str) -> Result<(), String> {
    EnvFilter::try_new(text).map(drop).map_err(|error| format!("{error}; write it like info or info,server=debug"))
}

fn at_least_one<N: PartialEq + Default>(n: N, refused: &str) -> Result<(), String> {
    if n == N::default() { Err(format!("it must be at least 1: 0 would refuse {refused}")) } else { Ok(()) }
}

fn is_long_enough(token: &str) -> Result<(), String> {
    if token.chars().count() < 16 { Err("it must have at least 16 characters so that it cannot be guessed".into()) } else { Ok(()) }
}

/// Reads the secret in a file, without surrounding white space.
fn secret(path: &Path) -> Result<Secret<Vec<u8>>> {
    let why = |why: &str| wrong("secret_file", &format!("{} {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|e| why(&format!("cannot be read: {e}")))?;
    let bytes = bytes.trim_ascii();
    if bytes.len() < 32 {
        return Err(why("must contain at least 32 characters, for example from `openssl rand -hex 32`"));
    }
    Ok(Secret(bytes.to_vec()))
}

fn blocks(text: &str) -> Result<Vec<IpNetwork>> {
    proxies::blocks(text).map_err(|e| wrong("webhook_allow", &e.to_string()))
}

/// The URL as browsers write an origin: without the scheme's default port, and with host names in ASCII.
fn public_url(text: &str) -> Result<String> {
    parse_origin(text.trim_end_matches('/')).map_err(|_| wrong("public_url", "write it like https://feedback.example.com, without a path"))
}

/// `EARSHOT_*` variables of this process that are not settings, most likely misspelt.
#[must_use]
pub fn unknown_variables() -> Vec<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
    let all = std::env::vars_os();
    unknown_among(all.filter_map(|(name, _)| name.into_string().ok()))
}

fn unknown_among(names: impl Iterator<Item = String>) -> Vec<String> {
    let arguments = arguments();
    let is_known = |name: &str| arguments.get_arguments().any(|argument| argument.get_env().is_some_and(|variable| variable == name));
    names.filter(|n| n.starts_with("EARSHOT_") && !n.starts_with("EARSHOT_TEST_") && !is_known(n)).collect()
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
    fn defaults_can_be_read_and_are_those_of_the_help() {
        let config = load(&[]).unwrap();
        assert_eq!(config.settings.data, Path::new("./data"));
        assert_eq!((config.http.listen.to_string().as_str(), config.http.hsts), ("127.0.0.1:3000", Hsts::Subdomains));
        assert_eq!((config.log.as_str(), config.log_format), ("info", LogFormat::Text));
        assert_eq!((config.settings.rate_per_api_key, config.http.connections_per_address), (600, 64));
        assert_eq!((config.settings.files_per_project, config.settings.keep_free), (megabytes(5000), megabytes(500)));
        assert!(config.http.trusted_proxies.is_none() && config.settings.webhook_allow.is_empty());
    }

    #[test]
    fn each_setting_has_a_variable_and_a_place_in_the_file() {
        let arguments = arguments();
        let only_flags = ["demo", "demo_listen"];
        for argument in arguments.get_arguments().filter(|argument| !only_flags.contains(&argument.get_id().as_str())) {
            let name = argument.get_id().as_str();
            let variable = argument.get_env().and_then(|variable| variable.to_str()).unwrap();
            assert_eq!(argument.get_long(), Some(name.replace('_', "-").as_str()));
            let expected = if name == "database_url" { "DATABASE_URL".into() } else { format!("EARSHOT_{}", name.to_uppercase()) };
            assert_eq!(variable, expected);
            assert_eq!(refusal_of(name).contains("unknown field"), name == "config", "{name}");
            assert!(wrong(name, "it is").to_string().ends_with(&format!("({}, {variable}) is wrong: it is", flag(name))));
        }
    }

    fn flag(name: &str) -> String {
        format!("--{}", name.replace('_', "-"))
    }

    /// What is said of a file with a value of a kind that no setting has.
    fn refusal_of(name: &str) -> String {
        let (_dir, path) = file(&format!("{name} = []\n"));
        refusal(&["--config", &path])
    }

    #[test]
    fn misspelt_variables_are_found() {
        let names = ["EARSHOT_LISTNE", "EARSHOT_LISTEN", "EARSHOT_TEST_POSTGRES", "PATH"].map(String::from);
        assert_eq!(unknown_among(names.into_iter()), ["EARSHOT_LISTNE"]);
    }
}
