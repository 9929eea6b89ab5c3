//! Inserts of many rows by one statement.
//!
//! A statement through sqlx costs two thread hops on SQLite and a round trip on PostgreSQL, so code that stores more than a few rows passes
//! them together: as one JSON parameter, so that the statement text is the same for any number of rows and stays prepared.

use serde::Serialize;
use sqlx::AssertSqlSafe;

use super::{Dialect, Tx};
use crate::error::{Error, Result};

/// Rows of one table, and the statement that inserts any number of them. Declared with `rows!`.
pub(super) trait BulkRows: Serialize {
    /// The statement for SQLite.
    const SQLITE: &'static str;
    /// The statement for PostgreSQL.
    const POSTGRES: &'static str;
}

impl Tx<'_> {
    /// Inserts rows in order and skips those that conflict with an existing row by any unique key. Returns the number inserted.
    pub(super) async fn insert_rows<R: BulkRows>(&mut self, rows: &[R]) -> Result<u64> {
        if rows.is_empty() {
            return Ok(0);
        }
        let sql = match self.dialect() {
            Dialect::Sqlite => R::SQLITE,
            Dialect::Postgres => R::POSTGRES,
        };
        Ok(sqlx::query(sql).bind(serde_json::to_string(rows)?).execute(self.conn()).await?.rows_affected())
    }
}

/// Rows for several tables, in order. Their ids are fresh, so no other transaction can have inserted them.
#[derive(Default)]
pub(super) struct BulkInsert {
    /// The statement for each database, and its parameter.
    statements: Vec<(&'static str, &'static str, String)>,
    rows: usize,
}

impl BulkInsert {
    pub(super) fn add<R: BulkRows>(&mut self, rows: &[R]) -> Result<()> {
        if !rows.is_empty() {
            self.statements.push((R::SQLITE, R::POSTGRES, serde_json::to_string(rows)?));
            self.rows += rows.len();
        }
        Ok(())
    }
}

impl Tx<'_> {
    /// Inserts all rows. SQLite runs the statements together, for one thread hop; PostgreSQL prepares them one by one.
    ///
    /// # Errors
    /// When some of the rows already existed.
    pub(super) async fn insert_all_new(&mut self, all: BulkInsert, what: &str) -> Result<()> {
        let mut added = 0;
        match self.dialect() {
            _ if all.statements.is_empty() => {}
            Dialect::Sqlite => {
                let numbered = |(n, (sql, ..)): (usize, &(&'static str, &'static str, String))| sql.replace("$1", &format!("${}", n + 1));
                let sql = all.statements.iter().enumerate().map(numbered).collect::<Vec<_>>().join("; ");
                // Built from constants only.
                let mut query = sqlx::query(AssertSqlSafe(sql));
                for (.., rows) in all.statements {
                    query = query.bind(rows);
                }
                added += query.execute(self.conn()).await?.rows_affected();
            }
            Dialect::Postgres => {
                for (_, sql, rows) in all.statements {
                    added += sqlx::query(sql).bind(rows).execute(self.conn()).await?.rows_affected();
                }
            }
        }
        all_new(added, all.rows, what)
    }
}

/// Checks that all rows were inserted. Their ids are fresh, so no other transaction can have inserted them.
///
/// # Errors
/// When some of the rows already existed.
pub(super) fn all_new(added: u64, rows: usize, what: &str) -> Result<()> {
    if usize::try_from(added).is_ok_and(|added| added == rows) {
        return Ok(());
    }
    Err(Error::internal(what, "some are there already"))
}

/// Declares a struct whose fields are columns of a table: `rows! { struct Row<'a> in "table" { id: &'a str as "TEXT", … } }`. The types are
/// PostgreSQL's; SQLite uses those of its columns.
macro_rules! rows {
    ($(#[$doc:meta])* struct $name:ident$(<$life:lifetime>)? in $table:literal {
        $first:ident: $first_type:ty as $first_sql:literal $(, $column:ident: $type:ty as $sql:literal)* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(serde::Serialize)]
        pub(crate) struct $name$(<$life>)? {
            pub(crate) $first: $first_type,
            $(pub(crate) $column: $type,)*
        }

        impl$(<$life>)? $crate::bulk_insert::BulkRows for $name$(<$life>)? {
            const SQLITE: &'static str = concat!(
                "INSERT INTO ", $table, " (", stringify!($first) $(, ", ", stringify!($column))*, ") ",
                "SELECT value ->> '", stringify!($first), "'" $(, ", value ->> '", stringify!($column), "'")*,
                // Without a WHERE clause SQLite parses ON as part of a join.
                " FROM jsonb_each($1) WHERE 1 = 1 ON CONFLICT DO NOTHING"
            );
            const POSTGRES: &'static str = concat!(
                "INSERT INTO ", $table, " (", stringify!($first) $(, ", ", stringify!($column))*, ") ",
                "SELECT ", stringify!($first) $(, ", ", stringify!($column))*,
                " FROM json_to_recordset(CAST($1 AS json)) AS r (", stringify!($first), " ", $first_sql $(, ", ", stringify!($column), " ", $sql)*,
                ") ON CONFLICT DO NOTHING"
            );
        }
    };
}
pub(super) use rows;
