//! Metrics from facts, and the facts that the tests of this room share.

mod findings;
mod listener;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::model::backup::RunLine;
use crate::model::condition::{Condition, EndedWalk, FileCondition, Rows, ScopeCondition};
use crate::model::report::{Budget, HostTransfer};
use crate::model::{ApiName, Outcome, Timestamp, Traffic, VerifyScope, VerifyState, WalkVerdict};

const HOUR: i64 = 3600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(1_700_000_000_000 + seconds * 1000)
}

fn run(began: i64, outcome: Outcome, exit_code: u8) -> RunLine {
    RunLine {
        id: began,
        trigger: "schedule".to_owned(),
        error: None,
        started_at: at(began),
        clock_at: None,
        finished_at: Some(at(began + 90)),
        outcome,
        exit_code: Some(exit_code),
    }
}

/// A backup that was complete at second 0.
fn backup() -> Condition {
    let complete = run(0, Outcome::Complete, 0);
    let walk = EndedWalk {
        started_at: at(1),
        finished_at: at(4),
        verdict: WalkVerdict::Proven,
        pages: 12,
        restarts: 1,
        max_token_age_ms: Some(1_250),
    };
    let scope = |scope: &str, last| ScopeCondition {
        scope: scope.to_owned(),
        proven_at: Some(at(1)),
        last: Some(last),
    };
    let blog = EndedWalk {
        max_token_age_ms: None,
        ..walk
    };
    let host = |bytes| HostTransfer {
        host: "images.example".to_owned(),
        requests: 3,
        bytes,
    };
    Condition {
        needs_person: None,
        last_complete: Some(complete.clone()),
        last_run: Some(complete),
        runs: vec![(Outcome::Complete, 7), (Outcome::Failed, 1)],
        walks: vec![scope("media", walk), scope("contents/blog", blog)],
        files: FileCondition {
            saved: 40,
            held: 41,
            held_bytes: 4_000,
            owed: 2,
            owed_bytes: 100,
            failed: 3,
            waiting: 1,
            gone: 0,
        },
        bodies_owed: 5,
        bodies_refused: 6,
        endpoints: Rows {
            live: 2,
            deleted: 0,
        },
        contents: Rows {
            live: 20,
            deleted: 4,
        },
        media: Rows {
            live: 45,
            deleted: 8,
        },
        transfer: vec![host(9_000)],
        transfer_this_month: vec![host(1_000)],
        database_bytes: 65_536,
        verify: Some(VerifyState {
            started_at: at(880),
            finished_at: at(900),
            scope: VerifyScope::Everything,
            differences: 0,
            is_left_by_repair: false,
            all_read_since: Some(at(120)),
        }),
    }
}

fn life() -> Life {
    Life {
        started_at: at(-5),
        phase: Phase::Ready,
        run: None,
        last_exit_code: Some(0),
        next_run: Some(at(HOUR)),
        tries: 0,
        look: Duration::from_millis(2),
    }
}

/// A daemon's facts, `seconds` after its complete run began.
fn facts(seconds: i64) -> Facts {
    let traffic = Traffic::default();
    traffic.asked(ApiName::Management, "my-service.example", Some(200));
    traffic.asked(ApiName::Management, "my-service.example", Some(429));
    traffic.asked(ApiName::Asset, "images.example", None);
    traffic.waited(ApiName::Management, Duration::from_millis(2_500));
    traffic.token_age(Duration::from_millis(1_250));
    Facts {
        now: at(seconds),
        version: "1.2.3",
        service: "my-service".to_owned(),
        max_age: Duration::from_secs(26 * 3600),
        backup: Ok(backup()),
        is_safe: Some(true),
        budget: Some(Budget {
            month: "2023-11".to_owned(),
            limit: 10_000,
            spent: 1_000,
            left: 9_000,
        }),
        disk: Some(Disk {
            free: 500,
            total: 1_000,
        }),
        flow: traffic.read(),
        life: Some(life()),
    }
}

/// Every sample by its name and labels.
fn samples(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').expect("a name and a value"))
        .collect()
}

#[test]
fn every_fact_is_in_the_metrics() {
    let text = metrics(&facts(60));
    let samples = samples(&text);
    for (name, value) in [
        (r#"build_info{version="1.2.3",service="my-service"}"#, "1"),
        ("database_readable", "1"),
        ("safe", "1"),
        ("max_age_seconds", "93600"),
        ("last_complete_run_timestamp_seconds", "1700000000.000"),
        (r#"runs_total{outcome="complete"}"#, "7"),
        (r#"runs_total{outcome="partial"}"#, "0"),
        (r#"last_run_outcome{outcome="complete"}"#, "1"),
        (r#"last_run_outcome{outcome="failed"}"#, "0"),
        ("last_run_exit_code", "0"),
        ("last_run_duration_seconds", "90"),
        (
            r#"last_proven_walk_timestamp_seconds{scope="media"}"#,
            "1700000001.000",
        ),
        (r#"last_walk_proven{scope="contents/blog"}"#, "1"),
        (r#"last_walk_pages{scope="media"}"#, "12"),
        (r#"last_walk_restarts{scope="media"}"#, "1"),
        (r#"last_walk_duration_seconds{scope="media"}"#, "3"),
        (r#"last_walk_max_token_age_seconds{scope="media"}"#, "1.25"),
        (r#"assets{state="saved"}"#, "40"),
        (r#"assets{state="owed"}"#, "2"),
        (r#"assets{state="failed"}"#, "3"),
        ("assets_waiting", "1"),
        ("assets_owed_bytes", "100"),
        (r#"bodies{state="owed"}"#, "5"),
        (r#"bodies{state="refused"}"#, "6"),
        (r#"items{table="contents"}"#, "20"),
        (r#"tombstones{table="media"}"#, "8"),
        ("mirror_files", "41"),
        ("mirror_bytes", "4000"),
        ("database_bytes", "65536"),
        (r#"transfer_bytes_total{host="images.example"}"#, "9000"),
        (r#"transfer_requests_total{host="images.example"}"#, "3"),
        (r#"transfer_month_bytes{host="images.example"}"#, "1000"),
        ("transfer_limit_bytes", "10000"),
        ("transfer_left_bytes", "9000"),
        ("disk_free_bytes", "500"),
        ("ready", "1"),
        ("run_in_progress", "0"),
        ("next_run_timestamp_seconds", "1700003600.000"),
        (
            r#"requests_total{api="management",host="my-service.example",code="429"}"#,
            "1",
        ),
        (
            r#"requests_total{api="asset",host="images.example",code="none"}"#,
            "1",
        ),
        (r#"budget_wait_seconds_total{api="management"}"#, "2.5"),
        (r#"budget_wait_seconds_total{api="content"}"#, "0"),
        (r#"token_age_seconds_bucket{le="1"}"#, "0"),
        (r#"token_age_seconds_bucket{le="2"}"#, "1"),
        (r#"token_age_seconds_bucket{le="+Inf"}"#, "1"),
        ("token_age_seconds_sum", "1.25"),
        ("token_age_seconds_count", "1"),
    ] {
        let name = format!("microcms_backup_{name}");
        assert_eq!(samples.get(name.as_str()), Some(&value), "{name}\n{text}");
    }
    assert_eq!(
        samples.get("process_start_time_seconds"),
        Some(&"1699999995.000")
    );
    assert!(
        !samples.contains_key(
            r#"microcms_backup_last_walk_max_token_age_seconds{scope="contents/blog"}"#
        ),
        "there are no tokens"
    );
}

#[test]
fn what_cannot_be_read_is_missing_and_never_is_zero() {
    let unreadable = metrics(&Facts {
        backup: Err("no".to_owned()),
        ..facts(0)
    });
    let found = samples(&unreadable);
    assert_eq!(found.get("microcms_backup_database_readable"), Some(&"0"));
    assert!(!unreadable.contains("last_complete_run"), "{unreadable}");
    let never = metrics(&Facts {
        backup: Ok(Condition::default()),
        ..facts(0)
    });
    let found = samples(&never);
    assert_eq!(
        found.get("microcms_backup_last_complete_run_timestamp_seconds"),
        Some(&"0.000")
    );
}

#[test]
fn a_one_shot_has_no_counters_of_its_process() {
    let text = metrics(&Facts {
        life: None,
        ..facts(0)
    });
    let found = samples(&text);
    let kind = r#"microcms_backup_last_run_requests{service="my-service",api="management",host="my-service.example",code="200"}"#;
    assert_eq!(found.get(kind), Some(&"1"));
    for absent in [
        "microcms_backup_requests_total",
        "process_start",
        "token_age_seconds_",
    ] {
        assert!(!text.contains(absent), "{absent}\n{text}");
    }
}

/// Names of metrics in a text, the parts of a histogram as the whole.
fn names(text: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    text.match_indices("microcms_backup_")
        .filter_map(|(at, _)| text.get(at..))
        .filter_map(|rest| rest.split(|c| !is_name(c)).next())
        .map(|name| name.trim_end_matches("_bucket"))
        .collect()
}

#[test]
fn rules_and_dashboard_name_what_there_is() {
    let run = RunNow {
        began_at: at(0),
        pages: 1,
        bodies: 2,
        files: 3,
        bytes: 4,
        restarts: 5,
    };
    let text = metrics(&Facts {
        life: Some(Life {
            run: Some(run),
            ..life()
        }),
        ..facts(0)
    });
    let told = names(&text);
    for used in [
        include_str!("../../contrib/prometheus/alerts.yml"),
        include_str!("../../contrib/grafana/dashboard.json"),
    ] {
        let unknown: Vec<&str> = names(used).difference(&told).copied().collect();
        assert_eq!(unknown, Vec::<&str>::new());
    }
    let dashboard = include_str!("../../contrib/grafana/dashboard.json");
    let dashboard: serde_json::Value = serde_json::from_str(dashboard).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    assert!(
        panels
            .iter()
            .all(|panel| panel["datasource"]["uid"] == "${datasource}")
    );
}
