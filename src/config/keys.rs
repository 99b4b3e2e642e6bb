//! Every key there is, and the search for the one that was meant.

/// Every key of the configuration, as `section.key`, in the order of `config.example.toml`.
pub const KEYS: &[&str] = &[
    "service.id",
    "service.api_key_file",
    "service.endpoints",
    "service.management_url",
    "service.content_url",
    "storage.database",
    "storage.mirror",
    "storage.archive",
    "storage.file_mode",
    "storage.folder_mode",
    "storage.keep_free",
    "schedule.cron",
    "schedule.timezone",
    "schedule.run_at_start",
    "schedule.jitter",
    "schedule.retry",
    "limits.management_per_10s",
    "limits.content_per_second",
    "limits.downloads",
    "limits.bandwidth",
    "limits.monthly_transfer",
    "limits.connect_timeout",
    "limits.read_timeout",
    "assets.hosts",
    "assets.max_size",
    "assets.revalidate_every",
    "health.listen",
    "health.max_age",
    "health.textfile",
    "retention.superseded",
    "retention.deleted",
    "notify.heartbeat",
    "notify.heartbeat_file",
    "notify.webhook",
    "notify.webhook_file",
    "notify.webhook_on",
    "hooks.before",
    "hooks.after",
    "hooks.failed",
    "hooks.timeout",
];

/// What a variable of this program starts with. The double underscore is on purpose:
/// Kubernetes injects `MICROCMS_BACKUP_SERVICE_HOST` and the like by itself.
pub(crate) const PREFIX: &str = "MICROCMS_BACKUP__";

/// Returns the environment variable that sets `key`.
pub(crate) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// Whether `name` is a section of the configuration.
pub(crate) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| {
        key.split_once('.')
            .is_some_and(|(section, _)| section == name)
    })
}

/// The name that comes nearest to what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nearest {
    /// The name.
    pub(crate) name: &'static str,
    /// Whether it is so near that it was most likely meant.
    pub(crate) is_likely: bool,
}

/// How much alike two names must be, from 0 to 1, for one to stand for the other.
const LIKELY: f64 = 0.6;
/// The same for variables, of which others may mean something else.
const LIKELY_VARIABLE: f64 = 0.85;

/// Returns the section that comes nearest to `written`.
pub(crate) fn nearest_section(written: &str) -> Option<Nearest> {
    KEYS.iter()
        .filter_map(|key| key.split_once('.').map(|(section, _)| section))
        .map(|section| (section, likeness(section, &written.to_lowercase())))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(name, likeness)| Nearest {
            name,
            is_likely: likeness >= LIKELY,
        })
}

/// Returns the known key that comes nearest to `written`: one of its section, or of the one that was most likely
/// meant by it, unless a key elsewhere was most likely meant.
pub(crate) fn nearest(written: &str) -> Option<Nearest> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    // The right key in the wrong section, or in none.
    if let Some(name) = KEYS.iter().find(|key| last(key) == last(written)) {
        return Some(Nearest {
            name,
            is_likely: true,
        });
    }
    let rated = |key: &&'static str| {
        let (name, whole) = (likeness(&last(key), &last(written)), likeness(key, written));
        (*key, name, whole)
    };
    let by_both = |a: &(&str, f64, f64), b: &(&str, f64, f64)| (a.1 + a.2).total_cmp(&(b.1 + b.2));
    let likely = KEYS
        .iter()
        .map(rated)
        // The section is shared by many keys; only the name shows what was meant.
        .filter(|(_, name, _)| *name >= LIKELY)
        .max_by(by_both);
    if let Some((name, ..)) = likely {
        return Some(Nearest {
            name,
            is_likely: true,
        });
    }
    let section = written.split_once('.').map(|(section, _)| section);
    let section = section.and_then(|section| match nearest_section(section) {
        Some(near) if near.is_likely => Some(near.name),
        Some(_) | None => None,
    });
    let is_there = |key: &&&str| {
        section.is_none_or(|section| key.split_once('.').is_some_and(|(own, _)| own == section))
    };
    KEYS.iter()
        .filter(is_there)
        .map(rated)
        .max_by(by_both)
        .map(|(name, ..)| Nearest {
            name,
            is_likely: false,
        })
}

/// Returns the variable that was most likely meant by one that does not begin as ours do. Others may begin
/// much alike: those of Kubernetes, and what a hook of ours is told.
pub(crate) fn nearest_variable(written: &str) -> Option<String> {
    let single = |name: &str| name.replace("__", "_").to_uppercase();
    let (prefix, meant) = (single(PREFIX), single(written));
    // What all of them begin with says nothing.
    let meant = meant.strip_prefix(&prefix)?;
    KEYS.iter()
        .map(|key| (likeness(&key.replace('.', "_").to_uppercase(), meant), key))
        .filter(|(likeness, _)| *likeness >= LIKELY_VARIABLE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, key)| variable(key))
}

fn likeness(one: &str, other: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(one, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_section_is_always_named() {
        for (written, name, is_likely) in [
            ("limit", "limits", true),
            ("Storage", "storage", true),
            ("notifications", "notify", false),
            ("nosuch", "notify", false),
        ] {
            let nearest = Nearest { name, is_likely };
            assert_eq!(nearest_section(written), Some(nearest), "{written}");
        }
        assert!(nearest_section("x").is_some());
    }

    #[test]
    fn a_typo_a_wrong_section_and_a_missing_section_find_the_key() {
        for (written, name) in [
            ("limits.download", "limits.downloads"),
            ("downloads", "limits.downloads"),
            ("service.downloads", "limits.downloads"),
            ("storage.databse", "storage.database"),
            ("shedule.corn", "schedule.cron"),
        ] {
            let is_likely = true;
            let expected = Nearest { name, is_likely };
            assert_eq!(nearest(written), Some(expected), "{written}");
        }
    }

    #[test]
    fn a_key_like_no_other_has_a_nearest_one_in_its_section() {
        for (written, section) in [
            ("service.colour", "service."),
            ("limits.foo", "limits."),
            ("limts.x", "limits."),
            ("retention.foo", "retention."),
            ("retensions.max", "retention."),
            ("foo.bar", ""),
        ] {
            let found = nearest(written).expect(written);
            assert!(
                !found.is_likely && found.name.starts_with(section),
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_variable_that_is_nearly_ours_is_told_from_those_of_others() {
        for (written, meant) in [
            (
                "MICROCMS_BACKUP_LIMITS_DOWNLOADS",
                Some("MICROCMS_BACKUP__LIMITS__DOWNLOADS"),
            ),
            (
                "MICROCMS_BACKUP_LIMITS__DOWNLOADS",
                Some("MICROCMS_BACKUP__LIMITS__DOWNLOADS"),
            ),
            (
                "MICROCMS_BACKUP_LIMIT_DOWNLOAD",
                Some("MICROCMS_BACKUP__LIMITS__DOWNLOADS"),
            ),
            (
                "MICROCMS_BACKUP_STORAGE_DATABSE",
                Some("MICROCMS_BACKUP__STORAGE__DATABASE"),
            ),
            ("MICROCMS_BACKUP_SERVICE_HOST", None),
            ("MICROCMS_BACKUP_SERVICE_PORT", None),
            ("MICROCMS_BACKUP_SERVICE_PORT_HTTP", None),
            ("MICROCMS_BACKUP_PORT_9464_TCP_ADDR", None),
            ("MICROCMS_BACKUP_HOOK", None),
            ("MICROCMS_BACKUP_REPORT", None),
            ("MICROCMS_BACKUP_OUTCOME", None),
            ("MICROCMS_BACKUP_VERDICT", None),
            ("MICROCMS_BACKUP_SERVICE", None),
            ("MICROCMS_BACKUP_EXIT_CODE", None),
            ("MICROCMS_SERVICE_ID", None),
        ] {
            assert_eq!(nearest_variable(written).as_deref(), meant, "{written}");
        }
    }

    #[test]
    fn a_variable_is_the_key_in_capitals() {
        assert_eq!(
            variable("limits.management_per_10s"),
            "MICROCMS_BACKUP__LIMITS__MANAGEMENT_PER_10S"
        );
    }
}
