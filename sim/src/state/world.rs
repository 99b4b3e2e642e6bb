//! The whole service behind one lock: contents, media, keys, tokens, budgets.

use std::sync::Arc;

use super::contents::{Api, ApiKind, ApiPlan};
use super::media::{MediaSet, Recipe};
use super::medium::Bases;
use super::rights::Key;
use super::schema::SchemaFormat;
use crate::budget::Budgets;
use crate::builder::Options;
use crate::faults::FaultBook;
use crate::routes::asset_options::AssetOptions;
use crate::times::{EDIT_STEP_MS, FIRST_EDIT_MS};
use crate::tokens::Tokens;

/// The state of the service.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) service_id: String,
    pub(crate) service_name: String,
    /// Shared with running walks: an edit copies it first if one is under way.
    pub(crate) media: Arc<MediaSet>,
    /// How many media there were at the start; generated bodies refer to these.
    pub(crate) made_media: u32,
    pub(crate) apis: Vec<Api>,
    pub(crate) body_bytes: usize,
    /// The asset hosts that URLs show now.
    pub(crate) bases: Bases,
    /// Those that they do not show.
    pub(crate) other_bases: Bases,
    /// Whether the hosts in use are those of the custom domain.
    pub(crate) has_custom_hosts: bool,
    /// The first key is the one that `Sim::api_key` tells.
    pub(crate) keys: Vec<Key>,
    pub(crate) tokens: Tokens,
    pub(crate) budgets: Budgets,
    pub(crate) faults: FaultBook,
    pub(crate) schema_format: SchemaFormat,
    pub(crate) old_media_form: bool,
    pub(crate) empty_media_is_404: bool,
    pub(crate) max_answer_bytes: usize,
    pub(crate) gzip: bool,
    pub(crate) assets: AssetOptions,
    /// The plan's quota is used up.
    pub(crate) stopped: bool,
    /// The client's address is not on the list.
    pub(crate) ip_rejected: bool,
    clock_ms: i64,
}

impl World {
    pub(crate) fn new(options: &Options, own: Bases, custom: Bases) -> Self {
        let recipe = Recipe {
            seed: options.seed,
            service_id: options.service_id.clone(),
            sizes: options.media_size.clone(),
        };
        let mut keys = vec![Key {
            text: options.api_key.clone(),
            management: options.management,
            content: options.content,
            per_endpoint: options.per_endpoint.clone(),
        }];
        keys.extend(options.other_keys.iter().cloned());
        Self {
            seed: options.seed,
            service_id: options.service_id.clone(),
            service_name: options.service_name.clone(),
            media: Arc::new(MediaSet::new(recipe, options.media, options.shuffled)),
            made_media: options.media,
            apis: options
                .apis
                .iter()
                .map(|plan| {
                    Api::new(
                        options.seed,
                        plan,
                        relates_to(&options.apis, &plan.endpoint),
                    )
                })
                .collect(),
            body_bytes: options.body_bytes,
            bases: own,
            other_bases: custom,
            has_custom_hosts: false,
            keys,
            tokens: Tokens::new(options),
            budgets: Budgets::new(options),
            faults: FaultBook::default(),
            schema_format: options.schema_format,
            old_media_form: options.old_media_form,
            empty_media_is_404: options.empty_media_is_404,
            max_answer_bytes: options.max_answer_bytes,
            gzip: options.gzip,
            assets: options.assets,
            stopped: false,
            ip_rejected: false,
            clock_ms: FIRST_EDIT_MS,
        }
    }

    pub(crate) fn api(&self, endpoint: &str) -> Option<&Api> {
        self.apis.iter().find(|api| api.endpoint == endpoint)
    }

    pub(crate) fn api_mut(&mut self, endpoint: &str) -> Option<&mut Api> {
        self.apis.iter_mut().find(|api| api.endpoint == endpoint)
    }

    pub(crate) fn media_mut(&mut self) -> &mut MediaSet {
        Arc::make_mut(&mut self.media)
    }

    /// The time of the next edit: repeatable, and later than everything before.
    pub(crate) fn tick(&mut self) -> i64 {
        self.clock_ms += EDIT_STEP_MS;
        self.clock_ms
    }
}

/// The list API that `category` refers to: the first other one, or the API itself.
fn relates_to<'a>(plans: &'a [ApiPlan], endpoint: &'a str) -> &'a str {
    plans
        .iter()
        .find(|plan| plan.endpoint != endpoint && plan.kind == ApiKind::List)
        .map_or(endpoint, |plan| plan.endpoint.as_str())
}
