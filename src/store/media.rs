//! Media: what the service lists, and what that makes owed.

use super::absences::deny;
use super::assets::{asset_row, owe};
use super::values::{count, json_array, later};
use super::{Absent, Recorded, Store, StoreError};
use crate::model::{AssetStep, KnownMedium, ListedMedium, MediaId, MediumStep, Timestamp, Why};
use rusqlite::{CachedStatement, Transaction, named_params};
use std::collections::HashMap;

impl Store {
    /// Returns what is known of the given media and their files; those never seen are not in the map.
    pub fn load_media(&self, ids: &[MediaId]) -> Result<HashMap<MediaId, KnownMedium>, StoreError> {
        self.read("read what is known of media", |conn| {
            // CROSS JOIN: SQLite shall go from the few ids to their rows, never the other way.
            conn.prepare_cached(
                "SELECT a.media_id, a.url, a.path, a.bytes, a.sha256, a.content_type, a.etag,
                     a.last_modified, a.state, a.why, a.attempts, a.recheck_at, a.rechecks,
                     a.announced_bytes, m.id, m.metadata, m.deleted_at IS NOT NULL
                 FROM json_each(:ids) AS wanted
                 CROSS JOIN media AS m ON m.id = wanted.value
                 LEFT JOIN assets AS a ON a.media_id = m.id",
            )?
            .query_map(
                named_params! { ":ids": json_array(ids.iter().map(MediaId::as_str)) },
                |row| {
                    let has_asset = row.get::<_, Option<MediaId>>(0)?.is_some();
                    let known = KnownMedium {
                        metadata: row.get(15)?,
                        is_deleted: row.get(16)?,
                        asset: has_asset.then(|| asset_row(row)).transpose()?,
                    };
                    Ok((row.get(14)?, known))
                },
            )?
            .collect()
        })
    }

    /// Records one page of media, with the files that they owe from now on: all of it, or nothing.
    /// May be repeated: what did not change is not written.
    ///
    /// A medium always has a row for its file: where a step says `Keep` and there is none, or the
    /// medium returns and its bytes were never saved, the file becomes owed.
    pub fn record_media(
        &mut self,
        steps: &[MediumStep],
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        if steps.iter().all(|step| *step == MediumStep::Keep) {
            return Ok(Recorded::default());
        }
        self.write("record a page of media", |tx| {
            let mut recorded = Recorded::default();
            let mut writer = Writer::new(tx, now)?;
            for step in steps {
                match step {
                    MediumStep::Keep => {}
                    MediumStep::Record { medium, asset } => {
                        writer.record(medium, *asset, &mut recorded)?;
                    }
                    MediumStep::Asset { id, asset } => match asset {
                        AssetStep::Fetch(why) => owe(tx, id, *why, false, now)?,
                        AssetStep::Keep => {}
                    },
                }
            }
            Ok(recorded)
        })
    }

    /// Returns which media that are not marked as deleted `is_seen` denies. Memory holds the missing
    /// ids only. `recorded`: as for [`Store::absent_contents`].
    pub fn absent_media(
        &self,
        recorded: Option<u64>,
        is_seen: &dyn Fn(&str) -> bool,
    ) -> Result<Absent<MediaId>, StoreError> {
        self.read("look for media that were not listed", |conn| {
            if recorded.is_some() {
                let live = conn
                    .prepare_cached(
                        "SELECT (SELECT count(*) FROM media)
                             - (SELECT count(*) FROM media INDEXED BY media_deleted WHERE deleted_at IS NOT NULL)",
                    )?
                    .query_row([], |row| count(row, 0))?;
                if recorded == Some(live) {
                    return Ok(Absent::none_of(live));
                }
            }
            // Ids alone, from their index: no row is read for what was seen.
            let mut select = conn.prepare_cached(
                "SELECT id FROM media AS m WHERE NOT EXISTS (SELECT 1 FROM media AS d INDEXED BY media_deleted
                     WHERE d.id = m.id AND d.deleted_at IS NOT NULL) ORDER BY id",
            )?;
            deny(select.query([])?, is_seen)
        })
    }

    /// Marks media as deleted: all of them, or none. Returns how many were marked; those already
    /// marked do not count.
    ///
    /// A saved file stays saved, also one that was to be fetched again. A file that was never saved,
    /// or that the mirror lost, is gone.
    pub fn retire_media(&mut self, ids: &[MediaId], now: Timestamp) -> Result<u64, StoreError> {
        if ids.is_empty() {
            return Ok(0);
        }
        self.write("mark media as deleted", |tx| {
            let mut mark = tx.prepare_cached(concat!(
                "UPDATE media SET deleted_at = ", later!(), ", valid_from = ", later!(),
                " WHERE id = :id AND deleted_at IS NULL"
            ))?;
            let mut settle = tx.prepare_cached(
                "UPDATE assets SET
                     state = iif(sha256 IS NULL OR coalesce(why IN ('missing', 'damaged'), 0), 'gone', 'saved'),
                     why = iif(sha256 IS NULL OR why IN ('missing', 'damaged'), why, NULL),
                     owed_at = NULL
                 WHERE media_id = :id AND state IN ('owed', 'failed')",
            )?;
            let mut forget =
                tx.prepare_cached("DELETE FROM absences WHERE scope = 'media' AND id = :id")?;
            let mut marked = 0;
            for id in ids {
                if mark.execute(named_params! { ":id": id, ":now": now })? > 0 {
                    marked += 1;
                    settle.execute(named_params! { ":id": id })?;
                    forget.execute(named_params! { ":id": id })?;
                }
            }
            Ok(marked)
        })
    }
}

/// Writes media. The statements that every new one needs are looked up once.
///
/// They are `OR ROLLBACK`, for a page is recorded whole or not at all: SQLite then keeps a second copy of what one of them
/// alone would have to take back only where a trigger or an index calls a function, as those of `media` do.
struct Writer<'a> {
    tx: &'a Transaction<'a>,
    now: Timestamp,
    /// The same as a column's text.
    now_text: String,
    medium: CachedStatement<'a>,
    asset: CachedStatement<'a>,
}

impl<'a> Writer<'a> {
    fn new(tx: &'a Transaction<'a>, now: Timestamp) -> rusqlite::Result<Self> {
        Ok(Self {
            tx,
            now,
            now_text: now.to_string(),
            medium: tx.prepare_cached(
                "INSERT OR ROLLBACK INTO media (id, file_name, valid_from, metadata)
                 VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO NOTHING",
            )?,
            asset: tx.prepare_cached(
                "INSERT OR ROLLBACK INTO assets (media_id, url, state, why, owed_at, valid_from)
                 VALUES (?1, ?2, 'owed', ?3, ?4, ?4) ON CONFLICT (media_id) DO NOTHING",
            )?,
        })
    }

    /// Writes a medium's row if it is new or differs, and what that makes of its file.
    fn record(
        &mut self,
        medium: &ListedMedium,
        asset: AssetStep,
        recorded: &mut Recorded,
    ) -> rusqlite::Result<()> {
        let is_new = self.medium.execute((
            medium.id.as_str(),
            medium.file_name.as_str(),
            self.now_text.as_str(),
            medium.metadata.as_str(),
        ))? > 0;
        let is_written = if is_new {
            recorded.new += 1;
            true
        } else {
            self.renew(medium, recorded)?
        };
        match asset {
            AssetStep::Fetch(why) => {
                if !(is_new && self.owe_first(medium, why)?) {
                    owe(self.tx, &medium.id, why, is_written, self.now)?;
                }
                Ok(())
            }
            AssetStep::Keep => complete(self.tx, &medium.id, self.now),
        }
    }

    /// Writes a known medium's row if it differs, and returns whether it did.
    fn renew(&self, medium: &ListedMedium, recorded: &mut Recorded) -> rusqlite::Result<bool> {
        let was_deleted: bool = self
            .tx
            .prepare_cached("SELECT deleted_at IS NOT NULL FROM media WHERE id = :id")?
            .query_row(named_params! { ":id": medium.id }, |row| row.get(0))?;
        let written = self
            .tx
            .prepare_cached(concat!(
                "UPDATE media SET
                     file_name = :file_name, metadata = :metadata, deleted_at = NULL, valid_from = ",
                later!(),
                "
                 WHERE id = :id AND (metadata <> :metadata OR deleted_at IS NOT NULL)"
            ))?
            .execute(named_params! {
                ":id": medium.id, ":file_name": medium.file_name, ":now": self.now_text,
                ":metadata": medium.metadata,
            })?;
        match was_deleted {
            true => recorded.returned += 1,
            false if written > 0 => recorded.changed += 1,
            false => {}
        }
        Ok(written > 0)
    }

    /// Makes the file of a new medium owed, if there is no row for it, and returns whether there was none.
    ///
    /// Of an odd URL the column says what SQLite reads in the metadata: that is left to [`owe`].
    fn owe_first(&mut self, medium: &ListedMedium, why: Why) -> rusqlite::Result<bool> {
        let is_odd = medium.url.is_empty() || medium.url.contains('\0');
        if is_odd {
            return Ok(false);
        }
        let written = self.asset.execute((
            medium.id.as_str(),
            medium.url.as_str(),
            why.as_str(),
            self.now_text.as_str(),
        ))?;
        Ok(written > 0)
    }
}

/// Makes sure that a medium whose file is to be kept has one, saved or owed.
fn complete(tx: &Transaction<'_>, id: &MediaId, now: Timestamp) -> rusqlite::Result<()> {
    let needs: Option<Why> = tx
        .prepare_cached(
            "SELECT CASE WHEN a.media_id IS NULL THEN 'new' WHEN a.state = 'gone' THEN coalesce(a.why, 'new') END
             FROM media AS m LEFT JOIN assets AS a ON a.media_id = m.id WHERE m.id = :id",
        )?
        .query_row(named_params! { ":id": id }, |row| row.get(0))?;
    needs.map_or(Ok(()), |why| owe(tx, id, why, false, now))
}
