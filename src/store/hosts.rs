//! What asset hosts can do, as far as it was learned.

use super::{Store, StoreError};
use crate::model::{HostTraits, Timestamp};
use rusqlite::named_params;

impl Store {
    /// Returns what is known of each asset host, and since when.
    pub fn asset_hosts(&self) -> Result<Vec<(String, HostTraits, Timestamp)>, StoreError> {
        self.read("read what asset hosts can do", |conn| {
            conn.prepare_cached(
                "SELECT host, etag, last_modified, range, content_length, head, detail, changed_at
                 FROM asset_hosts ORDER BY host",
            )?
            .query_map([], |row| {
                let traits = HostTraits {
                    etag: row.get(1)?,
                    last_modified: row.get(2)?,
                    range: row.get(3)?,
                    content_length: row.get(4)?,
                    head: row.get(5)?,
                    detail: row.get(6)?,
                };
                Ok((row.get(0)?, traits, row.get(7)?))
            })?
            .collect()
        })
    }

    /// Records what was learned of asset hosts: all of it, or nothing. What did not change is not
    /// written.
    pub fn record_asset_hosts(
        &mut self,
        learned: &[(String, HostTraits)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if learned.is_empty() {
            return Ok(());
        }
        self.write("record what asset hosts can do", |tx| {
            let mut upsert = tx.prepare_cached(
                "INSERT INTO asset_hosts
                     (host, etag, last_modified, range, content_length, head, detail, changed_at)
                 VALUES (:host, :etag, :last_modified, :range, :content_length, :head, :detail, :now)
                 ON CONFLICT (host) DO UPDATE SET
                     etag = excluded.etag, last_modified = excluded.last_modified,
                     range = excluded.range, content_length = excluded.content_length,
                     head = excluded.head, detail = excluded.detail, changed_at = excluded.changed_at
                 WHERE (etag, last_modified, range, content_length, head, detail) IS NOT
                     (excluded.etag, excluded.last_modified, excluded.range,
                      excluded.content_length, excluded.head, excluded.detail)",
            )?;
            for (host, traits) in learned {
                upsert.execute(named_params! {
                    ":host": host, ":etag": traits.etag, ":last_modified": traits.last_modified,
                    ":range": traits.range, ":content_length": traits.content_length,
                    ":head": traits.head, ":detail": traits.detail, ":now": now,
                })?;
            }
            Ok(())
        })
    }
}
