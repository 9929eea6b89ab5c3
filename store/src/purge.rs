//! Deletes expired rows in small portions.

use domain::Timestamp;

use crate::{Tx, error::Result};

impl Tx<'_> {
    /// Runs statements with a time and a limit, each only if the earlier ones left room, so that together they affect at most `at_most`
    /// rows.
    pub(crate) async fn purge_by(&mut self, statements: &[(&'static str, Timestamp)], at_most: i64) -> Result<u64> {
        let mut touched = 0;
        for (sql, before) in statements {
            let room = at_most - i64::try_from(touched).unwrap_or(at_most);
            if room <= 0 {
                break;
            }
            touched += sqlx::query(*sql).bind(before.0).bind(room).execute(self.conn()).await?.rows_affected();
        }
        Ok(touched)
    }
}
