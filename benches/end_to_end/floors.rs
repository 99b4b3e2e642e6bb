//! What nobody can go below: a client that only reads the same answers, and an insert of the same rows
//! that does nothing else. Each tells in seconds how long it took.

use crate::Fallible;
use crate::library::now;
use flate2::read::GzDecoder;
use futures_util::StreamExt as _;
use microcms_backup::store::{Mode, Options, Store};
use reqwest::Client;
use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, params_from_iter};
use serde::Deserialize;
use std::io::Read as _;
use std::path::Path;
use std::time::Instant;

/// Rows of a table in one transaction: a page of a listing, after which a run's rows are durable, too.
const PAGE: usize = 100;
/// Requests for bodies under way at a time, as in a run.
const AT_A_TIME: usize = 8;

#[derive(Deserialize)]
struct FirstPage {
    #[serde(rename = "totalCount")]
    total: u64,
    token: Option<String>,
}

#[derive(Deserialize)]
struct Ids {
    contents: Vec<Id>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

fn tell(begun: Instant) {
    println!("{:.4}", begun.elapsed().as_secs_f64());
}

fn block_on(work: impl Future<Output = Fallible<()>>) -> Fallible<()> {
    // reqwest asks for one, also where nothing is encrypted.
    drop(rustls::crypto::ring::default_provider().install_default());
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// Asks, and returns the body as it came.
async fn get(client: &Client, url: String, key: &str) -> Fallible<bytes::Bytes> {
    let ask = client.get(url).header("accept-encoding", "gzip");
    let answer = ask.header("x-microcms-api-key", key).send().await?;
    Ok(answer.error_for_status()?.bytes().await?)
}

fn unpack<T: serde::de::DeserializeOwned>(body: &[u8]) -> Fallible<T> {
    let mut text = Vec::new();
    if body.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(body).read_to_end(&mut text)?;
    } else {
        text.extend_from_slice(body);
    }
    Ok(serde_json::from_slice(&text)?)
}

/// Reads every page of media and looks into none but the first, which has the token and the count.
pub(crate) fn read_media(api: &str, key: &str) -> Fallible<()> {
    block_on(async {
        let client = Client::builder().build()?;
        let begun = Instant::now();
        let first = get(&client, format!("{api}/api/v2/media?limit=100"), key).await?;
        let first: FirstPage = unpack(&first)?;
        let token = first.token.ok_or("no token")?;
        let token =
            percent_encoding::utf8_percent_encode(&token, percent_encoding::NON_ALPHANUMERIC);
        for _ in 1..first.total.div_ceil(100) {
            get(&client, format!("{api}/api/v2/media?token={token}"), key).await?;
        }
        tell(begun);
        Ok(())
    })
}

/// Reads every page of metadata and, beside it, the bodies of each page; looks for the ids only.
pub(crate) fn read_contents(management: &str, content: &str, key: &str) -> Fallible<()> {
    block_on(async {
        let client = Client::builder().build()?;
        let page =
            |offset: u64| format!("{management}/api/v1/contents/blog?limit=100&offset={offset}");
        let begun = Instant::now();
        let first = get(&client, page(0), key).await?;
        let total = unpack::<FirstPage>(&first)?.total;
        let pages = futures_util::stream::iter((0..total.div_ceil(100)).map(|n| n * 100))
            .then(|offset| get(&client, page(offset), key));
        let bodies = pages.map(|page| {
            let client = &client;
            async move {
                let ids: Vec<String> = unpack::<Ids>(&page?)?
                    .contents
                    .into_iter()
                    .map(|item| item.id)
                    .collect();
                let ids = ids.join(",");
                let url = format!("{content}/api/v1/blog?depth=0&limit=100&ids={ids}");
                get(client, url, key).await.map(drop)
            }
        });
        let mut bodies = std::pin::pin!(bodies.buffer_unordered(AT_A_TIME));
        while let Some(read) = bodies.next().await {
            read?;
        }
        tell(begun);
        Ok(())
    })
}

/// The rows of one table: its name, its columns, the rows in the order in which they were written.
struct Rows {
    table: String,
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Rows {
    fn read(conn: &Connection, table: &str) -> Fallible<Self> {
        // Generated columns are not among these.
        let mut query = conn.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let columns = query
            .query_map([table], |row| row.get(0))?
            .collect::<Result<Vec<String>, _>>()?;
        let list = columns.join(", ");
        let mut query = conn.prepare(&format!("SELECT {list} FROM {table} ORDER BY rowid"))?;
        let width = columns.len();
        let rows = query
            .query_map([], |row| (0..width).map(|index| row.get(index)).collect())?
            .collect::<Result<_, _>>()?;
        Ok(Self {
            table: table.to_owned(),
            columns,
            rows,
        })
    }

    /// Inserts a part of them with one statement.
    fn insert(&self, tx: &Transaction<'_>, rows: &[Vec<Value>]) -> Fallible<()> {
        let one = format!("({})", vec!["?"; self.columns.len()].join(", "));
        let (table, columns) = (&self.table, self.columns.join(", "));
        let all = vec![one; rows.len()].join(", ");
        // As the program does it: SQLite keeps no copies of pages for the case that this statement alone fails.
        let insert = format!("INSERT OR ROLLBACK INTO {table} ({columns}) VALUES {all}");
        tx.prepare_cached(&insert)?
            .execute(params_from_iter(rows.iter().flatten()))?;
        Ok(())
    }
}

/// Inserts the rows that a run left in tables of `from` into a new database at `to`: same schema, same
/// durability, page by page: of each table that part of its rows which the page has of the first one's. Reading them
/// beforehand is not counted.
pub(crate) fn insert(from: &str, to: &str, tables: &[&str]) -> Fallible<()> {
    let source = Connection::open(from)?;
    let all = tables
        .iter()
        .map(|table| Rows::read(&source, table))
        .collect::<Fallible<Vec<Rows>>>()?;
    let options = Options {
        path: to.into(),
        service_id: "bench".to_owned(),
        mode: Mode::ReadWrite,
    };
    Store::open(&options, now())?.close()?;
    let mut conn = Connection::open(Path::new(to))?;
    // As `store` opens it.
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "cache_size", -8192)?;
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 8000, |_| Ok(()))?;
    let begun = Instant::now();
    let pages = all
        .first()
        .map_or(0, |table| table.rows.len().div_ceil(PAGE));
    for page in 0..pages {
        let tx = conn.transaction()?;
        for table in &all {
            let share = |page: usize| table.rows.len() * page / pages;
            let rows = table.rows.get(share(page)..share(page + 1));
            match rows {
                Some(rows) if !rows.is_empty() => table.insert(&tx, rows)?,
                _ => {}
            }
        }
        // What triggers noted for the program is not among the rows that a run leaves.
        tx.prepare_cached("DELETE FROM unread")?.execute([])?;
        tx.commit()?;
    }
    conn.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))?;
    tell(begun);
    Ok(())
}
