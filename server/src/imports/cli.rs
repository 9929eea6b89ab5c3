//! `earshot import`: a file of any size from the command line, carried on by running the same command again.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use domain::{
    Error as Refusal,
    accounts::Scope,
    feedback,
    imports::{ImportStatus, Mapping},
};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use super::{
    hex, new_import,
    reader::{Bytes, CHUNK, FileReader},
    run,
};
use crate::{
    error::{Error, Result},
    state::AppState,
    store::imports::{Import, Source},
    triage::add::source_key,
};

/// Bad lines that are named at the end.
const NAMED: usize = 20;
/// Seconds to wait for a database that is busy.
const PATIENCE: u32 = 60;

/// What `earshot import` takes.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// A CSV file in UTF-8; its first line names the columns
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The project, by name or id
    #[arg(long, value_name = "NAME-OR-ID")]
    project: String,
    /// Which column becomes what: text=COLUMN,tag=COLUMN,score=COLUMN,…; may be repeated. Targets: text, tag, score, score_max,
    /// created_at, contact_id, contact_email, contact_name, page_url, release, environment, language, kind, status, external_id
    #[arg(long, value_name = "TARGET=COLUMN,…", required = true)]
    map: Vec<String>,
    /// A tag for every row
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Read the whole file and say what would happen, but change nothing
    #[arg(long)]
    dry_run: bool,
}

/// How it went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows that went in.
    pub added: i64,
    /// Rows that were there already.
    pub known: i64,
    /// Lines that could not go in.
    pub bad: i64,
    /// The first of those, with the reason.
    pub named: Vec<(i64, String)>,
}

/// Imports a file and reports on standard output; progress goes to standard error when that is a terminal. The exit code is 2 when not one
/// line could be read.
///
/// # Errors
/// A sentence for the person at the terminal.
pub async fn run_cli(app: &AppState, args: ImportArgs) -> Result<ExitCode> {
    let summary = match import(app, &args).await {
        Ok(summary) => summary,
        Err(error) => {
            eprintln!("earshot: {}", spoken(&error));
            return Ok(ExitCode::from(2));
        }
    };
    let would = if args.dry_run { "would be " } else { "" };
    println!("{}: {} {would}added, {} already there, {} bad", args.file.display(), summary.added, summary.known, summary.bad);
    for (line, reason) in &summary.named {
        println!("  line {line}: {reason}");
    }
    let more = summary.bad - i64::try_from(summary.named.len()).unwrap_or(0);
    if more > 0 {
        println!("  and {more} more; the console lists them under Imports");
    }
    let nothing = summary.added + summary.known == 0 && summary.bad > 0;
    Ok(if nothing { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

fn spoken(error: &Error) -> String {
    match error.refusal() {
        Some(Refusal::Invalid(errors)) => errors.0.iter().map(|e| e.message.as_str()).collect::<Vec<_>>().join(" "),
        _ => error.to_string(),
    }
}

/// Does the work of [`run_cli`] and gives the numbers.
///
/// # Errors
/// When the project or a column does not exist, the file cannot be read, or the database fails.
pub async fn import(app: &AppState, args: &ImportArgs) -> Result<Summary> {
    let project = crate::projects::by_name_or_id(app, &args.project).await?.id;
    let scope = Scope::system(project);
    let mut mapping = Mapping::parse(&args.map.join(","))?;
    if let Some(tag) = &args.tag {
        let wrong = || {
            Refusal::field("tag", "tag", format!("“{tag}” is not a tag: up to {} characters, without colon or comma.", feedback::MAX_TAG))
        };
        mapping.add_tag = Some(feedback::tag(tag).ok_or_else(wrong)?);
    }
    let (hash, bytes) = weigh(open(args).await?).await?;
    let reader = FileReader::open(Bytes::File(open(args).await?)).await?;
    let plan = mapping.plan(&reader.header)?;
    if args.dry_run {
        return try_out(app, &scope, reader, plan).await;
    }
    let import = match app.store.unfinished_command(&scope, &hash, &mapping).await? {
        Some(import) => import,
        None => begin(app, &scope, args, mapping, hash, bytes).await?,
    };
    let shown = std::io::stderr().is_terminal();
    let mut busy = 0;
    loop {
        let show = |p: &run::Progress| {
            if shown {
                let percent = p.bytes_done * 100 / bytes.max(1);
                eprint!("\r{percent:>3} %  {} added, {} already there, {} bad ", p.added, p.known, p.bad);
                drop(std::io::stderr().flush());
            }
            false
        };
        match run::run_from(app, &scope, import.id, Bytes::File(open(args).await?), None, show).await {
            Ok(_) => break,
            // A server is at work on the same database: it goes first.
            Err(Error::Refused(Refusal::Busy(_))) if busy < PATIENCE => {
                busy += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(error),
        }
    }
    if shown {
        eprintln!();
    }
    let done = app.store.import(&scope, import.id).await?.ok_or(Refusal::NotFound)?;
    let named = app.store.bad_lines(&scope, import.id, 0, i64::try_from(NAMED).unwrap_or(0)).await?;
    Ok(Summary { added: done.added, known: done.known, bad: done.bad, named: named.into_iter().map(|b| (b.line, b.reason)).collect() })
}

async fn open(args: &ImportArgs) -> Result<tokio::fs::File> {
    tokio::fs::File::open(&args.file).await.map_err(|e| Error::Internal(format!("cannot read {}: {e}", args.file.display())))
}

/// Hash and size of a file.
async fn weigh(mut file: tokio::fs::File) -> Result<(String, i64)> {
    let (mut hash, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let read = file.read(&mut piece).await.map_err(|e| Error::internal("reading the file", e))?;
        if read == 0 {
            return Ok((hex(&hash.finalize()), bytes));
        }
        hash.update(&piece[..read]);
        bytes += i64::try_from(read).unwrap_or(0);
    }
}

async fn begin(app: &AppState, scope: &Scope, args: &ImportArgs, mapping: Mapping, hash: String, bytes: i64) -> Result<Import> {
    let name = args.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let import = Import {
        status: ImportStatus::Running,
        mapping: Some(mapping),
        bytes_total: bytes,
        ..new_import(app, scope, &name, Source::Command, hash)
    };
    let begun = import.clone();
    app.store.write(move |tx| Box::pin(async move { tx.insert_import(&import).await })).await?;
    Ok(begun)
}

/// Reads everything and counts what would happen.
async fn try_out(app: &AppState, scope: &Scope, mut reader: FileReader, plan: domain::imports::Plan) -> Result<Summary> {
    let (mut keys, mut summary, now) = (run::Keys::default(), Summary::default(), app.now());
    loop {
        let batch = run::read_batch(&mut reader, &mut keys).await?;
        if batch.is_empty() {
            return Ok(summary);
        }
        let mut good = Vec::new();
        for (record, key) in batch {
            match run::read_row(&plan, record.fields.as_deref(), now) {
                Ok(row) => good.push(row.external_id.map_or(key, |id| source_key(&id))),
                Err(reason) => {
                    summary.bad += 1;
                    if summary.named.len() < NAMED {
                        summary.named.push((i64::try_from(record.line).unwrap_or(0), reason));
                    }
                }
            }
        }
        let keys: Vec<&str> = good.iter().map(String::as_str).collect();
        let known = app.store.known_feedback(scope, &keys).await?;
        let known = i64::try_from(good.iter().filter(|k| known.contains(*k)).count()).unwrap_or(0);
        summary.known += known;
        summary.added += i64::try_from(good.len()).unwrap_or(0) - known;
    }
}
