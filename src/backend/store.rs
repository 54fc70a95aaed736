//! Where findings are kept, and automation rules beside them: one SQLite file, or memory.
//!
//! The narrow table `finding` has the columns that are filtered and sorted by, so that scanning it is cheap; the documents
//! are beside it, and `term` has the attributes of which a finding has several. Both follow from the documents by
//! [`super::attribute`].

use super::{
    attribute::{self, Attribute, Term},
    file::{self, OpenError},
    json::Object,
    metadata_uid::metadata_uid_of,
    tables,
};
use crate::finding::AccountId;
use aws_lc_rs::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use rusqlite::{
    Connection, OptionalExtension, Transaction, TransactionBehavior, named_params, params, params_from_iter,
};
use std::{
    collections::BTreeSet,
    fs::File,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Why a call could not be served from the store.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("the findings file cannot be read or written: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("a stored finding or rule is damaged: {0}")]
    Damaged(String),
}

/// The findings and rules. One connection writes; of a file, another one reads beside it.
pub(super) struct Store {
    writer: Mutex<Connection>,
    reader: Option<Mutex<Connection>>,
    key: hmac::Key,
    /// Held for as long as the file is in use.
    _lock: Option<File>,
}

/// A finding as it is stored.
pub(super) struct Stored {
    pub(super) seq: i64,
    pub(super) document: Object,
    /// See `ownership::Sticky`.
    pub(super) sticky: u8,
    /// `UpdatedAt`, in sortable form.
    pub(super) updated_at: String,
}

impl Store {
    /// Opens the file, or creates it; without a path, memory.
    ///
    /// `accounts` are administrators, each with an account whose findings it sees.
    pub(super) fn open(
        path: Option<&Path>,
        region: &str,
        accounts: impl Iterator<Item = (AccountId, AccountId)> + Clone,
    ) -> Result<Self, OpenError> {
        let named = path.unwrap_or(Path::new(":memory:"));
        let database = |source| OpenError::Database { path: named.to_owned(), source };
        let lock = path.map(file::lock).transpose()?;
        let connect = || path.map_or_else(Connection::open_in_memory, Connection::open);

        let mut writer = connect().map_err(database)?;
        let version = file::check_owner(&writer, named, region)?;
        writer
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;")
            .map_err(database)?;
        let mut secret = [0; 32];
        SystemRandom::new().fill(&mut secret).map_err(|_| OpenError::Random)?;
        let secret = tables::create(&mut writer, version, region, &secret).map_err(database)?;
        tables::name_fleets(&writer, accounts.clone()).map_err(database)?;
        tables::add_functions(&writer).map_err(database)?;

        let reader = if path.is_some() {
            let reader = connect().map_err(database)?;
            reader.execute_batch("PRAGMA temp_store = MEMORY").map_err(database)?;
            tables::name_fleets(&reader, accounts).map_err(database)?;
            tables::add_functions(&reader).map_err(database)?;
            Some(Mutex::new(reader))
        } else {
            None
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        Ok(Self { writer: Mutex::new(writer), reader, key, _lock: lock })
    }

    /// Takes other fleets than those that it was opened with.
    pub(super) fn name_fleets(&self, accounts: &[(AccountId, AccountId)]) -> Result<(), StoreError> {
        for connection in std::iter::once(&self.writer).chain(&self.reader) {
            tables::name_fleets(&held(connection), accounts.iter().copied())?;
        }
        Ok(())
    }

    /// The key that signs page tokens. It is kept with the findings, so tokens outlive the process.
    pub(super) fn key(&self) -> &hmac::Key {
        &self.key
    }

    /// Runs `work` in one transaction. When this returns, what `work` wrote is on disk; if it fails, nothing is.
    pub(super) fn write<T, E: From<StoreError>>(&self, work: impl FnOnce(&Findings) -> Result<T, E>) -> Result<T, E> {
        let mut connection = held(&self.writer);
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
        let findings = Findings(transaction);
        let done = work(&findings)?;
        findings.0.commit().map_err(StoreError::from)?;
        Ok(done)
    }

    /// Runs `work` on the findings as they are at one moment.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Findings) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut connection = held(self.reader.as_ref().unwrap_or(&self.writer));
        work(&Findings(connection.transaction()?))
    }
}

/// The tables, within a transaction.
pub(super) struct Findings<'a>(pub(super) Transaction<'a>);

impl Findings<'_> {
    /// The finding of that account, ProductArn and Id.
    pub(super) fn find(&self, account: AccountId, product_arn: &str, id: &str) -> Result<Option<Stored>, StoreError> {
        let sql = "SELECT f.seq, d.document, f.sticky, f.updated_at FROM finding f JOIN document d ON d.seq = f.seq \
                   WHERE f.account = ?1 AND f.product_arn = ?2 AND f.id = ?3";
        let row = self
            .0
            .prepare(sql)?
            .query_row(params![account.as_str(), product_arn, id], |row| {
                Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let Some((seq, document, sticky, updated_at)) = row else { return Ok(None) };
        Ok(Some(Stored { seq, document: read_document(&document)?, sticky, updated_at }))
    }

    /// The finding of that uid, and its account.
    pub(super) fn find_by_metadata_uid(&self, uid: &str) -> Result<Option<(AccountId, Stored)>, StoreError> {
        let sql = "SELECT account, product_arn, id FROM finding WHERE metadata_uid = ?1";
        let row = self
            .0
            .prepare(sql)?
            .query_row([uid], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))
            .optional()?;
        let Some((account, product_arn, id)) = row else { return Ok(None) };
        let account = owner(&account)?;
        Ok(self.find(account, &product_arn, &id)?.map(|stored| (account, stored)))
    }

    /// The accounts that have a finding of that ProductArn and Id.
    pub(super) fn owners(&self, product_arn: &str, id: &str) -> Result<Vec<AccountId>, StoreError> {
        let mut statement = self.0.prepare("SELECT account FROM finding WHERE id = ?1 AND product_arn = ?2")?;
        let rows = statement.query_map(params![id, product_arn], |row| row.get::<_, String>(0))?;
        rows.map(|row| owner(&row?)).collect()
    }

    /// Stores a finding that is not there yet.
    pub(super) fn insert(&self, document: &Object, text: &str) -> Result<(), StoreError> {
        let columns: Vec<_> = Attribute::columns().collect();
        let names = columns.iter().map(|(column, _)| *column).collect::<Vec<_>>().join(", ");
        let marks = vec!["?"; columns.len()].join(", ");
        let values = columns.iter().map(|(_, attribute)| attribute.column_value(document));
        self.0.execute(
            &format!("INSERT INTO finding ({names}, metadata_uid) VALUES ({marks}, ?)"),
            params_from_iter(values.chain([metadata_uid_of(document).into()])),
        )?;
        let seq = self.0.last_insert_rowid();
        self.0.execute("INSERT INTO document (seq, document) VALUES (?1, ?2)", params![seq, text])?;
        self.add_terms(seq, attribute::terms(document).iter())
    }

    /// Stores a finding's new form. Rows that do not change are not touched.
    pub(super) fn replace(&self, stored: &Stored, document: &Object, text: &str, sticky: u8) -> Result<(), StoreError> {
        let changed: Vec<_> = Attribute::columns()
            .map(|(column, attribute)| (column, attribute.column_value(document), attribute))
            .filter(|(_, value, attribute)| *value != attribute.column_value(&stored.document))
            .collect();
        let assignments = changed.iter().flat_map(|(column, ..)| [", ", column, " = ?"]).collect::<String>();
        let values = [i64::from(sticky).into()].into_iter().chain(changed.into_iter().map(|(_, value, _)| value));
        self.0.execute(
            &format!("UPDATE finding SET sticky = ?{assignments} WHERE seq = ?"),
            params_from_iter(values.chain([stored.seq.into()])),
        )?;
        self.0.execute("UPDATE document SET document = ?1 WHERE seq = ?2", params![text, stored.seq])?;

        let (before, after) = (attribute::terms(&stored.document), attribute::terms(document));
        self.remove_terms(stored.seq, &before, &after)?;
        self.add_terms(stored.seq, after.difference(&before))
    }

    /// Runs a query of `seq`, then as many sort keys as it has further columns.
    pub(super) fn page(&self, sql: &str, parameters: &[rusqlite::types::Value]) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.0.prepare(sql)?;
        let columns = statement.column_count();
        let rows = statement.query_map(params_from_iter(parameters), |row| {
            let keys = (1..columns).map(|column| row.get(column)).collect::<Result<_, _>>()?;
            Ok(Row { seq: row.get(0)?, keys })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The documents of these findings, in this order, until they are longer than `most` bytes together; at least one.
    pub(super) fn documents(&self, rows: &[Row], most: usize) -> Result<Vec<String>, StoreError> {
        let mut statement = self.0.prepare("SELECT document FROM document WHERE seq = ?1")?;
        let (mut documents, mut length) = (Vec::new(), 0);
        for row in rows {
            let document: String = statement.query_row([row.seq], |row| row.get(0))?;
            length += document.len();
            if length > most && !documents.is_empty() {
                break;
            }
            documents.push(document);
        }
        Ok(documents)
    }

    fn add_terms<'t>(&self, seq: i64, terms: impl Iterator<Item = &'t Term>) -> Result<(), StoreError> {
        let sql = "INSERT INTO term (finding, attribute, key, value) VALUES (:finding, :attribute, :key, :value)";
        let mut statement = self.0.prepare(sql)?;
        for Term { attribute, key, value } in terms {
            let parameters =
                named_params! {":finding": seq, ":attribute": number(*attribute), ":key": key, ":value": value.sql()};
            statement.execute(parameters)?;
        }
        Ok(())
    }

    fn remove_terms(&self, seq: i64, before: &BTreeSet<Term>, after: &BTreeSet<Term>) -> Result<(), StoreError> {
        let sql = "DELETE FROM term WHERE finding = ?1 AND attribute = ?2 AND key = ?3 AND value = ?4";
        let mut statement = self.0.prepare(sql)?;
        for Term { attribute, key, value } in before.difference(after) {
            statement.execute(params![seq, number(*attribute), key, value.sql()])?;
        }
        Ok(())
    }
}

/// One row of a page: which finding, and where it stands in the order.
pub(super) struct Row {
    pub(super) seq: i64,
    pub(super) keys: Vec<rusqlite::types::Value>,
}

fn number(attribute: usize) -> i64 {
    i64::try_from(attribute).unwrap_or(i64::MAX)
}

fn owner(account: &str) -> Result<AccountId, StoreError> {
    account.parse().map_err(|_| StoreError::Damaged("its account is no account id".to_owned()))
}

/// A document as it was written here, so each of its members is there once.
pub(super) fn read_document(text: &str) -> Result<Object, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// The connection. A panic under the lock has rolled its transaction back, so what it left is sound.
fn held(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{filter, filter_v2};
    use serde_json::{Value, json};

    /// How SQLite would run a query of GetFindings.
    fn plan(condition: &str) -> String {
        let account = AccountId::parse("111111111111").unwrap();
        let store = Store::open(None, "eu-west-1", std::iter::once((account, account))).unwrap();
        let connection = held(&store.writer);
        let sql = format!("EXPLAIN QUERY PLAN SELECT f.seq FROM finding f WHERE {condition} ORDER BY f.seq LIMIT 10");
        let mut statement = connection.prepare(&sql.replace('?', "'x'")).unwrap();
        let steps = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn what_clients_look_findings_up_by_has_an_index() {
        let now = "2024-05-01T00:00:00Z".parse().unwrap();
        let of_filter = |filters: &Value| filter::condition(filters.as_object().unwrap(), now).unwrap().sql;
        let is = json!([{"Value": "x", "Comparison": "EQUALS"}]);
        let several = json!(vec![is[0].clone(); 20]);
        let state = json!([{"Value": "NEW", "Comparison": "EQUALS"}]);
        for visible in ["f.account = ?", "f.account IN (SELECT account FROM temp.fleet WHERE administrator = ?)"] {
            for (filters, index) in [
                (json!({"Id": is}), "sqlite_autoindex_finding_1"),
                (json!({"Id": several}), "sqlite_autoindex_finding_1"),
                (json!({"Id": is, "ProductArn": is, "RecordState": state}), "sqlite_autoindex_finding_1"),
                (json!({"GeneratorId": is}), "finding_generator_id"),
                (json!({"ComplianceSecurityControlId": is, "WorkflowStatus": state}), "finding_security_control_id"),
                (json!({"ResourceId": is}), "term_value"),
            ] {
                let plan = plan(&format!("{visible} AND {}", of_filter(&filters)));
                assert!(plan.contains(index), "{visible}, {filters}: {plan}");
            }
            for (field, index) in [
                ("metadata.uid", "finding_metadata_uid"),
                ("finding_info.uid", "sqlite_autoindex_finding_1"),
                ("resources.uid", "term_value"),
            ] {
                let filters = json!([{"StringFilters": [{"FieldName": field, "Filter": is[0]}]}]);
                let filters = json!({"CompositeFilters": filters});
                let condition = filter_v2::condition(filters.as_object().unwrap(), now).unwrap().sql;
                let plan = plan(&format!("{visible} AND {condition}"));
                assert!(plan.contains(index), "{visible}, {field}: {plan}");
            }
        }
    }
}
