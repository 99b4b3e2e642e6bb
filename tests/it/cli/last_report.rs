//! `--report` of a run that did not come to one: nobody reads the one before for its.

use super::program;

#[test]
fn a_run_that_fails_leaves_no_older_report_that_calls_the_backup_safe() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("backup")).expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    write(
        "backup/backup.sqlite3",
        "this is no database at all, of any kind",
    );
    write("last.json", "{\"verdict\":{\"safe\":true}}");
    let output = program(&folder, &["sync", "--json", "--report", "last.json"])
        .env("MICROCMS_SERVICE_ID", "my-service")
        .env("MICROCMS_API_KEY", "a-key-of-some-length-0123456789abcdef")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let saved = std::fs::read(folder.path().join("last.json")).expect("a report");
    let saved: serde_json::Value = serde_json::from_slice(&saved).expect("JSON");
    assert_eq!(printed, saved);
    assert_eq!(saved["verdict"]["safe"], false);
    assert_eq!(saved["outcome"], "failed");
    assert_eq!(saved["exit_code"], 1);
    assert_eq!(saved["version"], 1);
    let line = saved["verdict"]["line"].as_str().expect("a line");
    assert!(line.starts_with("UNSAFE: the run failed: "), "{line}");
}

#[test]
fn a_run_that_cannot_be_configured_takes_back_the_last_report_and_touches_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let run = |report: &str, key: &str| {
        let output = program(&folder, &["sync", "--report", report])
            .env("MICROCMS_SERVICE_ID", "my-service")
            .env("MICROCMS_API_KEY", key)
            .env("MICROCMS_BACKUP__LIMITS__DOWNLOAD", "4")
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    };
    let safe = "{\"version\":1,\"verdict\":{\"safe\":true,\"line\":\"SAFE\"}}";
    for (name, text) in [
        ("last.json", safe),
        ("notes.json", "{\"version\":1}"),
        ("notes.txt", "SAFE"),
    ] {
        std::fs::write(at(name), text).expect("written");
        run(name, "a-key-of-some-length-0123456789abcdef");
    }
    let saved = std::fs::read(at("last.json")).expect("a report");
    let saved: serde_json::Value = serde_json::from_slice(&saved).expect("JSON");
    assert_eq!(saved["verdict"]["safe"], false);
    assert_eq!(saved["exit_code"], 2);
    let line = saved["verdict"]["line"].as_str().expect("a line");
    assert!(line.contains("limits.download"), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    let read = |name: &str| std::fs::read_to_string(at(name)).expect("it is there");
    assert_eq!(read("notes.json"), "{\"version\":1}");
    assert_eq!(read("notes.txt"), "SAFE");
    run("new.json", "a-key-of-some-length-0123456789abcdef");
    assert!(!at("new.json").exists(), "where it lies is not known");
    // Nor do flags that cannot be used leave it.
    for words in [
        &["--metrics-file", "nowhere/metrics.prom"][..],
        &["--only", "media", "--endpoint", "blog"],
    ] {
        std::fs::write(at("last.json"), safe).expect("written");
        let flags = [&["sync", "--report", "last.json"], words].concat();
        let output = program(&folder, &flags)
            .env("MICROCMS_SERVICE_ID", "my-service")
            .env("MICROCMS_API_KEY", "a-key-of-some-length-0123456789abcdef")
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(read("last.json").contains("\"safe\": false"), "{words:?}");
    }
}
