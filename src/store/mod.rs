//! The SQLite database: open, migrate, record, ask.
//!
//! One [`Store`] owns one connection and is plain synchronous code with one method per promise; a
//! [`StoreThread`] gives it to asynchronous callers. Each method is one transaction: all of what it
//! records, or nothing. Rows that did not change are not written. History is written by the
//! database's triggers, and times come in as arguments.
//!
//! This room knows rows, not reasons: it never asks the service, looks at a file of the mirror, or
//! decides what a listing means.

mod absences;
mod answers;
mod as_of;
mod assets;
mod before;
mod bodies;
mod condition;
mod contents;
mod counts;
mod doomed;
mod doubts;
mod endpoints;
mod error;
mod files;
mod find;
mod held;
mod homes;
mod hosts;
mod in_step;
mod lock;
mod look;
mod losses;
mod media;
mod migrate;
mod moments;
mod open;
mod partials;
mod past;
mod plain;
mod proof;
mod prune;
mod retired;
mod runs;
mod sampled;
mod sift;
mod snapshot;
mod soundness;
mod status;
#[cfg(test)]
mod tests;
mod thread;
mod totals;
mod unread;
mod values;
mod verifications;
mod view;
mod wrong_files;

pub use absences::Sighting;
pub use answers::{
    Absent, AssetTotals, BodyProblem, BodyTotals, HadBody, Recorded, SavedAsset, SavedFile,
    TwoBodies,
};
pub use before::is_copy_before;
pub use doomed::DoomedCursor;
pub use doubts::LaterLook;
pub use endpoints::{EndpointFacts, EndpointRow};
pub use error::{StoreError, Taken};
pub use files::behind_links;
pub use find::Name;
pub use held::{HeldFile, HostedFile, NeededBytes};
pub use homes::{AsideAsset, PathHolder};
pub use lock::{Lock, LockError, LockState};
pub use losses::LostBytes;
pub use moments::Covered;
pub use open::{Mode, Options, Store};
pub use past::Wanted;
pub use prune::{PruneId, PruneStep, PrunedBatch};
pub use retired::RetiredFile;
pub use runs::{Begun, RunEnd, RunId};
pub use sampled::SAMPLE;
pub use snapshot::{Snapshot, SnapshotFile, SnapshotOptions};
pub use soundness::{DatabaseCheck, Flaw};
pub use status::{Integrity, Sample};
pub use thread::{StoreHandle, StoreThread};
pub use verifications::VerifyBegun;
pub use view::{view, view_backup};
pub use wrong_files::{Reread, WrongFile};
