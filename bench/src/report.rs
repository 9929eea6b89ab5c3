//! `docs/benchmarks.md`: each target with its measurement, beside the baseline.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use crate::{
    Bench, Result,
    baseline::EngineResult,
    load::LatencySummary,
    pages::{OtherEngines, SizeResult},
    plot::{self, Line},
    results::Results,
};

/// A measured value with its target.
struct ReportRow {
    /// The key of its sentence in `bench/notes.txt`.
    key: &'static str,
    what: String,
    aim: String,
    measured: String,
    baseline: String,
    /// Each target of the row: the measured value and the target value.
    held: Vec<TargetCheck>,
}

enum TargetCheck {
    AtMost(f64, f64, &'static str),
    AtLeast(f64, f64, &'static str),
}

impl TargetCheck {
    fn is_hit(&self) -> bool {
        match self {
            Self::AtMost(value, aim, _) => value <= aim,
            Self::AtLeast(value, aim, _) => value >= aim,
        }
    }

    fn verdict(&self) -> String {
        match self {
            _ if self.is_hit() => "hit".to_owned(),
            Self::AtMost(value, aim, unit) => format!("**missed** by {} {unit} ({}×)", up(value - aim), up(value / aim)),
            Self::AtLeast(value, aim, unit) => format!("**missed** by {} {unit} ({}×)", up(aim - value), up(aim / value)),
        }
    }
}

/// Selects the result of one of the other engines.
type PickOther = fn(&OtherEngines) -> Option<&EngineResult>;

/// Formats a value that is better when it is small, rounded up.
fn up(value: f64) -> String {
    if !value.is_finite() {
        return "—".to_owned();
    }
    let places = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    let scale = 10_f64.powi(places);
    format!("{:.*}", usize::try_from(places).unwrap_or_default(), (value * scale - 1e-9).ceil() / scale)
}

/// Formats a value that is better when it is large, rounded down.
fn down(value: f64) -> String {
    let digits = format!("{}", value.floor());
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn both(spread: &LatencySummary) -> String {
    format!("{} / {} ms", up(spread.p50), up(spread.p99))
}

fn size(items: usize) -> String {
    match items {
        n if n % 1_000_000 == 0 => format!("{} million", n / 1_000_000),
        n if n % 1000 == 0 => format!("{} thousand", n / 1000),
        n => n.to_string(),
    }
}

const NONE: &str = "not measured";

/// Writes the report and the plot.
pub fn write(bench: &Bench, results: &Results, docs: &Path) -> Result<()> {
    let text = text(bench, results)?;
    // A quick run is only printed, not recorded.
    if bench.quick {
        println!("{text}");
        return Ok(());
    }
    fs::create_dir_all(docs)?;
    if let Some(svg) = growth(results) {
        fs::write(docs.join("benchmarks.svg"), svg)?;
    }
    fs::write(docs.join("benchmarks.md"), &text)?;
    println!("{text}");
    eprintln!("written: {}", docs.join("benchmarks.md").display());
    Ok(())
}

fn text(bench: &Bench, results: &Results) -> Result<String> {
    let mut out = String::new();
    writeln!(out, "# Benchmarks\n")?;
    writeln!(
        out,
        "Made by `cargo xtask bench` on {}{}. Nothing here was written by hand but the sentences about what the profile shows.\n",
        bench.date,
        if bench.quick { " (a quick run: small sizes, short windows; not to be compared)" } else { "" }
    )?;
    for (name, value) in machine(bench) {
        writeln!(out, "- {name}: {value}")?;
    }
    if let Some(submit) = &results.submit {
        writeln!(out, "- PostgreSQL: {}", submit.postgres_settings)?;
    }
    let sizes: Vec<String> = results.read.keys().map(|n| size(*n)).collect();
    writeln!(out, "- items: {}, drawn from {} with a fixed seed", sizes.join(", "), bench.texts.origin())?;
    let old: Vec<String> = results.taken.iter().filter(|(_, day)| **day != bench.date).map(|(n, day)| format!("{n} ({day})")).collect();
    if !old.is_empty() {
        writeln!(out, "- measured on another day: {}", old.join(", "))?;
    }
    writeln!(out, "\n## Aims\n")?;
    writeln!(out, "Times are median / 99th percentile. Figures are rounded to our disadvantage.\n")?;
    writeln!(out, "| what | aim | measured | baseline of the same run | verdict |\n|---|---|---|---|---|")?;
    let rows = rows(results);
    for row in &rows {
        let verdict = match &row.held[..] {
            [] => NONE.to_owned(),
            held => held.iter().map(TargetCheck::verdict).collect::<Vec<_>>().join("; "),
        };
        writeln!(out, "| {} | {} | {} | {} | {verdict} |", row.what, row.aim, row.measured, row.baseline)?;
    }
    let missed: Vec<&ReportRow> = rows.iter().filter(|row| row.held.iter().any(|held| !held.is_hit())).collect();
    if !missed.is_empty() {
        writeln!(out, "\n## What was missed, and what the profile shows\n")?;
        // Rows explained by the same sentence are grouped.
        for rows in missed.chunk_by(|one, next| one.key == next.key) {
            let note = note(rows[0].key).unwrap_or("Not profiled yet.");
            let names: Vec<_> = rows.iter().map(|row| format!("**{}**", row.what)).collect();
            writeln!(out, "- {}: {note}", names.join(", "))?;
        }
    }
    searches(&mut out, results)?;
    grown(&mut out, results)?;
    details(&mut out, results)?;
    out.push_str(METHOD);
    Ok(out)
}

/// The sentence about a row, from the notes file.
fn note(key: &str) -> Option<&'static str> {
    include_str!("../notes.txt").lines().filter_map(|line| line.split_once(": ")).find(|(name, _)| *name == key).map(|(_, note)| note)
}

fn rows(results: &Results) -> Vec<ReportRow> {
    let mut rows = Vec::new();
    let mut row = |key, what: &str, aim: &str, found: Option<(String, String, Vec<TargetCheck>)>| {
        let (measured, baseline, held) = found.unwrap_or_else(|| (NONE.to_owned(), String::new(), Vec::new()));
        rows.push(ReportRow { key, what: what.to_owned(), aim: aim.to_owned(), measured, baseline, held });
    };
    row(
        "submit",
        "durable submissions/s, 64 connections, SQLite `synchronous=FULL`",
        "≥ 15,000; p99 ≤ 10 ms",
        results.submit.as_ref().map(|s| {
            let share = format!(
                "bare group commits {}/s, {} (we: {}×); bare route {}/s",
                down(s.bare_commits.per_second),
                both(&s.bare_commits.times),
                format_args!("{:.2}", s.sqlite.per_second / s.bare_commits.per_second),
                down(s.bare_route.per_second)
            );
            let held = vec![TargetCheck::AtLeast(s.sqlite.per_second, 15_000.0, "/s"), TargetCheck::AtMost(s.sqlite.times.p99, 10.0, "ms")];
            (format!("{}/s, {}", down(s.sqlite.per_second), both(&s.sqlite.times)), share, held)
        }),
    );
    row(
        "submit-postgres",
        "the same on PostgreSQL",
        "beside it",
        results.submit.as_ref().and_then(|s| {
            let p = s.postgres.as_ref()?;
            let text = format!("{}/s, {}", down(p.per_second), both(&p.times));
            Some((
                text,
                format!("{:.2}× of ours on SQLite", p.per_second / s.sqlite.per_second),
                vec![TargetCheck::AtLeast(p.per_second, 0.0, "/s")],
            ))
        }),
    );
    let last = results.read.last_key_value().map(|(_, at)| at);
    let others = |at: &SizeResult| results.others.get(&at.items);
    for class in last.map(|at| at.classes.clone()).unwrap_or_default() {
        let Some(at) = last else { continue };
        let beside = others(at).map(|o| format!("; {}", engines(o, &class.name))).unwrap_or_default();
        row(
            "search",
            &format!("search over HTTP at {}: {}", size(at.items), class.name),
            &format!("p50 ≤ 2 + {} ms; p99 ≤ 15 ms", up(class.bare.p50)),
            Some((
                both(&class.http),
                format!(
                    "bare tantivy {} (we: {}×), with total and facets {}{beside}",
                    both(&class.bare),
                    up(class.http.p50 / class.bare.p50),
                    both(&class.bare_with_counts)
                ),
                vec![TargetCheck::AtMost(class.http.p50, 2.0 + class.bare.p50, "ms"), TargetCheck::AtMost(class.http.p99, 15.0, "ms")],
            )),
        );
    }
    row(
        "fresh",
        "submit → searchable",
        "p99 ≤ 100 ms",
        results.fresh.as_ref().map(|f| {
            (
                format!(
                    "{} at {} submissions/s; {} at {}/s with 64 connections",
                    both(&f.paced),
                    down(f.paced_rate),
                    both(&f.saturated),
                    down(f.saturated_rate)
                ),
                String::new(),
                vec![TargetCheck::AtMost(f.paced.p99, 100.0, "ms"), TargetCheck::AtMost(f.saturated.p99, 100.0, "ms at saturation")],
            )
        }),
    );
    type Page = fn(&SizeResult) -> &LatencySummary;
    // Each page with another measurement to compare it with, if any.
    let pages: [(&str, Page, Option<Page>); 4] = [
        ("inbox", |at| &at.inbox, None),
        ("inbox, right after something new", |at| &at.inbox_changed, Some(|at| &at.inbox_rested)),
        ("detail", |at| &at.detail, None),
        ("survey page", |at| &at.survey, None),
    ];
    for (name, page, rested) in pages {
        row(
            "pages",
            &format!("first byte of the {name}{}", last.map(|at| format!(" at {}", size(at.items))).unwrap_or_default()),
            "p50 ≤ 2 ms; p99 ≤ 10 ms",
            last.map(|at| {
                let spread = page(at);
                let held = vec![TargetCheck::AtMost(spread.p50, 2.0, "ms"), TargetCheck::AtMost(spread.p99, 10.0, "ms")];
                let pause =
                    rested.map(|rested| format!("after the same pause with nothing new: {}; ", both(rested(at)))).unwrap_or_default();
                (both(spread), format!("{pause}`/healthz`, which does nothing: {}", both(&at.healthz)), held)
            }),
        );
    }
    row(
        "memory-idle",
        "memory, idle",
        "≤ 30 MB",
        results.idle.as_ref().map(|i| {
            let text = format!("{} MB resident, of it {} MB anonymous", up(i.memory.resident), up(i.memory.anonymous));
            let after = format!("after a sign-in {} / {} MB", up(i.memory_signed_in.resident), up(i.memory_signed_in.anonymous));
            let after = format!("a bare axum server {} / {} MB; {after}", up(i.bare_memory.resident), up(i.bare_memory.anonymous));
            (text, after, vec![TargetCheck::AtMost(i.memory.resident, 30.0, "MB resident")])
        }),
    );
    row(
        "memory",
        &last.map_or_else(|| "memory with the items".to_owned(), |at| format!("memory with {} items, after the searches", size(at.items))),
        "≤ 150 MB",
        last.map(|at| {
            let text = format!("{} MB resident, of it {} MB anonymous", up(at.memory_used.resident), up(at.memory_used.anonymous));
            let before = format!("before the first page {} / {} MB", up(at.memory_ready.resident), up(at.memory_ready.anonymous));
            let held = vec![
                TargetCheck::AtMost(at.memory_used.resident, 150.0, "MB resident"),
                TargetCheck::AtMost(at.memory_used.anonymous, 150.0, "MB anonymous"),
            ];
            (text, before, held)
        }),
    );
    let bare_start = results.idle.as_ref().map(|i| format!("a bare axum server {}", both(&i.bare_start))).unwrap_or_default();
    row(
        "start",
        "start to ready, empty",
        "≤ 50 ms",
        results.idle.as_ref().map(|i| {
            let text = format!("{} (worst {} ms)", both(&i.start), up(i.start.max));
            (
                text,
                format!("a bare axum server {}; making the database first: {}", both(&i.bare_start), both(&i.first_start)),
                vec![TargetCheck::AtMost(i.start.p99, 50.0, "ms")],
            )
        }),
    );
    row(
        "start-full",
        &last.map_or_else(|| "start to ready with the items".to_owned(), |at| format!("start to ready, {}", size(at.items))),
        "≤ 200 ms",
        last.map(|at| (both(&at.start), bare_start.clone(), vec![TargetCheck::AtMost(at.start.p99, 200.0, "ms")])),
    );
    // The build times of the other engines for the same items: rows and index together.
    let built = |items: usize| {
        let Some(others) = results.others.get(&items) else { return String::new() };
        let postgres = others.postgres.as_ref().map(|p| format!(", PostgreSQL {} s", up(p.built))).unwrap_or_default();
        format!("rows and index without durability: FTS5 {} s{postgres}", up(others.fts5.built))
    };
    row(
        "import",
        &results.import.as_ref().map_or_else(|| "import".to_owned(), |i| format!("import of the file repeated to {} lines", size(i.lines))),
        "≥ 20,000 lines/s, memory flat",
        results.import.as_ref().map(|i| {
            let rate = i.lines as f64 / i.seconds;
            let text = format!("{} lines/s; {} MB resident, growing {:.2} MB per 100,000 lines", down(rate), up(i.resident), i.growth);
            (
                text,
                built(i.lines),
                vec![TargetCheck::AtLeast(rate, 20_000.0, "lines/s"), TargetCheck::AtMost(i.growth, 1.0, "MB per 100,000 lines")],
            )
        }),
    );
    row(
        "rebuild",
        &results
            .rebuild
            .as_ref()
            .map_or_else(|| "rebuild of the index".to_owned(), |r| format!("rebuild of the index at {}, while serving", size(r.items))),
        "≤ 60 s",
        results.rebuild.as_ref().map(|r| {
            let text = format!("{} s; the inbox meanwhile {}", up(r.seconds), both(&r.inbox));
            let text = format!("{text}, at most {} MB resident", up(r.resident_peak));
            (text, built(r.items), vec![TargetCheck::AtMost(r.seconds, 60.0, "s")])
        }),
    );
    rows
}

fn engines(others: &OtherEngines, class: &str) -> String {
    let of = |engine: &EngineResult| {
        engine
            .times
            .iter()
            .find(|(name, _)| name == class)
            .and_then(|(_, spread)| *spread)
            .map_or_else(|| "cannot".to_owned(), |s| both(&s))
    };
    let postgres = others.postgres.as_ref().map(|p| format!(", PostgreSQL {}", of(p))).unwrap_or_default();
    format!("FTS5 {}{postgres}", of(&others.fts5))
}

fn searches(out: &mut String, results: &Results) -> Result<()> {
    for at in results.read.values() {
        writeln!(out, "\n## Searches at {}\n", size(at.items))?;
        writeln!(
            out,
            "The index has {} segments and {} MB, the database {} MB. Ours is a whole page over HTTP: session, membership, the query with prefixes, \
             stems and typing errors, the total, the counts of seven facets, fifty rows, marks, HTML. The others give fifty ids.\n",
            at.segments,
            up(at.index_megabytes),
            up(at.database_megabytes)
        )?;
        writeln!(
            out,
            "| query | results | Earshot, the page | bare tantivy | … with total and facets | SQLite FTS5 | PostgreSQL |\n|---|--:|--:|--:|--:|--:|--:|"
        )?;
        for class in &at.classes {
            let other = |pick: PickOther| {
                let all = results.others.get(&at.items).and_then(pick)?;
                all.times.iter().find(|(name, _)| *name == class.name).and_then(|(_, s)| *s)
            };
            let cell = |spread: Option<LatencySummary>| spread.map_or_else(|| "—".to_owned(), |s| both(&s));
            let hits = if class.hits.0 == class.hits.1 {
                down(class.hits.0 as f64)
            } else {
                format!("{}–{}", down(class.hits.0 as f64), down(class.hits.1 as f64))
            };
            writeln!(
                out,
                "| {} | {hits} | {} | {} | {} | {} | {} |",
                class.name,
                both(&class.http),
                both(&class.bare),
                both(&class.bare_with_counts),
                cell(other(|o| Some(&o.fts5))),
                cell(other(|o| o.postgres.as_ref()))
            )?;
        }
    }
    Ok(())
}

fn grown(out: &mut String, results: &Results) -> Result<()> {
    if results.read.len() < 2 {
        return Ok(());
    }
    writeln!(out, "\n## Growth\n\nMedians in milliseconds, and how many times as much the largest takes as the smallest.\n")?;
    let sizes: Vec<String> = results.read.keys().map(|n| size(*n)).collect();
    writeln!(out, "| what | {} | growth |\n|---|{}--:|", sizes.join(" | "), "--:|".repeat(sizes.len()))?;
    for line in lines(results) {
        let values: Vec<String> = line.points.iter().map(|(_, y)| up(*y)).collect();
        let growth = line.points.last().zip(line.points.first()).map_or(f64::NAN, |(last, first)| last.1 / first.1);
        writeln!(out, "| {} | {} | {}× |", line.name, values.join(" | "), up(growth))?;
    }
    writeln!(out, "\n![How the medians grow with the number of items](benchmarks.svg)")?;
    Ok(())
}

/// The lines of the growth table and of the plot.
fn lines(results: &Results) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut line = |name: String, pick: &dyn Fn(&SizeResult) -> Option<f64>| {
        let points: Vec<(f64, f64)> = results.read.values().filter_map(|at| Some((at.items as f64, pick(at)?))).collect();
        if points.len() == results.read.len() {
            lines.push(Line { name, points });
        }
    };
    line("inbox, first byte".into(), &|at| Some(at.inbox.p50));
    line("detail, first byte".into(), &|at| Some(at.detail.p50));
    line("start to ready".into(), &|at| Some(at.start.p50));
    let names: Vec<String> = results.read.values().next().map(|at| at.classes.iter().map(|c| c.name.clone()).collect()).unwrap_or_default();
    for name in names {
        line(format!("search, {name}"), &|at| at.classes.iter().find(|c| c.name == name).map(|c| c.http.p50));
    }
    let common = "very common word";
    line(format!("bare tantivy, {common}"), &|at| at.classes.iter().find(|c| c.name == common).map(|c| c.bare.p50));
    let other = |at: &SizeResult, pick: PickOther| {
        let all = results.others.get(&at.items).and_then(pick)?;
        all.times.iter().find(|(name, _)| name == common).and_then(|(_, s)| *s).map(|s| s.p50)
    };
    line(format!("FTS5, {common}"), &|at| other(at, |o| Some(&o.fts5)));
    line(format!("PostgreSQL, {common}"), &|at| other(at, |o| o.postgres.as_ref()));
    lines
}

/// The plot shows fewer lines than the table: one of each kind.
fn growth(results: &Results) -> Option<String> {
    if results.read.len() < 2 {
        return None;
    }
    let shown = [
        "inbox, first byte",
        "search, very common word",
        "search, rare word",
        "bare tantivy, very common word",
        "FTS5, very common word",
        "PostgreSQL, very common word",
    ];
    let lines = lines(results).into_iter().filter(|line| shown.contains(&line.name.as_str())).collect::<Vec<_>>();
    Some(plot::svg("Median time by number of items", "ms", &lines))
}

fn details(out: &mut String, results: &Results) -> Result<()> {
    if let Some(s) = &results.submit {
        writeln!(out, "\n## Submissions in detail\n")?;
        writeln!(
            out,
            "| server | /s | median / p99 / worst | other answers | processors busy | of it in the kernel |\n|---|--:|--:|--:|--:|--:|"
        )?;
        let all = [
            ("Earshot, SQLite", Some(&s.sqlite)),
            ("Earshot, PostgreSQL (its server not counted)", s.postgres.as_ref()),
            ("bare group commits", Some(&s.bare_commits)),
            ("bare route", Some(&s.bare_route)),
        ];
        for (name, rate) in all.into_iter().filter_map(|(name, rate)| Some((name, rate?))) {
            writeln!(
                out,
                "| {name} | {} | {} / {} ms | {} | {:.2} | {:.2} |",
                down(rate.per_second),
                both(&rate.times).trim_end_matches(" ms"),
                up(rate.times.max),
                rate.refused,
                rate.busy,
                rate.busy_in_kernel
            )?;
        }
    }
    Ok(())
}

const METHOD: &str = "
## How it is measured

- The release program, started as anybody starts it, asked over HTTP on the loopback with kept-alive connections. The generator is one thread
  of another process on the same processors. All times are kept; percentiles are values that were measured.
- Submissions: 64 connections, each sends the next when it has the answer to the last; two seconds of warm-up, ten are counted. Each has a
  score, a text, the page and the release, every fourth a known person. Rate limits are set out of reach, everything else is as it is by
  default. Afterwards the inbox has to find as many as were acknowledged.
- Bare route: axum, which answers 201 to the same requests. Bare group commits: axum, one SQLite connection of sqlx, `synchronous=FULL`, what
  waits shares one `INSERT … SELECT FROM json_each` and one commit, answered after it. Neither checks, limits, remembers keys, or indexes.
- Bare tantivy runs in the measuring process over the index that the program built, so over the same documents and segments; one term over
  what was said, no prefixes, stems or typing errors (but for the class that has them), no project. FTS5 and PostgreSQL (`tsvector` with GIN,
  `ts_rank`, dictionary `simple`) hold the same texts with the same ranking task, through sqlx.
- Submit → searchable: a text with a word of its own is submitted beside the load; from its acknowledgement until the inbox, asked again and
  again, lists it.
- Pages and searches: one connection, warm, eight different queries of each class in turn. First byte counts from before sending. No answer
  to a search is kept; of the inbox that nothing is asked of, the counts beside the list are kept for each segment of the index until something
  in that segment changes, so it is also measured right after something new became searchable.
- Memory is `Rss` and `Anonymous` of `/proc/PID/smaps_rollup`; what is resident and not anonymous are pages of mapped files (the program and
  the index), which the system takes back when it needs them. Both are held against the aim. 1 MB is 1,000,000 bytes.
- Start: from spawning the process to the first 200 of `/readyz`, asked every half millisecond.
";

fn machine(bench: &Bench) -> Vec<(&'static str, String)> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, name: &str| {
        text.lines()
            .find_map(|l| l.strip_prefix(name))
            .map(|l| l.trim_start_matches([' ', '\t', ':']).trim().to_owned())
            .unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = after(&read("/proc/meminfo"), "MemTotal");
    let memory = memory.split(' ').next().and_then(|n| n.parse::<f64>().ok()).map_or(0.0, |kb| kb * 1024.0 / 1e9);
    let version = Command::new(&bench.program).arg("--version").output().map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    let load = read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ");
    vec![
        ("machine", format!("{}, {cores} cores, {memory:.0} GB", after(&read("/proc/cpuinfo"), "model name"))),
        ("system", format!("Linux {}, load averages at the end of the run {load}", read("/proc/sys/kernel/osrelease").trim())),
        ("program", format!("{}, release build; tantivy 0.27, sqlx 0.9 with its SQLite", version.unwrap_or_default())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_rounded_in_our_favour() {
        assert_eq!((up(1.231), up(9.999), up(14.01), up(150.2)), ("1.24".into(), "10.00".into(), "14.1".into(), "151".into()));
        assert_eq!((down(14_999.9), down(1_234_567.8), down(12.0)), ("14,999".into(), "1,234,567".into(), "12".into()));
        assert_eq!(up(2.0), "2.00");
    }

    #[test]
    fn a_miss_says_by_how_much() {
        assert_eq!(TargetCheck::AtMost(9.99, 10.0, "ms").verdict(), "hit");
        assert_eq!(TargetCheck::AtMost(12.5, 10.0, "ms").verdict(), "**missed** by 2.50 ms (1.25×)");
        assert_eq!(TargetCheck::AtLeast(5000.0, 15_000.0, "/s").verdict(), "**missed** by 10000 /s (3.00×)");
        assert!(!TargetCheck::AtMost(f64::NAN, 10.0, "ms").is_hit());
    }
}
