//! A 404 is evidence of a deletion only if it is the service's own word and arrived whole.

use super::assert_nothing_lost;
use crate::support::{Expect as _, Sandbox, Setup};
use microcms_backup::model::{ExitCode, WalkVerdict};
use microcms_backup::sync::Only;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};

#[tokio::test(flavor = "multi_thread")]
async fn a_404_that_is_not_the_services_own_word_is_no_evidence() {
    let sim = Sim::builder()
        .media(20)
        .published_list_api("blog", 20)
        .start()
        .await;
    let html = Fault::Status {
        status: 404,
        headers: [("content-type".to_owned(), "text/html".to_owned())].into(),
        body: "<html><h1>404 Not Found</h1><hr>nginx</html>".to_owned(),
        consumed: false,
    };
    // A wrong address is no empty service.
    let only_media = Setup {
        only: Only {
            media: true,
            contents: false,
            assets: false,
        },
        ..Setup::default()
    };
    for fault in [html.clone(), Fault::status(404, "Not Found")] {
        sim.fault(Route::Media, Occasion::Every, fault);
        let home = Sandbox::new();
        let report = home.sync_with(&sim, only_media.clone()).await;
        assert_eq!(report.verdict_of("media"), WalkVerdict::Failed);
        assert!(!report.verdict.safe);
        sim.clear_faults();
    }
    // Nor is a proxy's page a deletion.
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let id = sim.content_ids("blog")[3].clone();
    sim.edit(Edit::DeleteContent {
        endpoint: "blog".into(),
        id,
    })
    .expect("deleted");
    sim.fault(Route::Metadata, Occasion::Every, html.clone());
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_nothing_lost(&home, &sim);
    sim.edit(Edit::DeleteApi {
        endpoint: "blog".into(),
    })
    .expect("deleted");
    sim.fault(Route::Schema, Occasion::Every, html);
    home.sync(&sim).await.expect_code(ExitCode::Guard);
    assert_nothing_lost(&home, &sim);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_404_that_did_not_arrive_whole_is_no_evidence_and_an_empty_one_is() {
    let sim = Sim::builder().published_list_api("blog", 20).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let id = sim.content_ids("blog")[3].clone();
    let deleted = Edit::DeleteContent {
        endpoint: "blog".into(),
        id,
    };
    sim.edit(deleted).expect("deleted");
    sim.fault(
        Route::Metadata,
        Occasion::Every,
        Fault::Cut {
            after: 3,
            chunked: false,
        },
    );
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_nothing_lost(&home, &sim);
    sim.clear_faults();
    let empty = Fault::Status {
        status: 404,
        headers: [].into(),
        body: String::new(),
        consumed: false,
    };
    sim.fault(Route::Metadata, Occasion::Every, empty);
    home.sync(&sim).await.expect_complete();
    let marked = "SELECT count(*) FROM contents WHERE deleted_at IS NOT NULL";
    assert_eq!(home.count(marked), 1);
}
