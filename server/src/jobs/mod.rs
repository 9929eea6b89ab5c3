//! Background work: rows in the database with leases, bounded retries and dead letters.

mod index;
