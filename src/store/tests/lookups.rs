//! What is looked up by a key costs as much among many rows as among few.

use super::{Sandbox, at, medium};
use crate::model::{AssetOutcome, AssetStep, ListedMedium, MediumStep, ServedMedium, Why};
use crate::store::Store;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Lets the database count its own steps. Returns those of each piece of work.
struct Steps {
    home: Sandbox,
    count: Arc<AtomicU64>,
}

/// Steps between two of the database's calls.
const EACH: u8 = 8;

impl Steps {
    fn of(mut home: Sandbox) -> Self {
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let count_on = move || {
            counted.fetch_add(u64::from(EACH), Ordering::Relaxed);
            false
        };
        home.store
            .conn_mut()
            .progress_handler(EACH.into(), Some(count_on))
            .unwrap();
        Self { home, count }
    }

    fn of_this<T>(&mut self, work: impl FnOnce(&mut Store) -> T) -> u64 {
        self.count.store(0, Ordering::Relaxed);
        work(&mut self.home.store);
        self.count.load(Ordering::Relaxed)
    }
}

/// The nth of many media that have nothing in common but their host's name.
fn nth(n: u32) -> ListedMedium {
    let folder = format!("{:08x}", n.wrapping_mul(0x9e37_79b1));
    let url = format!("https://images.microcms-assets.io/assets/{folder}/{folder}/logo-{n}.png");
    medium(&format!("m-{n:05}"), &url, "")
}

fn path(n: u32) -> String {
    nth(n).url.trim_start_matches("https://").to_owned()
}

/// 64 hexadecimal digits, as a digest has them.
fn digest(n: u32) -> String {
    format!("{:08x}", n.wrapping_mul(0x85eb_ca6b)).repeat(8)
}

fn saved_at(path: String, n: u32, bytes: u64) -> AssetOutcome {
    let medium = nth(n);
    AssetOutcome::Saved {
        media_id: medium.id,
        owed_at: Some(at(1)),
        url: medium.url,
        path,
        bytes,
        sha256: digest(n),
        content_type: None,
        etag: None,
        last_modified: None,
        recheck_at: None,
        rechecks: 0,
    }
}

fn saved(n: u32, bytes: u64) -> AssetOutcome {
    saved_at(path(n), n, bytes)
}

/// A home with files of so many media; the last of them is owed.
fn filled(count: u32) -> Steps {
    let mut home = Sandbox::new();
    let steps: Vec<_> = (0..count)
        .map(|n| MediumStep::Record {
            medium: nth(n),
            asset: AssetStep::Fetch(Why::New),
        })
        .collect();
    home.store.record_media(&steps, at(1)).unwrap();
    let files: Vec<_> = (0..count - 1).map(|n| saved(n, 10)).collect();
    home.store.record_assets(&files, at(2)).unwrap();
    Steps::of(home)
}

#[test]
fn what_is_looked_up_costs_as_much_among_many_as_among_few() {
    type Work = fn(&mut Store, u32);
    let questions: [(&str, Work); 7] = [
        ("who has this path", |store, last| {
            let id = nth(last).id;
            assert!(store.path_holders(&path(last), &id).unwrap().is_empty());
            let holders = store.path_holders(&path(3), &id).unwrap();
            assert_eq!(holders[0].media_id, nth(3).id);
        }),
        ("whose path is this", |store, last| {
            let id = nth(last).id;
            assert!(store.path_owner(&path(last), &id).unwrap().is_none());
            assert_eq!(store.path_owner(&path(3), &id).unwrap(), Some(nth(3).id));
        }),
        ("was this in the mirror", |store, last| {
            assert!(!store.has_mirrored(&path(last), None).unwrap());
            assert!(store.has_mirrored(&path(3), None).unwrap());
        }),
        ("where else are these bytes", |store, last| {
            assert!(store.mirrored_copies(&digest(last)).unwrap().is_empty());
            assert_eq!(store.mirrored_copies(&digest(3)).unwrap().len(), 1);
        }),
        ("which paths have no row", |store, last| {
            let paths = [path(3), path(last)];
            assert_eq!(store.strange_paths(&paths).unwrap(), [path(last)]);
        }),
        ("record a file", |store, last| {
            store.record_assets(&[saved(last, 7)], at(3)).unwrap();
        }),
        ("record a medium", |store, last| {
            let edited = medium(nth(last).id.as_str(), &nth(last + 1).url, "");
            let step = MediumStep::Record {
                medium: edited,
                asset: AssetStep::Fetch(Why::Changed),
            };
            assert_eq!(store.record_media(&[step], at(4)).unwrap().changed, 1);
        }),
    ];
    let (few, many) = (50, 2_000);
    let (mut among_few, mut among_many) = (filled(few), filled(many));
    let mut costly = Vec::new();
    for (what, work) in questions {
        let few = among_few.of_this(|store| work(store, few - 1));
        let many = among_many.of_this(|store| work(store, many - 1));
        if many > 2 * few + 200 {
            costly.push(format!("{what}: {few} steps, then {many}"));
        }
    }
    assert!(costly.is_empty(), "{costly:#?}");
}

#[test]
fn what_is_listed_in_the_order_of_its_rows_is_not_looked_up_one_by_one() {
    let count = 2_000;
    let mut among = filled(count);
    let served = |n: &u32| ServedMedium {
        id: nth(*n).id,
        metadata: nth(*n).metadata,
    };
    let sift = |among: &mut Steps, order: &mut dyn Iterator<Item = u32>| {
        let listed: Vec<_> = order.map(|n| served(&n)).collect();
        assert_eq!(listed.len(), count as usize);
        among.of_this(|store| assert!(store.sift_media(listed).unwrap().is_empty()))
    };
    let in_order = sift(&mut among, &mut (0..count));
    let against_it = sift(&mut among, &mut (0..count).rev());
    // As if twenty had come each day.
    let in_parts = sift(
        &mut among,
        &mut (0..count / 20).rev().flat_map(|n| 20 * n..20 * n + 20),
    );
    let in_no_order = sift(&mut among, &mut (0..count).map(|n| n * 7 % count));
    let all = format!("{in_order}, {against_it}, {in_parts} steps; in no order {in_no_order}");
    for ordered in [in_order, against_it, in_parts] {
        assert!(ordered * 3 < in_no_order * 2, "{all}");
    }
    // Where there is no order, hardly anything is tried: it costs what looking things up costs.
    let looked_up: u64 = (0..count)
        .map(|n| among.of_this(|store| drop(store.sift_media(vec![served(&n)]).unwrap())))
        .sum();
    assert!(
        in_no_order * 10 < looked_up * 12,
        "{all}; each alone: {looked_up}"
    );
}

#[test]
fn a_file_is_found_by_whatever_its_path_is() {
    let mut home = Sandbox::new();
    let paths = [
        "plain",
        "",
        "/",
        "host/a.png",
        "host/folder/",
        "host//a.png",
        "host/a\"b/c\"d.png",
        "host/x\",\"y/z.png",
        "host/back\\/slash\\.png",
        "host/[]/{}'%\u{1}.png",
        "host/フォルダー名はとても長い/写真の名前もとても長い.png",
    ];
    for (n, path) in (0..).zip(paths) {
        let step = MediumStep::Record {
            medium: nth(n),
            asset: AssetStep::Fetch(Why::New),
        };
        home.store.record_media(&[step], at(1)).unwrap();
        let file = saved_at(path.to_owned(), n, 10);
        home.store.record_assets(&[file], at(2)).unwrap();
    }
    for (n, path) in (0..).zip(paths) {
        let owner = home.store.path_owner(path, &nth(99).id).unwrap();
        assert_eq!(owner, Some(nth(n).id), "{path}");
        let strange = home.store.strange_paths(&[path.to_owned()]).unwrap();
        assert!(strange.is_empty(), "{path}");
    }
}

/// What it takes to find all files to ask for, where each but every hundredth waits for later.
fn passing_over(count: u32) -> u64 {
    let mut home = filled(count).home;
    let asked: Vec<_> = (0..count)
        .map(|n| MediumStep::Asset {
            id: nth(n).id,
            asset: AssetStep::Fetch(Why::Asked),
        })
        .collect();
    home.store.record_media(&asked, at(3)).unwrap();
    let failed: Vec<_> = home
        .store
        .owed_assets(None, usize::MAX, false, at(3))
        .unwrap()
        .into_iter()
        .enumerate()
        .filter(|(n, _)| n % 100 != 0)
        .map(|(_, owed)| AssetOutcome::Failed {
            media_id: owed.media_id,
            owed_at: owed.owed_at,
            why: Why::Asked,
            error: "404".to_owned(),
            is_attempt: true,
            stays_owed: false,
            next_attempt_at: Some(at(1_000)),
            announced_bytes: None,
        })
        .collect();
    home.store.record_assets(&failed, at(4)).unwrap();
    Steps::of(home).of_this(|store| {
        let (mut seen, mut after) = (0, None);
        loop {
            let page = store.owed_assets(after, 2, false, at(5)).unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.number);
            seen += page.len();
        }
        assert_eq!(seen, count.div_ceil(100) as usize);
    })
}

#[test]
fn what_waits_for_later_is_passed_over_once() {
    let (few, many) = (passing_over(200), passing_over(2_000));
    assert!(many < few * 15, "{few} steps for a tenth, {many} for all");
}
