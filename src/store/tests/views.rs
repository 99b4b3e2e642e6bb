//! The ways on which the views for people reach their rows, and what they cost at a hundred thousand contents.

use super::*;
use std::process::Command;
use std::time::Instant;

/// How many contents, versions of each, and media.
fn crowd(home: &Sandbox, contents: u32, versions: u32, media: u32) {
    let conn = rusqlite::Connection::open(home._folder.path().join("backup.sqlite3")).unwrap();
    conn.execute_batch(&format!(
        "PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;
         CREATE TEMP TABLE crowd AS SELECT {contents} AS contents, {versions} AS versions, {media} AS media;
         BEGIN;"
    ))
    .unwrap();
    conn.execute_batch(include_str!("crowd.sql")).unwrap();
    conn.execute_batch("COMMIT").unwrap();
}

const LAST_DAY: &str =
    "(SELECT strftime('%Y-%m-%dT%H:%M:%fZ', max(valid_from), '-1 day') FROM contents)";

/// What people ask most, and a name for it. `:t` is a time in the past.
const QUESTIONS: [(&str, &str); 15] = [
    (
        "one content as of a time",
        "SELECT * FROM contents_timeline WHERE endpoint = 'api3' AND id = 'daa66d1300003'
         AND valid_from <= :t AND (valid_to IS NULL OR :t < valid_to)",
    ),
    (
        "an API as of a time",
        "SELECT * FROM contents_timeline WHERE endpoint = 'api3'
         AND valid_from <= :t AND (valid_to IS NULL OR :t < valid_to)",
    ),
    (
        "all contents as of a time",
        "SELECT * FROM contents_timeline WHERE valid_from <= :t AND (valid_to IS NULL OR :t < valid_to)",
    ),
    (
        "changes of one content",
        "SELECT * FROM changes WHERE endpoint = 'api3' AND id = 'daa66d1300003'",
    ),
    (
        "changed fields of one content",
        "SELECT * FROM changed_fields WHERE endpoint = 'api3' AND id = 'daa66d1300003'",
    ),
    (
        "changes of the last day",
        "SELECT * FROM changes WHERE at >= :day",
    ),
    (
        "changed fields of the last day",
        "SELECT * FROM changed_fields WHERE at >= :day",
    ),
    (
        "the newest changes",
        "SELECT * FROM changes ORDER BY at DESC LIMIT 50",
    ),
    ("contents by status", "SELECT * FROM contents_by_status"),
    (
        "the contents of an API",
        "SELECT endpoint, id, title, status FROM contents_current WHERE endpoint = 'api3'",
    ),
    ("media that nobody uses", "SELECT * FROM media_unused"),
    ("references to nothing", "SELECT * FROM references_missing"),
    ("growth by month", "SELECT * FROM growth_by_month"),
    (
        "a word",
        "SELECT endpoint, id FROM contents_search WHERE contents_search MATCH 'カタログ' LIMIT 50",
    ),
    ("what editors did", "SELECT * FROM editors_activity"),
];

fn with_times(question: &str) -> String {
    question
        .replace(":day", LAST_DAY)
        .replace(":t", "'2023-01-02T00:00:00.000Z'")
}

fn plan(home: &Sandbox, question: &str) -> Vec<String> {
    home.store
        .read("test", |conn| {
            conn.prepare(&format!("EXPLAIN QUERY PLAN {}", with_times(question)))?
                .query_map([], |row| row.get("detail"))?
                .collect()
        })
        .unwrap()
}

/// The steps that read the whole of a table, or of an index, which grows with every change. `version_pairs`
/// begins at `v` for contents, and at `m` and `f` for media and files.
fn scans(plan: &[String], also: &[&str]) -> Vec<String> {
    plan.iter()
        .filter_map(|step| Some((step, step.strip_prefix("SCAN ")?.split(' ').next()?)))
        .filter(|(_, of)| of.ends_with("_history") || *of == "v" || also.contains(of))
        .map(|(step, _)| step.clone())
        .collect()
}

#[test]
fn no_common_question_reads_the_whole_history() {
    let home = Sandbox::new();
    crowd(&home, 300, 4, 300);
    for is_analyzed in [false, true] {
        if is_analyzed {
            home.store
                .read("test", |conn| conn.execute_batch("ANALYZE"))
                .unwrap();
        }
        for (name, question) in QUESTIONS {
            let plan = plan(&home, question);
            // Of one content, the parts about other kinds end before they begin.
            let also: &[&str] = match name {
                "changes of the last day"
                | "changed fields of the last day"
                | "the newest changes" => &["m", "f"],
                _ => &[],
            };
            let scans = scans(&plan, also);
            match name {
                // In the order of time, and no further than the limit.
                "the newest changes" => {
                    assert!(
                        !scans.is_empty() && scans.iter().all(|step| step.contains("_by_start")),
                        "{plan:#?}"
                    );
                    assert!(
                        plan.iter().any(|step| step == "MERGE (UNION ALL)"),
                        "{plan:#?}"
                    );
                }
                // Of so few versions the planner may take all: with the end in the condition it cannot know.
                "all contents as of a time" if is_analyzed => {}
                // It is about all of it: the rows once, and the index once.
                "what editors did" => assert_eq!(scans.len(), 3, "{plan:#?}"),
                _ => assert!(
                    scans.is_empty(),
                    "{name} ({is_analyzed}): {scans:?} in {plan:#?}"
                ),
            }
        }
    }
}

#[test]
fn media_and_references_find_each_other_by_an_index() {
    let home = Sandbox::new();
    crowd(&home, 300, 1, 300);
    for (question, expected) in [
        (
            "SELECT * FROM media_unused",
            "SEARCH r USING INDEX media_references_by_near",
        ),
        (
            "SELECT * FROM references_missing",
            "SEARCH media USING INDEX media_by_near",
        ),
        ("SELECT * FROM media_uses", "_by_near"),
        (
            "SELECT * FROM media_uses WHERE media_id = 'x'",
            "SEARCH r USING INDEX media_references_by_near",
        ),
        (
            "SELECT * FROM media_uses WHERE endpoint = 'x' AND id = 'y'",
            "SEARCH media USING INDEX media_by_near",
        ),
    ] {
        let plan = plan(&home, question);
        assert!(
            plan.iter().any(|step| step.contains(expected)),
            "{question}: {plan:#?}"
        );
        assert!(
            !plan.iter().any(|step| step.contains("AUTOMATIC")),
            "{question}: {plan:#?}"
        );
    }
}

#[test]
#[ignore = "builds a database of 9 GB and takes some minutes; prints what each question costs in the sqlite3 shell"]
fn what_the_questions_cost_at_a_hundred_thousand_contents() {
    let mut home = Sandbox::new();
    crowd(&home, 100_000, 20, 100_000);
    let begin = Instant::now();
    home.store.read_unread().unwrap();
    println!("bodies read through: {:?} for 100000", begin.elapsed());
    for (name, question) in QUESTIONS {
        let begin = Instant::now();
        let output = Command::new("sqlite3")
            .args(["-bail", "-readonly"])
            .arg(home._folder.path().join("backup.sqlite3"))
            .arg(with_times(question).replace("2023-01-02", "2024-06-01"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}");
        assert!(!output.stdout.is_empty(), "{name}");
        println!(
            "{name}: {:?}, {} bytes",
            begin.elapsed(),
            output.stdout.len()
        );
    }
}
