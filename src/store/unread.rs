//! What follows from bodies and URLs: readable text, mentions of files, paths of media.
//!
//! The database's triggers note what changed in `unread`; here it is looked through, in the transaction
//! that changed it. What a crash, an older program or somebody's own edit left is looked through when the
//! database is opened next.

use super::plain::{is_plain_medium, odd_mention};
use super::{Store, StoreError};
use crate::model::{BodyDigest, BodyOutcome, Mention, UrlPath};
use rusqlite::{CachedStatement, Connection, Transaction, named_params, params_from_iter};
use std::borrow::Cow;
use std::collections::HashMap;

/// How many contents one transaction looks through at most: more than it records of bodies.
const CONTENTS: u32 = 500;
/// How many media: more than it records of pages, for reading a URL takes little.
const MEDIA: u32 = 2000;

impl Store {
    /// Looks through everything that is noted, in batches: each is kept, whatever stops the next one.
    pub(super) fn read_unread(&mut self) -> Result<(), StoreError> {
        loop {
            let is_done = self.read("look for what was not looked through", |conn| {
                is_nothing_unread(conn)
            })?;
            if is_done {
                return Ok(());
            }
            // Each write looks through some of it.
            self.write("look through what changed", |_tx| Ok(()))?;
        }
    }
}

fn is_nothing_unread(conn: &Connection) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM unread)")?
        .query_row([], |row| row.get(0))
}

/// Bodies that were read through before their transaction began.
#[derive(Debug, Default)]
pub(super) struct Read<'a>(HashMap<[&'a str; 3], (&'a str, &'a BodyDigest)>);

impl<'a> Read<'a> {
    /// Those among what came of asking.
    pub(super) fn of(outcomes: &'a [BodyOutcome]) -> Self {
        let read = outcomes.iter().filter_map(|outcome| match outcome {
            BodyOutcome::Saved {
                endpoint,
                id,
                side,
                owed_at: _,
                body,
                digest: Some(digest),
            } => Some((
                [endpoint.as_str(), id.as_str(), side.as_str()],
                (body.as_str(), digest),
            )),
            BodyOutcome::Saved { .. }
            | BodyOutcome::Refused { .. }
            | BodyOutcome::Doubted { .. }
            | BodyOutcome::Failed { .. } => None,
        });
        Self(read.collect())
    }

    /// What follows from this very body, if that is known.
    fn digest(&self, key: [&str; 3], body: &str) -> Option<&'a BodyDigest> {
        let (read, digest) = self.0.get(&key)?;
        (*read == body).then_some(*digest)
    }
}

/// Looks through some of what is noted: media as long as there are any, and contents in a transaction that
/// changed no medium. Bodies take longer, and the pages of the media listing hang on each other by tokens
/// that do not live long.
pub(super) fn read_some(tx: &Transaction<'_>, read: &Read<'_>) -> rusqlite::Result<()> {
    let (least, most): (Option<String>, Option<String>) = tx
        .prepare_cached("SELECT (SELECT min(kind) FROM unread), (SELECT max(kind) FROM unread)")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some(kind) = most else {
        return Ok(());
    };
    let done = match kind.as_str() {
        "content" => read_contents(tx, read)?,
        _ => read_media(tx)?,
    };
    match done {
        Done::All if least.as_ref() == Some(&kind) => {
            // Without a condition, SQLite drops the table's pages at once.
            tx.prepare_cached("DELETE FROM unread")?.execute([])?;
        }
        Done::All => {
            tx.prepare_cached("DELETE FROM unread WHERE kind = ?1")?
                .execute([kind])?;
        }
        Done::Until { scope, id } => {
            tx.prepare_cached("DELETE FROM unread WHERE kind = ?1 AND (scope, id) <= (?2, ?3)")?
                .execute((kind, scope, id))?;
        }
    }
    Ok(())
}

/// How much of a kind was looked through, in the order of its keys.
enum Done {
    All,
    /// This one is the last.
    Until {
        scope: String,
        id: String,
    },
}

impl Done {
    fn of(count: u32, most: u32, last: Option<(String, String)>) -> Self {
        match last.filter(|_| count >= most) {
            Some((scope, id)) => Self::Until { scope, id },
            None => Self::All,
        }
    }
}

fn read_media(tx: &Transaction<'_>) -> rusqlite::Result<Done> {
    let mut noted = tx.prepare_cached(
        "SELECT u.scope, u.id, m.url, m.file_name,
             EXISTS (SELECT 1 FROM media_odd_paths AS o WHERE o.media_id = u.id)
         FROM unread AS u LEFT JOIN media AS m ON m.id = u.id
         WHERE u.kind = 'medium' ORDER BY u.scope, u.id LIMIT ?1",
    )?;
    let (mut count, mut last) = (0, None);
    let mut rows = noted.query([MEDIA])?;
    while let Some(row) = rows.next()? {
        let id = row.get_ref(1)?.as_str()?;
        let url = row.get_ref(2)?.as_str_or_null()?;
        let file_name = row.get_ref(3)?.as_str_or_null()?.unwrap_or_default();
        let has_row: bool = row.get(4)?;
        match url {
            Some(url) if !is_plain_medium(url, file_name) => record_odd_path(tx, id, url)?,
            // What is computed is right, or there is nothing to tell.
            Some(_) | None if has_row => forget_odd_path(tx, id)?,
            Some(_) | None => {}
        }
        count += 1;
        if count == MEDIA {
            last = Some((row.get(0)?, row.get(1)?));
        }
    }
    Ok(Done::of(count, MEDIA, last))
}

/// Records where a URL points to that the schema would not compute; no path: nowhere.
fn record_odd_path(tx: &Transaction<'_>, id: &str, url: &str) -> rusqlite::Result<()> {
    let at = UrlPath::of(url);
    tx.prepare_cached(
        "INSERT INTO media_odd_paths (media_id, host, path) VALUES (:id, :host, :path)
         ON CONFLICT (media_id) DO UPDATE SET host = excluded.host, path = excluded.path
         WHERE host IS NOT excluded.host OR path IS NOT excluded.path",
    )?
    .execute(named_params! {
        ":id": id, ":host": at.as_ref().map(|at| &at.host), ":path": at.as_ref().map(|at| &at.path),
    })
    .map(drop)
}

fn forget_odd_path(tx: &Transaction<'_>, id: &str) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM media_odd_paths WHERE media_id = :id")?
        .execute(named_params! { ":id": id })
        .map(drop)
}

fn read_contents(tx: &Transaction<'_>, read: &Read<'_>) -> rusqlite::Result<Done> {
    let mut noted = tx.prepare_cached(
        "SELECT u.scope, u.id, c.published_body, c.draft_body,
             EXISTS (SELECT 1 FROM content_texts AS t WHERE t.endpoint = u.scope AND t.id = u.id),
             EXISTS (SELECT 1 FROM media_references AS r WHERE r.endpoint = u.scope AND r.id = u.id)
         FROM unread AS u
         LEFT JOIN contents AS c ON c.endpoint = u.scope AND c.id = u.id AND c.deleted_at IS NULL
         WHERE u.kind = 'content' ORDER BY u.scope, u.id LIMIT ?1",
    )?;
    let mut texts = Texts::new(tx);
    let mut mentions = Mentions::new(tx)?;
    let (mut count, mut last) = (0, None);
    let mut rows = noted.query([CONTENTS])?;
    while let Some(row) = rows.next()? {
        let (endpoint, id) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
        let (has_texts, has_mentions): (bool, bool) = (row.get(4)?, row.get(5)?);
        for (side, column) in [("published", 2), ("draft", 3)] {
            let key = [endpoint, id, side];
            let body = row.get_ref(column)?.as_str_or_null()?;
            let digest = body.map(|body| match read.digest(key, body) {
                Some(digest) => Cow::Borrowed(digest),
                None => Cow::Owned(BodyDigest::of(body)),
            });
            let digest = digest.unwrap_or_default();
            mentions.replace(key, has_mentions, &digest.mentions)?;
            let text = match digest {
                Cow::Borrowed(digest) => Cow::Borrowed(digest.text.as_str()),
                Cow::Owned(digest) => Cow::Owned(digest.text),
            };
            texts.replace(key, has_texts, text)?;
        }
        count += 1;
        if count == CONTENTS {
            last = Some((row.get(0)?, row.get(1)?));
        }
    }
    texts.insert()?;
    Ok(Done::of(count, CONTENTS, last))
}

/// Readable texts that are written with one statement: the full-text search closes a piece of its index
/// with each statement, and merges the pieces later.
struct Texts<'a> {
    tx: &'a Transaction<'a>,
    waiting: Vec<([String; 3], Cow<'a, str>)>,
    bytes: usize,
}

impl<'a> Texts<'a> {
    /// As much as the index keeps in memory before it closes a piece.
    const BYTES: usize = 1 << 20;

    fn new(tx: &'a Transaction<'a>) -> Self {
        Self {
            tx,
            waiting: Vec::new(),
            bytes: 0,
        }
    }

    fn replace(
        &mut self,
        key: [&str; 3],
        may_exist: bool,
        text: Cow<'a, str>,
    ) -> rusqlite::Result<()> {
        if !text.is_empty() {
            self.bytes += text.len();
            self.waiting.push((key.map(str::to_owned), text));
        } else if may_exist {
            self.tx
                .prepare_cached(
                    "DELETE FROM content_texts WHERE endpoint = ?1 AND id = ?2 AND side = ?3",
                )?
                .execute(key)?;
        }
        if self.bytes < Self::BYTES {
            return Ok(());
        }
        self.insert()
    }

    fn insert(&mut self) -> rusqlite::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let places = vec!["(?, ?, ?, ?)"; self.waiting.len()].join(", ");
        let values = self.waiting.iter().flat_map(|(key, text)| {
            let key = key.iter().map(String::as_str);
            key.chain([text.as_ref()])
        });
        self.tx
            .prepare(&format!(
                "INSERT INTO content_texts (endpoint, id, side, text) VALUES {places}
                 ON CONFLICT (endpoint, id, side) DO UPDATE SET text = excluded.text
                 WHERE text <> excluded.text"
            ))?
            .execute(params_from_iter(values))?;
        self.waiting.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// Writes which files bodies name.
struct Mentions<'a> {
    forget: CachedStatement<'a>,
    insert: CachedStatement<'a>,
}

impl<'a> Mentions<'a> {
    fn new(tx: &'a Transaction<'a>) -> rusqlite::Result<Self> {
        Ok(Self {
            forget: tx.prepare_cached(
                "DELETE FROM media_references WHERE endpoint = ?1 AND id = ?2 AND side = ?3",
            )?,
            insert: tx.prepare_cached(
                "INSERT INTO media_references
                     (endpoint, id, side, field, place, url, odd_host, odd_path, odd_name)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?,
        })
    }

    fn replace(
        &mut self,
        key: [&str; 3],
        may_exist: bool,
        mentions: &[Mention],
    ) -> rusqlite::Result<()> {
        if may_exist {
            self.forget.execute(key)?;
        }
        let [endpoint, id, side] = key;
        for mention in mentions {
            let odd = odd_mention(&mention.url, &mention.at);
            self.insert.execute((
                endpoint,
                id,
                side,
                mention.field.as_str(),
                mention.place.as_str(),
                mention.url.as_str(),
                odd.at.map(|at| at.host.as_str()),
                odd.at.map(|at| at.path.as_str()),
                odd.name,
            ))?;
        }
        Ok(())
    }
}
