//! `init`: a configuration to start from.

use std::io;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::{output, report_file};
use crate::config::{self, Sources};
use crate::model::ExitCode;

/// Every key with its default; a test holds it against the program.
const EXAMPLE: &str = include_str!("../../config.example.toml");
/// What stands in it for the service.
const PLACEHOLDER: &str = "id = \"my-service\"";

const EXAMPLES: &str = "\
Examples:
  microcms-backup init                                     ./config.toml
  microcms-backup init --service-id my-service
  microcms-backup init /etc/microcms-backup/config.toml";

/// Write a commented configuration file to start from
///
/// Writes a configuration file that explains every key and states its default. Asks nothing, and leaves
/// a file that exists as it is.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The file to write [default: that of --config, else config.toml]
    file: Option<PathBuf>,

    /// The service's id, the first part of its `….microcms.io` address [default: the environment's]
    #[arg(long, value_name = "ID", value_parser = config::service_id)]
    service_id: Option<String>,
}

/// Writes the file and says what comes next. Returns the number for the shell.
pub(crate) fn run(args: &Args, sources: &Sources) -> Result<u8, Failure> {
    let path = args
        .file
        .as_deref()
        .or(sources.file.as_deref())
        .unwrap_or(Path::new("config.toml"));
    let from_env = || {
        let id = sources.env.get("MICROCMS_SERVICE_ID")?;
        config::service_id(id).ok()
    };
    let id = args.service_id.clone().or_else(from_env);
    let text = match &id {
        Some(id) => EXAMPLE.replace(PLACEHOLDER, &format!("id = \"{id}\"")),
        None => EXAMPLE.to_owned(),
    };
    report_file::create(path, &text).map_err(|err| refused(path, &err))?;
    output::result(&next(path, id.is_some())).map_err(|err| {
        Failure::new(
            ExitCode::Failed,
            format!("stdout could not be written: {err}"),
        )
    })?;
    Ok(ExitCode::Complete.code())
}

fn refused(path: &Path, err: &io::Error) -> Failure {
    let folder = path
        .parent()
        .filter(|_| err.kind() == io::ErrorKind::NotFound);
    let hint = folder.map_or_else(
        || "its folder must belong to you".to_owned(),
        |folder| {
            let folder = folder.display().to_string().replace('\'', r"'\''");
            format!("make its folder first: mkdir -p '{folder}'")
        },
    );
    let path = path.display();
    if err.kind() == io::ErrorKind::AlreadyExists {
        return Failure::new(
            ExitCode::Usage,
            format!("`{path}` exists and was left as it is"),
        )
        .with_hint("name another file, or move that one away");
    }
    Failure::new(ExitCode::Failed, format!("cannot write `{path}`: {err}")).with_hint(hint)
}

fn next(path: &Path, has_id: bool) -> String {
    let path = path.display();
    let set_id = if has_id {
        ""
    } else {
        "  set `service.id` in it, the first part of your `….microcms.io` address\n"
    };
    format!(
        "wrote `{path}`: every key with its default\n\
         next:\n{set_id}  \
         write the API key to a file of its own (chmod 600) and name it in `service.api_key_file`\n  \
         microcms-backup --config '{path}' doctor\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_has_the_place_for_the_service() {
        assert_eq!(EXAMPLE.matches(PLACEHOLDER).count(), 1);
    }
}
