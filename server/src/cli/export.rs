//! `earshot export`.

use std::path::{Path, PathBuf};

use clap::Args;
use domain::{DomainError as Refusal, accounts::Scope, ids::SurveyId, text::is_same_name};
use futures_util::StreamExt;
use service::{
    error::{Error, Result},
    export::{ExportFormat, ExportSubject, begin},
    state::AppState,
};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Arguments of `earshot export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The project, by name or ID
    #[arg(long, value_name = "NAME-OR-ID")]
    project: String,
    /// What to export: feedback, responses or backlog
    #[arg(long, value_name = "WHAT", value_parser = ["feedback", "responses", "backlog"])]
    what: String,
    /// For responses: the survey, by name or ID
    #[arg(long, value_name = "NAME-OR-ID", required_if_eq("what", "responses"))]
    survey: Option<String>,
    /// The format: csv; csv-bom, with a byte order mark for Excel; xlsx, an Excel workbook; jsonl, one JSON object per line
    #[arg(long, value_name = "FORMAT", default_value = "csv", value_parser = ["csv", "csv-bom", "xlsx", "jsonl"])]
    format: String,
    /// The file to write; standard output by default
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes an export. The file appears under its name only once it is complete.
///
/// # Errors
/// Returns an error if the project or survey does not exist, the database fails, or the output cannot be written.
pub async fn run(app: &AppState, args: ExportArgs) -> Result<()> {
    match export(app, &args).await {
        Err(Error::Domain(Refusal::Invalid(errors))) => {
            Err(Error::Internal(errors.0.iter().map(|e| e.message.as_str()).collect::<Vec<_>>().join(" ")))
        }
        other => other,
    }
}

async fn export(app: &AppState, args: &ExportArgs) -> Result<()> {
    let scope = Scope::system(service::projects::by_name_or_id(app, &args.project).await?.id);
    let survey = match &args.survey {
        Some(name) if args.what == "responses" => survey(app, &scope, name).await?.to_string(),
        _ => String::new(),
    };
    let what = ExportSubject::read(&args.what, &survey, "")?;
    let format: ExportFormat = args.format.parse()?;
    let Some(file) = &args.out else {
        return copy(app, &scope, what, format, &mut tokio::io::stdout()).await;
    };
    let part = beside(file);
    let wrong = |e: std::io::Error| Error::Internal(format!("cannot write {}: {e}", file.display()));
    let mut out = tokio::fs::File::create(&part).await.map_err(wrong)?;
    let copied = async {
        copy(app, &scope, what, format, &mut out).await?;
        out.sync_all().await.map_err(wrong)?;
        tokio::fs::rename(&part, file).await.map_err(wrong)
    };
    let copied = copied.await;
    if copied.is_err() {
        drop(tokio::fs::remove_file(&part).await);
    }
    copied
}

/// Path of the temporary file.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    file.with_file_name(name)
}

async fn survey(app: &AppState, scope: &Scope, text: &str) -> Result<SurveyId> {
    let all = app.store.export_surveys(scope).await?;
    let mut found = all.iter().filter(|(id, name)| id.to_string() == text || is_same_name(name, text));
    match (found.next(), found.next()) {
        (Some((id, _)), None) => Ok(*id),
        (None, _) => Err(Error::Internal(format!("there is no survey “{text}” in this project"))),
        _ => Err(Error::Internal(format!("several surveys are named “{text}”; use the ID instead"))),
    }
}

async fn copy(app: &AppState, scope: &Scope, what: ExportSubject, format: ExportFormat, out: &mut (impl AsyncWrite + Unpin)) -> Result<()> {
    let wrong = |e: std::io::Error| Error::Internal(format!("the export is incomplete: {e}"));
    let mut pieces = std::pin::pin!(begin(app, scope, what, format).await?);
    while let Some(piece) = pieces.next().await {
        out.write_all(&piece.map_err(wrong)?).await.map_err(wrong)?;
    }
    out.flush().await.map_err(wrong)
}
