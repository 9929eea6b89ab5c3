//! The API's OpenAPI document, as it is in `docs/openapi.json`.

use std::{fs, path::Path};

use serde_json::Value;

use super::accepts_changes;
use crate::support::{Database, TestApp};

/// The document without the URL of this installation, with sorted keys.
pub async fn document(t: &TestApp) -> Value {
    let mut document = t.anonymous().get("/api/v1/openapi.json").await.json();
    document.as_object_mut().unwrap().remove("servers").expect("the address of the installation");
    document.sort_all_objects();
    document
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_of_the_api() {
    let t = TestApp::new(Database::Sqlite).await.unwrap();
    let now = serde_json::to_string_pretty(&document(&t).await).unwrap() + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let kept = fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
    if now == kept {
        return;
    }
    if accepts_changes() {
        return fs::write(&file, now).unwrap();
    }
    let differs =
        now.lines().zip(kept.lines()).position(|(now, kept)| now != kept).unwrap_or(now.lines().count().min(kept.lines().count()));
    let around = |text: &str| text.lines().skip(differs.saturating_sub(3)).take(10).collect::<Vec<_>>().join("\n");
    panic!(
        "docs/openapi.json is not what the program serves, from line {} on.\nIn the file:\n{}\n\nServed:\n{}",
        differs + 1,
        around(&kept),
        around(&now)
    );
}
