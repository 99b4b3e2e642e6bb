//! Files that hold all contents of one API: NDJSON and CSV.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::error::ExportError;
use super::folder::{Folder, Growing};
use super::work::Side;
use super::{json, table};

/// What Excel needs to take a file for UTF-8.
const BOM: &str = "\u{feff}";

/// The files of one API in one form.
#[derive(Debug)]
pub(super) struct Sheets {
    /// The file's name, without its ending.
    stem: String,
    ending: &'static str,
    /// What each file begins with.
    head: Vec<u8>,
    open: BTreeMap<Side, Growing>,
}

impl Sheets {
    /// One JSON object a line.
    pub(super) fn lines(stem: &str) -> Self {
        Self {
            stem: stem.to_owned(),
            ending: "ndjson",
            head: Vec::new(),
            open: BTreeMap::new(),
        }
    }

    /// A table with these columns.
    pub(super) fn table(stem: &str, columns: &[String], has_bom: bool) -> Self {
        let mut head = if has_bom {
            BOM.as_bytes().to_vec()
        } else {
            Vec::new()
        };
        head.extend(table::row(columns.iter().map(String::as_str)));
        Self {
            stem: stem.to_owned(),
            ending: "csv",
            head,
            open: BTreeMap::new(),
        }
    }

    /// Adds a row; the file of that side begins with its first one.
    pub(super) fn add(
        &mut self,
        folder: &mut Folder,
        side: Side,
        row: &[u8],
    ) -> Result<(), ExportError> {
        self.begin(folder, side)?;
        match self.open.get_mut(&side) {
            Some(growing) => folder.grow(growing, row),
            None => Ok(()),
        }
    }

    fn begin(&mut self, folder: &mut Folder, side: Side) -> Result<(), ExportError> {
        if self.open.contains_key(&side) {
            return Ok(());
        }
        let path = format!("{}{}.{}", self.stem, side.ending(), self.ending);
        let mut growing = folder.begin(&path)?;
        folder.grow(&mut growing, &self.head)?;
        self.open.insert(side, growing);
        Ok(())
    }

    /// Puts the files in their places. What is published has one though there be nothing in it.
    pub(super) fn end(mut self, folder: &mut Folder) -> Result<(), ExportError> {
        self.begin(folder, Side::Published)?;
        self.open
            .into_values()
            .try_for_each(|growing| folder.end(growing))
    }
}

/// Returns a body on one line.
pub(super) fn line(body: &str, change: Option<impl FnMut(&str) -> Option<String>>) -> String {
    let style = json::Style::Tight;
    let mut line = match change {
        Some(change) => json::changed(body, style, change),
        None => json::set(body, style, |string, _| Cow::Borrowed(string)),
    };
    line.push('\n');
    line
}
