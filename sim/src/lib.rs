//! A stand-in for the microCMS service: both APIs and the asset hosts, faithful
//! to what the service documents, with faults and edits on request.
//!
//! ```
//! use microcms_sim::{Edit, Fault, Route, Sim, When};
//!
//! let sim = Sim::builder().service_id("demo").seed(7).media(250).list_api("blog", 120).start_blocking();
//! // The second page of the media list is lost on the way, page token and all:
//! sim.fault(Route::Media, 2, Fault::DropAfter);
//! // While the contents are walked, somebody drags the last one to the top:
//! let last = sim.content_ids("blog").pop().unwrap();
//! let drag = Edit::MoveContent { endpoint: "blog".into(), id: last, place: 0 };
//! sim.on(Route::MetadataList, 1, When::After, drag);
//! // … run the client against `sim.management_url()` and `sim.content_url()`, then compare:
//! assert_eq!(sim.truth().media.len(), 250);
//! assert_eq!(sim.counters().keys_at_asset_hosts, 0);
//! ```
//!
//! The rooms: `builder` describes · `state` holds the service and edits it ·
//! `routes` answers · `form`, `bytes` and `payload` make files while they are sent ·
//! `server`, `request`, `body` and `meter` speak HTTP · `tokens`, `budget`,
//! `faults` make it as strict and as nasty as asked · `counters` and `truth`
//! are what tests compare with.

mod body;
mod budget;
mod builder;
mod bytes;
mod counters;
mod faults;
mod form;
mod meter;
mod mix;
mod names;
mod payload;
mod query;
mod request;
mod routes;
mod server;
mod sim;
mod state;
mod times;
mod tls;
mod tokens;
mod truth;

pub use builder::SimBuilder;
pub use counters::{Counters, HostCounters, RequestRecord};
pub use faults::{EditRule, Fault, FaultRule, Occasion, Target, When};
pub use routes::Route;
pub use routes::asset_options::{AssetOptions, WrongRange};
pub use server::Sim;
pub use state::contents::{ApiKind, Status};
pub use state::edits::{Edit, EditError};
pub use state::rights::{ContentRights, ManagementRights};
pub use state::schema::SchemaFormat;
pub use tokens::{TokenMode, TotalCount};
pub use truth::{Truth, TruthContent, TruthEndpoint, TruthMedium};
