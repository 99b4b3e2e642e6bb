//! microCMS over HTTP: wire forms, the two kinds of paging, request budgets, retries, asset hosts.
//!
//! The only room that knows JSON field names and `reqwest`. It refuses to know what is saved: it
//! reads the service and hands over values of [`model`](crate::model).
//!
//! The API key lives in `api::Api` alone. The client that fetches assets never had it, so no
//! redirect and no mistake can carry it to another host. Nor did the one that sends notices.

mod answer;
mod api;
mod apis;
mod asset_answer;
mod asset_body;
mod assets;
mod bodies;
mod budget;
mod client;
mod contents;
mod error;
mod gate;
mod gzip;
mod idset;
mod media;
mod meter;
mod notes;
mod notice;
mod probe;
mod retry;
pub mod rights;
mod service;
mod silence;
mod throttle;
mod wire;

pub use api::{Key, host_key};
pub use apis::{ApiInfo, ApiList, Schema, StrangeApi};
pub use asset_body::AssetBody;
pub use assets::{Ask, AssetAnswer, AssetClient, AssetHead, Conditions};
pub use bodies::{Batch, BatchAnswer, FoundBody};
pub use contents::{ContentsPage, ContentsWalkEnd, Lookup};
pub use error::{Refusal, Remedy, RemoteError};
pub use gate::LineGate;
pub use idset::IdSet;
pub use media::{MediaPage, MediaWalkEnd};
pub use meter::Meter;
pub use notice::{NoticeError, Notices};
pub use probe::reach;
pub use service::{Options, Remote};
pub use wire::{OddContent, is_same_body, read_content, read_medium, says_the_same, title};
