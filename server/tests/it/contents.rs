//! The whole content of the database, read through its catalogue, so that new tables and columns are included automatically.

use std::collections::BTreeMap;

use crate::support::{Database, TestApp};

/// Tables that every request writes.
const OF_VISITS: [&str; 3] = ["sessions", "limits", "sqlite_sequence"];
/// Columns that record the last use.
const OF_USE: [(&str, &str); 1] = [("api_keys", "used_at")];

/// The rows of each table, without the data that every request writes: each row as the text of all its columns.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents(BTreeMap<String, Vec<String>>);

impl Contents {
    pub async fn of(t: &TestApp) -> Self {
        let columns = match t.database {
            Database::Sqlite => {
                "SELECT CAST(m.name AS TEXT), CAST(c.name AS TEXT), CAST(c.type AS TEXT) FROM sqlite_master m JOIN pragma_table_info(m.name) c \
                 WHERE m.type = 'table' ORDER BY m.name, c.cid"
            }
            Database::Postgres => {
                "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT), CAST(data_type AS TEXT) FROM information_schema.columns \
                 WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
            }
        };
        let columns: Vec<(String, String, String)> = sqlx::query_as(columns).fetch_all(t.app.store.reader()).await.unwrap();
        let mut tables = BTreeMap::<&str, Vec<String>>::new();
        for (table, column, kind) in &columns {
            let (table, column) = (table.as_str(), column.as_str());
            if OF_VISITS.contains(&table) || OF_USE.contains(&(table, column)) {
                continue;
            }
            // Binary data is not text: its length is enough.
            let text = if ["BLOB", "bytea"].contains(&kind.as_str()) { format!("LENGTH({column})") } else { column.to_owned() };
            tables.entry(table).or_default().push(format!("'{column}=' || COALESCE(CAST({text} AS TEXT), 'none')"));
        }
        assert!(tables.len() > 35, "{} tables", tables.len());
        let parts = tables.iter().map(|(table, columns)| format!("SELECT '{table}', {} FROM {table}", columns.join(" || ' ' || ")));
        let sql = parts.collect::<Vec<_>>().join(" UNION ALL ");
        let rows: Vec<(String, String)> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(t.app.store.reader()).await.unwrap();
        let mut all: BTreeMap<String, Vec<String>> = tables.keys().map(|table| ((*table).to_owned(), Vec::new())).collect();
        for (table, row) in rows {
            all.entry(table).or_default().push(row);
        }
        all.values_mut().for_each(|rows| rows.sort_unstable());
        Self(all)
    }

    /// The differences in `later`, one line for each row.
    pub fn changes(&self, later: &Self) -> Vec<String> {
        let mut all = Vec::new();
        for (table, rows) in &later.0 {
            let before = self.0.get(table).map_or(&[][..], Vec::as_slice);
            all.extend(before.iter().filter(|row| !rows.contains(row)).map(|row| format!("- {table}: {row}")));
            all.extend(rows.iter().filter(|row| !before.contains(row)).map(|row| format!("+ {table}: {row}")));
        }
        all
    }

    /// The same without idempotency keys, which are stored even for some requests without an effect.
    pub fn effects(&self, later: &Self) -> Vec<String> {
        self.changes(later).into_iter().filter(|change| !change.starts_with("+ idempotency:")).collect()
    }

    /// Fails with the differences in `later`.
    pub fn assert_same(&self, later: &Self, about: &str) {
        let changes = self.changes(later);
        assert!(changes.is_empty(), "{about}: {}", changes.join("\n"));
    }
}
