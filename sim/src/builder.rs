//! What a simulator is made of, with the real service's values as defaults.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::budget::Budget;
use crate::routes::asset_options::AssetOptions;
use crate::server::{Listeners, Sim};
use crate::state::contents::{ApiKind, ApiPlan};
use crate::state::rights::{ContentRights, Key, ManagementRights};
use crate::state::schema::SchemaFormat;
use crate::tls::Security;
use crate::tokens::{TokenMode, TotalCount};

/// Everything that the builder decides.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) service_id: String,
    pub(crate) service_name: String,
    pub(crate) seed: u64,
    pub(crate) api_key: String,
    pub(crate) media: u32,
    pub(crate) media_size: RangeInclusive<u64>,
    pub(crate) shuffled: bool,
    pub(crate) apis: Vec<ApiPlan>,
    pub(crate) body_bytes: usize,
    pub(crate) management: ManagementRights,
    pub(crate) content: ContentRights,
    pub(crate) per_endpoint: BTreeMap<String, ContentRights>,
    pub(crate) other_keys: Vec<Key>,
    pub(crate) token_mode: TokenMode,
    pub(crate) token_life: Duration,
    pub(crate) token_grace: Duration,
    pub(crate) total_count: TotalCount,
    pub(crate) management_budget: Option<Budget>,
    pub(crate) content_budget: Option<Budget>,
    pub(crate) old_media_form: bool,
    pub(crate) empty_media_is_404: bool,
    pub(crate) schema_format: SchemaFormat,
    pub(crate) max_answer_bytes: usize,
    pub(crate) gzip: bool,
    pub(crate) assets: AssetOptions,
    pub(crate) workers: usize,
}

/// Builds a [`Sim`].
///
/// Without further calls: service `demo`, seed 1, no media, no APIs, all rights
/// that a backup needs, the real limits, and both budgets off.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `start`"]
pub struct SimBuilder {
    options: Options,
    listeners: Listeners,
}

impl Default for SimBuilder {
    fn default() -> Self {
        Self {
            options: Options {
                service_id: "demo".into(),
                service_name: "デモサービス".into(),
                seed: 1,
                api_key: "sim-key-0123456789abcdefghijklmnopqrstuv".into(),
                media: 0,
                media_size: 200..=4_000,
                shuffled: true,
                apis: Vec::new(),
                body_bytes: 400,
                management: ManagementRights::all(),
                content: ContentRights::backup(),
                per_endpoint: BTreeMap::new(),
                other_keys: Vec::new(),
                token_mode: TokenMode::Same,
                token_life: Duration::from_secs(15),
                token_grace: Duration::ZERO,
                total_count: TotalCount::Snapshot,
                management_budget: None,
                content_budget: None,
                old_media_form: false,
                empty_media_is_404: false,
                schema_format: SchemaFormat::B,
                max_answer_bytes: 5_000_000,
                gzip: true,
                assets: AssetOptions::default(),
                workers: 1,
            },
            listeners: Listeners::Separate {
                ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
                port_base: 0,
            },
        }
    }
}

impl SimBuilder {
    /// The service's id.
    pub fn service_id(mut self, id: &str) -> Self {
        self.options.service_id = id.into();
        self
    }

    /// The service's name, as `GET /api/v1/service` tells it.
    pub fn service_name(mut self, name: &str) -> Self {
        self.options.service_name = name.into();
        self
    }

    /// Decides all generated data: the same seed, the same service.
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// The main API key.
    pub fn api_key(mut self, key: &str) -> Self {
        self.options.api_key = key.into();
        self
    }

    /// How many media there are. They cost four bytes each.
    pub fn media(mut self, count: u32) -> Self {
        self.options.media = count;
        self
    }

    /// How long generated files are, in bytes. Default: 200 to 4,000.
    pub fn media_size(mut self, bytes: RangeInclusive<u64>) -> Self {
        self.options.media_size = bytes;
        self
    }

    /// Lists media in the order of their creation instead of an arbitrary one.
    pub fn media_in_order(mut self) -> Self {
        self.options.shuffled = false;
        self
    }

    /// Adds a list API with contents in all four states.
    pub fn list_api(self, endpoint: &str, contents: u32) -> Self {
        self.api(endpoint, ApiKind::List, contents, false)
    }

    /// Adds a list API whose contents are all published and have no drafts.
    pub fn published_list_api(self, endpoint: &str, contents: u32) -> Self {
        self.api(endpoint, ApiKind::List, contents, true)
    }

    /// Adds an object API: one published content, without an id in the Content API.
    pub fn object_api(self, endpoint: &str) -> Self {
        self.api(endpoint, ApiKind::Object, 1, true)
    }

    fn api(mut self, endpoint: &str, kind: ApiKind, contents: u32, only_published: bool) -> Self {
        let (endpoint, name) = (endpoint.to_owned(), format!("{endpoint} (表示名)"));
        self.options.apis.push(ApiPlan {
            endpoint,
            name,
            kind,
            contents,
            only_published,
        });
        self
    }

    /// Roughly how long the rich text of each generated content is, in bytes. Default: 400.
    pub fn body_bytes(mut self, bytes: usize) -> Self {
        self.options.body_bytes = bytes;
        self
    }

    /// The main key's Management permissions. Default: all.
    pub fn management_permissions(mut self, rights: ManagementRights) -> Self {
        self.options.management = rights;
        self
    }

    /// The main key's Content permissions. Default: [`ContentRights::backup`].
    pub fn content_permissions(mut self, rights: ContentRights) -> Self {
        self.options.content = rights;
        self
    }

    /// The main key's Content permissions for one endpoint.
    pub fn endpoint_permissions(mut self, endpoint: &str, rights: ContentRights) -> Self {
        self.options.per_endpoint.insert(endpoint.into(), rights);
        self
    }

    /// Adds another key.
    pub fn other_key(
        mut self,
        key: &str,
        management: ManagementRights,
        content: ContentRights,
    ) -> Self {
        let per_endpoint = BTreeMap::new();
        self.options.other_keys.push(Key {
            text: key.into(),
            management,
            content,
            per_endpoint,
        });
        self
    }

    /// Which media answers carry a token. Default: the same one in all.
    pub fn token_mode(mut self, mode: TokenMode) -> Self {
        self.options.token_mode = mode;
        self
    }

    /// How long a token lives after each use. Default: 15 s.
    pub fn token_life(mut self, life: Duration) -> Self {
        self.options.token_life = life;
        self
    }

    /// How much longer it still works ("may stay valid for some time after"). Default: not at all.
    pub fn token_grace(mut self, grace: Duration) -> Self {
        self.options.token_grace = grace;
        self
    }

    /// What `totalCount` tells during a media walk. Default: the snapshot's count.
    pub fn total_count(mut self, total: TotalCount) -> Self {
        self.options.total_count = total;
        self
    }

    /// Turns both budgets on, with the real numbers.
    pub fn with_budgets(self) -> Self {
        self.management_budget(10, Duration::from_secs(10))
            .content_budget(60, Duration::from_secs(1))
    }

    /// So many Management requests per client address in any such window; 429 beyond.
    pub fn management_budget(mut self, requests: u32, window: Duration) -> Self {
        self.options.management_budget = Some(Budget { requests, window });
        self
    }

    /// So many Content requests in any such window; 429 with `X-RateLimit-*` beyond.
    pub fn content_budget(mut self, requests: u32, window: Duration) -> Self {
        self.options.content_budget = Some(Budget { requests, window });
        self
    }

    /// Lists media as before 2026-04-08: without createdAt, updatedAt, tags and alt.
    pub fn old_media_form(mut self) -> Self {
        self.options.old_media_form = true;
        self
    }

    /// Answers an unfiltered list of no media with 404 `Content not found`. Default: an empty list.
    pub fn empty_media_is_404(mut self) -> Self {
        self.options.empty_media_is_404 = true;
        self
    }

    /// The form of schemas. Default: B.
    pub fn schema_format(mut self, format: SchemaFormat) -> Self {
        self.options.schema_format = format;
        self
    }

    /// The longest JSON answer in bytes, before compression. Default: 5,000,000.
    pub fn max_answer_bytes(mut self, bytes: usize) -> Self {
        self.options.max_answer_bytes = bytes;
        self
    }

    /// Whether JSON is compressed for clients that accept gzip. Default: yes.
    pub fn gzip(mut self, on: bool) -> Self {
        self.options.gzip = on;
        self
    }

    /// What the asset hosts support. Default: everything.
    pub fn assets(mut self, options: AssetOptions) -> Self {
        self.options.assets = options;
        self
    }

    /// Threads that serve. Default: 1.
    pub fn workers(mut self, threads: usize) -> Self {
        self.options.workers = threads.max(1);
        self
    }

    /// Takes fixed ports, from `first` on: management, content, images, files, foreign, admin,
    /// custom images, custom files.
    pub fn port_base(mut self, first: u16) -> Self {
        self.listeners = Listeners::Separate {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port_base: first,
        };
        self
    }

    /// One listener for all hosts, told apart by the `Host` header; listings show
    /// the real hosts' URLs (`https://images.microcms-assets.io/…`), and [`Sim::address`]
    /// tells where these names must lead. With the feature `tls` it can speak TLS.
    pub fn host_mode(mut self, address: SocketAddr) -> Self {
        self.listeners = Listeners::ByHost {
            address,
            security: Security::Plain,
        };
        self
    }

    /// Speaks TLS in host mode, with a new authority each time. Its certificate is
    /// written to `ca.pem` in this folder. Call it after [`SimBuilder::host_mode`].
    #[cfg(feature = "tls")]
    pub fn tls(self, folder: impl Into<std::path::PathBuf>) -> Self {
        self.secured(Security::Generated(folder.into()))
    }

    /// Speaks TLS in host mode with PEM files of a certificate chain and its key.
    /// Call it after [`SimBuilder::host_mode`].
    #[cfg(feature = "tls")]
    pub fn tls_files(
        self,
        chain: impl Into<std::path::PathBuf>,
        key: impl Into<std::path::PathBuf>,
    ) -> Self {
        self.secured(Security::Given {
            chain: chain.into(),
            key: key.into(),
        })
    }

    #[cfg(feature = "tls")]
    fn secured(mut self, wanted: Security) -> Self {
        if let Listeners::ByHost { security, .. } = &mut self.listeners {
            *security = wanted;
        }
        self
    }

    /// Starts to serve, on threads of its own: a paused clock or a blocked test
    /// does not touch it.
    ///
    /// # Panics
    /// If no loopback port can be had.
    pub fn start(self) -> std::future::Ready<Sim> {
        std::future::ready(self.start_blocking())
    }

    /// [`SimBuilder::start`] for callers that are not async.
    ///
    /// # Panics
    /// If no loopback port can be had.
    pub fn start_blocking(self) -> Sim {
        self.try_start()
            .expect("the loopback interface has free ports")
    }

    /// [`SimBuilder::start`] for callers that chose their ports.
    ///
    /// # Errors
    /// If a port is taken or threads cannot be had.
    pub fn try_start(self) -> io::Result<Sim> {
        Sim::launch(&self.options, &self.listeners)
    }
}
