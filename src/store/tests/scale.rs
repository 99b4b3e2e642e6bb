//! Many rows. Speed is printed and not judged: `cargo test --release -- --ignored --nocapture pagewise`.

use super::{Sandbox, at, medium};
use crate::model::{AssetStep, MediumStep, Why};
use std::time::Instant;

const PAGE: usize = 100;

fn page_of(number: usize, updated_at: &str) -> Vec<MediumStep> {
    (number * PAGE..(number + 1) * PAGE)
        .map(|n| {
            // Ids in no order, as UUIDs are.
            let id = format!("{:08x}-0000-4000-8000-{n:012}", n.wrapping_mul(2_654_435_761) & 0xffff_ffff);
            let url = format!("https://images.microcms-assets.io/assets/0123456789abcdef0123456789abcdef/{n:032x}/photo.jpg");
            let more = format!(r#","createdAt":"2025-02-28T05:34:48.722Z","updatedAt":"{updated_at}","width":1200,"height":800,"tags":["a","b"]"#);
            MediumStep::Record { medium: medium(&id, &url, &more), asset: AssetStep::Fetch(Why::New) }
        })
        .collect()
}

fn timed(what: &str, rows: usize, work: impl FnOnce()) {
    let begin = Instant::now();
    work();
    let seconds = begin.elapsed().as_secs_f64();
    let rows = f64::from(u32::try_from(rows).unwrap());
    println!("{what}: {rows} rows, {:.0} rows/s", rows / seconds);
}

#[test]
fn five_thousand_media_pagewise() {
    pagewise(5_000);
}

#[test]
#[ignore = "takes a minute in a debug build"]
fn a_hundred_thousand_media_pagewise() {
    pagewise(100_000);
}

fn pagewise(rows: usize) {
    let mut home = Sandbox::new();
    timed("insert", rows, || {
        for page in 0..rows / PAGE {
            home.store.record_media(&page_of(page, "1"), at(1)).unwrap();
        }
    });
    assert_eq!(home.ask("SELECT count(*) FROM media"), rows.to_string());

    let before = home.written();
    timed("again, unchanged", rows, || {
        for page in 0..rows / PAGE {
            home.store.record_media(&page_of(page, "1"), at(2)).unwrap();
        }
    });
    assert_eq!(home.written(), before);

    timed("load", rows, || {
        for page in 0..rows / PAGE {
            let ids: Vec<_> = page_of(page, "1")
                .into_iter()
                .filter_map(|step| match step {
                    MediumStep::Record { medium, .. } => Some(medium.id),
                    MediumStep::Keep | MediumStep::Asset { .. } => None,
                })
                .collect();
            assert_eq!(home.store.load_media(&ids).unwrap().len(), PAGE);
        }
    });

    timed("walk what is owed", rows, || {
        let mut after = None;
        let mut seen = 0;
        loop {
            let owed = home.store.owed_assets(after, PAGE, false, at(2)).unwrap();
            let Some(last) = owed.last() else { break };
            after = Some(last.number);
            seen += owed.len();
        }
        assert_eq!(seen, rows);
    });

    timed("change", rows, || {
        for page in 0..rows / PAGE {
            home.store.record_media(&page_of(page, "2"), at(3)).unwrap();
        }
    });
    assert_eq!(
        home.ask("SELECT count(*) FROM media_history"),
        rows.to_string()
    );
    timed("look for absences", rows, || {
        assert_eq!(
            home.store
                .absent_media(None, &|_| true)
                .unwrap()
                .missing
                .len(),
            0
        );
    });
}
