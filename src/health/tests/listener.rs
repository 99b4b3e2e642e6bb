//! The listener over real sockets on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::super::{Facts, Finding, Listener, Source, alive, serve};
use super::facts;

/// Answers with the facts of [`facts`]; hangs where it is told to.
struct Stand {
    hangs: bool,
}

impl Source for Stand {
    fn alive(&self) -> Finding {
        alive(Duration::ZERO)
    }

    async fn facts(&self) -> Facts {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        facts(60)
    }
}

fn stand(hangs: bool) -> (SocketAddr, AbortOnDropHandle<()>) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Listener::bind(any).expect("a free port");
    let address = listener.address().expect("an address");
    let serving = tokio::spawn(serve(listener, Arc::new(Stand { hangs })));
    (address, AbortOnDropHandle::new(serving))
}

/// What comes back for these bytes, to the end.
async fn exchange(address: SocketAddr, question: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream
        .write_all(question.as_bytes())
        .await
        .expect("it is read");
    let mut answer = Vec::new();
    // A refusal may come as a reset.
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn four_questions_are_answered_by_get_and_head_alone() {
    let (address, _serving) = stand(false);
    let ask =
        async |line: &str| exchange(address, &format!("{line} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
    for (line, status, ends) in [
        ("GET /livez", "200 OK", "alive\n"),
        ("GET /readyz", "200 OK", "ready\n"),
        (
            "GET /healthz?verbose",
            "200 OK",
            "OK: complete as of 2023-11-14T22:13:20.000Z, 1 min ago\n",
        ),
        ("HEAD /healthz", "200 OK", "\r\n\r\n"),
        (
            "POST /livez",
            "405 Method Not Allowed",
            "GET or HEAD only\n",
        ),
        (
            "GET /",
            "404 Not Found",
            "there are /livez, /readyz, /healthz and /metrics\n",
        ),
        ("GET /metrics/..", "404 Not Found", "/metrics\n"),
    ] {
        let answer = ask(line).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{line}: {answer}"
        );
        assert!(answer.ends_with(ends), "{line}: {answer}");
    }
    let scrape = ask("GET /metrics").await;
    assert!(
        scrape.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{scrape}"
    );
    assert!(
        scrape.contains("\nmicrocms_backup_database_readable 1\n"),
        "{scrape}"
    );
}

#[tokio::test]
async fn nonsense_and_endless_questions_lose_their_connection_alone() {
    let (address, _serving) = stand(false);
    let nonsense = exchange(address, "\0\x01\x02\r\n\r\n").await;
    assert!(!nonsense.contains("200 OK"), "{nonsense}");
    let endless = format!("GET /livez HTTP/1.1\r\nx: {}", "y".repeat(100_000));
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    drop(stream.write_all(endless.as_bytes()).await);
    let answer = exchange(address, "GET /livez HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK"), "{answer}");
}

#[tokio::test]
async fn whoever_holds_connections_open_holds_nobody_up_for_long() {
    let (address, _serving) = stand(true);
    // More than there is room for, and none of them says a word, or gets one.
    let mut silent = Vec::new();
    for count in 0..40 {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        if count % 2 == 0 {
            let question = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
            stream.write_all(question).await.expect("it is taken");
        }
        silent.push(stream);
    }
    let begun = tokio::time::Instant::now();
    let answer = exchange(address, "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(answer.ends_with("alive\n"), "{answer}");
    let waited = begun.elapsed();
    assert!(waited < Duration::from_secs(25), "{waited:?}");
    drop(silent);
}

#[tokio::test]
async fn who_says_nothing_makes_room_for_who_asks() {
    let (address, _serving) = stand(false);
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(address).await.expect("a connection"));
    }
    let begun = tokio::time::Instant::now();
    let answer = exchange(address, "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let waited = begun.elapsed();
    assert!(waited < Duration::from_secs(4), "{waited:?}");
}

#[tokio::test]
async fn a_port_in_use_is_an_error() {
    let (address, _serving) = stand(false);
    let err = Listener::bind(address).expect_err("somebody has it");
    assert_eq!(err.kind(), std::io::ErrorKind::AddrInUse);
}
