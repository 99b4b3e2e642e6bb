//! The listeners, and one request from arrival to the last byte.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder as Http;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::body::{Dropped, Flow, SimBody, respond};
use crate::builder::Options;
use crate::counters::{Arrival, Entry, Ledger};
use crate::faults::Fault;
use crate::query::Query;
use crate::routes::{Answer, Ask, Length, Route, Site};
use crate::state::World;
use crate::state::media::Bases;
use crate::tls::{Security, Stream, Wire};

/// Where the simulator listens.
#[derive(Debug, Clone)]
pub(crate) enum Listeners {
    /// One listener per host; port 0 means any.
    Separate { ip: IpAddr, port_base: u16 },
    /// One listener for all hosts, and one for administration.
    ByHost {
        address: SocketAddr,
        security: Security,
    },
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Guards the service's state: every request holds it while its answer is
    /// made, never while it is sent. A plain mutex, for there is no await inside.
    world: Mutex<World>,
    /// Guards the account of requests.
    ledger: Mutex<Ledger>,
    service_id: String,
}

impl Shared {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The addresses that were bound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) management: SocketAddr,
    pub(crate) content: SocketAddr,
    pub(crate) images: SocketAddr,
    pub(crate) files: SocketAddr,
    pub(crate) foreign: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// A running simulator. It serves until it is stopped or dropped.
#[derive(Debug)]
pub struct Sim {
    pub(crate) shared: Arc<Shared>,
    pub(crate) addresses: Addresses,
    pub(crate) options: Options,
    /// The URL scheme of host mode; `None` outside of it.
    pub(crate) host_mode: Option<&'static str>,
    runtime: Option<Runtime>,
}

impl Sim {
    pub(crate) fn launch(options: &Options, listeners: &Listeners) -> io::Result<Self> {
        let bind = |address: SocketAddr| -> io::Result<(StdListener, SocketAddr)> {
            let listener = StdListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let bound = listener.local_addr()?;
            Ok((listener, bound))
        };
        let mut bound: Vec<(StdListener, Site)> = Vec::new();
        let (host_mode, wire) = match listeners {
            Listeners::Separate { .. } => (None, Wire::Plain),
            Listeners::ByHost { security, .. } => {
                let scheme = if security.is_tls() { "https" } else { "http" };
                (
                    Some(scheme),
                    security.wire(host_names(&options.service_id))?,
                )
            }
        };
        let addresses = match listeners {
            Listeners::Separate { ip, port_base } => {
                let mut next = |site: Site, place: u16| -> io::Result<SocketAddr> {
                    let port = if *port_base == 0 {
                        0
                    } else {
                        port_base.saturating_add(place)
                    };
                    let (listener, address) = bind(SocketAddr::new(*ip, port))?;
                    bound.push((listener, site));
                    Ok(address)
                };
                Addresses {
                    management: next(Site::Management, 0)?,
                    content: next(Site::Content, 1)?,
                    images: next(Site::Images, 2)?,
                    files: next(Site::Files, 3)?,
                    foreign: next(Site::Foreign, 4)?,
                    admin: next(Site::Admin, 5)?,
                }
            }
            Listeners::ByHost { address, .. } => {
                let (listener, all) = bind(*address)?;
                bound.push((listener, Site::ByHost));
                let (listener, admin) = bind(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 0))?;
                bound.push((listener, Site::Admin));
                Addresses {
                    management: all,
                    content: all,
                    images: all,
                    files: all,
                    foreign: all,
                    admin,
                }
            }
        };
        let bases = if host_mode.is_some() {
            Bases {
                images: "https://images.microcms-assets.io".into(),
                files: "https://files.microcms-assets.io".into(),
            }
        } else {
            Bases {
                images: format!("http://{}", addresses.images),
                files: format!("http://{}", addresses.files),
            }
        };
        let shared = Arc::new(Shared {
            world: Mutex::new(World::new(options, bases)),
            ledger: Mutex::new(Ledger::new()),
            service_id: options.service_id.clone(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.workers)
            .thread_name("microcms-sim")
            .enable_all()
            .build()?;
        for (listener, site) in bound {
            // `from_std` registers with the runtime that it runs in.
            let _inside = runtime.enter();
            let listener = TcpListener::from_std(listener)?;
            let shared = Arc::clone(&shared);
            // The runtime owns the task: it ends when the simulator is stopped or dropped.
            let wire = if site == Site::ByHost {
                wire.clone()
            } else {
                Wire::Plain
            };
            drop(runtime.spawn(accept(listener, site, shared, wire)));
        }
        Ok(Self {
            shared,
            addresses,
            options: options.clone(),
            host_mode,
            runtime: Some(runtime),
        })
    }

    /// Stops to serve: listeners close, connections break off. Dropping does the same.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // In the background, for it must work inside an async test too.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The names that host mode answers to.
fn host_names(service_id: &str) -> Vec<String> {
    vec![
        format!("{service_id}.microcms-management.io"),
        format!("{service_id}.microcms.io"),
        "images.microcms-assets.io".into(),
        "files.microcms-assets.io".into(),
        "localhost".into(),
    ]
}

/// Accepts until the runtime goes; owns the tasks of its connections.
async fn accept(listener: TcpListener, site: Site, shared: Arc<Shared>, wire: Wire) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // Out of file descriptors, or a client that left again: the next one may do.
        let Ok((stream, peer)) = listener.accept().await else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Small answers must not wait for the client's acknowledgement.
        let _best_effort = stream.set_nodelay(true);
        let (wire, shared) = (wire.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            match wire.open(stream).await {
                Some(Stream::Plain(stream)) => connection(stream, peer, site, shared).await,
                #[cfg(feature = "tls")]
                Some(Stream::Tls(stream)) => connection(stream, peer, site, shared).await,
                None => {}
            }
        });
    }
}

pub(crate) async fn connection<S>(stream: S, peer: SocketAddr, site: Site, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move {
            if site == Site::Admin {
                return Ok(crate::routes::admin::answer(&shared, request).await);
            }
            serve(shared, site, peer.ip(), request).await
        }
    });
    // A connection ends with an error whenever a fault or a client cuts it: that is its normal life.
    let _ended = Http::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Books the end of a request, however it ends.
#[derive(Debug)]
pub(crate) struct Closing {
    shared: Arc<Shared>,
    entry: Entry,
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.shared.ledger().closed(&self.entry);
    }
}

/// One request: counted, met by its faults and edits, answered.
async fn serve(
    shared: Arc<Shared>,
    site: Site,
    client: IpAddr,
    request: Request<Incoming>,
) -> Result<Response<SimBody>, Dropped> {
    {
        let header = |name: &str| {
            request
                .headers()
                .get(name)
                .and_then(|v| v.to_str().ok())
                .map(str::to_owned)
        };
        let host = header("host")
            .or_else(|| request.uri().authority().map(ToString::to_string))
            .unwrap_or_default();
        let site = if site == Site::ByHost {
            Site::of_host(&host, &shared.service_id)
        } else {
            site
        };
        let path = request.uri().path().to_owned();
        let full = request
            .uri()
            .path_and_query()
            .map_or_else(|| path.clone(), ToString::to_string);
        let route = Route::of(site, &path);
        let key = header("x-microcms-api-key");
        let range = header("range");
        let entry = shared.ledger().arrived(Arrival {
            site,
            route,
            method: request.method().to_string(),
            path: full.clone(),
            host,
            has_key: key.is_some(),
            range: range.clone(),
        });
        let closing = Closing {
            shared: Arc::clone(&shared),
            entry: entry.clone(),
        };
        let ask = Ask {
            route,
            method: request.method().to_string(),
            path,
            query: Query::parse(request.uri().query().unwrap_or("")),
            key,
            client,
            range,
            if_range: header("if-range"),
            if_none_match: header("if-none-match"),
            if_modified_since: header("if-modified-since"),
        };
        let verdict = {
            let mut world = shared.world();
            let verdict = world.faults.arrived(route, &full);
            for edit in verdict.before {
                // An edit that no longer fits (its content is gone) is no edit.
                let _applied = world.apply(edit);
            }
            (verdict.faults, verdict.after)
        };
        let (faults, after) = verdict;
        let instead = before(&faults, &full).await?;
        let answer = match instead {
            Some(answer) => answer,
            None => {
                let (answer, age) = answer(&shared, site, &ask, full.len());
                if let Some(age) = age {
                    shared.ledger().token_used(&entry, age);
                }
                answer
            }
        };
        {
            let mut world = shared.world();
            for edit in after {
                let _applied = world.apply(edit);
            }
        }
        let (answer, flow) = spoil(answer, &faults).await?;
        shared.ledger().answered(&entry, answer.status);
        let accepts_gzip =
            header("accept-encoding").is_some_and(|codings| codings.contains("gzip"));
        let compress = accepts_gzip && shared.world().gzip;
        Ok(respond(answer, flow, compress, entry, closing))
    }
}

/// The real answer, and the age of the page token that was used.
fn answer(shared: &Shared, site: Site, ask: &Ask, url_len: usize) -> (Answer, Option<Duration>) {
    // 8 KB is the documented limit of a URL.
    if url_len > 8192 && matches!(site, Site::Management | Site::Content) {
        return (Answer::error(414, "URI Too Long"), None);
    }
    let mut world = shared.world();
    match site {
        Site::Management => world.management(ask),
        Site::Content => (world.content(ask), None),
        Site::Images | Site::Files | Site::Foreign => (world.asset(ask), None),
        Site::ByHost | Site::Admin => (Answer::silent(404), None),
    }
}

/// Faults that act before the request is looked at. `Some` replaces the answer.
async fn before(faults: &[Fault], full: &str) -> Result<Option<Answer>, Dropped> {
    let mut instead = None;
    for fault in faults {
        match fault {
            Fault::Delay { ms } => sleep(Duration::from_millis(*ms)).await,
            Fault::DropBefore => return Err(Dropped),
            Fault::Status {
                consumed: false, ..
            } => instead = replaced(fault),
            Fault::Redirect { status, location } => {
                let mut answer =
                    Answer::silent(*status).header("location", location.replace("{path}", full));
                answer.body = bytes::Bytes::new();
                instead = Some(answer);
            }
            Fault::Status { .. }
            | Fault::DropAfter
            | Fault::Cut { .. }
            | Fault::Garbage
            | Fault::Html
            | Fault::Corrupt
            | Fault::DelayAfter { .. }
            | Fault::Stall { .. }
            | Fault::Drip { .. } => {}
        }
    }
    Ok(instead)
}

fn replaced(fault: &Fault) -> Option<Answer> {
    let Fault::Status {
        status,
        headers,
        body,
        ..
    } = fault
    else {
        return None;
    };
    let mut answer = Answer::silent(*status);
    answer.is_json = false;
    answer.body = bytes::Bytes::from(body.clone());
    for (name, value) in headers {
        answer.extra.push((name.clone(), value.clone()));
    }
    Some(answer)
}

/// Faults that act on the finished answer.
async fn spoil(mut answer: Answer, faults: &[Fault]) -> Result<(Answer, Flow), Dropped> {
    let mut flow = Flow::Plain;
    for fault in faults {
        match fault {
            Fault::DelayAfter { ms } => {
                sleep(Duration::from_millis(*ms)).await;
            }
            Fault::DropAfter => return Err(Dropped),
            Fault::Status { consumed: true, .. } => answer = replaced(fault).unwrap_or(answer),
            Fault::Garbage => answer = text("application/json", "\u{0}\u{1}{{{ this is no JSON ]]"),
            Fault::Html => {
                answer = text(
                    "text/html",
                    "<!doctype html><html><body><h1>Sign in to the network</h1></body></html>",
                );
            }
            Fault::Corrupt => {
                let mut body = answer.body.to_vec();
                body.iter_mut().step_by(97).for_each(|byte| *byte ^= 0x20);
                answer.body = bytes::Bytes::from(body);
            }
            Fault::Cut { after, chunked } => {
                flow = Flow::Cut {
                    after: *after,
                    chunked: *chunked,
                }
            }
            Fault::Stall { after: None } => {
                std::future::pending::<()>().await;
            }
            Fault::Stall { after: Some(after) } => flow = Flow::Stall { after: *after },
            Fault::Drip { bytes_per_second } => {
                flow = Flow::Drip {
                    bytes_per_second: *bytes_per_second,
                }
            }
            Fault::Status { .. }
            | Fault::DropBefore
            | Fault::Delay { .. }
            | Fault::Redirect { .. } => {}
        }
    }
    Ok((answer, flow))
}

fn text(content_type: &str, body: &'static str) -> Answer {
    Answer {
        status: 200,
        headers: vec![("content-type", content_type.into())],
        extra: Vec::new(),
        body: bytes::Bytes::from_static(body.as_bytes()),
        length: Length::Exact,
        is_json: false,
    }
}
