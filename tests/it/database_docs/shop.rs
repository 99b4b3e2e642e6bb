//! The service that the page's examples are about: a shop's site in May 2026.

use crate::support::{Sandbox, Setup};
use microcms_backup::model::Timestamp;
use microcms_sim::{Edit, Sim, Status};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The site, and its backup of five days.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) home: Sandbox,
    sim: Sim,
}

/// 2026-05-01T03:00:00Z, noon in Japan.
const FIRST_OF_MAY: i64 = 1_777_604_400_000;
const DAY: i64 = 86_400_000;

/// Noon on this day of May.
fn may<const DAY_OF_MAY: i64>() -> Timestamp {
    Timestamp::from_unix_millis(FIRST_OF_MAY + (DAY_OF_MAY - 1) * DAY)
}

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().expect("fields").clone()
}

impl Shop {
    /// The site is made, edited, and backed up on 2, 3, 9, 10 and 11 May.
    pub(crate) async fn open() -> Self {
        let sim = Sim::builder()
            .seed(2026)
            .list_api("blog", 0)
            .published_list_api("news", 6)
            .start()
            .await;
        let shop = Self {
            home: Sandbox::in_memory(),
            sim,
        };
        shop.begin();
        shop.run(may::<2>).await;
        shop.write(
            "summer-menu",
            &json!({"body": "<p>冷やし中華は6月からです。</p>"}),
        );
        shop.run(may::<3>).await;
        let poster = shop.second_week();
        shop.run(may::<9>).await;
        shop.edit(Edit::HideAsset {
            id: poster,
            hidden: false,
        });
        shop.run(may::<10>).await;
        shop.third_week();
        shop.run(may::<11>).await;
        shop
    }

    fn begin(&self) {
        let menu = self.upload("夏のメニュー.jpg", 300_000);
        let banner = self.upload("banner.png", 80_000);
        self.upload("古いロゴ.png", 120_000);
        self.upload("price-list.pdf", 900_000);
        self.publish(
            "blog",
            "summer-menu",
            &json!({"title": "夏のメニュー", "body": "<p>冷やし中華をはじめました。</p>",
                "image": {"url": menu, "width": 1200, "height": 800}}),
        );
        self.publish(
            "blog",
            "opening-hours",
            &json!({"title": "営業時間のお知らせ",
                "body": format!("<p>東京本店は平日10時に開店します。</p><p><img src=\"{banner}?w=600\"></p>")}),
        );
        self.publish(
            "blog",
            "staff",
            &json!({"title": "スタッフ紹介", "body": "<p>店長の山田です。</p>"}),
        );
        self.publish(
            "news",
            "moving",
            &json!({"title": "移転のお知らせ", "body": "<p>東京駅前へ移転します。</p>"}),
        );
    }

    /// Returns a medium whose file cannot be had yet.
    fn second_week(&self) -> String {
        self.draft("staff", &json!({"title": "スタッフ募集（下書き）"}));
        self.write(
            "summer-menu",
            &json!({"title": "夏のメニュー（改訂）", "body": "<p>冷やし中華は6月1日からです。</p>"}),
        );
        self.edit(Edit::DeleteContent {
            endpoint: "news".to_owned(),
            id: "moving".to_owned(),
        });
        let banner = self.medium("banner.png");
        self.edit(Edit::DeleteMedium { id: banner });
        self.upload("poster.png", 50_000);
        let poster = self.medium("poster.png");
        self.edit(Edit::HideAsset {
            id: poster.clone(),
            hidden: true,
        });
        poster
    }

    fn third_week(&self) {
        self.edit(Edit::DiscardDraft {
            endpoint: "blog".to_owned(),
            id: "staff".to_owned(),
        });
        self.draft("opening-hours", &json!({"title": "夏の営業時間"}));
        self.edit(Edit::AddContent {
            endpoint: "news".to_owned(),
            id: Some("autumn-fair".to_owned()),
            status: Status::Draft,
            fields: Some(fields(
                &json!({"title": "秋の物産展", "body": "<p>準備中です。</p>"}),
            )),
            place: 0,
        });
        self.edit(Edit::SetCreatedBy {
            endpoint: "news".to_owned(),
            id: "autumn-fair".to_owned(),
            member: "member-hanako".to_owned(),
        });
        self.edit(Edit::Reserve {
            endpoint: "news".to_owned(),
            id: "autumn-fair".to_owned(),
            publish: Some("2099-09-01T00:00:00.000Z".to_owned()),
            stop: Some("2099-10-01T00:00:00.000Z".to_owned()),
        });
    }

    /// Returns the medium's URL.
    fn upload(&self, name: &str, bytes: usize) -> String {
        let id = self.edit(Edit::AddMedium {
            name: name.to_owned(),
            bytes: Some(vec![7; bytes]),
            path: None,
            alt: None,
            tags: Vec::new(),
        });
        let media = self.sim.truth().media;
        let medium = media.into_iter().find(|medium| medium.id == id);
        medium.expect("the new medium").url
    }

    /// Returns the id of the medium whose URL ends so.
    fn medium(&self, name: &str) -> String {
        let media = self.sim.truth().media;
        let medium = media.into_iter().find(|medium| medium.url.ends_with(name));
        medium.expect("a medium").id
    }

    fn publish(&self, endpoint: &str, id: &str, body: &Value) {
        self.edit(Edit::AddContent {
            endpoint: endpoint.to_owned(),
            id: Some(id.to_owned()),
            status: Status::Publish,
            fields: Some(fields(body)),
            place: 0,
        });
    }

    fn write(&self, id: &str, body: &Value) {
        self.edit(Edit::EditBody {
            endpoint: "blog".to_owned(),
            id: id.to_owned(),
            fields: fields(body),
        });
    }

    fn draft(&self, id: &str, body: &Value) {
        self.edit(Edit::AddDraft {
            endpoint: "blog".to_owned(),
            id: id.to_owned(),
            fields: fields(body),
        });
    }

    fn edit(&self, edit: Edit) -> String {
        self.sim.edit(edit).expect("an edit that fits")
    }

    async fn run(&self, clock: fn() -> Timestamp) {
        let setup = Setup {
            now: clock,
            ..Setup::default()
        };
        self.home.sync_with(&self.sim, setup).await;
    }

    /// Titles that were never published.
    pub(crate) fn words_of_drafts() -> BTreeSet<String> {
        ["スタッフ募集", "夏の営業時間", "秋の物産展"]
            .map(Into::into)
            .into()
    }

    /// The query as of the examples' today, 12 May. `now` is UTC without a `Z`; behind one, older SQLite
    /// skips the modifier `utc`.
    pub(crate) fn at_that_time(sql: &str) -> String {
        sql.replace("'now'", "'2026-05-12 03:00:00'")
    }

    /// Puts the service's hosts in place of the simulator's.
    pub(crate) fn with_real_hosts(&self, text: &str) -> String {
        text.replace(&self.sim.image_host(), "images.microcms-assets.io")
            .replace(&self.sim.file_host(), "files.microcms-assets.io")
            .replace("http://", "https://")
    }
}
