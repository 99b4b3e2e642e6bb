//! As fast as the service allows, and no 429.

use crate::Fallible;
use crate::args::Args;
use crate::home::Home;
use crate::measure::run;
use crate::service::{Plan, Service};
use crate::stats::Pairs;
use crate::table::Line;

/// Of the Management API in [`WINDOW`].
const REQUESTS: u32 = 10;
/// In seconds.
const WINDOW: u32 = 10;
const PAGE: u32 = 100;

/// The least that anybody needs: the APIs and one schema, and every page once. The first ten requests
/// cost nothing, each ten more another window.
fn floor(media: u32, contents: u32) -> (u32, f64) {
    let requests = 2 + media.div_ceil(PAGE) + contents.div_ceil(PAGE);
    let windows = requests.saturating_sub(1) / REQUESTS;
    (requests, f64::from(windows * WINDOW))
}

pub(crate) fn limits(args: &Args) -> Fallible<Vec<Line>> {
    // Fewer would not show a limit.
    let (media, contents) = (3_000, if args.is_quick { 200 } else { 2_000 });
    let mut service = Service::start(&Plan {
        media,
        contents,
        media_bytes: 300,
        body_bytes: 400,
        has_budgets: true,
        ..Plan::default()
    })?;
    let (least, floor) = floor(media, contents);
    let mut pairs = Pairs::default();
    // Each takes a minute, and waits for the windows that the one before filled.
    let times = args.times().min(2);
    let (mut asked, mut refused) = (0, 0);
    for turn in 0..times {
        if turn > 0 {
            service = Service::start(&Plan {
                media,
                contents,
                media_bytes: 300,
                body_bytes: 400,
                has_budgets: true,
                ..Plan::default()
            })?;
        }
        let home = Home::new()?;
        let mut command = home.program(args, &service.address, &["-q", "sync"]);
        command
            .env("MICROCMS_BACKUP__LIMITS__MANAGEMENT_PER_10S", "10")
            .env("MICROCMS_BACKUP__LIMITS__CONTENT_PER_SECOND", "60");
        let ours = run(&mut command)?.expect(0, "the program")?;
        let counted = service.counted()?;
        refused += counted.statuses.get(&429).copied().unwrap_or(0);
        asked = counted.management;
        pairs.add(ours.wall, floor);
    }
    let what =
        format!("{media} media + {contents} contents within 10 requests in 10 s, whole `sync`");
    Ok(vec![
        Line::at_most(
            &format!("{what} ({asked} requests)"),
            &pairs,
            &format!("{least} requests:"),
            1.05,
            "s",
        ),
        Line::value(
            &format!("{what}: answers with 429"),
            refused.to_string(),
            "0",
            refused == 0,
        ),
    ])
}
