//! `earshot admin`: manages owners and projects without a browser.

use std::io::Read;

use clap::Subcommand;
use domain::{
    accounts::{Scope, key::Access},
    projects::{Project, parse_origins},
    text::is_same_name,
};
use serde_json::json;
use service::{
    accounts,
    error::{Error, Result},
    keys::{self, ApiKeyInput, CreatedApiKey},
    projects,
    state::{App, SECRET_ACTIVATION_DELAY_MS},
};

/// The commands of `earshot admin`.
#[derive(Debug, Subcommand)]
pub(super) enum AdminCommand {
    /// Create an owner of every project
    CreateOwner {
        /// Their e-mail address
        #[arg(long, value_name = "EMAIL")]
        email: String,
        /// Their name; taken from the address by default
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Read the password from standard input (it is never taken from the command line, where others could see it)
        #[arg(long, required = true)]
        password_stdin: bool,
        /// Also accept an address that already has an account
        #[arg(long)]
        promote: bool,
    },
    /// Set a new password for an account and end its sessions; its roles stay the same
    SetPassword {
        /// Their e-mail address
        #[arg(long, value_name = "EMAIL")]
        email: String,
        /// Read the password from standard input
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Create a project; prints one line of JSON with id, key, slug and name
    CreateProject {
        /// Its name
        #[arg(long, value_name = "NAME")]
        name: String,
        /// An origin that may embed its surveys, like `https://www.example.com`; can be repeated; without it, any site may
        #[arg(long, value_name = "ORIGIN")]
        origin: Vec<String>,
    },
    /// Create a new secret for signing links; it takes effect after 10 minutes, and links signed with older secrets keep working.
    /// Prints one line of JSON
    RotateSecret {
        /// Create nothing, but revoke all secrets except the newest: links that they signed stop working
        #[arg(long)]
        retire: bool,
    },
    /// Create an API key; prints one line of JSON with the key, which is never shown again
    CreateApiKey {
        /// The project: its name, its name in URLs, or its ID
        #[arg(long, value_name = "NAME-OR-ID")]
        project: String,
        /// Its scope: read, write (feedback, responses, backlog, tickets), or admin
        #[arg(long, value_name = "SCOPE", value_parser = access)]
        scope: Access,
        /// The program that will use it
        #[arg(long, value_name = "NAME", default_value = "Command line")]
        name: String,
        /// Days until it expires; by default it never expires
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        days: Option<u16>,
    },
}

fn access(text: &str) -> std::result::Result<Access, String> {
    Access::parse(text).ok_or_else(|| "choose read, write or admin".to_owned())
}

/// Finds a project by ID, slug or name.
async fn project(app: &App, wanted: &str) -> Result<Project> {
    let mut all = app.store.all_projects().await?;
    // IDs and slugs are unique; names need not be.
    if let Some(at) = all.iter().position(|p| p.slug == wanted || p.id.to_string() == wanted) {
        return Ok(all.swap_remove(at));
    }
    let mut named = all.into_iter().filter(|p| is_same_name(&p.name, wanted));
    match (named.next(), named.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(Error::Internal(format!("several projects are named “{wanted}”; use the ID or the name in URLs"))),
        (None, _) => Err(Error::Internal(format!("there is no project “{wanted}”; the console lists all projects"))),
    }
}

impl AdminCommand {
    /// Runs the command.
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let line = match self {
            Self::CreateOwner { email, name, password_stdin: _, promote } => {
                let name = name.unwrap_or_default();
                let owner = accounts::owner::create(app, &email, &name, &read_password()?, promote).await.map_err(spoken)?;
                json!({ "id": owner.staff.to_string(), "email": owner.email, "created": owner.created, "projects": owner.projects })
            }
            Self::SetPassword { email, password_stdin: _ } => {
                let staff = accounts::owner::set_password(app, &email, &read_password()?).await.map_err(spoken)?;
                json!({ "id": staff.to_string() })
            }
            Self::CreateProject { name, origin } => {
                let origins = parse_origins(&origin.join("\n")).map_err(|e| spoken(domain::DomainError::Invalid(e).into()))?;
                let project = projects::create_for_operators(app, &name, origins).await.map_err(spoken)?;
                json!({ "id": project.id.to_string(), "key": project.key, "slug": project.slug, "name": project.name })
            }
            Self::RotateSecret { retire: false } => {
                let generation = app.rotate_secret().await.map_err(spoken)?;
                json!({ "generation": generation, "signs_from": app.now().plus_ms(SECRET_ACTIVATION_DELAY_MS).rfc3339(), "needs_file": app.settings.secret.is_some() })
            }
            Self::RotateSecret { retire: true } => {
                let retired = app.retire_secrets().await?;
                if retired == 0 {
                    return Err(Error::Internal(
                        "there is only one secret; create a new one first by running rotate-secret without options".into(),
                    ));
                }
                json!({ "retired": retired })
            }
            Self::CreateApiKey { project: wanted, scope, name, days } => {
                let project = project(app, &wanted).await?;
                let wanted = ApiKeyInput { name: &name, access: scope, days: days.map(i64::from) };
                let once = app.ids.uuid().to_string();
                let made = keys::create(app, &Scope::system(project.id), &wanted, &once).await.map_err(spoken)?;
                let CreatedApiKey { key, secret } = made.ok_or_else(|| Error::internal("api key", "not created"))?;
                json!({
                    "id": key.id, "key": secret, "name": key.name, "scope": key.access, "project": project.slug,
                    "expires_at": key.expires_at.map(domain::Timestamp::rfc3339),
                })
            }
        };
        println!("{line}");
        Ok(())
    }
}

/// Reads a password from standard input, without the line ending.
fn read_password() -> Result<String> {
    let mut password = String::new();
    let limit = u64::try_from(accounts::password::MAX_BYTES).unwrap_or(u64::MAX) + 2;
    std::io::stdin().take(limit).read_to_string(&mut password).map_err(|e| Error::Internal(format!("standard input: {e}")))?;
    Ok(password.trim_end_matches(['\r', '\n']).to_owned())
}

/// Joins the field messages of a refusal into one error text.
fn spoken(error: Error) -> Error {
    match error.refusal() {
        Some(domain::DomainError::Invalid(errors)) => {
            Error::Internal(errors.0.iter().map(|e| format!("{}: {}", e.field, e.message)).collect::<Vec<_>>().join(" "))
        }
        _ => error,
    }
}
