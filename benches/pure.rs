//! The pure parts that run once for each medium or content, measured apart.
//!
//! ```sh
//! cargo bench --bench pure
//! ```

use divan::{Bencher, black_box, counter::ItemsCount};
use microcms_backup::model::{
    AssetUrl, BodyDigest, Hash, KnownMedium, ListedMedium, RelPath, Tree,
};
use microcms_backup::plan::difference::{fields, lines};
use microcms_backup::plan::medium_step;
use microcms_backup::remote::{read_content, read_medium};
use serde_json::Value;

/// On a page, as the service has it.
const PAGE: usize = 100;

fn main() {
    divan::main();
}

fn medium_text(number: usize) -> String {
    format!(
        r#"{{"id":"{number:08x}-1f2e-4d3c-8b4a-5c6d7e8f9a0b","createdAt":"2026-04-08T01:02:03.004Z","updatedAt":"2026-05-08T01:02:03.004Z","url":"{}","width":1200,"height":630,"alt":"公園を散歩する犬 {number}","tags":["animals","商品"]}}"#,
        url(number)
    )
}

fn url(number: usize) -> String {
    format!(
        "https://images.microcms-assets.io/assets/{number:032x}/{:032x}/%E5%86%99%E7%9C%9F%20{number}.png",
        number.wrapping_mul(2_654_435_761)
    )
}

fn content_text(number: usize) -> String {
    format!(
        r#"{{"id":"news-{number}","status":["PUBLISH"],"draftKey":null,"createdAt":"2026-04-08T01:02:03.004Z","updatedAt":"2026-05-08T01:02:03.004Z","publishedAt":"2026-04-09T01:02:03.004Z","revisedAt":"2026-05-08T01:02:03.004Z","closedAt":null,"customStatus":null,"createdBy":"9b1f6a52-8c1e-4d1b-9a55-0f4a6f0b3c11","updatedBy":"5c0d2f8e-2b7a-4e0c-8f1d-7d2b9e5a4c22"}}"#
    )
}

fn media() -> Vec<ListedMedium> {
    let read = (0..PAGE).map(|number| read_medium(&medium_text(number)));
    read.collect::<Result<_, _>>().unwrap_or_default()
}

fn known(medium: &ListedMedium) -> KnownMedium {
    KnownMedium {
        metadata: medium.metadata.clone(),
        is_deleted: false,
        asset: None,
    }
}

/// The items of a page of media: JSON text to values with invariants.
#[divan::bench]
fn read_a_page_of_media(bencher: Bencher<'_, '_>) {
    let texts: Vec<String> = (0..PAGE).map(medium_text).collect();
    bencher.counter(ItemsCount::new(PAGE)).bench(|| {
        texts
            .iter()
            .map(|text| read_medium(black_box(text)))
            .filter(Result::is_ok)
            .count()
    });
}

/// The items of a page of contents' metadata.
#[divan::bench]
fn read_a_page_of_contents(bencher: Bencher<'_, '_>) {
    let texts: Vec<String> = (0..PAGE).map(content_text).collect();
    bencher.counter(ItemsCount::new(PAGE)).bench(|| {
        texts
            .iter()
            .map(|text| read_content(black_box(text), None))
            .filter(Result::is_ok)
            .count()
    });
}

/// A page whose media are all as recorded.
#[divan::bench]
fn compare_an_unchanged_page(bencher: Bencher<'_, '_>) {
    let media = media();
    let known: Vec<KnownMedium> = media.iter().map(known).collect();
    bencher
        .counter(ItemsCount::new(PAGE))
        .with_inputs(|| media.clone())
        .bench_values(|media| {
            let pairs = media.into_iter().zip(&known);
            let steps = pairs.map(|(listed, known)| medium_step(listed, Some((known, None))));
            steps.collect::<Vec<_>>()
        });
}

/// A page whose media were all edited: the recorded text is read again.
#[divan::bench]
fn compare_an_edited_page(bencher: Bencher<'_, '_>) {
    let media = media();
    let known: Vec<KnownMedium> = media
        .iter()
        .map(|medium| KnownMedium {
            metadata: medium.metadata.replace("2026-05", "2026-04"),
            ..known(medium)
        })
        .collect();
    bencher
        .counter(ItemsCount::new(PAGE))
        .with_inputs(|| media.clone())
        .bench_values(|media| {
            let pairs = media.into_iter().zip(&known);
            let steps = pairs.map(|(listed, known)| {
                let before = read_medium(&known.metadata).ok();
                medium_step(listed, Some((known, before.as_ref())))
            });
            steps.collect::<Vec<_>>()
        });
}

/// URL to path in the mirror.
#[divan::bench]
fn url_to_path(bencher: Bencher<'_, '_>) {
    let urls: Vec<String> = (0..PAGE).map(url).collect();
    bencher.counter(ItemsCount::new(PAGE)).bench(|| {
        urls.iter()
            .map(|url| RelPath::for_url(black_box(url)))
            .filter(Result::is_ok)
            .count()
    });
}

/// URL as listed to URL that may be asked.
#[divan::bench]
fn check_a_url(bencher: Bencher<'_, '_>) {
    let urls: Vec<String> = (0..PAGE).map(url).collect();
    bencher.counter(ItemsCount::new(PAGE)).bench(|| {
        urls.iter()
            .map(|url| AssetUrl::parse(black_box(url)))
            .filter(Result::is_ok)
            .count()
    });
}

/// A body of `paragraphs` of rich text, as an editor leaves it; `edited` is the paragraph that is another.
fn body_text(paragraphs: usize, edited: Option<usize>) -> String {
    let rich: String = (0..paragraphs)
        .map(|number| {
            let price = if edited == Some(number) { 480 } else { 460 };
            format!(
                r#"<p id=\"h{number}\">{number} 番目の段落です。秋の新メニューは <strong>モンブラン</strong> {price} 円。<img src=\"{}\" alt=\"\"></p>"#,
                url(number)
            )
        })
        .collect();
    format!(
        r#"{{"id":"news-1","title":"秋の新メニュー","content":"{rich}","related":[{{"fieldId":"link","url":"{}","label":"地図"}}],"price":460}}"#,
        url(1)
    )
}

/// A body read through: its readable text, and the files that it names.
#[divan::bench(args = [8, 64])]
fn read_a_body_through(bencher: Bencher<'_, '_>, paragraphs: usize) {
    let body = body_text(paragraphs, None);
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench(|| BodyDigest::of(black_box(&body)));
}

/// Two versions of a body compared by field.
#[divan::bench(args = [8, 64])]
fn compare_bodies_by_field(bencher: Bencher<'_, '_>, paragraphs: usize) {
    let read = |edited| serde_json::from_str::<Value>(&body_text(paragraphs, edited)).ok();
    let (before, after) = (read(None), read(Some(paragraphs / 2)));
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench(|| fields(black_box(before.as_ref()), black_box(after.as_ref())));
}

/// Two versions of a rich text compared by line.
#[divan::bench(args = [8, 64])]
fn compare_rich_texts_by_line(bencher: Bencher<'_, '_>, paragraphs: usize) {
    let (before, after) = (body_text(paragraphs, None), body_text(paragraphs, Some(1)));
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench(|| lines(black_box(&before), black_box(&after)).len());
}

/// A page's versions added to the tree that a run commits to.
#[divan::bench]
fn log_a_page_of_versions(bencher: Bencher<'_, '_>) {
    let texts: Vec<String> = (0..PAGE).map(medium_text).collect();
    bencher.counter(ItemsCount::new(PAGE)).bench(|| {
        let mut tree = Tree::default();
        for text in &texts {
            tree.push(Hash::leaf(black_box(text).as_bytes()));
        }
        tree.head()
    });
}
