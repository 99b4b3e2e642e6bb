//! The promises of this room, and what their tests share.

mod assets;
mod bodies;
mod condition;
mod contents;
mod counts;
mod endpoints;
mod inspection;
mod links;
mod lock;
mod lookups;
mod media;
mod migrating;
mod moments;
mod opening;
mod past;
mod plain;
mod prune;
mod runs;
mod sampled;
mod scale;
mod sift;
mod status;
mod thread;
mod timeline;
mod together;
mod transfer;
mod verifications;
mod views;

use super::{Mode, Options, Store};
use crate::model::{ContentId, Endpoint, ListedContent, ListedMedium, MediaId, Status, Timestamp};
use tempfile::TempDir;

/// A store in a temporary folder.
pub(super) struct Sandbox {
    _folder: TempDir,
    pub(super) store: Store,
}

impl Sandbox {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&options(&folder), at(0)).unwrap();
        Self {
            _folder: folder,
            store,
        }
    }

    /// Counts the rows written since the connection was opened, those of triggers included.
    pub(super) fn written(&self) -> u64 {
        self.store
            .read("test", |conn| Ok(conn.total_changes()))
            .unwrap()
    }

    /// Returns the one value that a query answers, as text.
    pub(super) fn ask(&self, sql: &str) -> String {
        self.store
            .read("test", |conn| {
                conn.query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0))
            })
            .map(|value| match value {
                rusqlite::types::Value::Null => "NULL".to_owned(),
                rusqlite::types::Value::Integer(n) => n.to_string(),
                rusqlite::types::Value::Real(n) => n.to_string(),
                rusqlite::types::Value::Text(text) => text,
                rusqlite::types::Value::Blob(_) => "BLOB".to_owned(),
            })
            .unwrap()
    }
}

pub(super) fn options(folder: &TempDir) -> Options {
    Options {
        path: folder.path().join("backup.sqlite3"),
        service_id: "my-service".to_owned(),
        mode: Mode::ReadWrite,
    }
}

/// An instant `seconds` after the tests' beginning of time.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(1_700_000_000_000 + seconds * 1000)
}

pub(super) fn endpoint(name: &str) -> Endpoint {
    Endpoint::parse(name).unwrap()
}

pub(super) fn content_id(id: &str) -> ContentId {
    ContentId::parse(id).unwrap()
}

pub(super) fn media_id(id: &str) -> MediaId {
    MediaId::parse(id).unwrap()
}

pub(super) fn content(id: &str, status: &str, updated_at: &str) -> ListedContent {
    ListedContent {
        id: content_id(id),
        status: Status::parse(status),
        updated_at: Some(updated_at.to_owned()),
        published_at: None,
        revised_at: None,
        draft_key: None,
        metadata: format!(r#"{{"id":"{id}","status":["{status}"],"updatedAt":"{updated_at}"}}"#),
    }
}

pub(super) fn medium(id: &str, url: &str, more: &str) -> ListedMedium {
    ListedMedium {
        id: media_id(id),
        url: url.to_owned(),
        file_name: url.rsplit('/').next().unwrap_or_default().to_owned(),
        width: None,
        height: None,
        updated_at: None,
        description: String::new(),
        metadata: format!(r#"{{"id":"{id}","url":"{url}"{more}}}"#),
    }
}
