use super::super::api::{Key, Which};
use super::super::budget::Budget;
use super::super::meter::Meter;
use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn ids(names: &[&str]) -> Vec<ContentId> {
    names
        .iter()
        .map(|name| ContentId::parse(name).unwrap())
        .collect()
}

#[test]
fn a_batch_takes_what_fits_one_request() {
    let long = "x".repeat(50);
    let many: Vec<ContentId> = (0..300)
        .map(|n| ContentId::parse(&format!("{long}{n}")).unwrap())
        .collect();
    let (batch, taken) = Batch::take(&many, 100);
    assert_eq!((batch.ids.len(), taken), (100, 100));
    let (_, taken) = Batch::take(&ids(&["a", "b,c", "d"]), 100);
    assert_eq!(taken, 1, "an id with a comma ends the list");
    let (_, taken) = Batch::take(&ids(&["b,c", "d"]), 100);
    assert_eq!(taken, 1, "and goes alone");
    let (_, taken) = Batch::take(&many, 7);
    assert_eq!(taken, 7);
    let huge: Vec<ContentId> = (0..100)
        .map(|n| ContentId::parse(&format!("{}{n:03}", "y".repeat(200))).unwrap())
        .collect();
    assert!(Batch::take(&huge, 100).1 < 40);
}

#[test]
fn bodies_are_joined_by_id_never_by_position() {
    let body = |id: &str| Body {
        id: Some(id.to_owned()),
        updated_at: None,
        revised_at: None,
        published_at: None,
        text: format!("{{\"id\":\"{id}\"}}"),
    };
    let mut answer = BatchAnswer::default();
    sort_in(
        &ids(&["a", "b", "c"]),
        vec![body("c"), body("stranger"), body("a")],
        &mut answer,
    );
    let found: Vec<_> = answer
        .found
        .iter()
        .map(|(id, body)| (id.as_str(), body.text.as_str()))
        .collect();
    assert_eq!(found, [("a", r#"{"id":"a"}"#), ("c", r#"{"id":"c"}"#)]);
    assert_eq!(answer.left_out, ids(&["b"]));
}

/// A Content API that reads questions and answers none, and how many there were.
async fn stalled() -> (Api, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut piece = [0; 4096];
                while stream.read(&mut piece).await.is_ok_and(|read| read > 0) {
                    count.fetch_add(1, Ordering::Relaxed);
                    // Not a whole answer, and nothing to go on with.
                    drop(stream.write_all(b"HTTP/1.1 ").await);
                }
            });
        }
    });
    let api = Api::new(
        Which::Content,
        base.parse().unwrap(),
        Key::new(&"key".into()).unwrap(),
        super::super::client::builder_for(true).build().unwrap(),
        Budget::new(1_000, Duration::from_secs(1)),
        Meter::new(Arc::default()),
    );
    (api, asked)
}

#[tokio::test]
async fn an_api_that_says_nothing_at_all_is_soon_asked_once_for_each_question() {
    let (api, asked) = stalled().await;
    let endpoint = Endpoint::parse("blog").unwrap();
    let names: Vec<String> = (0..100).map(|n| format!("content-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (batch, _) = Batch::take(&ids(&names), Batch::MOST);
    let late = Duration::from_millis(40);
    let answer = published(&api, &endpoint, &batch, late).await;
    assert!(matches!(answer.trouble, Some(RemoteError::TimedOut { .. })));
    let first = asked.swap(0, Ordering::Relaxed);
    assert!((2..=6).contains(&first), "{first} requests for one batch");
    for _ in 0..3 {
        let answer = published(&api, &endpoint, &batch, late).await;
        assert!(matches!(answer.trouble, Some(RemoteError::TimedOut { .. })));
        assert!(object(&api, &endpoint, None, late).await.is_err());
    }
    assert_eq!(asked.load(Ordering::Relaxed), 6, "each question once");
}
