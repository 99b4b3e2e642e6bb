use super::{Sandbox, at, content, endpoint};
use crate::model::{BodyStep, ContentStep, EndpointKind};
use crate::store::{EndpointFacts, Recorded};

fn facts(name: &str, schema: Option<&str>) -> EndpointFacts {
    EndpointFacts {
        endpoint: endpoint(name),
        name: name.to_uppercase(),
        kind: EndpointKind::List,
        schema: schema.map(str::to_owned),
    }
}

fn recorded(new: u64, changed: u64, returned: u64) -> Recorded {
    Recorded {
        new,
        changed,
        returned,
    }
}

#[test]
fn only_what_changed_is_written_and_every_change_once() {
    let mut home = Sandbox::new();
    let v1 = [facts("blog", Some("{\"a\":1}")), facts("news", None)];
    assert_eq!(
        home.store.record_endpoints(&v1, at(1)).unwrap(),
        recorded(2, 0, 0)
    );

    let before = home.written();
    assert_eq!(
        home.store.record_endpoints(&v1, at(2)).unwrap(),
        recorded(0, 0, 0)
    );
    assert_eq!(home.written(), before);

    let v2 = [facts("blog", Some("{\"a\":2}")), facts("news", None)];
    assert_eq!(
        home.store.record_endpoints(&v2, at(3)).unwrap(),
        recorded(0, 1, 0)
    );
    assert_eq!(
        home.ask("SELECT group_concat(endpoint || schema) FROM endpoints_history"),
        "blog{\"a\":1}"
    );
}

#[test]
fn a_schema_that_cannot_be_read_now_keeps_the_recorded_one() {
    let mut home = Sandbox::new();
    home.store
        .record_endpoints(&[facts("blog", Some("{}"))], at(1))
        .unwrap();
    let before = home.written();
    home.store
        .record_endpoints(&[facts("blog", None)], at(2))
        .unwrap();
    assert_eq!(home.written(), before);

    let mut renamed = facts("blog", None);
    renamed.name = "Blog 2".to_owned();
    home.store.record_endpoints(&[renamed], at(3)).unwrap();
    let rows = home.store.load_endpoints().unwrap();
    assert_eq!(rows[0].schema.as_deref(), Some("{}"));
    assert_eq!(rows[0].name, "Blog 2");
}

#[test]
fn a_retired_api_takes_its_contents_along_and_returns_alone() {
    let mut home = Sandbox::new();
    let (blog, news) = (endpoint("blog"), endpoint("news"));
    home.store
        .record_endpoints(&[facts("blog", Some("{}")), facts("news", None)], at(1))
        .unwrap();
    for api in [&blog, &news] {
        let step = ContentStep::Record {
            content: content("a", "PUBLISH", "1"),
            published: BodyStep::Fetch,
            draft: BodyStep::Clear,
        };
        home.store.record_contents(api, &[step], at(1)).unwrap();
    }
    // The clock stood still: the tombstones still begin later than the rows.
    assert_eq!(home.store.retire_endpoint(&blog, at(1)).unwrap(), 1);
    assert_eq!(
        home.ask("SELECT group_concat(endpoint) FROM contents WHERE deleted_at IS NULL"),
        "news"
    );
    assert_eq!(
        home.ask("SELECT group_concat(endpoint) FROM owed_bodies"),
        "news"
    );
    assert_eq!(home.ask("SELECT count(*) FROM contents_history"), "1");
    let before = home.written();
    assert_eq!(home.store.retire_endpoint(&blog, at(2)).unwrap(), 0);
    assert_eq!(home.written(), before);

    let back = home
        .store
        .record_endpoints(&[facts("blog", None)], at(3))
        .unwrap();
    assert_eq!(back, recorded(0, 0, 1));
    let rows = home.store.load_endpoints().unwrap();
    assert!(!rows[0].is_deleted);
    assert_eq!(rows[0].schema.as_deref(), Some("{}"));
    assert_eq!(home.ask("SELECT count(*) FROM endpoints_history"), "2");
    assert_eq!(
        home.ask("SELECT count(*) FROM endpoints_timeline WHERE endpoint = 'blog'"),
        "2"
    );
}
