//! The listeners and what their connections share.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder as Http;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::builder::Options;
use crate::counters::{Counters, Ledger, RequestRecord};
use crate::meter::{Meter, Metered};
use crate::request::serve;
use crate::routes::{CUSTOM_FILE_HOST, CUSTOM_IMAGE_HOST, Site};
use crate::state::World;
use crate::state::edits::Edit;
use crate::state::medium::Bases;
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
    pub(crate) service_id: String,
    /// Closed while counters are read; see [`Meter`].
    gate: Arc<RwLock<()>>,
}

impl Shared {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sums, with every byte that a client can have got.
    pub(crate) fn counters(&self) -> Counters {
        let _all_booked = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.ledger().counters()
    }

    /// The requests, with every byte that a client can have got.
    pub(crate) fn records(&self) -> Vec<RequestRecord> {
        let _all_booked = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.ledger().records()
    }

    /// Applies edits that waited for a request, and tells of those that no longer fit.
    pub(crate) fn apply_all(&self, edits: Vec<Edit>) {
        for edit in edits {
            let applied = self.world().apply(edit);
            if let Err(error) = applied {
                self.ledger().edit_failed(&error);
            }
        }
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
    pub(crate) custom_images: SocketAddr,
    pub(crate) custom_files: SocketAddr,
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
                    custom_images: next(Site::CustomImages, 6)?,
                    custom_files: next(Site::CustomFiles, 7)?,
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
                    custom_images: all,
                    custom_files: all,
                }
            }
        };
        let (own, custom) = if host_mode.is_some() {
            let named = |images: &str, files: &str| Bases {
                images: format!("https://{images}"),
                files: format!("https://{files}"),
            };
            (
                named("images.microcms-assets.io", "files.microcms-assets.io"),
                named(CUSTOM_IMAGE_HOST, CUSTOM_FILE_HOST),
            )
        } else {
            let bound = |images: SocketAddr, files: SocketAddr| Bases {
                images: format!("http://{images}"),
                files: format!("http://{files}"),
            };
            (
                bound(addresses.images, addresses.files),
                bound(addresses.custom_images, addresses.custom_files),
            )
        };
        let shared = Arc::new(Shared {
            world: Mutex::new(World::new(options, own, custom)),
            ledger: Mutex::new(Ledger::new()),
            service_id: options.service_id.clone(),
            gate: Arc::default(),
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
        CUSTOM_IMAGE_HOST.into(),
        CUSTOM_FILE_HOST.into(),
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
    let meter = Arc::new(Meter::new(Arc::clone(&shared.gate)));
    let stream = Metered {
        stream,
        meter: Arc::clone(&meter),
    };
    let service = service_fn(move |request| {
        let (shared, meter) = (Arc::clone(&shared), Arc::clone(&meter));
        async move {
            if site == Site::Admin {
                return Ok(crate::routes::admin::answer(&shared, request).await);
            }
            serve(shared, site, peer.ip(), &meter, request).await
        }
    });
    // A connection ends with an error whenever a fault or a client cuts it: that is its normal life.
    let _ended = Http::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
