//! Many things, and few of them changed.

use super::rows;
use crate::support::{
    Bill, Expect as _, Sandbox, Setup, archived, assert_holds, assert_sound_and_tidy, digest,
    replace_bytes,
};
use microcms_sim::{Edit, Sim, SimBuilder};
use serde_json::Map;
use std::time::Instant;

fn service(media: u32, contents: u32) -> SimBuilder {
    Sim::builder()
        .media(media)
        .media_size(200..=300)
        .list_api("blog", contents)
        .body_bytes(60)
        .workers(2)
}

fn many() -> Setup {
    Setup {
        downloads: 16,
        ..Setup::default()
    }
}

/// Every row of every table, but for the run's own account.
fn everything(home: &Sandbox) -> Vec<String> {
    let tables = home.texts(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
         AND name NOT IN ('runs', 'walks', 'transfer') ORDER BY name",
    );
    let all = tables.iter().map(|table| {
        let columns = home.texts(&format!("SELECT name FROM pragma_table_info('{table}')"));
        let columns: Vec<String> = columns
            .iter()
            .map(|name| format!("quote({name})"))
            .collect();
        let columns = columns.join(" || ',' || ");
        let rows = home.texts(&format!("SELECT {columns} FROM {table} ORDER BY 1"));
        format!("{table}: {}", digest(rows.join("\n").as_bytes()))
    });
    all.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_unchanged_cost_no_file_no_body_and_no_row_and_few_changed_cost_themselves() {
    let sim = service(2_000, 2_000).start().await;
    let home = Sandbox::in_memory();
    home.sync_with(&sim, many()).await.expect_complete();
    home.count_writes();
    let before = everything(&home);
    for _ in 0..2 {
        let (report, bill) = home.billed(&sim, many()).await;
        report.expect_complete();
        assert_eq!(bill, Bill::default());
        assert_eq!(everything(&home), before);
    }

    // Script: files.
    let media = sim.media_ids();
    let old: Vec<Vec<u8>> = media[..30]
        .iter()
        .map(|id| home.saved_bytes(id).expect("saved"))
        .collect();
    let mut fetched: Vec<String> = Vec::new();
    for id in &media[..30] {
        replace_bytes(&sim, id.clone());
        fetched.push(id.clone());
    }
    for (n, id) in media[30..40].iter().enumerate() {
        sim.edit(Edit::RenameMedium {
            id: id.clone(),
            name: format!("renamed {n}.png"),
            touch: n % 2 == 0,
        })
        .expect("edited");
        fetched.push(id.clone());
    }
    for (n, id) in media[40..60].iter().enumerate() {
        sim.edit(Edit::SetAlt {
            id: id.clone(),
            alt: Some("described".into()),
            touch: n % 2 == 0,
        })
        .expect("edited");
    }
    for n in 0..10 {
        let added = sim.edit(Edit::AddMedium {
            name: format!("new {n}.pdf"),
            bytes: None,
            path: None,
            alt: None,
            tags: Vec::new(),
        });
        fetched.push(added.expect("added"));
    }
    // Script: contents. Half of them are such that their bodies cannot have changed.
    let contents: Vec<String> = sim
        .truth()
        .contents
        .iter()
        .filter(|content| content.status == microcms_sim::Status::Publish)
        .map(|content| content.id.clone())
        .take(70)
        .collect();
    let endpoint = || "blog".to_owned();
    let fields: Map<String, serde_json::Value> =
        Map::from_iter([("title".to_owned(), "changed".into())]);
    for (n, id) in contents.iter().cloned().enumerate() {
        let edit = match n {
            0..30 => Edit::EditBody {
                endpoint: endpoint(),
                id,
                fields: fields.clone(),
            },
            30..50 => Edit::SetCreatedBy {
                endpoint: endpoint(),
                id,
                member: "somebody".into(),
            },
            50..60 => Edit::Reserve {
                endpoint: endpoint(),
                id,
                publish: None,
                stop: Some("2031-01-01T00:00:00Z".into()),
            },
            _ => Edit::SetCustomStatus {
                endpoint: endpoint(),
                id,
                name: Some("checked".into()),
            },
        };
        sim.edit(edit).expect("edited");
    }
    for (place, id) in sim.content_ids("blog").into_iter().skip(1_500).enumerate() {
        sim.edit(Edit::MoveContent {
            endpoint: endpoint(),
            id,
            place,
        })
        .expect("moved");
    }

    let transfer = || home.count("SELECT coalesce(sum(bytes), 0) FROM transfer");
    let counted = transfer();
    let (report, bill) = home.billed(&sim, many()).await;
    let report = report.expect_complete();
    let truth = sim.truth();
    let bytes: u64 = fetched
        .iter()
        .map(|id| truth.medium(id).expect("a medium").size)
        .sum();
    assert_eq!((bill.requests, bill.conditional), (70, 50));
    assert_eq!((bill.bytes, report.assets.bytes), (bytes, bytes));
    assert_eq!(bill.bodies, (1, 0), "thirty bodies in one answer");
    assert_eq!(
        transfer() - counted,
        sim.counters().bytes_total,
        "every byte is in the books"
    );
    assert_eq!(
        bill.rows,
        Bill::of_rows(&[
            ("media: insert", 10),
            ("media: update", 60),
            ("media_history: insert", 60),
            ("assets: insert", 10),
            ("assets: update", 130),
            ("assets_history: insert", 40),
            (
                "asset_hosts: update",
                bill.rows.get("asset_hosts: update").copied().unwrap_or(0)
            ),
            ("contents: update", 100),
            ("contents_history: insert", 70),
            ("owed_bodies: insert", 30),
            ("owed_bodies: delete", 30),
            // 10 + 60 media, 10 + 40 files, 70 contents, 30 bodies that arrived after them.
            ("leaves: insert", 220),
        ])
    );
    assert!(bill.rows.get("asset_hosts: update") <= Some(&2));
    for (table, expected) in [
        ("media_history", 60),
        ("assets_history", 40),
        ("contents_history", 70),
        ("endpoints_history", 0),
    ] {
        assert_eq!(rows(&home, table), expected, "{table}");
    }
    for bytes in old {
        assert_eq!(archived(&home, &digest(&bytes)), Some(bytes));
    }
    assert_holds(&home, &truth);
    assert_sound_and_tidy(&home);
    let (report, bill) = home.billed(&sim, many()).await;
    report.expect_complete();
    assert_eq!(bill, Bill::default());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "100,000 files take minutes: cargo test --release --test it a_hundred_thousand -- --ignored --nocapture"]
async fn a_hundred_thousand_unchanged_media_and_contents_cost_nothing() {
    let sim = service(100_000, 100_000).start().await;
    let home = Sandbox::in_memory();
    let begun = Instant::now();
    home.sync_with(&sim, many()).await.expect_complete();
    println!("first run: {:?}", begun.elapsed());
    home.count_writes();
    let before = everything(&home);
    let begun = Instant::now();
    let (report, bill) = home.billed(&sim, many()).await;
    let report = report.expect_complete();
    println!(
        "unchanged run: {:?}, {} requests, {} bytes in all",
        begun.elapsed(),
        sim.counters().total,
        sim.counters().bytes_total
    );
    assert_eq!(
        (report.media.seen, report.contents.seen),
        (100_000, 100_000)
    );
    assert_eq!(bill, Bill::default());
    assert_eq!(everything(&home), before);
}
