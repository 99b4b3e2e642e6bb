//! Tamper evidence: whatever is changed behind the program's back is named, and nothing else is.

mod fields;
mod program;
mod roots;
mod scale;
mod upgrade;

use crate::prune::world::World;
use crate::support::{Sandbox, assert_untampered, tampered_rows};
use microcms_backup::model::{TamperFinding, TamperReport};
use rusqlite::Connection;
use std::path::PathBuf;

/// A backup with a past, and a copy of its database to go back to.
struct Scene {
    world: World,
    pristine: PathBuf,
}

impl Scene {
    async fn new() -> Self {
        let world = World::small().await;
        assert_untampered(&world.home);
        let pristine = world.home.path("pristine");
        std::fs::copy(world.home.database(), &pristine).expect("copied");
        Self { world, pristine }
    }

    fn home(&self) -> &Sandbox {
        &self.world.home
    }

    /// Puts the database back as it was.
    fn restore(&self) {
        for end in ["", "-wal", "-shm"] {
            let mut path = self.home().database().into_os_string();
            path.push(end);
            drop(std::fs::remove_file(path));
        }
        std::fs::copy(&self.pristine, self.home().database()).expect("copied");
    }

    /// Does something to the database as somebody who wants to leave no trace: without triggers, checks and
    /// foreign keys. Returns what is found then, and puts the database back.
    fn after(&self, sql: &str) -> TamperReport {
        let conn = stealthy(self.home());
        let done = conn.execute_batch(sql);
        done.unwrap_or_else(|err| panic!("{sql}: {err}"));
        assert!(conn.total_changes() > 0, "nothing was changed: {sql}");
        drop(conn);
        let report = tampered_rows(self.home(), None);
        self.restore();
        report
    }
}

fn stealthy(home: &Sandbox) -> Connection {
    let conn = Connection::open(home.database()).expect("it opens");
    conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;")
        .expect("pragmas");
    for trigger in home.texts("SELECT name FROM sqlite_schema WHERE type = 'trigger'") {
        conn.execute_batch(&format!("DROP TRIGGER {trigger}"))
            .expect("dropped");
    }
    conn
}

/// The findings in words, for messages and for looking into.
fn words(report: &TamperReport) -> Vec<String> {
    let word = |finding: &TamperFinding| {
        let version = finding.version.as_ref();
        let id = version.map_or_else(String::new, |v| format!(" {}/{}", v.scope, v.id));
        format!("{}{id}: {}", finding.kind.words(), finding.text)
    };
    report.findings.listed.iter().map(word).collect()
}
