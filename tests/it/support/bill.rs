//! What a run costs: requests and bytes as the service saw them, rows as the database wrote them.

use super::{Sandbox, Setup};
use microcms_backup::model::RunReport;
use microcms_sim::{Route, Sim};
use std::collections::BTreeMap;

/// What one run cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bill {
    /// Requests at asset hosts, redirects and HEAD included.
    pub(crate) requests: u64,
    /// Those among them that name what is saved.
    pub(crate) conditional: u64,
    /// Body bytes that asset hosts wrote to their sockets.
    pub(crate) bytes: u64,
    /// Requests for bodies: lists of published ones, and single ones.
    pub(crate) bodies: (u64, u64),
    /// Rows written, by `table: verb`; the run's own account (`runs`, `walks`, `transfer`) is left out.
    pub(crate) rows: BTreeMap<String, u64>,
}

/// Tables that the database's own triggers, or what reads their notes, see to.
const FOLLOWS: [&str; 4] = [
    "unread:",
    "media_odd_paths:",
    "media_references:",
    "content_texts:",
];

impl Bill {
    /// A bill of rows alone.
    pub(crate) fn of_rows(rows: &[(&str, u64)]) -> BTreeMap<String, u64> {
        rows.iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| ((*what).to_owned(), *count))
            .collect()
    }
}

impl Sandbox {
    /// Counts every row that is written from now on, also one that is written again as it was. The
    /// database counts by triggers, so that no code path is missed.
    pub(crate) fn count_writes(&self) {
        let sql = rusqlite::Connection::open(self.database()).expect("the database opens");
        sql.execute_batch("CREATE TABLE test_writes (what TEXT NOT NULL)")
            .expect("a table of our own");
        let tables = self.texts(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
             AND name NOT LIKE 'contents_search%' -- no triggers there; `content_texts` tells
             AND name NOT IN ('runs', 'walks', 'transfer', 'test_writes')",
        );
        assert!(tables.len() >= 10, "{tables:?}");
        for table in tables {
            for verb in ["INSERT", "UPDATE", "DELETE"] {
                let word = verb.to_lowercase();
                sql.execute_batch(&format!(
                    "CREATE TRIGGER test_{word}_{table} AFTER {verb} ON {table}
                     BEGIN INSERT INTO test_writes VALUES ('{table}: {word}'); END"
                ))
                .expect("a trigger");
            }
        }
    }

    /// One run, and what it cost. Rows are counted after [`Sandbox::count_writes`] only.
    pub(crate) async fn billed(&self, sim: &Sim, setup: Setup) -> (RunReport, Bill) {
        sim.forget_requests();
        let is_counting =
            self.count("SELECT count(*) FROM sqlite_schema WHERE name = 'test_writes'") > 0;
        let before = is_counting.then(|| self.count("SELECT count(*) FROM test_writes"));
        let report = self.sync_with(sim, setup).await;
        let counters = sim.counters();
        let of = |route| counters.bytes.get(&route).copied().unwrap_or(0);
        let asked = sim.requests();
        let is_asset = |route| matches!(route, Route::Image | Route::File | Route::Foreign);
        let rows = before.map_or_else(BTreeMap::new, |before| {
            let sql = self.sql();
            let mut query = sql
                .prepare("SELECT what, count(*) FROM test_writes WHERE rowid > ?1 GROUP BY what")
                .expect("a query");
            let rows = query
                .query_map([i64::try_from(before).expect("a count")], |row| {
                    Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
                })
                .expect("rows");
            let mut rows: BTreeMap<String, u64> = rows.map(|row| row.expect("a row")).collect();
            // What follows from other rows is counted where none of those was written.
            let follows = |what: &str| FOLLOWS.iter().any(|table| what.starts_with(table));
            if rows.keys().any(|what| !follows(what)) {
                rows.retain(|what, _| !follows(what));
            }
            rows
        });
        let bill = Bill {
            requests: counters.assets() + counters.of(Route::Foreign),
            conditional: asked
                .iter()
                .filter(|request| is_asset(request.route) && request.is_conditional())
                .count() as u64,
            bytes: of(Route::Image) + of(Route::File) + of(Route::Foreign),
            bodies: (counters.of(Route::ContentList), counters.of(Route::Content)),
            rows,
        };
        (report, bill)
    }
}
