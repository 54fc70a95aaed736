//! The tables of the store: made, brought up to date, and what each connection to them needs.

use super::{
    attribute::Attribute,
    file::{APPLICATION, VERSION},
    filter_v2::contains_word,
    metadata_uid::metadata_uid,
};
use crate::finding::AccountId;
use rusqlite::{Connection, Transaction, TransactionBehavior, functions::FunctionFlags, params};

/// Makes the tables that are not there: all of a new file, what one of an older `version` lacks. Gives the key that the file has.
pub(super) fn create(
    connection: &mut Connection,
    version: Option<i32>,
    region: &str,
    secret: &[u8; 32],
) -> rusqlite::Result<Vec<u8>> {
    let columns = Attribute::columns()
        .flat_map(|(column, attribute)| [column, " ", attribute.kind.column_type(), ",\n"])
        .collect::<String>();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // What real clients look findings up by, and what narrows a search: an index on a handful of states would not.
    transaction.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS meta (region TEXT NOT NULL, token_key BLOB NOT NULL);
         CREATE TABLE IF NOT EXISTS finding (
             seq INTEGER PRIMARY KEY AUTOINCREMENT,
             {columns}
             sticky INTEGER NOT NULL DEFAULT 0,
             metadata_uid TEXT NOT NULL DEFAULT '',
             UNIQUE (id, product_arn, account, region)
         );
         CREATE INDEX IF NOT EXISTS finding_account ON finding (account);
         CREATE INDEX IF NOT EXISTS finding_updated_at ON finding (updated_at);
         CREATE INDEX IF NOT EXISTS finding_created_at ON finding (created_at);
         CREATE INDEX IF NOT EXISTS finding_generator_id ON finding (generator_id);
         CREATE INDEX IF NOT EXISTS finding_security_control_id ON finding (security_control_id);
         CREATE TABLE IF NOT EXISTS document (seq INTEGER PRIMARY KEY REFERENCES finding, document TEXT NOT NULL);
         CREATE TABLE IF NOT EXISTS term (
             finding INTEGER NOT NULL REFERENCES finding,
             attribute INTEGER NOT NULL,
             key TEXT NOT NULL,
             value ANY NOT NULL,
             PRIMARY KEY (finding, attribute, key, value)
         ) STRICT, WITHOUT ROWID;
         CREATE INDEX IF NOT EXISTS term_value ON term (attribute, key, value);
         CREATE TABLE IF NOT EXISTS rule (
             seq INTEGER PRIMARY KEY AUTOINCREMENT,
             arn TEXT NOT NULL UNIQUE,
             account TEXT NOT NULL,
             document TEXT NOT NULL
         ) STRICT;
         CREATE INDEX IF NOT EXISTS rule_account ON rule (account);
         PRAGMA application_id = {APPLICATION};
         PRAGMA user_version = {VERSION};"
    ))?;
    if version.is_some_and(|version| version < 3) {
        add_metadata_uids(&transaction)?;
    }
    transaction.execute_batch("CREATE UNIQUE INDEX IF NOT EXISTS finding_metadata_uid ON finding (metadata_uid)")?;
    transaction.execute(
        "INSERT INTO meta (region, token_key) SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM meta)",
        params![region, secret],
    )?;
    let kept = transaction.query_row("SELECT token_key FROM meta", [], |row| row.get(0))?;
    transaction.commit()?;
    connection.execute_batch(STATISTICS)?;
    Ok(kept)
}

/// Gives the findings of a file of version 1 or 2 their `metadata_uid`.
fn add_metadata_uids(transaction: &Transaction) -> rusqlite::Result<()> {
    transaction.execute_batch("ALTER TABLE finding ADD COLUMN metadata_uid TEXT NOT NULL DEFAULT ''")?;
    let mut all = transaction.prepare("SELECT seq, region, account, product_arn, id FROM finding")?;
    let mut set = transaction.prepare("UPDATE finding SET metadata_uid = ?1 WHERE seq = ?2")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        let uid = metadata_uid(text(1)?, text(2)?, text(3)?, text(4)?);
        set.execute(params![uid, row.get::<_, i64>(0)?])?;
    }
    Ok(())
}

/// How SQLite's planner is to picture the tables: a fleet of a hundred accounts with a million findings. Left to guess, it
/// would take ten findings an account for granted, and look for an Id by reading through the account.
const STATISTICS: &str = "ANALYZE sqlite_schema;
     DELETE FROM sqlite_stat1;
     INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
         ('finding', 'sqlite_autoindex_finding_1', '1000000 2 2 1 1'),
         ('finding', 'finding_account', '1000000 10000'),
         ('finding', 'finding_updated_at', '1000000 2'),
         ('finding', 'finding_created_at', '1000000 2'),
         ('finding', 'finding_generator_id', '1000000 2000'),
         ('finding', 'finding_security_control_id', '1000000 2000'),
         ('finding', 'finding_metadata_uid', '1000000 1'),
         ('term', 'term', '40000000 40 4 1 1'),
         ('term', 'term_value', '40000000 1000000 1000000 40 1');
     ANALYZE sqlite_schema;";

/// Gives the connection the functions that filters use.
pub(super) fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("contains_word", 2, flags, |context| {
        let text = |index| context.get_raw(index).as_str().map_err(rusqlite::Error::from);
        Ok(contains_word(text(0)?, text(1)?))
    })
}

/// Tells the connection which accounts are which administrator's, its own among them, in the place of what it was told before.
pub(super) fn name_fleets(
    connection: &Connection,
    accounts: impl Iterator<Item = (AccountId, AccountId)>,
) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS fleet (administrator TEXT, account TEXT, PRIMARY KEY (administrator, account)) \
         WITHOUT ROWID; DELETE FROM temp.fleet",
    )?;
    let mut statement = transaction.prepare("INSERT OR IGNORE INTO temp.fleet VALUES (?1, ?2)")?;
    for (administrator, account) in accounts {
        statement.execute([administrator.as_str(), account.as_str()])?;
    }
    drop(statement);
    transaction.commit()
}
