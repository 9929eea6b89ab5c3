//! Problems of an import: its invalid rows, and the number of rows per kind of problem.

use domain::{
    accounts::Scope,
    ids::ImportId,
    imports::{ProblemCounts, ProblemExample, ProblemGroup, ProblemKind},
};
use sqlx::FromRow;

use crate::{Store, Tx, bulk_insert::rows, error::Result, or_instead};

/// Maximum number of invalid rows stored for one import; further ones are only counted.
pub const MAX_STORED_BAD_LINES: i64 = 10_000;

/// A row that failed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct BadLine {
    /// Number of the line in the file where its row begins, starting at 1.
    pub line: i64,
    /// The reason.
    pub reason: String,
}

#[derive(FromRow)]
struct ProblemRow {
    fault: String,
    row_count: i64,
    examples: String,
}

fn groups(rows: Vec<ProblemRow>) -> ProblemCounts {
    let mut groups = ProblemCounts::default();
    for row in rows {
        // Kinds introduced by a newer version are not shown.
        if let Some(fault) = ProblemKind::parse(&row.fault) {
            let examples: Vec<ProblemExample> = or_instead("list of examples", serde_json::from_str(&row.examples).ok(), Vec::new());
            groups.join(ProblemGroup { fault, rows: row.row_count, examples });
        }
    }
    groups
}

rows! {
    /// A row that failed.
    struct NewBadLineRow<'a> in "import_errors" {
        import_id: ImportId as "TEXT",
        line: i64 as "BIGINT",
        reason: &'a str as "TEXT",
    }
}

impl Store {
    /// Returns the problems of an import's rows, counted by kind.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn import_problems(&self, scope: &Scope, import: ImportId) -> Result<ProblemCounts> {
        let rows: Vec<ProblemRow> = sqlx::query_as(
            "SELECT p.fault, p.row_count, p.examples FROM import_problems p JOIN imports i ON i.id = p.import_id \
             WHERE i.project_id = $1 AND p.import_id = $2",
        )
        .bind(scope.project().to_string())
        .bind(import.to_string())
        .fetch_all(self.reader())
        .await?;
        Ok(groups(rows))
    }

    /// Returns invalid rows of an import after line `after`, in file order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn bad_lines(&self, scope: &Scope, import: ImportId, after: i64, most: i64) -> Result<Vec<BadLine>> {
        Ok(sqlx::query_as(
            "SELECT e.line, e.reason FROM import_errors e JOIN imports i ON i.id = e.import_id \
             WHERE i.project_id = $1 AND e.import_id = $2 AND e.line > $3 ORDER BY e.line LIMIT $4",
        )
        .bind(scope.project().to_string())
        .bind(import.to_string())
        .bind(after)
        .bind(most)
        .fetch_all(self.reader())
        .await?)
    }
}

impl Tx<'_> {
    pub(super) async fn forget_problems(&mut self, import: ImportId) -> Result<()> {
        for sql in ["DELETE FROM import_errors WHERE import_id = $1", "DELETE FROM import_problems WHERE import_id = $1"] {
            sqlx::query(sql).bind(import.to_string()).execute(self.conn()).await?;
        }
        Ok(())
    }

    /// Adds to the problem counts of an import.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_problems(&mut self, import: ImportId, more: ProblemCounts) -> Result<()> {
        if more.all().is_empty() {
            return Ok(());
        }
        let rows: Vec<ProblemRow> = sqlx::query_as("SELECT fault, row_count, examples FROM import_problems WHERE import_id = $1")
            .bind(import.to_string())
            .fetch_all(self.conn())
            .await?;
        let mut all = groups(rows);
        more.all().iter().cloned().for_each(|group| all.join(group));
        for ProblemGroup { fault, rows, examples } in all.all() {
            sqlx::query(
                "INSERT INTO import_problems (import_id, fault, row_count, examples) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (import_id, fault) DO UPDATE SET row_count = excluded.row_count, examples = excluded.examples",
            )
            .bind(import.to_string())
            .bind(fault.as_str())
            .bind(*rows)
            .bind(serde_json::to_string(examples)?)
            .execute(self.conn())
            .await?;
        }
        Ok(())
    }

    /// Stores invalid rows.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_bad_lines(&mut self, import: ImportId, lines: &[(i64, String)]) -> Result<()> {
        let rows: Vec<_> = lines.iter().map(|(line, reason)| NewBadLineRow { import_id: import, line: *line, reason }).collect();
        self.insert_rows(&rows).await?;
        Ok(())
    }
}
