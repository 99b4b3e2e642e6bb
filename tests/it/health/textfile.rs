//! Metrics in a file, which node_exporter reads.

use super::{Daemon, lint, samples, small_service};
use crate::support::{Program, Sandbox};
use microcms_sim::{Fault, Occasion, Route};
use std::os::unix::fs::PermissionsExt;

/// Seconds since the epoch of a time in the report.
fn seconds(report: &serde_json::Value, pointer: &str) -> f64 {
    let text = report.pointer(pointer).and_then(|time| time.as_str());
    let time = microcms_backup::model::Timestamp::parse(text.expect(pointer)).expect("a time");
    time.unix_millis() as f64 / 1000.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_shot_writes_the_report_s_numbers_for_node_exporter() {
    let sim = small_service().await;
    sim.fault(
        Route::Image,
        Occasion::Nth(1),
        Fault::status(404, "not there yet"),
    );
    let home = Sandbox::new();
    let (desk, folder) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let (file, report) = (
        folder.path().join("microcms_backup.prom"),
        desk.path().join("report.json"),
    );
    let mut program = Program::sync(&home, &sim);
    program.0.arg("--metrics-file").arg(&file);
    program.0.arg("--report").arg(&report);
    let done = program.run();
    assert_eq!(done.status.code(), Some(3), "{done:?}");
    let text = std::fs::read_to_string(&file).expect("metrics");
    lint(&text);
    let found = samples(&text);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(report).expect("a report")).expect("JSON");
    let number = |pointer: &str| report.pointer(pointer).and_then(|n| n.as_f64());
    for (name, pointer) in [
        ("mirror_files", "/holdings/files"),
        (r#"assets{state="failed"}"#, "/failed_total"),
        ("mirror_bytes", "/holdings/bytes"),
        (r#"items{table="media"}"#, "/holdings/media"),
        (r#"items{table="contents"}"#, "/holdings/contents"),
        (r#"items{table="endpoints"}"#, "/holdings/endpoints"),
        (r#"bodies{state="owed"}"#, "/bodies/owed"),
        ("last_run_exit_code", "/exit_code"),
        (r#"last_walk_pages{scope="media"}"#, "/walks/0/pages"),
    ] {
        assert_eq!(found.get(name).copied(), number(pointer), "{name}\n{text}");
    }
    assert_eq!(report["walks"][0]["scope"], "media");
    assert_eq!(found[r#"last_run_outcome{outcome="partial"}"#], 1.0);
    assert_eq!(found["last_complete_run_timestamp_seconds"], 0.0);
    assert_eq!(found["safe"], 0.0);
    let close = |name: &str, expected: f64| (found[name] - expected).abs() < 0.002;
    assert!(close(
        "last_run_start_timestamp_seconds",
        seconds(&report, "/started_at")
    ));
    assert!(close(
        r#"last_proven_walk_timestamp_seconds{scope="media"}"#,
        seconds(&report, "/walks/0/started_at")
    ));
    let lost = format!(
        r#"last_run_requests{{api="asset",host="{}",code="404"}}"#,
        sim.image_host()
    );
    assert_eq!(found.get(&lost), Some(&1.0), "{text}");
    // Another user's program reads it, and finds nothing half-written.
    let mode = std::fs::metadata(&file)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644);
    assert_eq!(
        std::fs::read_dir(folder.path()).expect("a folder").count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configured_file_is_written_by_both_and_its_trouble_is_not_the_run_s() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("microcms_backup.prom");
    let sync = || Program::sync(&home, &sim).path("HEALTH__TEXTFILE", file.clone());
    assert_eq!(sync().run().status.code(), Some(0));
    let first = std::fs::read_to_string(&file).expect("metrics");
    assert_eq!(samples(&first)[r#"runs_total{outcome="complete"}"#], 1.0);

    // Nothing was done, nothing is told.
    let mut dry = sync();
    dry.0.arg("--dry-run");
    assert_eq!(dry.run().status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&file).expect("metrics"), first);

    let mut daemon = Daemon::start(&home, &sim, &format!("textfile = {file:?}"));
    daemon.until("a second run is told", |_| {
        let text = std::fs::read_to_string(&file).expect("whole, whenever one looks");
        assert!(text.ends_with('\n'));
        lint(&text);
        (samples(&text)[r#"runs_total{outcome="complete"}"#] == 2.0).then_some(())
    });
    daemon.terminate();

    std::fs::remove_dir_all(folder.path()).expect("it is ours");
    let done = sync().run();
    assert_eq!(done.status.code(), Some(0));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        said.contains("the metrics could not be saved as "),
        "{said}"
    );
    let mut named = Program::sync(&home, &sim);
    named.0.arg("--metrics-file").arg(&file);
    let refused = named.run();
    assert_eq!(
        refused.status.code(),
        Some(2),
        "found before anything is asked"
    );
}
