//! Which versions are asked for, in the database's words.

use crate::model::{Endpoint, Thing, ThingKind, Timestamp};

/// Which versions are asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Those of things of these kinds.
    pub kinds: Vec<ThingKind>,
    /// Those of this API and its contents alone.
    pub endpoint: Option<Endpoint>,
    /// Those of these things alone; `None`: of all.
    pub things: Option<Vec<Thing>>,
    /// Those that began then or later.
    pub since: Timestamp,
    /// Those that began then or earlier.
    pub until: Timestamp,
}

impl Wanted {
    /// Returns whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        let is_any_time =
            self.since == Timestamp::EPOCH && self.until == Timestamp::from_unix_millis(i64::MAX);
        let is_any_kind = ThingKind::ALL.iter().all(|kind| self.kinds.contains(kind));
        is_any_time && is_any_kind && self.endpoint.is_none() && self.things.is_none()
    }

    /// Returns one text for each table that may hold what is wanted: present rows, then the history's.
    pub(super) fn arms(&self, arm: impl Fn(ThingKind, &str, &str) -> String) -> Vec<String> {
        let mut arms = Vec::new();
        for kind in ThingKind::ALL {
            let Some(condition) = self.condition(kind) else {
                continue;
            };
            let name = Table::of(kind).name;
            arms.push(arm(kind, &format!("{name} AS it"), &condition));
            // As for single versions: the way to named things is their key.
            let by = match self.things {
                Some(_) => format!(" INDEXED BY {name}_history_by_id"),
                None => String::new(),
            };
            arms.push(arm(kind, &format!("{name}_history AS it{by}"), &condition));
        }
        arms
    }

    /// Returns the condition on the rows of a kind. One that nothing meets keeps the statement valid
    /// where no kind is left.
    fn condition(&self, kind: ThingKind) -> Option<String> {
        let has_endpoint = matches!(kind, ThingKind::Api | ThingKind::Content);
        let is_wanted = self.kinds.contains(&kind) && (has_endpoint || self.endpoint.is_none());
        // Without any table there would be no statement.
        if !is_wanted && kind != ThingKind::Api {
            return None;
        }
        let mut condition = String::from(match &self.things {
            None => "valid_from >= :since AND valid_from <= :until",
            // The way is by their names, not by the time, whatever indices there are.
            Some(_) => "+valid_from >= :since AND +valid_from <= :until",
        });
        if !is_wanted {
            condition.push_str(" AND FALSE");
        }
        if self.endpoint.is_some() && has_endpoint {
            condition.push_str(" AND endpoint = :endpoint");
        }
        if self.things.is_some() {
            let (columns, wanted) = match kind {
                ThingKind::Content => ("(endpoint, id)", "value ->> 1, value ->> 2"),
                ThingKind::Api => ("endpoint", "value ->> 1"),
                ThingKind::Medium => ("id", "value ->> 2"),
                ThingKind::File => ("media_id", "value ->> 2"),
            };
            condition.push_str(&format!(
                " AND {columns} IN (SELECT {wanted} FROM json_each(:things) WHERE value ->> 0 = '{}')",
                kind.as_str()
            ));
        }
        if kind == ThingKind::File {
            // Before its bytes came there is nothing of it.
            condition.push_str(" AND sha256 IS NOT NULL");
        }
        Some(condition)
    }

    pub(super) fn things_json(&self) -> String {
        let things = self.things.iter().flatten();
        let rows: Vec<[&str; 3]> = things
            .map(|thing| {
                let endpoint = thing.endpoint().map_or("", Endpoint::as_str);
                [thing.kind().as_str(), endpoint, thing.id()]
            })
            .collect();
        serde_json::json!(rows).to_string()
    }
}

/// Where the versions of a kind of thing stand.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) key: &'static str,
    pub(super) columns: &'static str,
}

impl Table {
    pub(super) fn of(kind: ThingKind) -> Self {
        let (name, key, columns) = match kind {
            ThingKind::Api => (
                "endpoints",
                "endpoint = :id",
                "endpoint, name, kind, schema, valid_from, deleted_at",
            ),
            ThingKind::Content => (
                "contents",
                "endpoint = :endpoint AND id = :id",
                "endpoint, id, valid_from, deleted_at, metadata, published_body, draft_body, status, created_at,
                 updated_at, published_at, revised_at, closed_at, draft_key, created_by, updated_by, custom_status,
                 reservation_time, json_remove(metadata, '$.draftKey') AS open_metadata",
            ),
            ThingKind::Medium => (
                "media",
                "id = :id",
                "id, file_name, valid_from, deleted_at, metadata, url, width, height, alt, tags, created_at, updated_at",
            ),
            ThingKind::File => (
                "assets",
                "media_id = :id",
                "media_id, url, path, bytes, sha256, content_type, state, fetched_at, valid_from, NULL AS deleted_at",
            ),
        };
        Self { name, key, columns }
    }

    pub(super) fn current(&self) -> String {
        let Self { name, key, columns } = self;
        format!("SELECT {columns}, NULL AS valid_to FROM {name} WHERE {key}")
    }

    /// By the key's index whatever the planner thinks: statistics that are older than a large run make it
    /// read the whole history for each version (measured: minutes where it takes seconds).
    pub(super) fn history(&self) -> String {
        let Self { name, key, columns } = self;
        format!(
            "SELECT {columns}, valid_to FROM {name}_history INDEXED BY {name}_history_by_id WHERE {key}"
        )
    }
}

/// The columns that name a thing, the same for every kind.
pub(super) fn wanted_columns(kind: ThingKind) -> &'static str {
    match kind {
        ThingKind::Api => "endpoint, endpoint AS id",
        ThingKind::Content => "endpoint, id",
        ThingKind::Medium => "'' AS endpoint, id",
        ThingKind::File => "'' AS endpoint, media_id AS id",
    }
}
