//! The database and what is built on it, with SQLite and with PostgreSQL.

mod common;
mod deliveries;
mod door;
mod leases;
mod postgres;
mod relays;
mod retention;
mod submissions;
