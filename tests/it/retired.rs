//! A medium that is marked as deleted while its file is owed: nobody calls its file saved without a look at it.

use crate::assets::png;
use crate::hostile::path_of;
use crate::support::{Expect as _, Program, Sandbox, Setup, digest, replace_bytes};
use microcms_backup::model::{ExitCode, RelPath};
use microcms_backup::sync::Only;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};
use std::fs;
use std::path::PathBuf;

/// A backup of a few media, one of which has these bytes and is deleted upstream, seen so once.
struct World {
    sim: Sim,
    home: Sandbox,
    id: String,
    bytes: Vec<u8>,
    /// Where its file lay before it was deleted.
    file: PathBuf,
}

impl World {
    /// `edit` is what makes the file owed before its medium goes.
    async fn with(edit: impl Fn(&Sim, &str)) -> Self {
        let sim = Sim::builder().media(3).start().await;
        let id = sim
            .edit(Edit::AddMedium {
                name: "a.png".to_owned(),
                bytes: Some(png(300)),
                path: Some("/media/a.png".to_owned()),
                alt: None,
                tags: Vec::new(),
            })
            .expect("a new medium");
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        let file = home.saved_path(&id).expect("saved");
        edit(&sim, &id);
        let bytes = png(300);
        let world = Self {
            sim,
            home,
            id,
            bytes,
            file,
        };
        world.listed_only().await;
        world
            .sim
            .edit(Edit::DeleteMedium {
                id: world.id.clone(),
            })
            .expect("deleted");
        world.listed_only().await;
        world
    }

    async fn listed_only(&self) {
        let only = Only {
            media: true,
            contents: false,
            assets: false,
        };
        let setup = Setup {
            only,
            ..Setup::default()
        };
        self.home.sync_with(&self.sim, setup).await;
    }

    fn state(&self) -> String {
        let sql = format!(
            "SELECT state || ' ' || coalesce(why, '-') FROM assets WHERE media_id = '{}'",
            self.id
        );
        self.home.texts(&sql).concat()
    }

    #[track_caller]
    fn assert_verified(&self) {
        let output = Program::command(&["verify"], &self.home, &self.sim).run();
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{told}");
    }

    #[track_caller]
    fn assert_held(&self) {
        let held = self.home.saved_bytes(&self.id);
        assert!(
            held.as_ref() == Some(&self.bytes),
            "{}",
            path_of(&self.home, &self.id)
        );
    }

    /// The run that marks the medium finds its bytes where they are, and so does everybody after it.
    async fn ends_well(&self) {
        self.listed_only().await;
        assert_eq!(self.state(), "saved -");
        self.assert_held();
        self.home.sync(&self.sim).await.expect_complete();
        assert_eq!(self.state(), "saved -");
        self.assert_held();
        self.assert_verified();
        self.home.sync(&self.sim).await.expect_complete();
    }
}

fn touch(sim: &Sim, id: &str) {
    replace_bytes(sim, id);
    for route in [Route::Image, Route::File] {
        sim.fault(route, Occasion::Every, Fault::status(404, "not there"));
    }
}

fn rename(sim: &Sim, id: &str) {
    sim.edit(Edit::SetMediumPath {
        id: id.to_owned(),
        path: "/media/b.png".to_owned(),
        touch: true,
    })
    .expect("renamed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_lost_while_it_was_owed_is_told_of_by_the_run_that_marks_its_medium() {
    let world = World::with(touch).await;
    fs::remove_file(&world.file).expect("removed");
    // As long as it lies there it is saved, whatever it was owed for.
    for _ in 0..2 {
        let report = world
            .home
            .sync(&world.sim)
            .await
            .expect_code(ExitCode::Partial);
        assert!(!report.verdict.safe);
        let said = &report.problems[0].message;
        assert!(
            said.contains("1 saved file of a deleted medium"),
            "{said:?}"
        );
        assert_eq!(world.state(), "gone missing");
    }
    fs::write(&world.file, &world.bytes).expect("put back");
    world.home.sync(&world.sim).await.expect_complete();
    world.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_file_is_told_of_as_damaged_also_by_a_run_that_only_lists() {
    let world = World::with(touch).await;
    fs::write(&world.file, b"short").expect("written");
    world.listed_only().await;
    assert_eq!(world.state(), "gone damaged");
    world
        .home
        .sync(&world.sim)
        .await
        .expect_code(ExitCode::Partial);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_lies_where_its_row_says_is_saved() {
    World::with(touch).await.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_was_cut_off_before_its_row_ends_with_its_medium() {
    let world = World::with(rename).await;
    fs::rename(&world.file, world.file.with_file_name("b.png")).expect("moved");
    world.ends_well().await;
    assert!(path_of(&world.home, &world.id).ends_with("/media/b.png"));
    assert!(!world.file.exists(), "it has one name");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_the_archive_has_are_put_back_where_the_row_says() {
    let world = World::with(touch).await;
    let name = digest(&world.bytes);
    let (first, rest) = name.split_at(2);
    let (second, _) = rest.split_at(2);
    let kept = world.home.path("archive").join(first).join(second);
    fs::create_dir_all(&kept).expect("made");
    fs::rename(&world.file, kept.join(&name)).expect("moved");
    world.ends_well().await;
    assert!(world.file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_place_that_another_medium_took_meanwhile_stays_its_own() {
    let world = World::with(rename).await;
    let moved = world.file.with_file_name("b.png");
    fs::rename(&world.file, &moved).expect("moved");
    // Its old place gets another file, the new one too.
    for name in ["a.png", "b.png"] {
        world
            .sim
            .edit(Edit::AddMedium {
                name: name.to_owned(),
                bytes: Some(png(500)),
                path: Some(format!("/media/{name}")),
                alt: None,
                tags: Vec::new(),
            })
            .expect("a new medium");
    }
    world.ends_well().await;
    assert_eq!(fs::read(&world.file).expect("read"), png(500));
    assert_eq!(fs::read(&moved).expect("read"), png(500));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_cut_off_after_the_mark_finds_the_bytes_in_the_next_run() {
    let world = World::with(|_, _| {}).await;
    world.home.sync(&world.sim).await.expect_complete();
    assert_eq!(world.state(), "saved -");
    let url = world
        .home
        .texts(&format!("SELECT url FROM media WHERE id = '{}'", world.id));
    let safe = RelPath::fallback(&format!("{}#{}", url[0], world.id)).expect("a path");
    let safe = world.home.path("mirror").join(safe.as_str());
    fs::create_dir_all(safe.parent().expect("a folder")).expect("made");
    fs::rename(&world.file, &safe).expect("moved");
    world.home.sync(&world.sim).await.expect_complete();
    world.ends_well().await;
    assert!(safe.exists() && !world.file.exists());
}
