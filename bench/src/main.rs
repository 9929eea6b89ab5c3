//! Measures the release program from outside, beside bare baselines in the same run. Started by `cargo xtask bench`.

mod baseline;
mod import;
mod load;
mod mix;
mod pages;
mod plot;
mod program;
mod report;
mod results;
mod submit;
mod texts;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Instant};

use clap::{Parser, Subcommand};

use crate::{results::Results, texts::SampleTexts};

/// Any error; shown to the person as one line.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
struct Cli {
    /// The release program
    #[arg(long, value_name = "FILE", default_value = "target/release/earshot")]
    program: PathBuf,
    /// Directory for data and results, kept between runs
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    work: PathBuf,
    /// A CSV file of real texts with the columns text and category; by default, texts of the demonstration are used
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// A PostgreSQL server on which databases may be created
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Numbers of items to measure reading with
    #[arg(long, value_name = "SIZES", default_value = "10k,100k,1m")]
    sizes: String,
    /// The date shown in the report [default: today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<String>,
    /// Directory of the report
    #[arg(long, value_name = "DIR", default_value = "docs")]
    docs: PathBuf,
    /// Short windows
    #[arg(long)]
    quick: bool,
    /// Keep the generated items for the next run
    #[arg(long)]
    keep: bool,
    /// Run only this benchmark; can be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a bare server; started by the benchmark itself
    #[command(hide = true)]
    Bare {
        /// route or commits
        kind: String,
        /// Address to listen on
        address: SocketAddr,
        /// Directory to write to
        data: PathBuf,
    },
}

/// The environment of every benchmark.
struct Bench {
    program: PathBuf,
    work: PathBuf,
    texts: SampleTexts,
    postgres: Option<String>,
    quick: bool,
    /// The date in the report.
    date: String,
    started: Instant,
}

impl Bench {
    /// Prints a line of progress.
    fn say(&self, what: &str) {
        let took = self.started.elapsed();
        eprintln!("› {:>2}:{:02}  {what}", took.as_secs() / 60, took.as_secs() % 60);
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // The generator uses one thread; a bare server is a separate process with a default multi-threaded runtime, like the program.
    let runtime = match cli.command {
        Some(_) => tokio::runtime::Builder::new_multi_thread().enable_all().build(),
        None => tokio::runtime::Builder::new_current_thread().enable_all().build(),
    };
    let done = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(cli)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    if let Some(Command::Bare { kind, address, data }) = cli.command {
        return baseline::servers::serve(&kind, address, &data).await;
    }
    std::fs::create_dir_all(&cli.work)?;
    let bench = Bench {
        program: std::path::absolute(&cli.program)?,
        work: std::path::absolute(&cli.work)?,
        texts: SampleTexts::read(cli.data.as_deref())?,
        postgres: cli.postgres,
        quick: cli.quick,
        date: cli.date.unwrap_or_else(today),
        started: Instant::now(),
    };
    let sizes = sizes(if cli.quick { "10k" } else { &cli.sizes })?;
    let largest = sizes.iter().copied().max().unwrap_or_default();
    let names = ["submit", "fresh", "idle", "import", "read", "rebuild", "others"];
    if let Some(unknown) = cli.only.iter().find(|only| !names.contains(&only.as_str())) {
        return Err(format!("there is no benchmark {unknown}; use one of {}", names.join(", ")).into());
    }
    let wanted = |name: &str| cli.only.is_empty() || cli.only.iter().any(|only| only == name);
    let mut results = Results::read(&bench)?;
    // A failed benchmark does not stop the others; the report and the exit code show the failure.
    let mut failed = Vec::new();
    let mut note = |name: &str, done: Result<()>| {
        if let Err(error) = done {
            eprintln!("bench: {name} failed: {error}");
            failed.push(name.to_owned());
        }
    };
    if wanted("submit") {
        let done = submit::run(&bench).await.and_then(|done| {
            results.submit = Some(done);
            results.write(&bench, "submit")
        });
        note("submit", done);
    }
    if wanted("fresh") {
        let done = submit::fresh(&bench).await.and_then(|done| {
            results.fresh = Some(done);
            results.write(&bench, "fresh")
        });
        note("fresh", done);
    }
    if wanted("idle") {
        let done = import::idle(&bench).await.and_then(|done| {
            results.idle = Some(done);
            results.write(&bench, "idle")
        });
        note("idle", done);
    }
    if wanted("import") {
        let done = import::run(&bench, largest).await.and_then(|done| {
            results.import = Some(done);
            results.write(&bench, "import")
        });
        note("import", done);
    }
    if wanted("rebuild") {
        let done = pages::rebuild(&bench, largest).await.and_then(|done| {
            results.rebuild = Some(done);
            results.write(&bench, "rebuild")
        });
        note("rebuild", done);
    }
    for size in sizes.iter().filter(|_| wanted("read")) {
        let done = pages::read(&bench, *size).await.and_then(|done| {
            results.read.insert(*size, done);
            results.write(&bench, "read")
        });
        note("read", done);
    }
    for size in sizes.iter().filter(|_| wanted("others")) {
        let done = pages::others(&bench, *size).await.and_then(|done| {
            results.others.insert(*size, done);
            results.write(&bench, "others")
        });
        note("others", done);
    }
    if cli.only.is_empty() && !cli.keep {
        bench.say("cleaning up");
        remove_data(&bench.work)?;
    }
    report::write(&bench, &results, &cli.docs)?;
    if failed.is_empty() { Ok(()) } else { Err(format!("failed and not measured again: {}", failed.join(", ")).into()) }
}

/// Removes everything except the results.
fn remove_data(work: &std::path::Path) -> Result<()> {
    for entry in std::fs::read_dir(work)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else if entry.path().extension().is_some_and(|end| end == "csv") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Today's date in UTC.
fn today() -> String {
    let now = time::OffsetDateTime::from(std::time::SystemTime::now());
    format!("{:04}-{:02}-{:02}", now.year(), u8::from(now.month()), now.day())
}

/// Parses `10k,1m`.
fn sizes(text: &str) -> Result<Vec<usize>> {
    let one = |part: &str| -> Result<usize> {
        let part = part.trim().to_ascii_lowercase();
        let (digits, times) = match part.strip_suffix('k') {
            Some(digits) => (digits, 1000),
            None => part.strip_suffix('m').map_or((part.as_str(), 1), |digits| (digits, 1_000_000)),
        };
        let number: usize = digits.parse().map_err(|_| format!("{part} is not a size like 10k or 1m"))?;
        Ok(number * times)
    };
    text.split(',').map(one).collect()
}
