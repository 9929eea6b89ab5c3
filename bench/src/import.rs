//! Import of a million lines from the command line, and the resources of an idle installation.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    Bench, Result,
    baseline::BaselineServer,
    load::{Connection, LatencySamples, LatencySummary, get},
    program::{Installation, Memory, memory},
};

/// One import.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportResult {
    pub lines: usize,
    pub seconds: f64,
    pub resident_peak: f64,
    /// Growth of resident memory over the second half, in megabytes per 100,000 lines.
    pub growth: f64,
    /// Median of the memory in the second half.
    pub resident: f64,
}

pub async fn run(bench: &Bench, lines: usize) -> Result<ImportResult> {
    let data = bench.work.join("import");
    drop(fs::remove_dir_all(&data));
    fs::create_dir_all(&data)?;
    let place = Installation { program: bench.program.clone(), data: data.clone(), database: None };
    let project = place.set_up()?;
    let file = bench.work.join("lines.csv");
    bench.texts.write_repeated(lines, &file)?;
    bench.say(&format!("importing a file of {lines} lines"));
    let path = file.to_string_lossy().into_owned();
    let started = Instant::now();
    let mut child = place.spawn(&["import", &path, "--project", &project.slug, "--map", "text=text,tag=category"])?;
    let mut seen: Vec<(f64, f64)> = Vec::new();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if let Ok(now) = memory(child.id()) {
            seen.push((started.elapsed().as_secs_f64(), now.resident));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let seconds = started.elapsed().as_secs_f64();
    if !status.success() {
        return Err(format!("the import ended with {status}").into());
    }
    // Everything was imported: equal lines of one file are separate rows.
    let (served, _) = place.serve_ready().await?;
    let cookie = served.sign_in().await?;
    served.wait_for_index().await?;
    let mut connection = Connection::new(served.address);
    connection.send(&get(&format!("/p/{}/inbox", project.slug), &cookie)).await?;
    let there = crate::pages::total(&connection.body()).unwrap_or_default();
    if there != lines {
        return Err(format!("{lines} lines were imported and {there} are there").into());
    }
    served.stop()?;
    fs::remove_file(&file)?;
    drop(fs::remove_dir_all(&data));
    let half: Vec<(f64, f64)> = seen.iter().copied().filter(|(at, _)| *at > seconds / 2.0).collect();
    let mut levels: Vec<f64> = half.iter().map(|(_, mb)| *mb).collect();
    levels.sort_by(f64::total_cmp);
    Ok(ImportResult {
        lines,
        seconds,
        resident_peak: seen.iter().map(|(_, mb)| *mb).fold(0.0, f64::max),
        growth: slope(&half) * seconds / (lines as f64 / 100_000.0),
        resident: levels.get(levels.len() / 2).copied().unwrap_or(f64::NAN),
    })
}

/// The slope by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (mean_x, mean_y) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let (over, under) =
        points.iter().fold((0.0, 0.0), |(over, under), (x, y)| (over + (x - mean_x) * (y - mean_y), under + (x - mean_x).powi(2)));
    over / under
}

/// An empty installation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IdleResult {
    /// Starts that create the database first.
    pub first_start: LatencySummary,
    /// Starts with the empty database.
    pub start: LatencySummary,
    pub memory: Memory,
    /// After signing in and opening the empty inbox.
    pub memory_signed_in: Memory,
    /// Starts of a bare axum server, and its memory.
    pub bare_start: LatencySummary,
    pub bare_memory: Memory,
}

pub async fn idle(bench: &Bench) -> Result<IdleResult> {
    bench.say("an empty installation");
    let data = bench.work.join("idle");
    let place = Installation { program: bench.program.clone(), data: data.clone(), database: None };
    let rounds = if bench.quick { 3 } else { 10 };
    let (mut first, mut again) = (LatencySamples::default(), LatencySamples::default());
    for _ in 0..rounds {
        drop(fs::remove_dir_all(&data));
        fs::create_dir_all(&data)?;
        let (served, took) = place.serve_ready().await?;
        first.push(took);
        served.wait_for_index().await?;
        served.stop()?;
    }
    let project = place.set_up()?;
    for _ in 0..rounds {
        let (served, took) = place.serve_ready().await?;
        again.push(took);
        served.stop()?;
    }
    let (served, _) = place.serve_ready().await?;
    served.wait_for_index().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = memory(served.id())?;
    let cookie = served.sign_in().await?;
    let mut connection = Connection::new(served.address);
    connection.send(&get(&format!("/p/{}/inbox", project.slug), &cookie)).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let memory_signed_in = memory(served.id())?;
    served.stop()?;
    drop(fs::remove_dir_all(&data));
    let (mut bare_start, mut bare_memory) = (LatencySamples::default(), Memory::default());
    for _ in 0..rounds {
        let started = Instant::now();
        let bare = BaselineServer::start(&bench.work, "route")?;
        bare.ready().await?;
        bare_start.push(started.elapsed());
        bare_memory = memory(bare.id())?;
    }
    Ok(IdleResult {
        first_start: first.spread(),
        start: again.spread(),
        memory: idle,
        memory_signed_in,
        bare_start: bare_start.spread(),
        bare_memory,
    })
}

#[cfg(test)]
mod tests {
    use super::slope;

    #[test]
    fn a_line_has_its_slope() {
        assert!((slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]) - 2.0).abs() < 1e-9);
        assert!(slope(&[(0.0, 4.0), (1.0, 4.0)]).abs() < 1e-9);
    }
}
