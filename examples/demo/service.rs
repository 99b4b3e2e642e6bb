//! The service that the demo backs up: a small shop's site.

use std::collections::BTreeMap;
use std::io::{self, Write};

use microcms_sim::{Edit, EditError, Sim, Status};
use serde_json::{Map, Value};

/// The file that gets a new version.
pub(crate) const PRICES: &str = "料金表 2026.pdf";
const CLOSING: &str = "summer-closing";
const MENU: &str = "autumn-menu";
const WANTED: &str = "staff-wanted";

/// The running simulator, and what the demo edits in it.
pub(crate) struct Service {
    sim: Sim,
    prices: String,
}

impl Service {
    /// Starts it with 120 media, a blog, a list of news and an object of settings.
    pub(crate) fn start() -> Result<Self, EditError> {
        let sim = Sim::builder()
            .service_id("hoshizora-cafe")
            .seed(2026)
            .media(118)
            .media_size(2_000..=60_000)
            .list_api("blog", 58)
            .list_api("news", 24)
            .object_api("settings")
            .start_blocking();
        for (endpoint, name) in [
            ("blog", "ブログ"),
            ("news", "お知らせ"),
            ("settings", "サイト設定"),
        ] {
            let (endpoint, name) = (endpoint.to_owned(), name.to_owned());
            sim.edit(Edit::RenameApi { endpoint, name })?;
        }
        for (endpoint, id, title, body) in [
            (
                "blog",
                CLOSING,
                "夏季休業のお知らせ",
                "<p>8月13日から15日まで休業いたします。</p>",
            ),
            (
                "blog",
                MENU,
                "秋の新メニュー",
                "<p>栗のモンブランが始まりました。</p>",
            ),
            ("news", WANTED, "スタッフ募集", "<p>週2日から働けます。</p>"),
        ] {
            sim.edit(Edit::AddContent {
                endpoint: endpoint.to_owned(),
                id: Some(id.to_owned()),
                status: Status::Publish,
                fields: Some(fields(&[("title", title), ("body", body)])),
                place: 0,
            })?;
        }
        let prices = sim.edit(upload(PRICES))?;
        sim.edit(upload("店舗外観 (夜).jpg"))?;
        Ok(Self { sim, prices })
    }

    /// What would stand in the environment of the program.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let sim = &self.sim;
        let hosts = format!("{},{}", sim.image_host(), sim.file_host());
        [
            ("MICROCMS_SERVICE_ID", sim.service_id().to_owned()),
            ("MICROCMS_API_KEY", sim.api_key()),
            (
                "MICROCMS_BACKUP__SERVICE__MANAGEMENT_URL",
                sim.management_url(),
            ),
            ("MICROCMS_BACKUP__SERVICE__CONTENT_URL", sim.content_url()),
            ("MICROCMS_BACKUP__ASSETS__HOSTS", hosts),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// Says what there is.
    pub(crate) fn introduce(&self, out: &mut impl Write) -> io::Result<()> {
        let truth = self.sim.truth();
        writeln!(
            out,
            "A stand-in for microCMS runs in this process; nothing leaves this machine.\n\n\
             service           {}: {} media, {} contents in {} APIs\n\
             Management API    {}\n\
             Content API       {}\n\
             asset hosts       {}, {}\n\n\
             Requests are paced as for the real service (8 in 10 seconds to the Management API), so\n\
             each sync takes some seconds.",
            self.sim.service_id(),
            truth.media.len(),
            truth.contents.len(),
            truth.endpoints.len(),
            self.sim.management_url(),
            self.sim.content_url(),
            self.sim.image_host(),
            self.sim.file_host(),
        )
    }

    /// Changes five things, as people do, and says so.
    pub(crate) fn edit(&self, out: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
        let blog = || "blog".to_owned();
        for (what, edit) in [
            (
                "edits the article 「夏季休業のお知らせ」 and publishes it again",
                Edit::EditBody {
                    endpoint: blog(),
                    id: CLOSING.to_owned(),
                    fields: fields(&[("body", "<p>8月12日から16日まで休業いたします。</p>")]),
                },
            ),
            (
                "adds a draft to 「秋の新メニュー」, which stays published",
                Edit::AddDraft {
                    endpoint: blog(),
                    id: MENU.to_owned(),
                    fields: fields(&[("title", "秋の新メニュー(11月から)")]),
                },
            ),
            (
                "deletes the news 「スタッフ募集」",
                Edit::DeleteContent {
                    endpoint: "news".to_owned(),
                    id: WANTED.to_owned(),
                },
            ),
            (
                "replaces 「料金表 2026.pdf」 by a new version under the same URL",
                Edit::ReplaceBytes {
                    id: self.prices.clone(),
                    bytes: None,
                    touch: true,
                    stale_requests: 0,
                },
            ),
            ("uploads 「モンブラン.jpg」", upload("モンブラン.jpg")),
        ] {
            self.sim.edit(edit)?;
            writeln!(out, "- {what}")?;
        }
        Ok(())
    }
}

fn upload(name: &str) -> Edit {
    Edit::AddMedium {
        name: name.to_owned(),
        bytes: None,
        path: None,
        alt: None,
        tags: Vec::new(),
    }
}

fn fields(pairs: &[(&str, &str)]) -> Map<String, Value> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect()
}
