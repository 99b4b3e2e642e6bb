//! `export`: files that people, spreadsheets, site generators and Git can read.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use clap::ValueEnum;
use tracing::warn;

use super::assemble::failed;
use super::failure::Failure;
use super::looking::{exact, instant, local, look, moment};
use super::named::no_api;
use super::run::Clock;
use super::{exit, output, places};
use crate::config::{self, Config, Sources};
use crate::export::{Commit, Export, ExportError, Exported, Format, Git, LinkMode, Links, Options};
use crate::model::{Endpoint, EndpointAt, ExitCode, Timestamp, counted, plain};
use crate::store::{Store, StoreError};

const EXAMPLES: &str = "\
Examples:
  microcms-backup export out                              a JSON file for each content
  microcms-backup export out --format csv --bom           tables that open right in Excel
  microcms-backup export site/content --format markdown   text with front matter
  microcms-backup export history --git                    and a commit of what changed
  microcms-backup export may --at 2026-05-03 --endpoint blogs";

const EXITS: &[(ExitCode, &str)] = &[
    (ExitCode::Complete, "done"),
    (
        ExitCode::Failed,
        "failed: no backup yet, a full disk, Git refused",
    ),
    (
        ExitCode::Usage,
        "wrong usage or configuration: an API or a time that there is not, a folder that is not an export's",
    ),
    (
        ExitCode::Partial,
        "something is missing: bodies still owed, files that somebody changed, history that `prune` removed",
    ),
    (ExitCode::Locked, "another export writes into the folder"),
];

/// Write contents as JSON, NDJSON, CSV or Markdown
///
/// Writes what visitors see into a folder: a folder or file for each API, its schema, and a list of all
/// media. The folder then holds exactly what the command line asks for: files that are right already are
/// not touched, others are replaced whole, and those that an earlier export wrote and nothing needs any
/// more are removed. Files that somebody else put there or changed are left alone.
///
/// Needs no API key and no network, and works while a run is under way.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(
    after_help = "Exit codes and examples: --help",
    after_long_help = exit::with_own(EXAMPLES, EXITS)
)]
pub(crate) struct Args {
    /// The folder: a new or empty one, or that of an earlier export
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,

    /// In which form; several with commas
    #[arg(
        long = "format",
        value_enum,
        value_name = "FORMAT",
        value_delimiter = ',',
        default_value = "json"
    )]
    pub(crate) formats: Vec<Form>,

    /// These APIs only; several with commas
    #[arg(long = "endpoint", value_name = "ENDPOINT", value_delimiter = ',', value_parser = Endpoint::parse)]
    pub(crate) endpoints: Vec<Endpoint>,

    /// As it was then: 2026-05-03, "2026-05-03 18:00", yesterday, "2h ago", or the number of a run
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,

    /// Also what visitors do not see: drafts (NAME.draft.json) and closed contents (NAME.closed.json)
    #[arg(long)]
    pub(crate) drafts: bool,

    /// Where URLs of media lead [default: mirror in Markdown, keep in all other forms]
    #[arg(long, value_enum, value_name = "WHERE")]
    pub(crate) media_links: Option<MediaLinks>,

    /// Begin CSV files with a byte order mark, so that Excel reads them as UTF-8
    #[arg(long)]
    pub(crate) bom: bool,

    /// Commit what changed to the Git repository that the folder lies in, or becomes
    #[arg(long)]
    pub(crate) git: bool,

    /// Also write anew, or remove, files of the export that somebody changed
    #[arg(long)]
    pub(crate) overwrite: bool,

    /// Print the report as JSON instead of the summary
    #[arg(long)]
    pub(crate) json: bool,
}

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// A file for each content
    Json,
    /// A file for each API, with one content a line
    Ndjson,
    /// A table for each API
    Csv,
    /// A text for each content, its other fields in front
    Markdown,
}

/// `--media-links`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MediaLinks {
    /// As the service wrote them
    Keep,
    /// To the mirror, where it has the file
    Mirror,
}

/// What `--json` prints.
#[derive(Debug, serde::Serialize)]
struct Report<'a> {
    version: u32,
    service: &'a str,
    folder: &'a str,
    at: Timestamp,
    run: Option<i64>,
    /// Where it is later than `at`: before it `prune` removed parts of the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    whole_since: Option<Timestamp>,
    #[serde(flatten)]
    exported: &'a Exported,
    exit_code: u8,
}

/// An export that came about, and of what.
struct Done {
    exported: Exported,
    at: Timestamp,
    run: Option<i64>,
    whole_since: Option<Timestamp>,
    is_redacted: bool,
}

/// An export with all of its rows, of which nothing is removed or committed yet.
struct Filled {
    export: Export<'static>,
    git: Option<(Git, Commit)>,
    at: Timestamp,
    run: Option<i64>,
    whole_since: Option<Timestamp>,
    is_redacted: bool,
}

impl Filled {
    fn finish(self) -> Result<Done, Failure> {
        let Self {
            export,
            git,
            at,
            run,
            whole_since,
            is_redacted,
        } = self;
        let finished = export.finish(git.as_ref().map(|(git, commit)| (git, commit)));
        finished.map_err(refused).map(|exported| Done {
            exported,
            at,
            run,
            whole_since,
            is_redacted,
        })
    }
}

/// Exports and prints. Returns the number for the shell.
pub(crate) fn run(args: &Args, sources: &Sources, clock: Clock) -> Result<u8, Failure> {
    let config = config::load(sources)?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    check_place(&args.folder, &config)?;
    if args.bom && !args.formats.contains(&Form::Csv) {
        let text = "`--bom` is for CSV, and none is to be written";
        return Err(Failure::new(ExitCode::Usage, text).with_hint("add `--format csv`"));
    }
    let now = clock();
    let filled = look(&config, |store| fill_folder(args, &config, store, now))??;
    let done = filled.finish()?;
    let exit = conclude(&done, args.at.is_some(), config.schedule.timezone);
    let text = if args.json {
        let folder = args.folder.display().to_string();
        let report = Report {
            version: 1,
            service: &config.service.id,
            folder: &folder,
            at: done.at,
            run: done.run,
            whole_since: done.whole_since,
            exported: &done.exported,
            exit_code: exit.code(),
        };
        serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
    } else {
        summary(&done, &args.folder)
    };
    output::result(&text).map_err(|err| {
        let text = format!("stdout could not be written: {err}");
        Failure::new(ExitCode::Failed, text)
    })?;
    Ok(exit.code())
}

/// Refuses the backup's own places, also such as are not there yet.
fn check_place(folder: &Path, config: &Config) -> Result<(), Failure> {
    let Some(own) = places::own(config, None, folder) else {
        return Ok(());
    };
    let text = format!("`{}` is part of the backup: it is {own}", folder.display());
    Err(Failure::new(ExitCode::Usage, text).with_hint("name a folder of its own"))
}

/// Writes all rows into the folder. Whether they were of one moment is known only after this: where the
/// database changed meanwhile, it is done once more, so that nothing is removed or committed here.
fn fill_folder(
    args: &Args,
    config: &Config,
    store: &Store,
    now: Timestamp,
) -> Result<Result<Filled, Failure>, StoreError> {
    let at = match &args.at {
        None => None,
        Some(text) => match moment(text, config, now) {
            Ok(moment) => match instant(store, moment, now, config.schedule.timezone)? {
                Ok(at) => Some(at),
                Err(failure) => return Ok(Err(failure)),
            },
            Err(failure) => return Ok(Err(failure)),
        },
    };
    let apis = match chosen(store, at, &args.endpoints, config.schedule.timezone)? {
        Ok(apis) => apis,
        Err(failure) => return Ok(Err(failure)),
    };
    let run = store.newest_run_at(at)?;
    let mut export = match Export::open(&args.folder, options(args, config)) {
        Ok(export) => export,
        Err(err) => return Ok(Err(refused(err))),
    };
    let covered = store.covered()?;
    let whole_since = covered
        .whole_since
        .filter(|whole| at.is_some_and(|at| at < *whole));
    if let Some(whole) = whole_since
        && export.has_earlier()
    {
        let whole = local(whole, config.schedule.timezone);
        return Ok(Err(pruned(&whole, &args.folder)));
    }
    let git = args.git.then(|| Git {
        hidden: config.hooks.hidden.clone(),
        is_private: args.drafts,
    });
    if let Some(Err(err)) = git.as_ref().map(|git| git.prepare(export.path())) {
        return Ok(Err(refused(err)));
    }
    if let Some(links) = links(store, &export, config, at)? {
        export.set_links(links);
    }
    if let Err(err) = fill(&mut export, store, &apis, at, args)? {
        return Ok(Err(refused(err)));
    }
    let told = at.unwrap_or(now);
    let commit = Commit {
        service: config.service.id.clone(),
        about: about(at, run.map(|run| (run.id, run.outcome.as_str())), args),
    };
    Ok(Ok(Filled {
        export: export.filled(),
        git: git.map(|git| (git, commit)),
        at: told,
        run: run.map(|run| run.id),
        whole_since,
        is_redacted: covered.is_redacted,
    }))
}

/// What is in the folder may be what is here no more.
fn pruned(whole_since: &str, folder: &Path) -> Failure {
    let text = format!(
        "history before {whole_since} is not whole: `prune` has removed parts of it, and `{}` may have an export from \
         before that",
        plain(&folder.display().to_string())
    );
    Failure::new(ExitCode::Usage, text).with_hint("name a new folder for what is left of that time")
}

/// Hands all rows over, one at a time.
fn fill(
    export: &mut Export<'_>,
    store: &Store,
    apis: &[EndpointAt],
    at: Option<Timestamp>,
    args: &Args,
) -> Result<Result<(), ExportError>, StoreError> {
    let mut result = Ok(());
    for api in apis {
        // Only a table has to know its columns before its rows.
        let keys = if args.formats.contains(&Form::Csv) {
            store.body_keys_at(&api.endpoint, at, args.drafts)?
        } else {
            Vec::new()
        };
        if let Err(err) = export.begin(api, &keys) {
            return Ok(Err(err));
        }
        store.each_content_at(&api.endpoint, at, |content| {
            result = export.content(&content);
            until(&result)
        })?;
        result = result.and_then(|()| export.end());
        if result.is_err() {
            return Ok(result);
        }
    }
    store.each_medium_at(at, |medium| {
        result = export.medium(&medium);
        until(&result)
    })?;
    Ok(result)
}

fn until(result: &Result<(), ExportError>) -> ControlFlow<()> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

/// Returns what leads to the mirror; `None` where there is no mirror.
fn links<'a>(
    store: &'a Store,
    export: &Export<'_>,
    config: &Config,
    at: Option<Timestamp>,
) -> Result<Option<Links<'a>>, StoreError> {
    let Ok(mirror) = config.storage.mirror.canonicalize() else {
        return Ok(None);
    };
    let hosts = store.mirrored_hosts()?;
    // What cannot be asked is not there: the URL stays.
    let has = move |path: &str| store.has_mirrored(path, at).unwrap_or(false);
    Ok(Some(Links::new(export.path(), &mirror, hosts, has)))
}

/// Returns the APIs that were asked for.
fn chosen(
    store: &Store,
    at: Option<Timestamp>,
    wanted: &[Endpoint],
    zone: Tz,
) -> Result<Result<Vec<EndpointAt>, Failure>, StoreError> {
    let apis = store.endpoints_at(at)?;
    for endpoint in wanted {
        if !apis.iter().any(|api| api.endpoint == *endpoint) {
            let known = apis.iter().map(|api| api.endpoint.as_str());
            return Ok(Err(match store.api_deleted_at(endpoint, at)? {
                Some(deleted_at) => deleted(endpoint, deleted_at, zone),
                None => no_api(endpoint.as_str(), known),
            }));
        }
    }
    let is_wanted = |api: &EndpointAt| wanted.is_empty() || wanted.contains(&api.endpoint);
    Ok(Ok(apis.into_iter().filter(is_wanted).collect()))
}

fn deleted(endpoint: &Endpoint, at: Timestamp, zone: Tz) -> Failure {
    let text = format!("the API `{endpoint}` was deleted at {}", exact(at, zone));
    let last = exact(at.minus(Duration::from_millis(1)), zone);
    let hint = format!("what it was last: `--at \"{last}\"`");
    Failure::new(ExitCode::Usage, text).with_hint(hint)
}

fn options(args: &Args, config: &Config) -> Options {
    let formats = args.formats.iter().map(|form| match form {
        Form::Json => Format::Json,
        Form::Ndjson => Format::Ndjson,
        Form::Csv => Format::Csv,
        Form::Markdown => Format::Markdown,
    });
    Options {
        service: config.service.id.clone(),
        formats: formats.collect(),
        wants_unpublished: args.drafts,
        has_bom: args.bom,
        links: match args.media_links {
            None => LinkMode::ByFormat,
            Some(MediaLinks::Keep) => LinkMode::Keep,
            Some(MediaLinks::Mirror) => LinkMode::Mirror,
        },
        overwrites: args.overwrite,
    }
}

fn about(at: Option<Timestamp>, run: Option<(i64, &str)>, args: &Args) -> Vec<String> {
    let mut about = Vec::new();
    if let Some((id, outcome)) = run {
        about.push(format!("Run: {id} ({outcome})"));
    }
    about.push(match at {
        Some(at) => format!("As of: {at}"),
        None => "As of: the latest state".to_owned(),
    });
    if args.drafts {
        about.push("With drafts and closed contents".to_owned());
    }
    about
}

fn refused(err: ExportError) -> Failure {
    let exit = match &err {
        ExportError::Busy { .. } => ExitCode::Locked,
        ExportError::Foreign { .. }
        | ExportError::OtherService { .. }
        | ExportError::NoFolder { .. }
        | ExportError::Manifest { .. } => ExitCode::Usage,
        ExportError::File { .. } | ExportError::NoGit(_) | ExportError::Git { .. } => {
            ExitCode::Failed
        }
    };
    let failure = failed(err, ExportError::hint);
    Failure { exit, ..failure }
}

/// Returns how it ended: something is missing where a body is owed or a file is somebody else's.
fn conclude(done: &Done, is_past: bool, zone: Tz) -> ExitCode {
    let owed = done.exported.owed;
    if owed > 0 && done.is_redacted {
        let bodies = counted(owed, "body is", "bodies are");
        warn!("{bodies} missing: this is a redacted snapshot, which leaves them out");
    } else if owed > 0 && is_past {
        let bodies = counted(owed, "body of that time is", "bodies of that time are");
        warn!("{bodies} missing: never came, or not yet");
    } else if owed > 0 {
        let bodies = counted(owed, "body is", "bodies are");
        warn!(
            "{bodies} not saved yet and missing; `sync` fetches what the key may read, and says where it may not"
        );
    }
    let files = &done.exported.files;
    if files.kept > 0 {
        warn!(
            "{} changed by somebody else and left alone, such as `{}`; --overwrite writes such files anew",
            counted(files.kept, "file was", "files were"),
            plain(files.kept_paths.first().map_or("", String::as_str))
        );
    }
    if let Some(whole) = done.whole_since {
        let whole = local(whole, zone);
        warn!("history before {whole} is not whole: `prune` has removed parts of it");
    }
    if done.exported.owed > 0 || files.kept > 0 || done.whole_since.is_some() {
        ExitCode::Partial
    } else {
        ExitCode::Complete
    }
}

fn summary(done: &Done, folder: &Path) -> String {
    let Exported {
        endpoints,
        contents,
        drafts,
        closed,
        media,
        files,
        commit,
        ..
    } = &done.exported;
    let mut contents = format!("{contents} in {}", counted(*endpoints, "API", "APIs"));
    if drafts + closed > 0 {
        let drafts = counted(*drafts, "draft", "drafts");
        contents.push_str(&format!(", {drafts}, {closed} closed"));
    }
    let commit = match commit {
        Some(commit) => format!("commit    {commit}\n"),
        None => String::new(),
    };
    format!(
        "folder    {}\ncontents  {contents}\nmedia     {media} listed\n\
         files     {} written, {} unchanged, {} removed, {} left alone\n{commit}",
        plain(&folder.display().to_string()),
        files.written,
        files.unchanged,
        files.removed,
        files.kept
    )
}

#[cfg(test)]
mod tests;
