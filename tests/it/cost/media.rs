//! What a change of a medium costs, case by case.

use super::{assert_quiet, backed_up, replace, rows, rows_of, size};
use crate::support::{
    Bill, Expect as _, Setup, archived, assert_holds, assert_sound_and_tidy, files,
};
use microcms_sim::Edit;

struct Case {
    name: &'static str,
    edit: fn(&str) -> Edit,
    conditional: u64,
    /// Whether the bytes of that one file come.
    has_bytes: bool,
    /// Whether there is a new version of the file, and whether it has other bytes.
    is_version: bool,
    is_archived: bool,
}

const CASES: [Case; 12] = [
    Case {
        name: "new bytes under the same URL",
        edit: |id| replace(id, true, 0),
        conditional: 1,
        has_bytes: true,
        is_version: true,
        is_archived: true,
    },
    Case {
        name: "new bytes, and no stamp but the lost description",
        edit: |id| replace(id, false, 0),
        conditional: 1,
        has_bytes: true,
        is_version: true,
        is_archived: true,
    },
    Case {
        name: "a longer file",
        edit: |id| Edit::ResizeMedium {
            id: id.to_owned(),
            size: 300_000,
            touch: true,
        },
        conditional: 1,
        has_bytes: true,
        is_version: true,
        is_archived: true,
    },
    Case {
        name: "new bytes under a new URL",
        edit: |id| Edit::ReplaceUnderNewUrl {
            id: id.to_owned(),
            bytes: None,
        },
        conditional: 0,
        has_bytes: true,
        is_version: true,
        is_archived: true,
    },
    // An `ETag` names a version of one URL's file: at another URL nobody vouches for the bytes.
    Case {
        name: "a rename with a stamp",
        edit: |id| Edit::RenameMedium {
            id: id.to_owned(),
            name: "renamed.png".into(),
            touch: true,
        },
        conditional: 0,
        has_bytes: true,
        is_version: true,
        is_archived: false,
    },
    Case {
        name: "a rename without a stamp",
        edit: |id| Edit::RenameMedium {
            id: id.to_owned(),
            name: "renamed.png".into(),
            touch: false,
        },
        conditional: 0,
        has_bytes: true,
        is_version: true,
        is_archived: false,
    },
    Case {
        name: "another alt with a stamp",
        edit: |id| Edit::SetAlt {
            id: id.to_owned(),
            alt: Some("after".into()),
            touch: true,
        },
        conditional: 1,
        has_bytes: false,
        is_version: false,
        is_archived: false,
    },
    Case {
        name: "another alt without a stamp",
        edit: |id| Edit::SetAlt {
            id: id.to_owned(),
            alt: Some("after".into()),
            touch: false,
        },
        conditional: 1,
        has_bytes: false,
        is_version: false,
        is_archived: false,
    },
    Case {
        name: "no alt any more",
        edit: |id| Edit::SetAlt {
            id: id.to_owned(),
            alt: None,
            touch: true,
        },
        conditional: 1,
        has_bytes: false,
        is_version: false,
        is_archived: false,
    },
    Case {
        name: "tags with a stamp",
        edit: |id| Edit::SetTags {
            id: id.to_owned(),
            tags: vec!["a".into(), "b".into()],
            touch: true,
        },
        conditional: 1,
        has_bytes: false,
        is_version: false,
        is_archived: false,
    },
    Case {
        name: "tags without a stamp",
        edit: |id| Edit::SetTags {
            id: id.to_owned(),
            tags: vec!["a".into()],
            touch: false,
        },
        conditional: 1,
        has_bytes: false,
        is_version: false,
        is_archived: false,
    },
    Case {
        name: "a stamp alone",
        edit: |id| Edit::TouchMedium { id: id.to_owned() },
        conditional: 1,
        has_bytes: false,
        is_version: false,
        is_archived: false,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_medium_costs_one_request_and_bytes_only_if_they_are_new() {
    for case in CASES {
        let (sim, home, images) = backed_up(true).await;
        let name = case.name;
        let old = home.saved_bytes(&images[0]).expect("saved");
        let (kept, versions) = (
            files(&home.path("archive")).len(),
            rows(&home, "assets_history"),
        );
        sim.edit((case.edit)(&images[0])).expect("edited");
        let (report, bill) = home.billed(&sim, Setup::default()).await;
        let report = report.expect_complete();
        let bytes = if case.has_bytes {
            size(&sim, &images[0])
        } else {
            0
        };
        assert_eq!(
            (bill.requests, bill.conditional, bill.bytes),
            (1, case.conditional, bytes),
            "{name}"
        );
        assert_eq!(report.assets.bytes, bytes, "{name}");
        assert_eq!(
            bill.rows,
            rows_of(1, u64::from(case.is_version), 2),
            "{name}"
        );
        assert_eq!(
            rows(&home, "assets_history") - versions,
            u64::from(case.is_version),
            "{name}"
        );
        assert_eq!(
            files(&home.path("archive")).len() - kept,
            usize::from(case.is_archived),
            "{name}"
        );
        if case.is_archived {
            let sha256 = crate::support::digest(&old);
            assert_eq!(archived(&home, &sha256), Some(old), "{name}");
        }
        assert_holds(&home, &sim.truth());
        assert_sound_and_tidy(&home);
        assert_quiet(&home, &sim, Setup::default(), name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stamp_alone_costs_the_bytes_only_at_a_host_that_proved_nothing_yet() {
    let (sim, home, images) = backed_up(false).await;
    sim.edit(Edit::TouchMedium {
        id: images[0].clone(),
    })
    .expect("edited");
    let (report, bill) = home.billed(&sim, Setup::default()).await;
    report.expect_complete();
    assert_eq!((bill.requests, bill.conditional), (2, 1));
    assert_eq!(bill.bytes, size(&sim, &images[0]));
    assert_eq!(bill.rows, rows_of(1, 0, 2));
    // Once it has told two versions apart, its word is enough, also for the others.
    sim.edit(replace(&images[1], true, 0)).expect("edited");
    home.sync(&sim).await.expect_complete();
    for id in &images {
        sim.edit(Edit::TouchMedium { id: id.clone() })
            .expect("edited");
    }
    let (report, bill) = home.billed(&sim, Setup::default()).await;
    report.expect_complete();
    let count = images.len() as u64;
    assert_eq!(
        (bill.requests, bill.conditional, bill.bytes),
        (count, count, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn new_and_deleted_media_cost_their_own_bytes_and_rows() {
    let (sim, home, images) = backed_up(true).await;
    let id = sim
        .edit(Edit::AddMedium {
            name: "new.png".into(),
            bytes: None,
            path: None,
            alt: None,
            tags: Vec::new(),
        })
        .expect("added");
    let (report, bill) = home.billed(&sim, Setup::default()).await;
    report.expect_complete();
    assert_eq!((bill.requests, bill.bytes), (1, size(&sim, &id)));
    let expected = [
        ("media: insert", 1),
        ("assets: insert", 1),
        ("assets: update", 1),
        ("leaves: insert", 2),
    ];
    assert_eq!(bill.rows, Bill::of_rows(&expected));

    let deleted = home.saved_bytes(&images[0]).expect("saved");
    sim.edit(Edit::DeleteMedium {
        id: images[0].clone(),
    })
    .expect("deleted");
    for (walk, expected) in [
        (1, vec![("absences: insert", 1)]),
        (
            2,
            vec![
                ("absences: update", 1),
                ("absences: delete", 1),
                ("media: update", 1),
                ("media_history: insert", 1),
                ("leaves: insert", 1),
            ],
        ),
        (3, Vec::new()),
    ] {
        let (report, bill) = home.billed(&sim, Setup::default()).await;
        report.expect_complete();
        assert_eq!((bill.requests, bill.bytes), (0, 0), "walk {walk}");
        assert_eq!(bill.rows, Bill::of_rows(&expected), "walk {walk}");
    }
    assert_eq!(home.saved_bytes(&images[0]), Some(deleted));
    assert_holds(&home, &sim.truth());
}
