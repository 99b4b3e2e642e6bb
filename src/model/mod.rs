//! The words of this program: endpoints, ids, times, listed things, steps and outcomes.
//!
//! Values with invariants and nothing else. This room never touches a socket, a file, a database,
//! a clock, a runtime or a logger; every other room may speak it.

pub mod asset;
pub mod backup;
pub mod causes;
pub mod condition;
pub mod content;
pub mod host;
pub mod ids;
pub mod medium;
pub mod moment;
pub mod past;
pub mod path;
pub mod report;
pub mod retention;
pub mod sniff;
pub mod tally;
pub mod time;
pub mod traffic;
pub mod walk;

pub use asset::{AssetOutcome, AssetRow, AssetState, AssetStep, OwedAsset, PartialFile, Why};
pub use backup::BackupState;
pub use causes::{causes, chain};
pub use content::{
    BodyOutcome, BodySide, BodyStep, ContentStep, EndpointKind, KnownContent, ListedContent,
    OwedBody, Status,
};
pub use host::{HostTraits, Standing};
pub use ids::{ContentId, Endpoint, InvalidId, MediaId};
pub use medium::{KnownMedium, ListedMedium, MediumStep};
pub use moment::{Moment, NoMoment};
pub use past::{ContentAt, EndpointAt, FieldAt, FileAt, MediumAt, RunAt};
pub use path::{AssetUrl, OnDisk, RelPath};
pub use report::{ExitCode, Outcome, Problem, ProblemKind, RunReport, Verdict};
pub use retention::{
    Claims, Cutoffs, DoomedFile, PruneReport, PrunedFiles, PrunedRows, PrunedTables,
};
pub use tally::Tally;
pub use time::{Timestamp, span};
pub use traffic::{ApiName, Flow, Traffic};
pub use walk::{Scope, WalkRecord, WalkVerdict};
