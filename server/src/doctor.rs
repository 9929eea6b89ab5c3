//! `earshot doctor`: finds problems of an installation and suggests fixes. It changes nothing.

use std::{fs, path::Path};

use domain::Secret;
use service::{
    error::{Error, Result},
    mail::check_server,
    settings::MailSettings,
    state, system_resources,
};
use store::{
    backup,
    doctor::{DatabaseFacts, inspect_database, newest_migration},
};

use crate::{
    config::{Config, TrustedProxies},
    http::serve::{MOST_CONNECTIONS, connections},
};

/// Free disk space, in bytes, below which doctor reports a problem.
const LITTLE_ROOM: u64 = 500 << 20;

/// Result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The observation.
    pub what: String,
    /// Suggested fix; `None` if there is no problem.
    pub todo: Option<String>,
}

impl Finding {
    fn well(what: impl Into<String>) -> Self {
        Self { what: what.into(), todo: None }
    }

    fn wrong(what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { what: what.into(), todo: Some(todo.into()) }
    }
}

/// Checks the data directory, the database, the index and the settings. If a step fails, the steps that depend on it are skipped.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let mut found = vec![directory(&config.settings.data)];
    if found.iter().all(|f| f.todo.is_none()) {
        found.extend(open_to_others(&config.settings.data));
        found.extend(system_resources::free_space(&config.settings.data).map(|free| room(free, database_size(config))));
        found.push(server(&config.settings.data));
        match database(config).await {
            Ok(facts) => {
                found.extend(about(&facts));
                if let Some(instance) = &facts.instance {
                    found.push(index(&config.settings.data, instance));
                }
            }
            Err(finding) => found.push(finding),
        }
    }
    found.push(files(connections()));
    found.extend(settings(config));
    found.push(match &config.settings.mail {
        Some(mail) => mail_server(mail).await,
        None => Finding::well(
            "E-mail is off: share invitations yourself; requesters can follow tickets only by their links. Set --smtp-url (EARSHOT_SMTP_URL) to turn it on.",
        ),
    });
    found
}

fn directory(data: &Path) -> Finding {
    let shown = data.display();
    if !data.is_dir() {
        return Finding::wrong(
            format!("There is no data directory {shown}."),
            "Check --data. `earshot serve` creates the directory when it first starts.",
        );
    }
    let probe = data.join(".doctor");
    match fs::write(&probe, b"x").and_then(|()| fs::remove_file(&probe)) {
        Ok(()) => Finding::well(format!("The data directory {shown} is writable.")),
        Err(error) => Finding::wrong(
            format!("The data directory {shown} is not writable: {error}."),
            "Free some disk space, or grant write access to the account that Earshot runs as.",
        ),
    }
}

/// Checks that other accounts on the machine cannot read submissions and password hashes.
fn open_to_others(data: &Path) -> Option<Finding> {
    let shown = data.display();
    let what = || format!("Every account on this machine can read the data directory {shown}.");
    system_resources::is_open_to_others(data).then(|| Finding::wrong(what(), format!("chmod -R go= {shown}")))
}

/// Size of the embedded database in bytes, including its write-ahead log.
fn database_size(config: &Config) -> u64 {
    let size = |name: &str| fs::metadata(config.settings.data.join(name)).map_or(0, |file| file.len());
    size("earshot.db") + size("earshot.db-wal")
}

/// Checks the free disk space: on a full disk, writes are refused.
fn room(free: u64, database: u64) -> Finding {
    let megabytes = free >> 20;
    if free < LITTLE_ROOM {
        return Finding::wrong(
            format!("The disk of the data directory has {megabytes} MB free."),
            "Free some space, or move the directory to a larger disk: writes are refused while it is full.",
        );
    }
    Finding::well(match database >> 20 {
        0 => format!("The disk of the data directory has {megabytes} MB free."),
        size => format!("The disk of the data directory has {megabytes} MB free; the database has {size} MB."),
    })
}

/// Checks the open file limit, because each connection is an open file.
fn files(connections: usize) -> Finding {
    if connections < MOST_CONNECTIONS {
        return Finding::wrong(
            format!(
                "A server with these limits can hold {connections} connections at once; with more open files it could hold {MOST_CONNECTIONS}."
            ),
            "Raise the hard limit of open files: LimitNOFILE=16384 in the systemd unit, --ulimit nofile=16384 for a container, or ulimit -Hn.",
        );
    }
    Finding::well(format!("The open file limit allows {connections} connections at once."))
}

fn server(data: &Path) -> Finding {
    match state::lock_data_dir(data) {
        Ok(lock) => {
            drop(lock);
            Finding::well("No server is using the directory.")
        }
        Err(_) => Finding::well("A server is using the directory."),
    }
}

async fn database(config: &Config) -> Result<DatabaseFacts, Finding> {
    if config.database_url.is_some() {
        return inspect_database(config.database_url.as_ref().map(|Secret(url)| url.as_str()), &config.settings.data).await.map_err(
            |error| {
                Finding::wrong(
                    format!("PostgreSQL cannot be used: {}.", detail(&error)),
                    "Check DATABASE_URL, that the server is running, and that it accepts this account.",
                )
            },
        );
    }
    let file = config.settings.data.join("earshot.db");
    if !file.exists() {
        return Err(Finding::well("There is no database yet; the first start creates it."));
    }
    let damaged = |error: &Error| {
        Finding::wrong(
            format!("The database cannot be used: {}.", detail(error)),
            "Stop the server, keep a copy of the directory, and restore a backup: earshot restore FILE --replace.",
        )
    };
    backup::check(&file).await.map_err(|e| damaged(&e))?;
    inspect_database(config.database_url.as_ref().map(|Secret(url)| url.as_str()), &config.settings.data).await.map_err(|e| damaged(&e))
}

fn detail(error: &Error) -> String {
    match error.refusal() {
        Some(domain::DomainError::Busy(_)) => "it does not respond".into(),
        _ => error.to_string().trim_end_matches('.').to_owned(),
    }
}

fn many(n: i64, one: &str, more: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { more })
}

fn about(facts: &DatabaseFacts) -> Vec<Finding> {
    let newest = newest_migration();
    let mut found = vec![match facts.migration {
        n if n > newest => Finding::wrong(
            format!("The database belongs to a newer Earshot (schema {n}; this program supports {newest})."),
            "Use that version; a schema cannot be downgraded.",
        ),
        n if n < newest => Finding::well(format!("The database has schema {n}; the next start migrates it to {newest}.")),
        n => {
            let (projects, feedback) = (many(facts.projects, "project", "projects"), many(facts.feedback, "piece", "pieces"));
            Finding::well(format!("The database is healthy: schema {n}, {projects}, {feedback} of feedback."))
        }
    }];
    if facts.staff == 0 {
        found.push(Finding::wrong(
            "There are no accounts.",
            "Open the setup page that the server logs when it starts, or run: earshot admin create-owner --email YOU --password-stdin.",
        ));
    }
    if facts.failed_emails > 0 {
        found.push(Finding::wrong(
            format!("{} failed permanently.", many(facts.failed_emails, "e-mail", "e-mails")),
            "Operators can see the reasons under “E-mail and background jobs” in their menu and send them again.",
        ));
    }
    if facts.dead_deliveries > 0 {
        found.push(Finding::wrong(
            format!("{} failed permanently.", many(facts.dead_deliveries, "webhook delivery", "webhook deliveries")),
            "Admins can see the responses of the receivers under Settings, Webhooks, and retry them.",
        ));
    }
    if facts.webhooks_off > 0 {
        found.push(Finding::wrong(
            format!("{} turned off because every attempt failed.", many(facts.webhooks_off, "webhook was", "webhooks were")),
            "Fix their receivers, then turn them on again under Settings, Webhooks.",
        ));
    }
    for (kind, why) in &facts.dead {
        found.push(Finding::wrong(
            format!("A background job failed permanently: {kind}: {why}"),
            "For an import, its page shows details and can resume it.",
        ));
    }
    found
}

fn index(data: &Path, instance: &str) -> Finding {
    match search::inspect(&data.join("index"), instance) {
        None => Finding::well("There is no search index yet; the server builds it while it runs."),
        Some(Ok(())) => Finding::well("The search index is usable."),
        Some(Err(error)) => Finding::well(format!("The search index will be discarded and rebuilt at the next start ({error}).")),
    }
}

async fn mail_server(mail: &MailSettings) -> Finding {
    if mail.exposed {
        return Finding::wrong(
            "The user name and password of the mail server are sent unencrypted.",
            "Remove ?tls= from --smtp-url (EARSHOT_SMTP_URL), or use smtps://.",
        );
    }
    match check_server(mail).await {
        Ok(()) => Finding::well("The mail server responds and accepts the sign-in."),
        Err(why) => Finding::wrong(
            format!("E-mail cannot be sent: {}", why.trim_end_matches('.')),
            "Check --smtp-url (EARSHOT_SMTP_URL): host, port, user, password. Earshot retries e-mails for a day.",
        ),
    }
}

fn settings(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    if config.settings.is_https() && config.http.trusted_proxies.is_none() {
        found.push(Finding::wrong(
            "The public URL is https, which implies a reverse proxy, but --trusted-proxies is not set: all visitors share one limit.",
            "Set --trusted-proxies (EARSHOT_TRUSTED_PROXIES) to the proxy's address, like 127.0.0.1.",
        ));
    }
    if let (TrustedProxies::Hops(_), false) = (&config.http.trusted_proxies, config.http.listen.ip().is_loopback()) {
        found.push(Finding::wrong(
            format!("Anyone who can reach {} directly can choose the address that limits are counted by.", config.http.listen),
            "List the addresses of the proxies in --trusted-proxies (EARSHOT_TRUSTED_PROXIES), like 10.1.0.0/16, or listen on 127.0.0.1.",
        ));
    }
    if !config.settings.webhook_allow.is_empty() {
        let blocks = config.settings.webhook_allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        found.push(Finding::well(format!(
            "--webhook-allow (EARSHOT_WEBHOOK_ALLOW) lets webhooks call {blocks}: project admins can post to these addresses and read the beginning of the responses."
        )));
    }
    if config.settings.public_url.is_none() && !config.http.listen.ip().is_loopback() {
        found.push(Finding::wrong(
            format!("The server is reachable at {} without a public URL.", config.http.listen),
            "Set --public-url (EARSHOT_PUBLIC_URL): links in invitations and snippets start with it, and with https, cookies are Secure.",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_and_few_files_are_something_to_do() {
        assert!(room(499 << 20, 0).todo.is_some() && room(500 << 20, 0).todo.is_none());
        assert_eq!(room(2 << 30, 7 << 20).what, "The disk of the data directory has 2048 MB free; the database has 7 MB.");
        assert!(files(768).todo.is_some() && files(MOST_CONNECTIONS).todo.is_none());
    }
}
