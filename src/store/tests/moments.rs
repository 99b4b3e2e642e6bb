use super::*;
use crate::store::Covered;

#[test]
fn a_run_is_meant_by_its_end_or_by_what_is_known_of_it() {
    let mut home = Sandbox::new();
    let covered = home.store.covered().unwrap();
    assert_eq!((covered.since, covered.runs), (None, 0));
    home.store
        .write("test", |tx| {
            tx.execute_batch(
                "INSERT INTO runs (id, trigger, program, started_at, finished_at, outcome) VALUES
                 (1, 't', 'p', '2026-05-01T00:00:00.000Z', '2026-05-01T00:01:00.000Z', 'complete'),
                 (2, 't', 'p', '2026-05-02T00:00:00.000Z', NULL, 'interrupted'),
                 (5, 't', 'p', '2026-05-03T00:00:00.000Z', NULL, 'running');
                 INSERT INTO prunes (program, started_at, superseded_before)
                 VALUES ('p', '2026-05-03T00:00:00.000Z', '2026-05-01T12:00:00.000Z');",
            )
        })
        .unwrap();
    let time = |text| Timestamp::parse(text).unwrap();
    let now = time("2026-05-03T00:00:07.000Z");
    for (run, expected) in [
        (1, Some("2026-05-01T00:01:00.000Z")),
        (2, Some("2026-05-02T23:59:59.999Z")),
        (3, None),
        (5, Some("2026-05-03T00:00:07.000Z")),
    ] {
        let end = home.store.end_of_run(run, now).unwrap();
        assert_eq!(end, expected.map(time), "run {run}");
    }
    let expected = Covered {
        since: Some(time("2026-05-01T00:00:00.000Z")),
        whole_since: Some(time("2026-05-01T12:00:00.000Z")),
        is_redacted: false,
        runs: 3,
    };
    assert_eq!(home.store.covered().unwrap(), expected);
}

#[test]
fn a_clock_that_went_back_a_little_goes_on_after_what_is_recorded() {
    fn record(home: &mut Sandbox, sql: &str) {
        let write = home.store.write("test", |tx| tx.execute_batch(sql));
        write.unwrap();
    }
    let mut home = Sandbox::new();
    let hour = |hours: i64| at(hours * 3600);
    let just_after = |hours: i64| hour(hours).plus(std::time::Duration::from_millis(1));
    let present = |home: &Sandbox, hours| home.store.present(hour(hours)).unwrap();
    let runs = format!(
        "INSERT INTO runs (id, trigger, program, started_at, finished_at, outcome) VALUES
         (1, 't', 'p', '{}', '{}', 'complete'), (2, 't', 'p', '{}', NULL, 'interrupted')",
        hour(20),
        hour(21),
        hour(20)
    );
    record(&mut home, &runs);
    assert_eq!(present(&home, 22), hour(22), "no clock went back");
    assert_eq!(present(&home, 21), just_after(21));
    assert_eq!(present(&home, 9), just_after(21), "twelve hours");
    assert_eq!(present(&home, 8), hour(8), "more is a clock that was wrong");
    // A run that died has no end; its versions say how long it worked.
    let version = format!(
        "INSERT INTO endpoints (endpoint, name, kind, valid_from) VALUES ('e', 'n', 'list', '{}')",
        hour(23)
    );
    record(&mut home, &version);
    assert_eq!(present(&home, 21), just_after(23));
    record(&mut home, "UPDATE runs SET started_at = 'some time'");
    assert_eq!(present(&home, 21), hour(21), "what is no time stops no run");
}
