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
        runs: 3,
    };
    assert_eq!(home.store.covered().unwrap(), expected);
}
