//! Tables: lists without lines, and grids for rows of data.

use comfy_table::{Attribute, Cell as Styled, CellAlignment, Color, ColumnConstraint, ContentArrangement, presets};

use crate::printer::Printer;
use crate::render::Tone;

/// Characters of a line that reads well: at least and at most.
const PROSE: (u16, u16) = (80, 110);

/// One cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell in a tone.
    pub(crate) fn toned((text, tone): (impl Into<String>, Tone)) -> Self {
        Self { text: text.into(), tone }
    }

    /// The text, or a dimmed dash if there is none.
    pub(crate) fn maybe(text: Option<impl Into<String>>) -> Self {
        text.map_or_else(|| Self::toned(("-", Tone::Dim)), |text| Self { text: text.into(), tone: Tone::Plain })
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }
}

/// A table that is being made. A heading that begins with `>` is of a column of numbers, which stand at its right.
pub(crate) struct Table<'a> {
    printer: &'a Printer,
    table: comfy_table::Table,
}

impl<'a> Table<'a> {
    /// A list: no lines, two spaces between columns.
    pub(crate) fn list(printer: &'a Printer, headings: &[&str]) -> Self {
        let mut new = Self::new(printer, headings);
        new.table.load_preset(presets::NOTHING);
        new.table.set_content_arrangement(ContentArrangement::Disabled);
        for column in new.table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        new
    }

    /// A list whose last column is prose: it alone is broken over lines.
    pub(crate) fn prose(printer: &'a Printer, headings: &[&str]) -> Self {
        let mut new = Self::list(printer, headings);
        new.table.set_content_arrangement(ContentArrangement::Dynamic);
        let width = new.table.width().unwrap_or(PROSE.1).clamp(PROSE.0, PROSE.1);
        new.table.set_width(width);
        for column in new.table.column_iter_mut().take(headings.len() - 1) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        new
    }

    /// A grid: rows of data, never broken over lines.
    pub(crate) fn grid(printer: &'a Printer, headings: &[&str]) -> Self {
        let mut new = Self::new(printer, headings);
        new.table.load_preset(presets::UTF8_FULL_CONDENSED);
        new.table.set_content_arrangement(ContentArrangement::Disabled);
        new
    }

    fn new(printer: &'a Printer, headings: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.enforce_styling();
        table.style_text_only();
        let names = headings.iter().map(|h| h.strip_prefix('>').unwrap_or(h));
        table.set_header(names.map(|name| Styled::new(printable(&printer.clean(name))).add_attribute(Attribute::Bold)));
        for (column, _) in table.column_iter_mut().zip(headings).filter(|(_, h)| h.starts_with('>')) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        Self { printer, table }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let styled = cells.into_iter().map(|cell| {
            let styled = Styled::new(printable(&self.printer.clean(&cell.text)));
            match cell.tone {
                Tone::Plain => styled,
                Tone::Good => styled.fg(Color::DarkGreen),
                Tone::Warn => styled.fg(Color::DarkYellow).add_attribute(Attribute::Bold),
                Tone::Bad => styled.fg(Color::DarkRed).add_attribute(Attribute::Bold),
                Tone::Dim => styled.add_attribute(Attribute::Dim),
                Tone::Strong => styled.add_attribute(Attribute::Bold),
                Tone::Literal => styled.fg(Color::DarkCyan),
            }
        });
        self.table.add_row(styled);
    }

    /// The text, each line ended.
    pub(crate) fn text(&self) -> String {
        self.table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

/// The text on one line, without anything that a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::Wishes;
    use anstream::adapter::strip_str;
    use phlo_spec::Redactor;

    #[test]
    fn lists_align_and_grids_frame() {
        let printer = Printer::new(Wishes::default());
        let fill = |mut table: Table<'_>| {
            table.row([
                Cell::toned(("bronze.flights", Tone::Strong)),
                Cell::from("27,004"),
                Cell::toned(("ok", Tone::Good)),
            ]);
            table.row([Cell::from("gold.x"), Cell::maybe(None::<String>), Cell::toned(("failed", Tone::Bad))]);
            strip_str(&table.text()).to_string()
        };
        insta::assert_snapshot!(fill(Table::list(&printer, &["asset", ">rows", "result"])), @"
        asset             rows  result
        bronze.flights  27,004  ok
        gold.x               -  failed
        ");
        insta::assert_snapshot!(fill(Table::grid(&printer, &["asset", ">rows", "result"])), @r"
        ┌────────────────┬────────┬────────┐
        │ asset          ┆   rows ┆ result │
        ╞════════════════╪════════╪════════╡
        │ bronze.flights ┆ 27,004 ┆ ok     │
        │ gold.x         ┆      - ┆ failed │
        └────────────────┴────────┴────────┘
        ");
    }

    #[test]
    fn a_cell_neither_breaks_lines_nor_shows_secrets() {
        let printer = Printer::new(Wishes::default());
        let redactor = Redactor::default();
        redactor.add("line one\nline two");
        printer.redact_with(redactor);
        let mut table = Table::grid(&printer, &["v"]);
        table.row([Cell::from("a line one\nline two b\tc\x1b[31m")]);
        assert!(strip_str(&table.text()).to_string().contains("a *** b\\tc\\u{1b}[31m"), "{}", table.text());
    }
}
