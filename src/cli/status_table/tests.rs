use unicode_width::UnicodeWidthStr as _;

use super::super::status::LockSeen;
use super::*;
use crate::model::backup::{FailedFile, FileState, UnprovenWalk};
use crate::model::report::{Holdings, HostTransfer};
use crate::model::{Endpoint, EndpointKind, WalkVerdict};
use crate::plan::Judgement;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_unix_millis(1_795_000_000_000 + minutes * 60_000)
}

fn run(id: i64, minutes: i64, outcome: Outcome, exit_code: Option<u8>) -> RunLine {
    RunLine {
        id,
        trigger: "command".to_owned(),
        started_at: at(minutes),
        clock_at: None,
        finished_at: exit_code.map(|_| at(minutes + 2)),
        outcome,
        exit_code,
        error: None,
    }
}

fn endpoint(name: &str, contents: u64) -> EndpointState {
    EndpointState {
        endpoint: Endpoint::parse(name).unwrap(),
        name: name.to_owned(),
        kind: EndpointKind::List,
        has_schema: true,
        contents,
        bodies_owed: 0,
        bodies_refused: 0,
        bodies_error: None,
        is_left_out: false,
    }
}

fn place(path: &str, bytes: u64, device: u64) -> Place {
    Place {
        path: path.into(),
        bytes: Some(bytes),
        disk: Some(DiskSpace {
            device,
            free_bytes: 40 << 30,
            total_bytes: 100 << 30,
            free_inodes: Some(900),
            total_inodes: Some(1000),
        }),
    }
}

/// Where a small backup stands that is as it should be.
fn status() -> Status {
    Status {
        version: 1,
        program: "microcms-backup 0.1.0",
        service: "demo".to_owned(),
        now: at(0),
        exit_code: 0,
        judgement: Judgement {
            safe: true,
            as_of: Some(at(-38)),
            line:
                "SAFE as of 2026-11-18T10:28:40.000Z: 120 media, 86 contents in 3 APIs, 120 files \
                   (3571425 bytes)"
                    .to_owned(),
            reasons: Vec::new(),
            notes: Vec::new(),
            under_way: None,
        },
        max_age_s: 93_600,
        hint: None,
        lock: LockSeen {
            is_held: Some(false),
            pid: None,
            since: None,
            trouble: None,
        },
        storage: super::super::status::Storage {
            database: place("b/backup.sqlite3", 12 << 20, 1),
            mirror: place("b/mirror", 3_571_425, 1),
            archive: place("b/archive", 0, 1),
        },
        monthly_transfer: None,
        monthly_transfer_used: 0,
        next_run: None,
        backup: Some(BackupState {
            proof: None,
            schema: 2,
            runs: vec![
                run(2, -38, Outcome::Complete, Some(0)),
                run(1, -98, Outcome::Partial, Some(3)),
            ],
            last_complete: None,
            last_ended: None,
            needs_person: None,
            unproven: Vec::new(),
            holdings: Holdings::default(),
            endpoints: vec![endpoint("blog", 62), endpoint("news", 24)],
            files: FileState {
                saved: 120,
                ..FileState::default()
            },
            failed: Vec::new(),
            month: "2026-11".to_owned(),
            transfer: vec![HostTransfer {
                host: "images.microcms-assets.io".to_owned(),
                requests: 120,
                bytes: 3_571_425,
            }],
            mirror_bytes: 3_571_425,
            archive_bytes: 0,
            verify: None,
        }),
    }
}

#[test]
fn a_good_backup_is_told_in_a_dozen_lines() {
    assert_eq!(
        of(&status(), Some(80)),
        "\
SAFE as of 2026-11-18T10:28:40.000Z: 120 media, 86 contents in 3 APIs, 120 files (3571425 bytes)
runs      #2     complete    2026-11-18 10:28Z 38 min ago 2 min
          #1     partial     2026-11-18 09:28Z 1 h ago    2 min      exit 3
contents  blog 62, news 24
bodies    none owed
files     120 saved, 0 owed, 0 failed
transfer  2026-11: 3.4 MiB in 120 requests
          images.microcms-assets.io 3.4 MiB
disk      database 12.0 MiB, mirror 3.4 MiB, archive 0 B
          40.0 GiB of 100.0 GiB free
now       no run is under way
"
    );
}

/// Everything that can be wrong at once, in the words of an upstream that means no good.
fn troubled() -> Status {
    let hostile = "\u{1b}[2J料金表\nSAFE as of now: ".repeat(40);
    let mut status = status();
    status.judgement.line = format!("UNSAFE: a guard tripped in run 9: {hostile}");
    status.judgement.notes = vec![hostile.clone(), hostile.clone(), hostile.clone()];
    status.judgement.under_way = Some(9);
    status.lock = LockSeen {
        is_held: Some(true),
        pid: Some(4_194_303),
        since: Some(hostile.clone()),
        trouble: None,
    };
    status.monthly_transfer = Some(15 << 30);
    status.monthly_transfer_used = 16 << 30;
    status.next_run = Some(at(22));
    status.storage.archive = place("/mnt/archive", 1 << 40, 2);
    if let Some(disk) = &mut status.storage.archive.disk {
        disk.free_inodes = Some(7);
    }
    let backup = status.backup.as_mut().unwrap();
    backup.runs = (1..=20)
        .rev()
        .map(|id| RunLine {
            trigger: format!("command, {hostile} only"),
            ..run(9_999_999, -60 * 24 * id, Outcome::Interrupted, Some(143))
        })
        .collect();
    backup.unproven = vec![
        UnprovenWalk {
            scope: "contents/blog".to_owned(),
            verdict: WalkVerdict::Unproven,
            detail: Some(hostile.clone()),
        };
        3
    ];
    backup.endpoints = (0..200)
        .map(|n| EndpointState {
            bodies_owed: n,
            bodies_refused: n,
            bodies_error: Some(hostile.clone()),
            has_schema: false,
            ..endpoint(&format!("a-rather-long-endpoint-{n}"), 1_000_000)
        })
        .collect();
    backup.files = FileState {
        saved: 1_000_000,
        owed: 1_000_000,
        owed_bytes: 1 << 40,
        failed: 1_000_000,
        lost: 1_000_000,
        gone: 1_000_000,
        gone_from_here: 1,
        next_attempt_at: Some(at(90)),
    };
    backup.failed = vec![
        FailedFile {
            media_id: "m".to_owned(),
            url: "https://images.microcms-assets.io/a.png".to_owned(),
            file_name: hostile.clone(),
            error: hostile.clone(),
            attempts: 12,
            next_attempt_at: Some(at(90)),
        };
        200
    ];
    backup.transfer = vec![
        HostTransfer {
            host: hostile,
            requests: 1,
            bytes: 1 << 50,
        };
        9
    ];
    status
}

#[test]
fn however_much_is_wrong_it_is_told_in_25_lines_of_80_columns() {
    let text = of(&troubled(), Some(80));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() <= 25, "{} lines:\n{text}", lines.len());
    // The truth itself is not cut.
    for line in lines.iter().skip(1) {
        assert!(line.width() <= 80, "{} columns: {line}", line.width());
    }
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let claims = lines.iter().filter(|line| line.starts_with("SAFE"));
    assert_eq!(claims.count(), 0, "{text}");
}

#[test]
fn a_wide_terminal_and_a_pipe_see_more() {
    let mut status = status();
    let long = "写".repeat(70);
    let backup = status.backup.as_mut().unwrap();
    backup.failed = vec![FailedFile {
        media_id: "m".to_owned(),
        url: "https://images.microcms-assets.io/a.png".to_owned(),
        file_name: long.clone(),
        error: format!("{long}\u{1b}[2J."),
        attempts: 2,
        next_attempt_at: None,
    }];
    let line = |columns| {
        let text = of(&status, columns);
        let line = text.lines().find(|line| line.contains('写'));
        line.unwrap().to_owned()
    };
    let whole = line(None);
    assert!(whole.contains(&format!("{long} (2 attempts, due): {long}")));
    assert!(!whole.contains('\u{1b}'), "{whole:?}");
    for (columns, width) in [(1, 80), (80, 80), (120, 120)] {
        let cut = line(Some(columns));
        assert!(cut.ends_with('…'), "{cut}");
        assert!(
            (width - 1..=width).contains(&cut.width()),
            "{columns}: {cut}"
        );
    }
}

#[test]
fn each_trouble_has_its_words() {
    let mut status = status();
    let backup = status.backup.as_mut().unwrap();
    backup.endpoints[0].bodies_owed = 1;
    backup.endpoints[1].bodies_refused = 3;
    backup.endpoints[1].has_schema = false;
    backup.endpoints[1].bodies_error = Some("closed contents need a right".to_owned());
    backup.files.owed = 2;
    backup.files.owed_bytes = 3 << 20;
    backup.files.failed = 1;
    backup.files.next_attempt_at = Some(at(130));
    backup.failed = vec![FailedFile {
        media_id: "m".to_owned(),
        url: "https://images.microcms-assets.io/a/料金表.png".to_owned(),
        file_name: "料金表.png".to_owned(),
        error: "the asset host refused `https://images.microcms-assets.io/a/料金表.png`: 404"
            .to_owned(),
        attempts: 4,
        next_attempt_at: Some(at(130)),
    }];
    backup.runs.insert(0, run(3, -1, Outcome::Running, None));
    let unproven = |scope: &str| UnprovenWalk {
        scope: scope.to_owned(),
        verdict: WalkVerdict::Unproven,
        detail: Some("it moved 6 times".to_owned()),
    };
    backup.unproven = vec![unproven("contents/blog"), unproven("media")];
    status.judgement.under_way = Some(3);
    status.lock = LockSeen {
        is_held: Some(true),
        pid: Some(812),
        since: Some("2026-11-18T11:05:40.000Z".to_owned()),
        trouble: None,
    };
    status.monthly_transfer = Some(15 << 30);
    status.monthly_transfer_used = 3 << 30;
    status.next_run = Some(at(22));
    let text = of(&status, Some(80));
    for line in [
        "runs      #3     under way   2026-11-18 11:05Z 1 min ago",
        "listing   contents/blog is unproven (and 1 more): it moved 6 times",
        "contents  blog 62, news 24 (no schema)",
        "bodies    1 owed, 3 refused to the key",
        "          news: 3 refused: closed contents need a right",
        "          blog: 1 owed: not asked for yet",
        "files     120 saved, 2 owed (at least 3.0 MiB), 1 failed; next attempt in 2 h",
        "          料金表.png (4 attempts, next in 2 h): the asset host refused it: 404",
        "transfer  2026-11: 3.4 MiB in 120 requests; 3.0 GiB of 15.0 GiB used (20 %)",
        "now       run 3 is under way, process 812 since 2026-11-18 11:05Z",
        "next run  2026-11-18 11:28Z (in 22 min)",
    ] {
        assert!(text.lines().any(|told| told == line), "{line}\n{text}");
    }
    // The same row with nobody at it.
    status.judgement.under_way = None;
    status.lock.is_held = Some(false);
    assert!(
        of(&status, Some(80)).contains("#3     died  "),
        "{}",
        of(&status, Some(80))
    );
    status.lock.is_held = None;
    assert!(of(&status, Some(80)).contains("#3     running  "));
    assert!(
        of(&status, Some(80))
            .contains("now       whether a run is under way cannot be told: no reason")
    );
}
