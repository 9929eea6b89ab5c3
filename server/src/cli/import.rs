//! `earshot import`: imports a file of any size; running the same command again resumes an interrupted import.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use domain::{
    DomainError as Refusal,
    accounts::Scope,
    feedback,
    imports::{ColumnMapping, DateOrder, Encoding, MAX_HEADER_ROWS, ProblemGroup},
};
use service::{
    error::{Error, Result},
    imports::{
        file::{FileImportRequest, ImportSummary, import_file},
        run::ImportProgress,
    },
    projects::by_name_or_id,
    state::AppState,
};

/// Arguments of `earshot import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// A CSV file with the column names in the first line
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The project, by name or ID
    #[arg(long, value_name = "NAME-OR-ID")]
    project: String,
    /// Map columns to fields: text=COLUMN,tag=COLUMN,score=COLUMN,…; can be repeated. Targets: text, tag, score, score_max,
    /// created_at, contact_id, contact_email, contact_name, page_url, release, environment, language, kind, status, external_id
    #[arg(long, value_name = "TARGET=COLUMN,…", required = true)]
    map: Vec<String>,
    /// A tag to add to every row
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// The file's encoding, like utf-8, utf-16le, windows-1252, macintosh, shift_jis, gb18030 or euc-kr; detected by default
    #[arg(long, value_name = "ENCODING", value_parser = encoding)]
    encoding: Option<Encoding>,
    /// How dates like 01/02/2026 are read: dmy (day first) or mdy (month first); detected by default
    #[arg(long, value_name = "ORDER", value_parser = dates)]
    dates: Option<DateOrder>,
    /// The number of header lines; detected by default
    #[arg(long, value_name = "N", value_parser = header_rows)]
    header_rows: Option<usize>,
    /// Read the whole file and report what would happen, without changing anything
    #[arg(long)]
    dry_run: bool,
}

fn encoding(text: &str) -> Result<Encoding, String> {
    let known = || Encoding::ALL.iter().map(|e| e.as_str()).collect::<Vec<_>>().join(", ");
    Encoding::parse(&text.to_lowercase()).ok_or_else(|| format!("choose one of {}", known()))
}

fn dates(text: &str) -> Result<DateOrder, String> {
    DateOrder::parse(&text.to_lowercase()).ok_or_else(|| "choose dmy or mdy".into())
}

fn header_rows(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| (1..=MAX_HEADER_ROWS).contains(n)).ok_or_else(|| format!("choose a number from 1 to {MAX_HEADER_ROWS}"))
}

/// Imports a file and reports on standard output; progress goes to standard error if that is a terminal. The exit code is 2 if no
/// row could be imported.
///
/// # Errors
/// Returns an error whose text is meant for the person at the terminal.
pub async fn run(app: &AppState, args: ImportArgs) -> Result<ExitCode> {
    let summary = match import(app, &args).await {
        Ok(summary) => summary,
        Err(error) => {
            eprintln!("earshot: {}", spoken(&error));
            return Ok(ExitCode::from(2));
        }
    };
    let would = if args.dry_run { "would be " } else { "" };
    println!("{}: {} {would}added, {} duplicates, {} failed", args.file.display(), summary.added, summary.known, summary.bad);
    if let Some(encoding) = summary.encoding.filter(|e| *e != Encoding::Utf8) {
        println!("  read as {}", encoding.label());
    }
    for group in summary.groups.of(false) {
        println!("  {}", left_out(&group));
    }
    for group in summary.groups.of(true) {
        println!("  {} × {}", group.rows, group.fault.phrase());
    }
    for (line, reason) in &summary.named {
        println!("  line {line}: {reason}");
    }
    let more = summary.bad - i64::try_from(summary.named.len()).unwrap_or(0);
    if more > 0 {
        println!("  and {more} more; the console lists all of them under Imports");
    }
    let nothing = summary.added + summary.known == 0 && summary.bad > 0;
    Ok(if nothing { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

fn left_out(group: &ProblemGroup) -> String {
    let example = group.examples.first().map(|e| format!(", for example on line {}: “{}”", e.line, e.value)).unwrap_or_default();
    format!("{} × without {}: {}{example}", group.rows, group.fault.left_out().unwrap_or("value"), group.fault.phrase())
}

fn spoken(error: &Error) -> String {
    match error.refusal() {
        Some(Refusal::Invalid(errors)) => errors.0.iter().map(|e| e.message.as_str()).collect::<Vec<_>>().join(" "),
        _ => error.to_string(),
    }
}

/// Does the work of [`run`] and returns the counts.
///
/// # Errors
/// As [`import_file`]; also returns an error if the project does not exist.
pub async fn import(app: &AppState, args: &ImportArgs) -> Result<ImportSummary> {
    let project = by_name_or_id(app, &args.project).await?;
    let mut mapping = ColumnMapping::parse(&args.map.join(","))?;
    if let Some(tag) = &args.tag {
        let wrong = || Refusal::field("tag", "tag", format!("“{tag}” is not a valid tag. {}", feedback::tag_rule()));
        mapping.add_tag = Some(feedback::normalize_tag(tag).ok_or_else(wrong)?);
    }
    (mapping.dates, mapping.header_rows) = (args.dates, args.header_rows);
    let file = FileImportRequest { path: args.file.clone(), mapping, encoding: args.encoding, dry_run: args.dry_run };
    let shown = std::io::stderr().is_terminal() && !args.dry_run;
    let show = |p: &ImportProgress, bytes: i64| {
        if shown {
            let percent = p.bytes_done * 100 / bytes.max(1);
            eprint!("\r{percent:>3} %  {} added, {} duplicates, {} failed ", p.added, p.known, p.bad);
            drop(std::io::stderr().flush());
        }
    };
    let summary = import_file(app, &Scope::system(project.id), &project.zone, file, show).await.map_err(name_dates_flag)?;
    if shown {
        eprintln!();
    }
    Ok(summary)
}

/// Names the flag that chooses between two readings of the dates.
fn name_dates_flag(error: Error) -> Error {
    match error {
        Error::Domain(Refusal::Invalid(mut errors)) if errors.message_for("dates").is_some() => {
            errors.add("dates", "flag", "Use --dates dmy or --dates mdy.");
            Refusal::Invalid(errors).into()
        }
        other => other,
    }
}
