//! A folder of files that people, spreadsheets, site generators and Git can read.
//!
//! One [`Export`] is given what there was, row by row, and sees to it that its folder holds exactly that:
//! files that are right already are not touched, others are replaced whole, and what it wrote earlier and
//! nobody needs now is removed, unless somebody changed it. The same rows always make the same bytes.
//!
//! The room knows neither the database nor the mirror: rows come in, and whether the mirror has a file
//! is a question that it asks its caller.

mod error;
mod folder;
mod git;
mod html;
mod json;
mod links;
mod manifest;
mod markdown;
mod name;
mod sheets;
mod table;
mod work;

pub use error::ExportError;
pub use git::{Commit, Git};
pub use links::Links;
pub use work::{Export, Exported, Format, LinkMode, Options};
