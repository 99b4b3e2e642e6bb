//! Rows for spreadsheets: RFC 4180, and no text that a spreadsheet would run.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::json::{self, Style};

/// Returns one row with its line break.
pub(super) fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let written = writer.write_record(cells);
    // Into memory, and with as many cells as there are: neither can fail.
    written
        .ok()
        .and_then(|()| writer.into_inner().ok())
        .unwrap_or_default()
}

/// Returns the columns: the id, what the service adds to each body, then the schema's fields in its order.
pub(super) fn columns(keys: &[String], fields: &[String]) -> Vec<String> {
    let added = keys
        .iter()
        .filter(|key| *key != "id" && !fields.contains(key));
    let fields = fields.iter().filter(|field| *field != "id");
    std::iter::once(&"id".to_owned())
        .chain(added)
        .chain(fields)
        .cloned()
        .collect()
}

/// Returns a body's cells. `change` may replace texts.
pub(super) fn cells(
    id: &str,
    columns: &[String],
    body: &str,
    mut change: impl FnMut(&str) -> Option<String>,
) -> Vec<String> {
    let values: HashMap<String, &RawValue> = serde_json::from_str(body).unwrap_or_default();
    columns
        .iter()
        .map(|column| match values.get(column.as_str()) {
            None if column == "id" => harmless(id.to_owned()),
            None => String::new(),
            Some(value) => cell(value.get(), &mut change),
        })
        .collect()
}

/// Returns a value as one cell: texts as they read, numbers as they were written, what is nested as JSON.
fn cell(json: &str, change: &mut impl FnMut(&str) -> Option<String>) -> String {
    match json.chars().next() {
        Some('"') => {
            // Half a surrogate pair is JSON, but no text.
            let text = json::text_of(json).unwrap_or_else(|| json.to_owned());
            harmless(change(&text).unwrap_or(text))
        }
        Some('{' | '[') => json::changed(json, Style::Tight, change),
        _ if json == "null" => String::new(),
        _ => json.to_owned(),
    }
}

/// Puts a `'` before a text that a spreadsheet would take for a formula, and before one that begins with
/// `'` itself: whoever takes one leading `'` away has the text again.
fn harmless(text: String) -> String {
    let is_formula = text.starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '\'', '＝', '＋', '－', '＠',
    ]);
    if is_formula { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_become_cells() {
        let columns = ["id", "a", "b", "c", "d", "e", "f"].map(str::to_owned);
        let body = r#"{"a":"x\n\"y\"","b":12345678901234567890123,"c":{"k": "=1"},"d":null,"e":"=1+1","f":true}"#;
        let cells = cells("-x", &columns, body, |_| None);
        assert_eq!(
            cells,
            [
                "'-x",
                "x\n\"y\"",
                "12345678901234567890123",
                r#"{"k":"=1"}"#,
                "",
                "'=1+1",
                "true"
            ]
        );
        let row = row(cells.iter().map(String::as_str));
        assert_eq!(
            String::from_utf8(row).unwrap(),
            "'-x,\"x\n\"\"y\"\"\",12345678901234567890123,\"{\"\"k\"\":\"\"=1\"\"}\",,'=1+1,true\r\n"
        );
    }

    #[test]
    fn columns_are_the_id_then_the_service_s_then_the_schema_s() {
        let own = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            columns(
                &own(&["a", "createdOn", "id", "title"]),
                &own(&["title", "body", "a"])
            ),
            own(&["id", "createdOn", "title", "body", "a"])
        );
    }

    proptest! {
        #[test]
        fn a_reader_of_csv_gets_the_texts_again(
            texts in prop::collection::vec("\\PC{0,6}|[=+@',\"\r\n\t -]{0,5}", 2..6),
        ) {
            let cells: Vec<String> = texts.iter().cloned().map(harmless).collect();
            let bytes = row(cells.iter().map(String::as_str));
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&*bytes);
            let record = reader.records().next().unwrap().unwrap();
            let back: Vec<&str> = record.iter().map(|cell| cell.strip_prefix('\'').unwrap_or(cell)).collect();
            prop_assert_eq!(back, texts);
            prop_assert!(record.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@'])));
        }
    }
}
