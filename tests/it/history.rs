//! `history`, `show` and `diff`: the past as it was.

mod clocks;
mod files;
mod input;
mod owed;
mod truth;
mod words;

use crate::support::{Program, Sandbox};
use microcms_sim::Sim;
use serde_json::{Map, Value};

/// The fields of an object.
fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

/// What a command said: the number for the shell, its result, its message.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) text: String,
    pub(crate) message: String,
}

/// Runs a command that looks, without the key: it needs none.
pub(crate) fn ask(home: &Sandbox, sim: &Sim, words: &[&str]) -> Said {
    let mut program = Program::command(words, home, sim);
    program.0.env_remove("MICROCMS_API_KEY");
    let output = program.run();
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Said {
        code: output.status.code().expect("a number"),
        text: text(output.stdout),
        message: text(output.stderr),
    }
}

/// Runs a command that must answer, and returns its text.
#[track_caller]
pub(crate) fn told(home: &Sandbox, sim: &Sim, words: &[&str]) -> String {
    let said = ask(home, sim, words);
    assert_eq!((said.code, &*said.message), (0, ""), "{words:?}");
    said.text
}

/// The same as JSON.
#[track_caller]
pub(crate) fn json(home: &Sandbox, sim: &Sim, words: &[&str]) -> Value {
    let text = told(home, sim, &[words, &["--json"]].concat());
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["version"], 1);
    value
}

/// Runs a command that must refuse as wrong usage, and returns why.
#[track_caller]
pub(crate) fn refused(home: &Sandbox, sim: &Sim, words: &[&str]) -> String {
    let said = ask(home, sim, words);
    assert_eq!(
        (said.code, &*said.text),
        (2, ""),
        "{words:?}\n{}",
        said.message
    );
    said.message
}
