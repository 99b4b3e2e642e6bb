//! Rows in columns. Japanese letters are two columns wide on a terminal.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

/// A table that is printed once it is whole.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Begins with the names of the columns.
    pub(crate) fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            rows: vec![columns.into_iter().map(str::to_owned).collect()],
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Prints it, numbers to the right and the rest to the left.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let columns = self.rows.first().map_or(0, Vec::len);
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.column(column).map(UnicodeWidthStr::width).max())
            .map(Option::unwrap_or_default)
            .collect();
        let numeric: Vec<bool> = (0..columns)
            .map(|column| {
                let mut cells = self.column(column).skip(1);
                cells.all(|cell| cell.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
            })
            .collect();
        for (number, row) in self.rows.iter().enumerate() {
            print_row(out, row, &widths, &numeric)?;
            if number == 0 {
                let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                print_row(out, &rules, &widths, &numeric)?;
            }
        }
        Ok(())
    }

    fn column(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows
            .iter()
            .map(move |row| row.get(column).map_or("", String::as_str))
    }
}

fn print_row(
    out: &mut impl Write,
    cells: &[String],
    widths: &[usize],
    numeric: &[bool],
) -> io::Result<()> {
    let mut line = String::new();
    for ((cell, width), is_number) in cells.iter().zip(widths).zip(numeric) {
        let space = " ".repeat(width.saturating_sub(cell.width()));
        line += "  ";
        line += &if *is_number {
            space + cell
        } else {
            cell.clone() + &space
        };
    }
    writeln!(out, "{}", line.trim_end())
}
