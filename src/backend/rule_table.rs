//! The table of automation rules.

use super::{
    json::Object,
    store::{Findings, StoreError, read_document},
};
use crate::finding::AccountId;
use rusqlite::{OptionalExtension, params};

impl Findings<'_> {
    /// How many rules the account has.
    pub(super) fn count_rules(&self, account: AccountId) -> Result<usize, StoreError> {
        let sql = "SELECT count(*) FROM rule WHERE account = ?1";
        let count: i64 = self.0.query_row(sql, [account.as_str()], |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Stores a rule that is not there yet.
    pub(super) fn insert_rule(&self, account: AccountId, arn: &str, rule: &Object) -> Result<(), StoreError> {
        let sql = "INSERT INTO rule (arn, account, document) VALUES (?1, ?2, ?3)";
        self.0.execute(sql, params![arn, account.as_str(), written(rule)?])?;
        Ok(())
    }

    /// The account's rule of that ARN.
    pub(super) fn rule(&self, account: AccountId, arn: &str) -> Result<Option<Object>, StoreError> {
        let sql = "SELECT document FROM rule WHERE arn = ?1 AND account = ?2";
        let document: Option<String> =
            self.0.query_row(sql, params![arn, account.as_str()], |row| row.get(0)).optional()?;
        document.map(|document| read_document(&document)).transpose()
    }

    /// Stores a rule's new form.
    pub(super) fn replace_rule(&self, arn: &str, rule: &Object) -> Result<(), StoreError> {
        self.0.execute("UPDATE rule SET document = ?1 WHERE arn = ?2", params![written(rule)?, arn])?;
        Ok(())
    }

    /// Removes the account's rule of that ARN, and says whether it was there.
    pub(super) fn delete_rule(&self, account: AccountId, arn: &str) -> Result<bool, StoreError> {
        let removed =
            self.0.execute("DELETE FROM rule WHERE arn = ?1 AND account = ?2", params![arn, account.as_str()])?;
        Ok(removed > 0)
    }

    /// The account's rules that were made after the one of number `after`, with their numbers, oldest first; at most `most`.
    pub(super) fn rules(&self, account: AccountId, after: i64, most: usize) -> Result<Vec<(i64, Object)>, StoreError> {
        let sql = "SELECT seq, document FROM rule WHERE account = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut statement = self.0.prepare(sql)?;
        let rows = statement
            .query_map(params![account.as_str(), after, most], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (seq, document) = row?;
            Ok((seq, read_document(&document)?))
        })
        .collect()
    }
}

fn written(rule: &Object) -> Result<String, StoreError> {
    serde_json::to_string(rule).map_err(|error| StoreError::Damaged(error.to_string()))
}
