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
    imports::{DateOrder, Encoding, Group, Groups, ImportStatus, MAX_HEADER_ROWS, Mapping},
};
use sha2::{Digest, Sha256};
use store::imports::{Import, Source};
use tokio::io::AsyncReadExt;

use super::{
    encoding::Detector,
    hex, new_import,
    preview::Sample,
    reader::{Bytes, CHUNK, FileReader},
    run,
};
use crate::{
    error::{Error, Result},
    state::AppState,
    triage::add::source_key,
};

/// Bad lines that are named at the end.
const NAMED: usize = 20;
/// Seconds to wait for a database that is busy.
const PATIENCE: u32 = 60;

/// What `earshot import` takes.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// A CSV file; its first line names the columns
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
    /// The file's encoding, like utf-8, utf-16le, windows-1252, macintosh, shift_jis, gb18030 or euc-kr; detected unless given
    #[arg(long, value_name = "ENCODING", value_parser = encoding)]
    encoding: Option<Encoding>,
    /// How dates like 01/02/2026 are read: dmy (day first) or mdy (month first); detected unless given
    #[arg(long, value_name = "ORDER", value_parser = dates)]
    dates: Option<DateOrder>,
    /// How many lines name the columns; detected unless given
    #[arg(long, value_name = "N", value_parser = header_rows)]
    header_rows: Option<usize>,
    /// Read the whole file and say what would happen, but change nothing
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

/// How it went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The encoding that the file was read in.
    pub encoding: Option<Encoding>,
    /// What was wrong with rows, by kind.
    pub groups: Groups,
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
        println!("  and {more} more; the console lists them under Imports");
    }
    let nothing = summary.added + summary.known == 0 && summary.bad > 0;
    Ok(if nothing { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

fn left_out(group: &Group) -> String {
    let example = group.examples.first().map(|e| format!(", as on line {}: “{}”", e.line, e.value)).unwrap_or_default();
    format!("{} × without {}: {}{example}", group.rows, group.fault.left_out().unwrap_or("value"), group.fault.phrase())
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
    let project = crate::projects::by_name_or_id(app, &args.project).await?;
    let scope = Scope::system(project.id);
    let mut mapping = Mapping::parse(&args.map.join(","))?;
    if let Some(tag) = &args.tag {
        let wrong = || {
            Refusal::field("tag", "tag", format!("“{tag}” is not a tag: up to {} characters, without colon or comma.", feedback::MAX_TAG))
        };
        mapping.add_tag = Some(feedback::tag(tag).ok_or_else(wrong)?);
    }
    (mapping.dates, mapping.header_rows) = (args.dates, args.header_rows);
    let (hash, bytes, detected) = weigh(open(args).await?).await?;
    let from_start = async || FileReader::open(Bytes::File(open(args).await?), args.encoding.or(Some(detected)), args.header_rows).await;
    let mut reader = from_start().await?;
    mapping.plan(&reader.header, &project.zone)?;
    let (_, unclear) = Sample::read(&mut reader).await?.settle(&mut mapping, &reader);
    if !unclear.is_empty() {
        let text = unclear.0.iter().map(|e| e.message.as_str()).collect::<Vec<_>>().join(" ");
        return Err(Refusal::field("dates", "required", format!("{text} Say --dates dmy or --dates mdy.")).into());
    }
    if args.dry_run {
        return try_out(app, &scope, from_start().await?, mapping.plan(&reader.header, &project.zone)?).await;
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
    Ok(Summary {
        encoding: Some(reader.encoding),
        groups: app.store.import_problems(&scope, import.id).await?,
        added: done.added,
        known: done.known,
        bad: done.bad,
        named: named.into_iter().map(|b| (b.line, b.reason)).collect(),
    })
}

async fn open(args: &ImportArgs) -> Result<tokio::fs::File> {
    tokio::fs::File::open(&args.file).await.map_err(|e| Error::Internal(format!("cannot read {}: {e}", args.file.display())))
}

/// Hash, size and encoding of a file.
async fn weigh(mut file: tokio::fs::File) -> Result<(String, i64, Encoding)> {
    let (mut hash, mut detector, mut bytes, mut piece) = (Sha256::new(), Detector::default(), 0, vec![0; CHUNK]);
    loop {
        let read = file.read(&mut piece).await.map_err(|e| Error::internal("reading the file", e))?;
        if read == 0 {
            return Ok((hex(&hash.finalize()), bytes, detector.finish()));
        }
        hash.update(&piece[..read]);
        detector.feed(&piece[..read]);
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
    let (mut keys, now) = (run::Keys::default(), app.now());
    let mut summary = Summary { encoding: Some(reader.encoding), ..Summary::default() };
    loop {
        let batch = run::read_batch(&mut reader, &mut keys).await?;
        if batch.is_empty() {
            return Ok(summary);
        }
        let mut good = Vec::new();
        for (record, key) in batch {
            let line = i64::try_from(record.line).unwrap_or(0);
            match run::read_row(&plan, &record, now) {
                Ok(row) => {
                    row.left_out.iter().for_each(|problem| summary.groups.add(line, problem));
                    good.push(row.feedback.external_id.map_or(key, |id| source_key(&id)));
                }
                Err(problem) => {
                    summary.bad += 1;
                    summary.groups.add(line, &problem);
                    if summary.named.len() < NAMED {
                        summary.named.push((line, problem.message));
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
