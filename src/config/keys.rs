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

/// Returns the section that a person most likely meant by `written`, if one is near enough.
pub(crate) fn nearest_section(written: &str) -> Option<&'static str> {
    KEYS.iter()
        .filter_map(|key| key.split_once('.').map(|(section, _)| section))
        .map(|section| {
            let likeness = strsim::normalized_damerau_levenshtein(section, &written.to_lowercase());
            (section, likeness)
        })
        .filter(|(_, likeness)| *likeness >= 0.6)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(section, _)| section)
}

/// Returns the known key that a person most likely meant by `written`, if one is near enough
/// to be a help.
pub(crate) fn nearest(written: &str) -> Option<&'static str> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    // The right key in the wrong section, or in none.
    if let Some(same) = KEYS.iter().find(|key| last(key) == last(written)) {
        return Some(same);
    }
    KEYS.iter()
        .map(|key| {
            let name = strsim::normalized_damerau_levenshtein(&last(key), &last(written));
            let whole = strsim::normalized_damerau_levenshtein(key, written);
            (*key, name, whole)
        })
        // The section is shared by many keys; only the name shows what was meant.
        .filter(|(_, name, _)| *name >= 0.6)
        .max_by(|a, b| (a.1 + a.2).total_cmp(&(b.1 + b.2)))
        .map(|(key, _, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_that_is_nearly_right_is_recognised() {
        for (written, meant) in [
            ("limit", Some("limits")),
            ("Storage", Some("storage")),
            ("notifications", None),
            ("x", None),
        ] {
            assert_eq!(nearest_section(written), meant, "{written}");
        }
    }

    #[test]
    fn a_typo_a_wrong_section_and_a_missing_section_find_the_key() {
        for (written, meant) in [
            ("limits.download", Some("limits.downloads")),
            ("downloads", Some("limits.downloads")),
            ("service.downloads", Some("limits.downloads")),
            ("storage.databse", Some("storage.database")),
            ("shedule.corn", Some("schedule.cron")),
            ("service.colour", None),
        ] {
            assert_eq!(nearest(written), meant, "{written}");
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
