//! The configuration: files, environment and credentials in, one validated [`Config`] out.
//!
//! Reading ([`Sources`], `raw`) and checking (`checked`, `values`) are apart: what a person wrote
//! is collected first, then every problem in it is reported at once, each with its key, its value
//! and its place. The API key is read here too, into an [`ApiKey`] that prints as `[redacted]`.
//!
//! In order of strength, the later wins: the defaults, the TOML file, the names that other
//! microCMS tools use (`MICROCMS_SERVICE_DOMAIN`, `MICROCMS_SERVICE_ID`), and
//! `MICROCMS_BACKUP__SECTION__KEY`. The key has its own order, see [`KeySource`].
//!
//! This is the only room that reads the environment, and it opens no database, no socket and
//! none of the folders that it names.

mod checked;
mod hooks;
mod key;
mod keys;
mod layers;
mod notify;
mod paths;
mod problem;
mod raw;
mod schedule;
mod sources;
#[cfg(test)]
mod tests;
mod values;

pub use checked::{
    Assets, Config, Health, Limits, Retention, Schedule, Service, Storage, load, load_with_key,
};
pub use hooks::Hooks;
pub use key::{ApiKey, KeySource};
pub use keys::KEYS;
pub use notify::{Notify, SecretUrl, WebhookOn};
pub use problem::{ConfigError, Place, Problem};
pub use sources::Sources;
pub(crate) use values::{bandwidth, service_id};
