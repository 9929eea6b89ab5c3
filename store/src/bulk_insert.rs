//! Many rows by one statement.
//!
//! A statement through sqlx to SQLite costs two thread hops, and to PostgreSQL a round trip, so whatever stores more than a few rows hands
//! them over together: as one JSON parameter, so that the statement is the same text for any number of them and stays prepared.

use serde::Serialize;
use sqlx::AssertSqlSafe;

use super::{Dialect, Tx};
use crate::error::{Error, Result};

/// Rows of one table, and the statement that adds any number of them. Declared with `rows!`.
pub(super) trait BulkRows: Serialize {
    /// The statement for SQLite.
    const SQLITE: &'static str;
    /// The statement for PostgreSQL.
    const POSTGRES: &'static str;
}

impl Tx<'_> {
    /// Adds rows in their order; those that are there already (by any unique key) are left as they are. Gives how many were new.
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

/// Rows for several tables, in order, that nobody else can have added: their ids are fresh.
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
    /// Adds all of them. SQLite takes the statements together, for one thread hop; PostgreSQL prepares them one by one.
    ///
    /// # Errors
    /// When some were not new.
    pub(super) async fn insert_all_new(&mut self, all: BulkInsert, what: &str) -> Result<()> {
        let mut added = 0;
        match self.dialect() {
            _ if all.statements.is_empty() => {}
            Dialect::Sqlite => {
                let numbered = |(n, (sql, ..)): (usize, &(&'static str, &'static str, String))| sql.replace("$1", &format!("${}", n + 1));
                let sql = all.statements.iter().enumerate().map(numbered).collect::<Vec<_>>().join("; ");
                // Put together from constants.
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

/// For rows that nobody else can have added: their ids are fresh.
///
/// # Errors
/// When some were not new.
pub(super) fn all_new(added: u64, rows: usize, what: &str) -> Result<()> {
    if usize::try_from(added).is_ok_and(|added| added == rows) {
        return Ok(());
    }
    Err(Error::internal(what, "some are there already"))
}

/// Declares a struct whose fields are columns of a table: `rows! { struct Row<'a> in "table" { id: &'a str as "TEXT", … } }`.
/// The types are PostgreSQL's; SQLite's columns know their own.
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
                // Without a condition SQLite takes ON for that of a join.
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
