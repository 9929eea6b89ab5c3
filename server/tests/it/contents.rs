//! Everything that is in the database, read by its own catalogue: a table or a column that is added is watched without being named here.

use std::collections::BTreeMap;

use crate::support::{Database, TestApp};

/// Tables that every visit writes, whatever it does.
const OF_VISITS: [&str; 3] = ["sessions", "limits", "sqlite_sequence"];
/// Columns that say when something was last used.
const OF_USE: [(&str, &str); 1] = [("api_keys", "used_at")];

/// The rows of each table, but for what every visit writes: each row as the text of all its columns.
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
            // Bytes are no text: how many there are is enough.
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

    /// What is different in `later`, a line for each row.
    pub fn changes(&self, later: &Self) -> Vec<String> {
        let mut all = Vec::new();
        for (table, rows) in &later.0 {
            let before = self.0.get(table).map_or(&[][..], Vec::as_slice);
            all.extend(before.iter().filter(|row| !rows.contains(row)).map(|row| format!("- {table}: {row}")));
            all.extend(rows.iter().filter(|row| !before.contains(row)).map(|row| format!("+ {table}: {row}")));
        }
        all
    }

    /// The same but for keys of requests, which are kept for some that did nothing.
    pub fn effects(&self, later: &Self) -> Vec<String> {
        self.changes(later).into_iter().filter(|change| !change.starts_with("+ idempotency:")).collect()
    }

    /// Fails with what is different in `later`.
    pub fn assert_same(&self, later: &Self, about: &str) {
        let changes = self.changes(later);
        assert!(changes.is_empty(), "{about}: {}", changes.join("\n"));
    }
}
