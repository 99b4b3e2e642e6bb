//! The tools that somebody would use instead, and the lists that they are given.

use crate::Fallible;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tool that is not installed.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) String);

/// Looks for a tool in the usual places.
pub(crate) fn need(tool: &str, package: &str) -> Result<(), Missing> {
    let folders = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"];
    if folders
        .iter()
        .any(|folder| Path::new(folder).join(tool).is_file())
    {
        return Ok(());
    }
    Err(Missing(format!(
        "`{tool}` is missing; Debian has it in the package {package}"
    )))
}

/// Writes a configuration with which curl fetches these URLs into `to`, and returns the command.
pub(crate) fn curl(
    to: &Path,
    urls: &[String],
    authority: Option<&Path>,
    at_a_time: u32,
) -> Fallible<Command> {
    let mut pairs = String::new();
    for url in urls {
        let path = rel(url).ok_or("a URL without a path")?;
        writeln!(pairs, "url = \"{url}\"")?;
        writeln!(pairs, "output = \"{}\"", to.join(path).display())?;
    }
    let list = beside(to, "curl");
    fs::write(&list, pairs)?;
    let mut command = Command::new("curl");
    command
        .args(["-sS", "--fail", "--create-dirs", "-Z", "--parallel-max"])
        .arg(at_a_time.to_string())
        .arg("-K")
        .arg(list);
    if let Some(authority) = authority {
        command.arg("--cacert").arg(authority);
    }
    Ok(command)
}

/// The same for wget2, without TLS.
pub(crate) fn wget2(to: &Path, urls: &[String], at_a_time: u32) -> Fallible<Command> {
    let list = beside(to, "urls");
    fs::write(&list, urls.join("\n"))?;
    let mut command = Command::new("wget2");
    command
        .arg("-q")
        .arg(format!("--max-threads={at_a_time}"))
        .args(["--force-directories", "--no-host-directories", "-P"])
        .arg(to)
        .arg("-i")
        .arg(list);
    Ok(command)
}

/// The files of a folder and below, and their bytes: whoever fetches less is no peer.
pub(crate) fn weigh(folder: &Path) -> Fallible<(u64, u64)> {
    let mut sums = (0, 0);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let (files, bytes) = if kind.is_dir() {
            weigh(&entry.path())?
        } else {
            (1, entry.metadata()?.len())
        };
        sums = (sums.0 + files, sums.1 + bytes);
    }
    Ok(sums)
}

fn rel(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    Some(rest.split_once('/')?.1)
}

fn beside(to: &Path, extension: &str) -> PathBuf {
    to.with_extension(extension)
}
