//! Reads the page: its queries with their answers, and its tables of columns.

use std::collections::{BTreeMap, BTreeSet};

/// A query.
#[derive(Debug)]
pub(crate) struct Block {
    /// The heading above it.
    pub(crate) place: String,
    pub(crate) sql: String,
    /// The Markdown table behind it.
    pub(crate) answer: Option<String>,
}

/// What a page says.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) blocks: Vec<Block>,
    /// The columns of each table and view.
    pub(crate) tables: BTreeMap<String, BTreeSet<String>>,
    /// What is explained more than once.
    pub(crate) twice: Vec<String>,
}

/// The texts between backticks.
fn code(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(Into::into).collect()
}

impl Page {
    pub(crate) fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let (mut heading, mut names) = (String::new(), Vec::new());
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if line.starts_with('#') {
                heading = line.trim_start_matches(['#', ' ']).to_owned();
                // `### `a`, `b`` explains these tables; any other heading none.
                names = match line.strip_prefix("### `") {
                    Some(_) => code(line),
                    None => Vec::new(),
                };
                page.begin(&names);
            } else if line == "```sql" {
                let sql: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
                while lines.next_if(|line| line.is_empty()).is_some() {}
                let mut answer = Vec::new();
                while let Some(line) = lines.next_if(|line| line.starts_with('|')) {
                    answer.push(line);
                }
                page.blocks.push(Block {
                    place: heading.clone(),
                    sql: sql.join("\n"),
                    answer: (!answer.is_empty()).then(|| answer.join("\n")),
                });
            } else if let Some(row) = line.strip_prefix("| `") {
                let cell = format!("`{}", row.split(" | ").next().unwrap_or_default());
                page.explain(&names, &cell);
            }
        }
        page
    }

    fn begin(&mut self, names: &[String]) {
        for name in names {
            if self.tables.insert(name.clone(), BTreeSet::new()).is_some() {
                self.twice.push(name.clone());
            }
        }
    }

    /// A first cell such as `` `id`, `a_history.valid_to` ``: the second one stands in one table only.
    fn explain(&mut self, names: &[String], cell: &str) {
        for column in code(cell) {
            let (only, column) = match column.split_once('.') {
                Some((table, column)) => (Some(table), column),
                None => (None, column.as_str()),
            };
            for name in names {
                if only.is_some_and(|only| only != name) {
                    continue;
                }
                let known = self.tables.entry(name.clone()).or_default();
                if !known.insert(column.to_owned()) {
                    self.twice.push(format!("{name}.{column}"));
                }
            }
        }
    }

    /// The questions are numbered.
    pub(crate) fn is_question(place: &str) -> bool {
        place.starts_with(|first: char| first.is_ascii_digit())
    }
}
