//! What Prometheus reads: the counters of this process, and the state of the program as it is asked.

use prometheus_client::{
    encoding::text::encode,
    metrics::{gauge::Gauge, info::Info},
    registry::Registry,
};
use search::IndexStatus;

use crate::{
    error::{Error, Result},
    state::App,
    system_resources,
};

/// Open connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionCounts {
    /// All connections.
    pub all: usize,
    /// Live update streams of inboxes.
    pub streams: usize,
}

/// Returns all metrics in the text format of OpenMetrics 1.0.
///
/// # Errors
/// Returns an error if the text cannot be written, which would be a bug.
pub async fn scrape(app: &App, open: &ConnectionCounts) -> Result<String> {
    let mut registry = Registry::with_prefix("earshot");
    registry.register("build", "The running program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
    app.metrics.register(&mut registry);
    registry.register(
        "budget_refusals",
        "Requests refused because the budget for anonymous visitors was used up",
        app.budget.refusals.family(),
    );
    let mut gauge = |name: &str, help: &str, value: i64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    let jobs = app.store.job_counts().await;
    gauge("database_up", "1 if the database responds", i64::from(jobs.is_ok()));
    gauge("database_takes_writes", "1 if the write queue has room", i64::from(app.store.can_accept_writes()));
    gauge("search_ready", "1 if the search index is ready", i64::from(app.search.status() == IndexStatus::Ready));
    if let Some(behind) = app.search.lag().await {
        gauge("search_behind_changes", "Changes not yet in the search index", behind);
    }
    gauge("event_streams", "Open inboxes with live updates", count(open.streams));
    for (whose, (bytes, most)) in ["strangers", "team"].into_iter().zip(app.budget.bodies()) {
        gauge(&format!("bodies_{whose}_bytes"), "Bytes of request bodies in memory, without small ones", count(bytes));
        gauge(&format!("bodies_{whose}_limit_bytes"), "Limit of request bodies in memory", count(most));
    }
    if let Some(stored) = app.budget.stored(app.now()) {
        let bytes = stored.values().sum::<u64>();
        gauge("files_stored_bytes", "Bytes of stored files in all projects, as last counted", i64::try_from(bytes).unwrap_or(i64::MAX));
    }
    let limit = i64::try_from(app.settings.files_in_all).unwrap_or(i64::MAX);
    gauge("files_stored_limit_bytes", "Stored bytes above which anonymous visitors cannot add files", limit);
    gauge("connections_open", "Connections", count(open.all));
    gauge("pictures_busy", "Images being processed or waiting", count(app.image_processing.busy()));
    if let Some(free) = system_resources::free_space(&app.settings.data) {
        gauge("disk_free_bytes", "Free space on the disk of the data directory", i64::try_from(free).unwrap_or(i64::MAX));
    }
    for (state, help) in
        [("waiting", "Jobs that are due or waiting"), ("running", "Jobs that are running"), ("dead", "Jobs that failed permanently")]
    {
        if let Ok(jobs) = &jobs {
            let count = jobs.iter().find(|(name, _)| name == state).map_or(0, |(_, count)| *count);
            gauge(&format!("jobs_{state}"), help, count);
        }
    }
    if let Some((resident, files)) = process() {
        gauge("process_resident_memory_bytes", "Memory in use", resident);
        gauge("process_open_fds", "Open files and connections", files);
    }
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|e| Error::internal("metrics", e))?;
    Ok(text)
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Resident bytes and open files of this process, where the system reports them as Linux does.
fn process() -> Option<(i64, i64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()?;
    let files = std::fs::read_dir("/proc/self/fd").ok()?.count();
    Some((resident * 1024, i64::try_from(files).ok()?))
}
