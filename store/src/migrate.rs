//! Schema migrations, run forward at start. The same names exist for both databases; a test compares the lists.

use sqlx::AnyPool;

pub use sqlx::migrate::Migrator;

use crate::error::{Error, Result};

/// The migrations for SQLite.
pub static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");
/// The migrations for PostgreSQL.
pub static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");

/// Migrates the schema to this program's version.
///
/// # Errors
/// When a migration fails, or the database was migrated by a newer program.
pub async fn run(pool: &AnyPool, migrator: &Migrator) -> Result<()> {
    migrator.run(pool).await.map_err(|e| Error::internal("migration", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_have_the_same_migrations() {
        let names = |m: &Migrator| m.iter().map(|m| (m.version, m.description.to_string())).collect::<Vec<_>>();
        assert_eq!(names(&SQLITE), names(&POSTGRES));
    }
}
