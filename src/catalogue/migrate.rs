//! Brings a catalogue to the schema this program knows, after a copy of it was made.

use std::path::Path;

use rusqlite::Connection;

use super::Error;

/// The migrations in order; the schema version is how many of them have run. A migration, once released, never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../../schema/sqlite/0001_first.sql"),
    include_str!("../../schema/sqlite/0002_proof.sql"),
    include_str!("../../schema/sqlite/0003_metadata.sql"),
    include_str!("../../schema/sqlite/0004_tiers.sql"),
    include_str!("../../schema/sqlite/0005_customer_limits.sql"),
    include_str!("../../schema/sqlite/0006_sign_in.sql"),
    include_str!("../../schema/sqlite/0007_pages.sql"),
    include_str!("../../schema/sqlite/0008_withdrawn.sql"),
    include_str!("../../schema/sqlite/0009_browser.sql"),
    include_str!("../../schema/sqlite/0010_second_factor.sql"),
    include_str!("../../schema/sqlite/0011_tokens.sql"),
    include_str!("../../schema/sqlite/0012_webhooks.sql"),
    include_str!("../../schema/sqlite/0013_mail.sql"),
    include_str!("../../schema/sqlite/0014_incidents.sql"),
    include_str!("../../schema/sqlite/0015_orders.sql"),
    include_str!("../../schema/sqlite/0016_embed.sql"),
    include_str!("../../schema/sqlite/0017_retiring.sql"),
    include_str!("../../schema/sqlite/0018_journal.sql"),
    include_str!("../../schema/sqlite/0019_flat_pages.sql"),
    include_str!("../../schema/sqlite/0020_damage.sql"),
    include_str!("../../schema/sqlite/0021_asked.sql"),
];

/// The schema version this program reads and writes.
pub const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    if version(connection)? == SCHEMA_VERSION {
        return Ok(());
    }
    let found = version(connection)?;
    if found > SCHEMA_VERSION {
        return Err(Error::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    if found > 0 {
        copy(connection, path, found)?;
    }
    // Immediate, then asked again: another process may have migrated while this one waited for the lock.
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for number in version(&transaction)?..SCHEMA_VERSION {
        transaction.execute_batch(MIGRATIONS[number as usize])?;
        transaction.pragma_update(None, "user_version", number + 1)?;
    }
    transaction.commit()?;
    Ok(())
}

fn version(connection: &Connection) -> Result<u32, Error> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Copies the catalogue beside itself, since a migration cannot be undone.
fn copy(connection: &Connection, path: &Path, found: u32) -> Result<(), Error> {
    let to = path.with_extension(format!("before-schema-{SCHEMA_VERSION}-from-{found}"));
    connection.backup("main", &to, None).map_err(|source| Error::Backup { path: to, source })
}
