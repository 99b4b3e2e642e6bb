//! The bench itself, started again as a process of its own, so that what it does is measured apart,
//! or not at all.

use crate::library::{self, Limits};
use crate::{Fallible, floors, service};
use std::process::{Command, ExitCode};

/// Tells a child from a person.
pub(crate) const FIRST_WORD: &str = "as-a-child";

/// A command that starts one of [`run`]'s words.
pub(crate) fn command(word: &str, rest: &[&str]) -> Fallible<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(FIRST_WORD).arg(word).args(rest);
    Ok(command)
}

pub(crate) fn run(word: &str, rest: &[String]) -> ExitCode {
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let done = match (word, rest.as_slice()) {
        ("service", words) => service::serve(words).map(|()| 0),
        ("sync", words) => library::sync(words, Limits::NONE),
        ("sync-within-limits", words) => library::sync(words, Limits::DEFAULT),
        ("read-media", [api, key]) => floors::read_media(api, key).map(|()| 0),
        ("read-contents", [management, content, key]) => {
            floors::read_contents(management, content, key).map(|()| 0)
        }
        ("insert", [from, to, tables @ ..]) => floors::insert(from, to, tables).map(|()| 0),
        _ => Err(format!("no such child: {word} {rest:?}").into()),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            eprintln!("{word}: {why}");
            ExitCode::FAILURE
        }
    }
}
