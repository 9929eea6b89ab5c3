//! `earshot reindex`.

use search::{self, IndexStatus};
use service::{
    error::{Result, from_search},
    state::App,
};

/// Rebuilds the search index and reports progress.
pub(super) async fn run(app: &App) -> Result<()> {
    let mut reported = None;
    let indexed = search::reindex(&app.search, |status| {
        if let IndexStatus::Building { done, total } = status {
            // One line per tenth, not per thousand.
            let tenth = done.saturating_mul(10).checked_div(total).unwrap_or_default();
            if total > 0 && reported != Some(tenth) {
                reported = Some(tenth);
                eprintln!("{done} of {total} records");
            }
        }
    })
    .await
    .map_err(from_search)?;
    println!("{}", serde_json::json!({ "indexed": indexed }));
    Ok(())
}
