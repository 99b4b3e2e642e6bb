//! The words of this program: endpoints, ids, times, listed things, steps and outcomes.
//!
//! Values with invariants and nothing else. This room never touches a socket, a file, a database,
//! a clock, a runtime or a logger; every other room may speak it.

pub mod as_of;
pub mod asset;
pub mod backup;
pub mod body;
pub mod causes;
pub mod condition;
pub mod content;
mod count;
pub mod ending;
pub mod host;
pub mod ids;
pub mod json;
pub mod medium;
pub mod merkle;
pub mod moment;
pub mod past;
pub mod path;
pub mod plain;
pub mod proof;
pub mod report;
pub mod retention;
pub mod share;
pub mod snapshot;
pub mod sniff;
pub mod tally;
pub mod tamper;
pub mod time;
pub mod traffic;
pub mod verify;
pub mod walk;

pub use as_of::{ContentAt, EndpointAt, FieldAt, FileAt, MediumAt, RunAt};
pub use asset::{AssetOutcome, AssetRow, AssetState, AssetStep, OwedAsset, PartialFile, Why};
pub use backup::BackupState;
pub use body::{BodyDigest, Mention, Place, UrlPath};
pub use causes::{causes, chain};
pub use content::{
    BodyOutcome, BodySide, BodyStep, ContentStep, EndpointKind, KnownContent, ListedContent,
    OwedBody, ServedContent, Status,
};
pub use count::counted;
pub use host::{HostTraits, Standing};
pub use ids::{ContentId, Endpoint, InvalidId, MediaId};
pub use json::{is_same_json, read_json};
pub use medium::{KnownMedium, ListedMedium, MediumStep, ServedMedium};
pub use merkle::{Hash, Tree};
pub use moment::{Moment, NoMoment};
pub use past::{State, Thing, ThingKind, Version};
pub use path::{AssetUrl, OnDisk, RelPath};
pub use plain::{brief, is_hidden, plain};
pub use proof::{LastProof, Proof, RootPrefix};
pub use report::{ExitCode, Outcome, Problem, ProblemKind, RunReport, Verdict};
pub use retention::{
    Claims, Cutoffs, DoomedFile, PruneReport, PrunedFiles, PrunedRows, PrunedTables,
};
pub use share::{NoShare, Share, Slice};
pub use snapshot::{MissingFile, SnapshotFiles, SnapshotReport};
pub use tally::Tally;
pub use tamper::{TamperFinding, TamperKind, TamperReport};
pub use time::{CLOCK_STEP, CLOCK_TOLERANCE, Timestamp, is_same_time, span};
pub use traffic::{ApiName, Flow, Traffic};
pub use verify::{
    Checked, Compared, ComparedAll, Difference, DifferenceKind, Repair, VerifyHead, VerifyReport,
    VerifyScope, VerifyState,
};
pub use walk::{Scope, WalkRecord, WalkVerdict};
