//! A service to which everything happens.

use fastrand::Rng;
use microcms_sim::{
    AssetOptions, ContentRights, Edit, Fault, ManagementRights, Occasion, Route, Sim, Status,
    WrongRange,
};
use serde_json::{Map, Value};

/// The simulator, and what must be taken back in the end.
pub(super) struct Service {
    pub(super) sim: Sim,
    serial: u32,
}

fn fields(n: u32) -> Map<String, Value> {
    Map::from_iter([("title".to_owned(), Value::from(format!("title {n}")))])
}

fn pick(rng: &mut Rng, from: &[String]) -> Option<String> {
    rng.choice(from).cloned()
}

impl Service {
    pub(super) async fn start(seed: u64, rng: &mut Rng) -> Self {
        let sim = Sim::builder()
            .seed(seed)
            .media(rng.u32(5..40))
            .media_size(100..=6_000)
            .published_list_api("blog", rng.u32(3..25))
            .object_api("about")
            .start()
            .await;
        let service = Self { sim, serial: 0 };
        // Tells a key that sees all drafts from one that does not.
        let draft = Edit::AddContent {
            endpoint: "blog".into(),
            id: Some("never-published".into()),
            status: Status::Draft,
            fields: None,
            place: 0,
        };
        service.sim.edit(draft).expect("a draft");
        service
    }

    pub(super) fn custom_hosts(&self) -> Vec<String> {
        vec![self.sim.custom_image_host(), self.sim.custom_file_host()]
    }

    /// Somebody does something in the admin screen. Says what.
    pub(super) fn edit(&mut self, rng: &mut Rng) -> String {
        self.serial += 1;
        let edit = if rng.u8(..) < 170 {
            self.of_media(rng)
        } else {
            self.of_contents(rng)
        };
        let Some(edit) = edit else {
            return "nothing to edit".to_owned();
        };
        let said = format!("{edit:?}");
        match self.sim.edit(edit) {
            Ok(_) => said,
            // A state that does not allow it.
            Err(err) => format!("{said}: {err}"),
        }
    }

    fn of_media(&self, rng: &mut Rng) -> Option<Edit> {
        let n = self.serial;
        let ids = self.sim.media_ids();
        let touch = rng.u8(..) < 180;
        let Some(id) = pick(rng, &ids).filter(|_| rng.u8(..) < 220) else {
            let kind = rng.choice(["png", "jpg", "pdf"]).expect("a kind");
            return Some(Edit::AddMedium {
                name: format!("added {n}.{kind}"),
                bytes: None,
                path: None,
                alt: rng.bool().then(|| "an alt".to_owned()),
                tags: Vec::new(),
            });
        };
        Some(match rng.u8(0..24) {
            0..=4 => Edit::ReplaceBytes {
                id,
                bytes: None,
                touch,
                stale_requests: if rng.bool() { 0 } else { rng.u32(0..4) },
            },
            5..=6 => Edit::ReplaceUnderNewUrl { id, bytes: None },
            7..=8 => {
                let truth = self.sim.truth();
                let name = truth.medium(&id)?.name.clone();
                let kind = name.rsplit('.').next()?;
                Edit::RenameMedium {
                    id,
                    name: format!("renamed {}.{kind}", n % 5),
                    touch,
                }
            }
            9..=10 => Edit::ResizeMedium {
                id,
                size: rng.u64(600_000..3_000_000),
                touch: true,
            },
            // A few places for all: they swap, share and flip their URLs.
            11..=13 => {
                let truth = self.sim.truth();
                let medium = truth.medium(&id)?;
                let kind = medium.name.rsplit('.').next()?;
                Edit::SetMediumPath {
                    path: format!("/assets/shared/{}.{kind}", rng.u8(0..3)),
                    id,
                    touch,
                }
            }
            14..=15 => Edit::SetAlt {
                id,
                alt: rng.bool().then(|| format!("alt {n}")),
                touch,
            },
            16 => Edit::SetTags {
                id,
                tags: vec![format!("tag {n}")],
                touch,
            },
            17 => Edit::TouchMedium { id },
            18..=19 => Edit::HideAsset {
                id,
                hidden: rng.bool(),
            },
            20..=21 => Edit::DeleteMedium { id },
            22 if rng.u8(..) < 80 => Edit::DeleteAllMedia,
            _ => Edit::SwitchAssetHosts { touch: rng.bool() },
        })
    }

    fn of_contents(&self, rng: &mut Rng) -> Option<Edit> {
        let n = self.serial;
        let endpoint = rng.choice(["blog", "about"])?.to_string();
        let is_list = endpoint == "blog";
        let mut ids = self.sim.content_ids(&endpoint);
        ids.retain(|id| id != "never-published");
        let id = pick(rng, &ids);
        if is_list && (id.is_none() || rng.u8(..) < 40) {
            let status = *rng.choice([Status::Draft, Status::Publish, Status::Closed].iter())?;
            return Some(Edit::AddContent {
                endpoint,
                id: None,
                status,
                fields: Some(fields(n)),
                place: rng.usize(0..ids.len() + 1),
            });
        }
        let id = id?;
        Some(match rng.u8(0..12) {
            0..=1 => Edit::EditBody {
                endpoint,
                id,
                fields: fields(n),
            },
            2..=3 => Edit::AddDraft {
                endpoint,
                id,
                fields: fields(n),
            },
            4 => Edit::Publish { endpoint, id },
            5 => Edit::Close { endpoint, id },
            6 => Edit::BackToDraft { endpoint, id },
            7 => Edit::SetCreatedBy {
                endpoint,
                id,
                member: format!("member {n}"),
            },
            8 if is_list => Edit::MoveContent {
                endpoint,
                id,
                place: 0,
            },
            9 if is_list => Edit::DeleteContent { endpoint, id },
            10 if is_list => Edit::RenameContent {
                endpoint,
                id,
                to: format!("renamed-{n}"),
            },
            _ => Edit::SetPublishedAt {
                endpoint,
                id,
                at: format!("20{:02}-01-01T00:00:00Z", n % 90 + 10),
            },
        })
    }

    /// Something goes wrong. Says what.
    pub(super) fn harm(&mut self, rng: &mut Rng) -> String {
        let said = match rng.u8(0..14) {
            0 => Some(Edit::StopService { on: rng.bool() }),
            1 => Some(Edit::SetManagementRights {
                rights: if rng.bool() {
                    ManagementRights::none()
                } else {
                    ManagementRights::all()
                },
            }),
            2 => Some(Edit::SetContentRights {
                endpoint: None,
                rights: if rng.bool() {
                    ContentRights::published_only()
                } else {
                    ContentRights::backup()
                },
            }),
            3..=4 => Some(Edit::SetAssetOptions {
                options: some_options(rng),
            }),
            5 => Some(Edit::SetOldMediaForm { on: rng.bool() }),
            6 => Some(Edit::ExpireTokens),
            _ => None,
        };
        if let Some(edit) = said {
            let said = format!("{edit:?}");
            self.sim.edit(edit).expect("always possible");
            return said;
        }
        let (route, fault) = self.fault(rng);
        let from = rng.u64(1..6);
        let occasion = Occasion::Range(from, from + rng.u64(0..4));
        let said = format!("{route:?} {occasion:?}: {fault:?}");
        self.sim.fault(route, occasion, fault);
        said
    }

    fn fault(&self, rng: &mut Rng) -> (Route, Fault) {
        let answer = |status: u16, body: &str| Fault::Status {
            status,
            headers: [].into(),
            body: body.to_owned(),
            consumed: false,
        };
        let stopped = r#"{"message":"API is stopped for demo service. Please upgrade your plan."}"#;
        let list = *rng
            .choice([Route::Media, Route::MetadataList].iter())
            .expect("a listing");
        let asset = *rng
            .choice([Route::Image, Route::File].iter())
            .expect("a host");
        match rng.u8(0..16) {
            0 => (list, answer(400, stopped)),
            1 => (Route::ContentList, answer(400, stopped)),
            2 => (Route::Media, answer(200, r#"{"media":[],"totalCount":0}"#)),
            3 => (
                Route::MetadataList,
                answer(
                    200,
                    r#"{"contents":[],"totalCount":0,"offset":0,"limit":100}"#,
                ),
            ),
            4 => (Route::Apis, answer(200, r#"{"apis":[]}"#)),
            5 => (list, answer(403, r#"{"message":"Forbidden"}"#)),
            6 => (list, Fault::DropAfter),
            7 => (list, Fault::Html),
            8..=9 => (
                asset,
                Fault::Cut {
                    after: rng.u64(0..1_500_000),
                    chunked: rng.bool(),
                },
            ),
            10 => (
                asset,
                Fault::Stall {
                    after: rng.bool().then(|| rng.u64(0..1_200_000)),
                },
            ),
            11 => (asset, Fault::Html),
            12 => {
                let status = *rng
                    .choice([404, 403, 410, 500, 503, 429].iter())
                    .expect("one");
                (asset, answer(status, "no"))
            }
            13 => (
                asset,
                Fault::Redirect {
                    status: 302,
                    location: format!("{}{{path}}", self.sim.foreign_url()),
                },
            ),
            14 => (
                asset,
                Fault::Redirect {
                    status: 302,
                    location: "{path}".to_owned(),
                },
            ),
            _ => (asset, Fault::DropAfter),
        }
    }

    /// The faults end; lies and lost rights go on.
    pub(super) fn relent(&self) {
        self.sim.clear_faults();
    }

    /// All is as it should be again; what was edited stays edited.
    pub(super) fn heal(&self) {
        self.sim.clear_faults();
        let mut edits = vec![
            Edit::StopService { on: false },
            Edit::SetManagementRights {
                rights: ManagementRights::all(),
            },
            Edit::SetContentRights {
                endpoint: None,
                rights: ContentRights::backup(),
            },
            Edit::SetAssetOptions {
                options: AssetOptions::default(),
            },
            Edit::SetOldMediaForm { on: false },
        ];
        edits.extend(
            self.sim
                .media_ids()
                .into_iter()
                .map(|id| Edit::HideAsset { id, hidden: false }),
        );
        for edit in edits {
            self.sim.edit(edit).expect("always possible");
        }
    }
}

fn some_options(rng: &mut Rng) -> AssetOptions {
    let mut options = AssetOptions::default();
    for _ in 0..rng.u8(0..4) {
        match rng.u8(0..14) {
            0 => options.etag = false,
            1 => options.last_modified = false,
            2 => options.range = false,
            3 => options.head = false,
            4 => options.conditional = false,
            5 => options.content_length = false,
            6 => options.always_not_modified = true,
            7 => options.frozen_validators = true,
            8 => options.weak_etags = true,
            9 => options.ignores_ranges = true,
            10 => options.wrong_range = Some(WrongRange::Told),
            11 => options.wrong_range = Some(WrongRange::Hidden),
            12 => options.head_length_off = true,
            _ => options.unasked_gzip = true,
        }
    }
    options
}
