//! The listener: four questions over HTTP, answered one a connection.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tracing::{debug, warn};

use super::facts::Facts;
use super::finding::{Finding, healthy, ready};
use super::metrics::metrics;

/// Connections at a time. When all are taken, the oldest one that has not asked anything yet makes room; where all
/// have, the next one waits for one to end, which takes at most [`PATIENCE`].
const CONNECTIONS: usize = 32;
/// How long a connection may take, from its first byte to the last of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a question may take to arrive.
const QUESTION: Duration = Duration::from_secs(5);
/// The longest question, headers included.
const LONGEST: usize = 16 * 1024;
/// After an accept that failed, which is for want of memory or file handles.
const PAUSE: Duration = Duration::from_secs(1);

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Where the listener asks.
pub trait Source: Send + Sync + 'static {
    /// Finds whether the process does what it is there for. Waits for nothing.
    fn alive(&self) -> Finding;

    /// Gathers the facts, within a few seconds.
    fn facts(&self) -> impl Future<Output = Facts> + Send;
}

/// An address that is taken.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// Takes an address; port 0 is any free one. To be called inside a runtime.
    ///
    /// # Errors
    /// Those of the system: the port is in use, or not allowed, or the address is not this machine's.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(Self)
    }

    /// Returns the address that was taken.
    ///
    /// # Errors
    /// Those of the system.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Answers until it is dropped, and with it every connection.
pub async fn serve(Listener(listener): Listener, source: Arc<impl Source>) {
    let mut open = Connections::default();
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => {
                open.make_room().await;
                let has_asked = Arc::new(AtomicBool::new(false));
                let work = converse(stream, Arc::clone(&source), Arc::clone(&has_asked));
                open.begin(work, has_asked);
            }
            Err(err) => {
                warn!("the health listener could not accept a connection: {err}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// What is connected.
#[derive(Default)]
struct Connections {
    // What panics ends its connection, not the others.
    tasks: JoinSet<()>,
    /// The oldest first, each with whether its question has come.
    oldest: VecDeque<(AbortHandle, Arc<AtomicBool>)>,
}

impl Connections {
    async fn make_room(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        self.oldest.retain(|(task, _)| !task.is_finished());
        while self.tasks.len() >= CONNECTIONS {
            let says_nothing =
                |(_, has_asked): &(_, Arc<AtomicBool>)| !has_asked.load(Ordering::Relaxed);
            let silent = self.oldest.iter().position(says_nothing);
            match silent.and_then(|silent| self.oldest.remove(silent)) {
                Some((task, _)) => task.abort(),
                None => debug!("{CONNECTIONS} questions are open: the next one waits"),
            }
            drop(self.tasks.join_next().await);
        }
    }

    fn begin(&mut self, work: impl Future<Output = ()> + Send + 'static, asked: Arc<AtomicBool>) {
        let task = self.tasks.spawn(work);
        self.oldest.push_back((task, asked));
    }
}

async fn converse(stream: TcpStream, source: Arc<impl Source>, has_asked: Arc<AtomicBool>) {
    let answer = service_fn(|question| {
        has_asked.store(true, Ordering::Relaxed);
        let source = Arc::clone(&source);
        async move { Ok::<_, Infallible>(answer(&question, &*source).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(QUESTION)
        .keep_alive(false)
        .max_buf_size(LONGEST)
        .serve_connection(TokioIo::new(stream), answer);
    match tokio::time::timeout(PATIENCE, connection).await {
        Ok(Ok(())) => {}
        // Somebody else's trouble, and nothing that an operator could do about.
        Ok(Err(err)) => debug!("a connection to the health listener broke: {err}"),
        Err(_elapsed) => debug!("a connection to the health listener took too long"),
    }
}

async fn answer(question: &Request<Incoming>, source: &impl Source) -> Response<String> {
    if ![Method::GET, Method::HEAD].contains(question.method()) {
        let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD only");
        let allowed = HeaderValue::from_static("GET, HEAD");
        refusal.headers_mut().insert(ALLOW, allowed);
        return refusal;
    }
    match question.uri().path() {
        "/livez" => found(source.alive()),
        "/readyz" => found(ready(&source.facts().await)),
        "/healthz" => found(healthy(&source.facts().await)),
        "/metrics" => {
            let text = metrics(&source.facts().await);
            response(StatusCode::OK, METRICS, text)
        }
        _ => plain(
            StatusCode::NOT_FOUND,
            "there are /livez, /readyz, /healthz and /metrics",
        ),
    }
}

fn found(finding: Finding) -> Response<String> {
    let status = if finding.is_good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    plain(status, &finding.line)
}

fn plain(status: StatusCode, line: &str) -> Response<String> {
    response(status, PLAIN, format!("{line}\n"))
}

fn response(status: StatusCode, kind: HeaderValue, text: String) -> Response<String> {
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    // What was true a moment ago is of no use to a monitor.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
