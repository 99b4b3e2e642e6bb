//! The section `[hooks]`: commands that are run around a run.

use std::time::Duration;

use super::raw::Raw;
use super::sources::Sources;
use super::values;

/// Commands that are run around a run: a program by its whole path, and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooks {
    /// Before a run, with the lock in hand.
    pub before: Option<Vec<String>>,
    /// After a run that exits with 0.
    pub after: Option<Vec<String>>,
    /// After a run that exits otherwise.
    pub failed: Option<Vec<String>>,
    /// How long each may take.
    pub timeout: Duration,
    /// The variables that configure this program, the key's among them: no hook gets them. Empty
    /// where the key is not read, for then no hook is run.
    pub hidden: Vec<String>,
}

/// Checks the section.
pub(crate) fn hooks(raw: &mut Raw) -> Hooks {
    let before = command(raw, "hooks.before");
    let after = command(raw, "hooks.after");
    let failed = command(raw, "hooks.failed");
    let range = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
    let timeout = raw.parsed("hooks.timeout", Duration::from_secs(5 * 60), |text| {
        values::duration(text, range)
    });
    Hooks {
        before,
        after,
        failed,
        timeout,
        hidden: Vec::new(),
    }
}

/// Names what no hook is to find in its environment.
pub(crate) fn hide(hooks: &mut Hooks, sources: &Sources) {
    let is_ours = |name: &&String| !super::sources::concerns_all(name);
    hooks.hidden = sources.env.keys().filter(is_ours).cloned().collect();
}

fn command(raw: &mut Raw, key: &'static str) -> Option<Vec<String>> {
    let words = raw.texts(key, r#"["/usr/local/bin/my-hook", "an argument"]"#)?;
    let text = match words.first() {
        None => "is an empty list; leave the key out for no command".to_owned(),
        // Which folder a service starts in, and which PATH it has, is not what a shell shows.
        Some(program) if !program.starts_with('/') => {
            format!(
                "`{program}` is not the whole path of a program, such as `/usr/local/bin/my-hook`"
            )
        }
        Some(_) if words.iter().any(|word| word.contains('\0')) => {
            "holds a NUL character".to_owned()
        }
        Some(_) => return Some(words),
    };
    raw.wrong(key, text, raw.place(key));
    None
}
