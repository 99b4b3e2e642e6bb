//! The APIs of the service and their schemas.

use super::values::later;
use super::{Recorded, Store, StoreError};
use crate::model::{Endpoint, EndpointKind, Timestamp, is_same_json};
use rusqlite::{OptionalExtension, Transaction, named_params};

/// One API as the service describes it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointFacts {
    /// Its name in requests.
    pub endpoint: Endpoint,
    /// Its name for people.
    pub name: String,
    /// Whether it holds many contents or one.
    pub kind: EndpointKind,
    /// Its schema's JSON text; `None` where it could not be read now, which keeps what is recorded.
    pub schema: Option<String>,
}

/// The row of one API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRow {
    /// Its name in requests.
    pub endpoint: Endpoint,
    /// Its name for people.
    pub name: String,
    /// Whether it holds many contents or one.
    pub kind: EndpointKind,
    /// The schema recorded last; `None` where it was never readable.
    pub schema: Option<String>,
    /// Whether the row is a tombstone.
    pub is_deleted: bool,
}

impl Store {
    /// Returns every API ever seen, by name.
    pub fn load_endpoints(&self) -> Result<Vec<EndpointRow>, StoreError> {
        self.read("read the APIs", |conn| {
            conn.prepare_cached(
                "SELECT endpoint, name, kind, schema, deleted_at IS NOT NULL
                 FROM endpoints ORDER BY endpoint",
            )?
            .query_map([], |row| {
                Ok(EndpointRow {
                    endpoint: row.get(0)?,
                    name: row.get(1)?,
                    kind: row.get(2)?,
                    schema: row.get(3)?,
                    is_deleted: row.get(4)?,
                })
            })?
            .collect()
        })
    }

    /// Records what the service says of its APIs: all of it, or nothing. What did not change is not
    /// written; an API that had been deleted returns.
    pub fn record_endpoints(
        &mut self,
        listed: &[EndpointFacts],
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        self.write("record the APIs", |tx| {
            let mut recorded = Recorded::default();
            for facts in listed {
                record(tx, facts, now, &mut recorded)?;
            }
            Ok(recorded)
        })
    }

    /// Marks an API as deleted, with its contents, and drops the bodies that it owed: all of it, or
    /// nothing. Schema, metadata and bodies are kept. Returns how many contents were marked.
    pub fn retire_endpoint(
        &mut self,
        endpoint: &Endpoint,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.write("mark an API as deleted", |tx| {
            let params = named_params! { ":endpoint": endpoint, ":now": now };
            tx.execute(
                concat!(
                    "UPDATE endpoints SET deleted_at = ",
                    later!(),
                    ", valid_from = ",
                    later!(),
                    " WHERE endpoint = :endpoint AND deleted_at IS NULL"
                ),
                params,
            )?;
            let contents = tx.execute(
                concat!(
                    "UPDATE contents SET deleted_at = ",
                    later!(),
                    ", valid_from = ",
                    later!(),
                    " WHERE endpoint = :endpoint AND deleted_at IS NULL"
                ),
                params,
            )?;
            tx.execute(
                "DELETE FROM owed_bodies WHERE endpoint = :endpoint",
                named_params! { ":endpoint": endpoint },
            )?;
            Ok(u64::try_from(contents).unwrap_or(u64::MAX))
        })
    }
}

fn record(
    tx: &Transaction<'_>,
    facts: &EndpointFacts,
    now: Timestamp,
    recorded: &mut Recorded,
) -> rusqlite::Result<()> {
    let before: Option<(bool, Option<String>)> = tx
        .prepare_cached(
            "SELECT deleted_at IS NOT NULL, schema FROM endpoints WHERE endpoint = :endpoint",
        )?
        .query_row(named_params! { ":endpoint": facts.endpoint }, |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let was_deleted = before.as_ref().map(|(was_deleted, _)| *was_deleted);
    let recorded_schema = before.as_ref().and_then(|(_, schema)| schema.as_deref());
    // What says the same in another order stays as it is (microcms-facts 1.6).
    let schema = facts
        .schema
        .as_deref()
        .filter(|schema| !recorded_schema.is_some_and(|recorded| is_same_json(recorded, schema)));
    let written = tx
        .prepare_cached(concat!(
            "INSERT INTO endpoints (endpoint, name, kind, valid_from, schema)
             VALUES (:endpoint, :name, :kind, :now, :schema)
             ON CONFLICT (endpoint) DO UPDATE SET
                 name = excluded.name, kind = excluded.kind,
                 schema = coalesce(excluded.schema, schema), deleted_at = NULL,
                 valid_from = ",
            later!(),
            "
             WHERE name <> excluded.name OR kind <> excluded.kind OR deleted_at IS NOT NULL
                 OR (excluded.schema IS NOT NULL AND schema IS NOT excluded.schema)"
        ))?
        .execute(named_params! {
            ":endpoint": facts.endpoint, ":name": facts.name, ":kind": facts.kind,
            ":schema": schema, ":now": now,
        })?;
    match was_deleted {
        None => recorded.new += 1,
        Some(true) => recorded.returned += 1,
        Some(false) if written > 0 => recorded.changed += 1,
        Some(false) => {}
    }
    Ok(())
}
