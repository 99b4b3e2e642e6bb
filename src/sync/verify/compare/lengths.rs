//! The lengths of files, as their hosts tell them without sending the bytes.

use super::{Detail, Verify, VerifyError};
use crate::model::{AssetUrl, Compared, ComparedAll, DifferenceKind};
use crate::remote::{AssetClient, Refusal, Remote};
use crate::store::HostedFile;
use crate::sync::verify::ROWS;
use futures_util::stream::{self, StreamExt as _};
use std::time::Duration;
use tokio::time::Instant;

/// Requests under way at a time.
const AT_A_TIME: usize = 8;
/// Requests in one stretch, and how long one lasts at least: 20 a second burden nobody.
const STRETCH: usize = 20;
const LASTS: Duration = Duration::from_secs(1);

/// What a host told.
enum Told {
    Length(u64),
    /// It has no such file.
    Absent,
    Nothing(String),
}

pub(super) async fn part(verify: &Verify, remote: &Remote) -> Result<(), VerifyError> {
    let mut after = i64::MIN;
    let mut begun: Option<Instant> = None;
    while !verify.is_stopping() {
        let rows = verify
            .ask(move |store| store.hosted_files(after, ROWS))
            .await?;
        let Some(last) = rows.last() else { break };
        after = last.row;
        let files: Vec<HostedFile> = rows
            .into_iter()
            .filter(|file| verify.slice.holds(&file.media_id))
            .collect();
        for stretch in files.chunks(STRETCH) {
            if let Some(begun) = begun.replace(Instant::now()) {
                tokio::select! {
                    () = verify.stop.wait() => return Ok(()),
                    () = tokio::time::sleep_until(begun + LASTS) => {}
                }
            }
            begun = Some(Instant::now());
            tokio::select! {
                () = verify.stop.wait() => return Ok(()),
                () = ask(verify, remote.assets(), stretch) => {}
            }
            verify.say();
        }
    }
    Ok(())
}

async fn ask(verify: &Verify, client: &AssetClient, files: &[HostedFile]) {
    let mut answers = stream::iter(files)
        .map(|file| async move { (file, head(client, &file.url).await) })
        .buffer_unordered(AT_A_TIME);
    while let Some((file, told)) = answers.next().await {
        let (kind, detail) = match told {
            Told::Length(bytes) if bytes == file.bytes => {
                verify.same(area);
                continue;
            }
            Told::Length(bytes) => (
                DifferenceKind::Differs,
                format!("length: {bytes} there, {} here", file.bytes),
            ),
            Told::Absent => (DifferenceKind::MissingThere, String::new()),
            Told::Nothing(why) => (DifferenceKind::Unverifiable, why),
        };
        let thing = format!("length of the file of medium `{}`", file.media_id);
        let detail = Detail {
            text: &detail,
            // No listing may know of it.
            remedy: Some(
                "the next `sync` fetches it if its listing moved, too; otherwise `sync --full` asks for it",
            ),
        };
        verify
            .compared(area, kind, thing, file.url.clone(), detail)
            .await;
    }
}

async fn head(client: &AssetClient, url: &str) -> Told {
    let url = match AssetUrl::parse(url) {
        Ok(url) if client.is_allowed(&url) => url,
        Ok(_) => return Told::Nothing("its host is not in `assets.hosts`".to_owned()),
        Err(err) => return Told::Nothing(err.to_string()),
    };
    match client.head(&url).await {
        Ok(head) => match head.length {
            Some(bytes) => Told::Length(bytes),
            None => Told::Nothing("its host tells no length".to_owned()),
        },
        Err(err) if err.refusal() == Some(Refusal::NotFound) => Told::Absent,
        Err(err) => Told::Nothing(err.chain()),
    }
}

fn area(all: &mut ComparedAll) -> &mut Compared {
    &mut all.files
}
