//! What one run is to do: flags, or what the daemon wants, beside the configuration.

use std::time::Duration;

use super::descriptors;
use super::run::Clock;
use super::sync::{Args, Part};
use crate::config::Config;
use crate::daemon::Trigger;
use crate::model::Endpoint;
use crate::sync::{self, Only};

/// How long a one-shot's downloads in flight may go on after the first signal. Shorter than what
/// service managers wait before they kill.
const GRACE: Duration = Duration::from_secs(10);
/// The same for a daemon: a machine that shuts down waits for it, and the next start goes on.
const DAEMON_GRACE: Duration = Duration::from_secs(3);

/// What one run is to do, whoever asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    only: Only,
    endpoints: Vec<Endpoint>,
    pub(super) is_dry_run: bool,
    is_full: bool,
    is_impatient: bool,
    wants_forecast: bool,
    allow_deletes: u64,
    pub(super) trigger: String,
    grace: Duration,
}

impl Order {
    /// What a person asks for: the flags, and where they say nothing the configuration.
    pub(crate) fn of(args: &Args, config: &Config) -> Self {
        let wants = |part| args.only.is_empty() || args.only.contains(&part);
        let configured = || config.service.endpoints.clone().unwrap_or_default();
        Self {
            only: Only {
                media: wants(Part::Media),
                contents: wants(Part::Contents),
                assets: wants(Part::Assets),
            },
            endpoints: if args.endpoints.is_empty() {
                configured()
            } else {
                args.endpoints.clone()
            },
            is_dry_run: args.dry_run,
            is_full: args.full,
            is_impatient: args.retry_failed,
            wants_forecast: args.forecast,
            allow_deletes: args.allow_deletes.unwrap_or(0),
            trigger: "command".to_owned(),
            grace: GRACE,
        }
    }

    /// What a daemon asks for: everything that the configuration names.
    pub(crate) fn of_daemon(config: &Config, trigger: Trigger) -> Self {
        Self {
            only: Only::ALL,
            endpoints: config.service.endpoints.clone().unwrap_or_default(),
            is_dry_run: false,
            is_full: false,
            is_impatient: false,
            wants_forecast: false,
            allow_deletes: 0,
            trigger: trigger.to_string(),
            grace: DAEMON_GRACE,
        }
    }

    /// What it means for the run itself, with what the configuration says beside it.
    pub(super) fn into_options(self, config: &Config, clock: Clock) -> sync::Options {
        sync::Options {
            service: config.service.id.clone(),
            only: self.only,
            endpoints: self.endpoints,
            configured: config.service.endpoints.clone().unwrap_or_default(),
            is_dry_run: self.is_dry_run,
            is_full: self.is_full,
            allow_deletes: self.allow_deletes,
            is_impatient: self.is_impatient,
            downloads: config.limits.downloads as usize,
            monthly_transfer: config.limits.monthly_transfer,
            wants_forecast: self.wants_forecast,
            longest_asset: config.assets.max_size,
            keep_free: config.storage.keep_free,
            open_files: descriptors::allowed(),
            revalidate_every: config.assets.revalidate_every,
            grace: self.grace,
            trigger: self.trigger,
            now: clock,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::{Cli, Command};
    use super::*;
    use crate::config::{Sources, load};
    use crate::model::Timestamp;

    fn asked(line: &str, env: &[(&str, &str)]) -> sync::Options {
        let words = ["microcms-backup", "sync"]
            .into_iter()
            .chain(line.split_whitespace());
        let Command::Sync(args) = Cli::try_parse_from(words).expect(line).command else {
            panic!("{line} is not `sync`");
        };
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut sources = Sources {
            env: env.collect(),
            ..Sources::default()
        };
        sources
            .env
            .insert("MICROCMS_SERVICE_ID".to_owned(), "my-service".to_owned());
        let config = load(&sources).expect("a usable configuration");
        let order = Order::of(&args, &config);
        order.into_options(&config, || Timestamp::from_unix_millis(0))
    }

    #[test]
    fn without_flags_everything_is_asked_for() {
        let options = asked("", &[]);
        assert_eq!(options.service, "my-service");
        assert_eq!(options.only, Only::ALL);
        assert!(options.endpoints.is_empty());
        assert!(!options.is_dry_run && !options.is_full);
        assert_eq!((options.allow_deletes, options.downloads), (0, 16));
    }

    #[test]
    fn flags_reach_the_run() {
        let options = asked(
            "--only media --only assets --dry-run --full --allow-deletes 7",
            &[],
        );
        assert_eq!(
            options.only,
            Only {
                media: true,
                contents: false,
                assets: true
            }
        );
        assert!(options.is_dry_run && options.is_full);
        assert_eq!(options.allow_deletes, 7);
    }

    #[test]
    fn endpoints_on_the_command_line_take_the_place_of_the_configured_ones() {
        let env = [("MICROCMS_BACKUP__SERVICE__ENDPOINTS", "blog,news")];
        let names = |options: sync::Options| {
            options
                .endpoints
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(asked("", &env)), ["blog", "news"]);
        assert_eq!(names(asked("--endpoint shop", &env)), ["shop"]);
    }
}
