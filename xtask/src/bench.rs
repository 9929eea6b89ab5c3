//! `cargo xtask bench`.

use std::{path::PathBuf, process::ExitCode};

use crate::{
    Result, build,
    paths::Paths,
    postgres::Postgres,
    process::{cargo, run, step},
};

/// Arguments of `bench`.
#[derive(clap::Args)]
pub struct Args {
    /// Numbers of items to measure reading with
    #[arg(long, value_name = "SIZES", default_value = "10k,100k,1m")]
    sizes: String,
    /// Small sizes and short windows: a smoke test, not for comparison
    #[arg(long)]
    quick: bool,
    /// Run only this benchmark and keep the last results of the others; can be repeated: submit, fresh, idle, import, rebuild, read, others
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// A CSV file of real texts with the columns text and category; by default, texts of the demonstration are used
    #[arg(long, value_name = "FILE", env = "EARSHOT_BENCH_DATA")]
    data: Option<PathBuf>,
    /// The date shown in the report [default: today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<String>,
    /// Use the existing release program without building
    #[arg(long)]
    no_build: bool,
    /// Keep the generated items for the next run
    #[arg(long)]
    keep: bool,
    /// Skip PostgreSQL
    #[arg(long)]
    no_postgres: bool,
}

/// Builds the release program and the benchmark program, and runs the latter.
pub fn bench(paths: &Paths, args: &Args) -> Result<ExitCode> {
    let program = if args.no_build { paths.program(true) } else { build::program(paths, true)? };
    step("building the measuring program", || run(cargo(paths).args(["build", "--release", "--package", "earshot-bench"])))?;
    // A separate server, not the one for tests, which may lose acknowledged writes.
    let postgres = if args.no_postgres { None } else { Some(Postgres::durable()?) };
    let mut bench = std::process::Command::new(paths.target.join("release").join(format!("earshot-bench{}", std::env::consts::EXE_SUFFIX)));
    bench.current_dir(&paths.root).arg("--program").arg(program).arg("--work").arg(paths.target.join("bench"));
    bench.args(["--sizes", &args.sizes]);
    if args.quick {
        bench.arg("--quick");
    }
    if args.keep {
        bench.arg("--keep");
    }
    for name in &args.only {
        bench.args(["--only", name]);
    }
    if let Some(data) = &args.data {
        bench.arg("--data").arg(data);
    }
    if let Some(date) = &args.date {
        bench.args(["--date", date]);
    }
    if let Some(postgres) = &postgres {
        bench.args(["--postgres", &postgres.url]);
    }
    run(&mut bench)?;
    Ok(ExitCode::SUCCESS)
}
