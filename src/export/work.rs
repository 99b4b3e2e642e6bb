//! One export: rows in, files out.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use super::error::ExportError;
use super::folder::{Files, Folder, Growing, Ways};
use super::git::{Commit, Git};
use super::html::Converter;
use super::json::{self, Style};
use super::links::Links;
use super::name::file_name;
use super::sheets::{self, Sheets};
use super::{markdown, table};
use crate::model::{ContentAt, ContentId, EndpointAt, MediumAt, Status};

/// The words for rich text in schemas: the editor of today and the one before it.
const RICH: [&str; 2] = ["richEditorV2", "richEditor"];
/// The list of all media.
const MEDIA: &str = "_media.json";
/// An API's definition, in its folder.
const SCHEMA: &str = "_schema.json";

/// In which form contents are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// A file for each content.
    Json,
    /// A file for each API, with a line for each content.
    Ndjson,
    /// A table for each API.
    Csv,
    /// A file for each content, with its fields in front.
    Markdown,
}

/// What becomes of the URLs of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkMode {
    /// Markdown leads to the mirror, everything else is as the service wrote it.
    ByFormat,
    /// They lead to the mirror.
    Mirror,
    /// They stay as they are.
    Keep,
}

/// What to export.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose contents they are.
    pub service: String,
    /// In which forms.
    pub formats: BTreeSet<Format>,
    /// Also what visitors do not see: drafts, and what was published once and is closed. Then all that is written is
    /// for the owner alone.
    pub wants_unpublished: bool,
    /// Whether tables begin with a byte order mark, for Excel.
    pub has_bom: bool,
    /// What becomes of the URLs of media.
    pub links: LinkMode,
    /// Whether files that somebody changed are written anew.
    pub overwrites: bool,
}

/// What came of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    /// How many APIs.
    pub endpoints: u64,
    /// How many published contents.
    pub contents: u64,
    /// How many drafts, where they were asked for.
    pub drafts: u64,
    /// How many closed contents, where they were asked for.
    pub closed: u64,
    /// How many bodies are missing, for they were not saved yet.
    pub owed: u64,
    /// How many media are listed.
    pub media: u64,
    /// What became of the files.
    pub files: Files,
    /// The commit, if there was something to commit.
    pub commit: Option<String>,
}

/// Which of a content's bodies a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Published,
    Draft,
    Closed,
}

impl Side {
    /// What stands before the ending of a file's name. No id has a dot in its name.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Published => "",
            Self::Draft => ".draft",
            Self::Closed => ".closed",
        }
    }
}

/// The API whose contents come now.
#[derive(Debug)]
struct Current {
    folder: String,
    /// Fields that hold rich text.
    rich: Vec<String>,
    columns: Vec<String>,
    lines: Option<Sheets>,
    table: Option<Sheets>,
}

/// An export under way. Dropped before [`Export::finish`], it leaves whole files, and the next one goes on.
#[derive(Debug)]
pub struct Export<'a> {
    options: Options,
    folder: Folder,
    links: Option<Links<'a>>,
    converter: Converter,
    current: Option<Current>,
    media: Option<Growing>,
    done: Exported,
}

impl<'a> Export<'a> {
    /// Opens the folder, which is made if need be.
    ///
    /// # Errors
    /// Where it is none that an export may write to, nothing was changed.
    pub fn open(path: &Path, options: Options) -> Result<Self, ExportError> {
        let how = Ways {
            overwrites: options.overwrites,
            is_private: options.wants_unpublished,
        };
        Ok(Self {
            folder: Folder::open(path, &options.service, how)?,
            options,
            links: None,
            converter: Converter::new(),
            current: None,
            media: None,
            done: Exported::default(),
        })
    }

    /// Returns the folder's real path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Says where the files of media are; without it all URLs stay as they are.
    pub fn set_links(&mut self, links: Links<'a>) {
        self.links = Some(links);
    }

    /// Begins an API. `keys` are those of its bodies, for the columns of a table.
    ///
    /// # Errors
    /// Those of the folder.
    pub fn begin(&mut self, api: &EndpointAt, keys: &[String]) -> Result<(), ExportError> {
        let folder = file_name(api.endpoint.as_str());
        if let Some(schema) = &api.schema {
            let mut text = json::set(schema, Style::Lines, |string, _| Cow::Borrowed(string));
            text.push('\n');
            let path = format!("{folder}/{SCHEMA}");
            self.folder.put(&path, None, text.as_bytes())?;
        }
        let fields: Vec<String> = api.fields.iter().map(|field| field.id.clone()).collect();
        let columns = table::columns(keys, &fields);
        let has = |format| self.options.formats.contains(&format);
        let rich = api
            .fields
            .iter()
            .filter(|field| RICH.contains(&&*field.kind));
        self.current = Some(Current {
            lines: has(Format::Ndjson).then(|| Sheets::lines(&folder)),
            table: has(Format::Csv).then(|| Sheets::table(&folder, &columns, self.options.has_bom)),
            rich: rich.map(|field| field.id.clone()).collect(),
            folder,
            columns,
        });
        self.done.endpoints += 1;
        Ok(())
    }

    /// Writes a content of the API that [`Export::begin`] named.
    ///
    /// # Errors
    /// Those of the folder.
    pub fn content(&mut self, content: &ContentAt) -> Result<(), ExportError> {
        let Some(mut current) = self.current.take() else {
            return Ok(());
        };
        let written = sides(content, self.options.wants_unpublished)
            .into_iter()
            .try_for_each(|(side, body)| match body {
                Some(body) => self.body(&mut current, &content.id, side, body),
                None => self.owed(&current, &content.id, side),
            });
        self.current = Some(current);
        written
    }

    /// Ends the API.
    ///
    /// # Errors
    /// Those of the folder.
    pub fn end(&mut self) -> Result<(), ExportError> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        for sheets in [current.lines, current.table].into_iter().flatten() {
            sheets.end(&mut self.folder)?;
        }
        Ok(())
    }

    /// Adds a medium to the list of all.
    ///
    /// # Errors
    /// Those of the folder.
    pub fn medium(&mut self, medium: &MediumAt) -> Result<(), ExportError> {
        let listed = json::set(&medium.metadata, Style::Tight, |string, _| {
            Cow::Borrowed(string)
        });
        let file = medium.file.as_ref().map_or("null".to_owned(), |file| {
            serde_json::json!({ "path": file.path, "bytes": file.bytes, "sha256": file.sha256 })
                .to_string()
        });
        let id = json::quoted(medium.id.as_str());
        let comma = if self.done.media == 0 { "\n" } else { ",\n" };
        let line = format!("{comma}{{\"id\":{id},\"file\":{file},\"listed\":{listed}}}");
        self.done.media += 1;
        self.list_media(&line)
    }

    /// Says that all rows came: from here on nothing is asked of where they came from, which may change.
    pub fn filled(self) -> Export<'static> {
        let Self {
            options,
            folder,
            links: _,
            converter,
            current,
            media,
            done,
        } = self;
        Export {
            options,
            folder,
            links: None,
            converter,
            current,
            media,
            done,
        }
    }

    /// Returns whether an earlier export wrote to the folder.
    pub fn has_earlier(&self) -> bool {
        self.folder.has_earlier()
    }

    /// Removes what is not part of the export any more, commits if that was asked for, and closes the folder.
    ///
    /// # Errors
    /// Those of the folder and of Git. Without the commit everything is written, and the next export commits.
    pub fn finish(mut self, git: Option<(&Git, &Commit)>) -> Result<Exported, ExportError> {
        self.list_media("\n]\n")?;
        if let Some(media) = self.media.take() {
            self.folder.end(media)?;
        }
        self.folder.tidy()?;
        if let Some((git, commit)) = git {
            // Before the notes go: they know what was removed, also by an export that was cut off.
            let commit = commit.told(&self.folder.files);
            let is_ours = |path: &str| self.folder.is_ours(path);
            self.done.commit = git.commit(self.folder.path(), is_ours, &commit)?;
        }
        self.done.files = self.folder.seal()?;
        Ok(self.done)
    }

    fn body(
        &mut self,
        current: &mut Current,
        id: &ContentId,
        side: Side,
        body: &str,
    ) -> Result<(), ExportError> {
        match side {
            Side::Published => self.done.contents += 1,
            Side::Draft => self.done.drafts += 1,
            Side::Closed => self.done.closed += 1,
        }
        let (id, mode) = (id.as_str(), self.options.links);
        let links = &mut self.links;
        let mut change = |is_markdown: bool, depth: usize, text: &str| match (mode, &mut *links) {
            (LinkMode::Keep, _) | (_, None) => None,
            (LinkMode::ByFormat, Some(_)) if !is_markdown => None,
            (LinkMode::ByFormat | LinkMode::Mirror, Some(links)) => links.rewrite(text, depth),
        };
        if let Some(lines) = &mut current.lines {
            let line = sheets::line(body, Some(|text: &str| change(false, 0, text)));
            lines.add(&mut self.folder, side, line.as_bytes())?;
        }
        if let Some(table) = &mut current.table {
            let cells = table::cells(id, &current.columns, body, |text| change(false, 0, text));
            let row = table::row(cells.iter().map(String::as_str));
            table.add(&mut self.folder, side, &row)?;
        }
        for (path, listed) in paths(&self.options.formats, &current.folder, id, side) {
            let text = if path.ends_with(".md") {
                let change = |text: &str| change(true, 1, text);
                markdown::document(body, id, &current.rich, &self.converter, change)
            } else {
                let change = |text: &str| change(false, 1, text);
                json::changed(body, Style::Lines, change) + "\n"
            };
            self.folder.put(&path, listed, text.as_bytes())?;
        }
        Ok(())
    }

    /// Leaves a content's files as they are, for its body is not known: gone it is not.
    fn owed(&mut self, current: &Current, id: &ContentId, side: Side) -> Result<(), ExportError> {
        self.done.owed += 1;
        let formats = &self.options.formats;
        for (path, listed) in paths(formats, &current.folder, id.as_str(), side) {
            self.folder.leave(&path, listed)?;
        }
        Ok(())
    }

    fn list_media(&mut self, text: &str) -> Result<(), ExportError> {
        let growing = match &mut self.media {
            Some(growing) => growing,
            None => {
                let mut growing = self.folder.begin(MEDIA)?;
                self.folder.grow(&mut growing, b"[")?;
                self.media.insert(growing)
            }
        };
        self.folder.grow(growing, text.as_bytes())
    }
}

/// Returns the files of one body, with the id where the name does not say it.
fn paths<'id>(
    formats: &BTreeSet<Format>,
    folder: &str,
    id: &'id str,
    side: Side,
) -> Vec<(String, Option<&'id str>)> {
    let name = file_name(id);
    let listed = (name != id).then_some(id);
    [(Format::Json, "json"), (Format::Markdown, "md")]
        .into_iter()
        .filter(|(format, _)| formats.contains(format))
        .map(|(_, ending)| (format!("{folder}/{name}{}.{ending}", side.ending()), listed))
        .collect()
}

/// Returns what is to be written of a content; `None` stands for a body that is owed. What visitors do not
/// see is part of it only where that was asked for.
fn sides(content: &ContentAt, wants_unpublished: bool) -> Vec<(Side, Option<&str>)> {
    let published = content.published.as_deref();
    let draft = content.draft.as_deref();
    let (open, hidden): (Vec<_>, Vec<_>) = match &content.status {
        Status::Publish => (vec![(Side::Published, published)], vec![]),
        Status::PublishAndDraft => (
            vec![(Side::Published, published)],
            vec![(Side::Draft, draft)],
        ),
        Status::Draft => (vec![], vec![(Side::Draft, draft)]),
        Status::Closed => (vec![], vec![(Side::Closed, published)]),
        // Nobody knows whether visitors see it: then they do not.
        Status::Other(_) => {
            let there = [(Side::Closed, published), (Side::Draft, draft)];
            (
                vec![],
                there
                    .into_iter()
                    .filter(|(_, body)| body.is_some())
                    .collect(),
            )
        }
    };
    let hidden = hidden.into_iter().filter(|_| wants_unpublished);
    open.into_iter().chain(hidden).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_visitors_do_not_see_is_written_only_when_asked_for() {
        let content = |status: &str| ContentAt {
            id: ContentId::parse("a").unwrap(),
            status: Status::parse(status),
            published: Some("p".to_owned()),
            draft: Some("d".to_owned()),
        };
        for (status, open, all) in [
            ("PUBLISH", vec![""], vec![""]),
            ("PUBLISH_AND_DRAFT", vec![""], vec!["", ".draft"]),
            ("DRAFT", vec![], vec![".draft"]),
            ("CLOSED", vec![], vec![".closed"]),
            ("SOMETHING_NEW", vec![], vec![".closed", ".draft"]),
        ] {
            let content = content(status);
            let endings = |wants| -> Vec<&str> {
                let sides = sides(&content, wants);
                sides.iter().map(|(side, _)| side.ending()).collect()
            };
            assert_eq!((endings(false), endings(true)), (open, all), "{status}");
        }
    }
}
