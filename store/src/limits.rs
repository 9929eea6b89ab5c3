//! Token buckets shared by all nodes.

use domain::{
    DomainError as Refusal, Timestamp,
    accounts::throttle::{RateLimit, TokenBucket},
};

use super::{Dialect, Tx};
use crate::error::Result;

/// Retention of an unused bucket, in milliseconds: longer than any bucket takes to fill.
const KEPT_MS: i64 = 86_400_000;

/// Result of taking tokens from a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketDraw {
    /// Tokens taken, at least one.
    pub count: u32,
    /// Tokens left.
    pub left: u32,
    /// Seconds until the bucket is full again.
    pub full_in: u64,
}

impl Tx<'_> {
    /// Takes up to `want` tokens from each bucket, or nothing from any. All callers must name several buckets in the same order.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] with the seconds to wait if one of them is empty.
    pub async fn take_from_buckets(&mut self, buckets: &[(String, RateLimit)], want: u32, now: Timestamp) -> Result<Vec<BucketDraw>> {
        let mut taken = Vec::with_capacity(buckets.len());
        let mut wait = None;
        for (key, limit) in buckets {
            let mut bucket = self.bucket(key, *limit, now).await?;
            match bucket.take_up_to(want, *limit, now) {
                Ok(count) => taken.push(BucketDraw { count, left: bucket.left(), full_in: bucket.seconds_until_full(*limit, now) }),
                Err(seconds) => wait = wait.max(Some(seconds)),
            }
            self.put_bucket(key, &bucket).await?;
        }
        match wait {
            Some(seconds) => Err(Refusal::RateLimited(seconds).into()),
            None => Ok(taken),
        }
    }

    /// Takes exactly `count` tokens from each bucket, or nothing from any. All callers must name several buckets in the same order.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] with the seconds to wait if one of them has fewer tokens.
    pub async fn take_exactly_from_buckets(&mut self, buckets: &[(String, RateLimit)], count: u32, now: Timestamp) -> Result<()> {
        let mut wait = None;
        for (key, limit) in buckets {
            let mut bucket = self.bucket(key, *limit, now).await?;
            wait = wait.max(bucket.take_exactly(count, *limit, now).err());
            self.put_bucket(key, &bucket).await?;
        }
        // The error rolls back the changes above.
        wait.map_or(Ok(()), |seconds| Err(Refusal::RateLimited(seconds).into()))
    }

    /// Returns a bucket, locked until this transaction ends.
    async fn bucket(&mut self, key: &str, limit: RateLimit, now: Timestamp) -> Result<TokenBucket> {
        sqlx::query("INSERT INTO limits (key, tokens, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(key.to_owned())
            .bind(f64::from(limit.burst))
            .bind(now.0)
            .execute(self.conn())
            .await?;
        let sql = match self.dialect() {
            Dialect::Sqlite => "SELECT tokens, at FROM limits WHERE key = $1",
            Dialect::Postgres => "SELECT tokens, at FROM limits WHERE key = $1 FOR UPDATE",
        };
        // The bucket was purged in between, so it is full.
        let row: Option<(f64, i64)> = sqlx::query_as(sql).bind(key.to_owned()).fetch_optional(self.conn()).await?;
        let (tokens, at) = row.unwrap_or((f64::from(limit.burst), now.0));
        Ok(TokenBucket::of(tokens, Timestamp(at)))
    }

    async fn put_bucket(&mut self, key: &str, bucket: &TokenBucket) -> Result<()> {
        let (tokens, at) = bucket.parts();
        sqlx::query("UPDATE limits SET tokens = $2, at = $3 WHERE key = $1")
            .bind(key.to_owned())
            .bind(tokens)
            .bind(at.0)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Returns one token to each bucket.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn give_back_to_buckets(&mut self, buckets: &[(String, RateLimit)]) -> Result<()> {
        for (key, limit) in buckets {
            sqlx::query("UPDATE limits SET tokens = CASE WHEN tokens + 1 > $2 THEN $2 ELSE tokens + 1 END WHERE key = $1")
                .bind(key.clone())
                .bind(f64::from(limit.burst))
                .execute(self.conn())
                .await?;
        }
        Ok(())
    }

    /// Deletes up to `at_most` buckets that are full by now. Returns the number deleted.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn purge_limits(&mut self, now: Timestamp, at_most: i64) -> Result<u64> {
        let sql = "DELETE FROM limits WHERE key IN (SELECT key FROM limits WHERE at <= $1 ORDER BY at LIMIT $2)";
        self.purge_by(&[(sql, now.plus_ms(-KEPT_MS))], at_most).await
    }
}
