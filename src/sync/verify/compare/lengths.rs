//! The lengths of files, as their hosts tell them without sending the bytes.

use super::{Detail, Verify, VerifyError};
use crate::model::{AssetUrl, Compared, ComparedAll, DifferenceKind, ExitCode};
use crate::remote::{AssetClient, AssetHead, Refusal, Remedy, Remote, RemoteError, host_key};
use crate::store::HostedFile;
use crate::sync::verify::ROWS;
use futures_util::stream::{self, StreamExt as _};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Requests under way at a time.
const AT_A_TIME: usize = 8;
/// Requests in one stretch, and how long one lasts at least: 20 a second burden nobody.
const STRETCH: usize = 20;
const LASTS: Duration = Duration::from_secs(1);

/// How often a length is asked for where nobody answers, and the wait before the next time.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// Files of one host in a row about which nobody answered, after which its others are not asked for.
const FRUITLESS: usize = 2 * AT_A_TIME;

/// What a host told.
enum Told {
    Length(u64),
    /// It has no such file.
    Absent,
    Nothing(String),
    /// It did not answer, or only that it cannot now: another time it may.
    NotNow(String),
}

/// What nobody answered about.
#[derive(Debug, Default)]
struct Silence {
    /// The first file, and why.
    first: Option<(String, String)>,
    /// Files since the last answer, by host.
    in_a_row: BTreeMap<String, usize>,
}

impl Silence {
    fn note(&mut self, url: &str, told: &Told) {
        let in_a_row = self.in_a_row.entry(host(url)).or_default();
        match told {
            Told::Length(_) | Told::Absent | Told::Nothing(_) => *in_a_row = 0,
            Told::NotNow(why) => {
                *in_a_row += 1;
                self.first
                    .get_or_insert_with(|| (url.to_owned(), why.clone()));
            }
        }
    }

    fn is_silent(&self, host: &str) -> bool {
        self.in_a_row
            .get(host)
            .is_some_and(|files| *files >= FRUITLESS)
    }

    /// Says what it means for the whole.
    fn tell(self, verify: &Verify) {
        let silent = |host: &&String| self.is_silent(host);
        let silent: Vec<&str> = self
            .in_a_row
            .keys()
            .filter(silent)
            .map(String::as_str)
            .collect();
        let rest = match silent.is_empty() {
            true => String::new(),
            false => format!(
                "; the other files of {} were not asked for, as it answered nothing",
                silent.join(", ")
            ),
        };
        if let Some((url, why)) = self.first {
            let text = format!("the length of {url} could not be had: {why}{rest}");
            verify.unproven(ExitCode::Failed, text);
        }
    }
}

fn host(url: &str) -> String {
    AssetUrl::parse(url).map_or_else(|_| String::new(), |url| host_key(url.url()))
}

pub(super) async fn part(verify: &Verify, remote: &Remote) -> Result<(), VerifyError> {
    let mut silence = Silence::default();
    let done = all(verify, remote, &mut silence).await;
    silence.tell(verify);
    done
}

async fn all(verify: &Verify, remote: &Remote, silence: &mut Silence) -> Result<(), VerifyError> {
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
            let asked = stretch.iter();
            let asked = asked.filter(|file| !silence.is_silent(&host(&file.url)));
            let asked: Vec<&HostedFile> = asked.collect();
            if asked.is_empty() {
                continue;
            }
            if let Some(begun) = begun.replace(Instant::now()) {
                tokio::select! {
                    () = verify.stop.wait() => return Ok(()),
                    () = tokio::time::sleep_until(begun + LASTS) => {}
                }
            }
            begun = Some(Instant::now());
            tokio::select! {
                () = verify.stop.wait() => return Ok(()),
                () = ask(verify, remote.assets(), &asked, silence) => {}
            }
            verify.say();
        }
    }
    Ok(())
}

async fn ask(verify: &Verify, client: &AssetClient, files: &[&HostedFile], silence: &mut Silence) {
    let mut answers = stream::iter(files)
        .map(|file| async move { (file, head(client, &file.url).await) })
        .buffer_unordered(AT_A_TIME);
    while let Some((file, told)) = answers.next().await {
        silence.note(&file.url, &told);
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
            Told::Nothing(why) | Told::NotNow(why) => (DifferenceKind::Unverifiable, why),
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
    match patiently(client, &url).await {
        Ok(head) => match head.length {
            Some(bytes) => Told::Length(bytes),
            None => Told::Nothing("its host tells no length".to_owned()),
        },
        Err(err) if err.refusal() == Some(Refusal::NotFound) => Told::Absent,
        Err(err) if is_passing(&err) => Told::NotNow(err.chain()),
        Err(err) => Told::Nothing(err.chain()),
    }
}

/// Asks, and again where an answer may come another time.
async fn patiently(client: &AssetClient, url: &AssetUrl) -> Result<AssetHead, RemoteError> {
    let mut tries = 1;
    loop {
        match client.head(url).await {
            Err(err) if may_be_repeated(&err) && tries < TRIES => {
                tokio::time::sleep(PAUSE * tries).await;
                tries += 1;
            }
            told => return told,
        }
    }
}

fn may_be_repeated(err: &RemoteError) -> bool {
    match err.remedy() {
        Remedy::Retry { .. } | Remedy::RetryIfIdempotent { .. } => true,
        Remedy::AskOperator | Remedy::SkipItem => false,
    }
}

/// Returns whether another time there may be an answer. That a host refuses to be asked by HEAD stays so.
fn is_passing(err: &RemoteError) -> bool {
    let is_gateway_s = matches!(
        err,
        RemoteError::Broken {
            status: 502 | 504,
            ..
        }
    );
    may_be_repeated(err) && (is_gateway_s || !err.may_be_the_questions())
}

fn area(all: &mut ComparedAll) -> &mut Compared {
    &mut all.files
}
