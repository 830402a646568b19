//! Tables for people: a header in capitals, columns two spaces apart, no lines drawn.
//!
//! Every row stays one line. In a pipe nothing is cut; on a terminal that is too narrow the widest columns are
//! cut short, with an ellipsis. Reports make tables and hand them to [`Page::table`](super::Page::table).

use comfy_table::{ContentArrangement, Row, presets};

use super::escape::escape;

/// Rows under a header.
#[derive(Clone, Debug)]
pub struct Table {
    inner: comfy_table::Table,
}

impl Table {
    /// A table with these columns; their names are shown in capitals.
    pub fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_style(presets::NOTHING);
        inner.set_truncation_indicator("…");
        inner.set_header(columns.into_iter().map(str::to_uppercase));
        for column in inner.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self { inner }
    }

    /// Adds a row; an empty cell is shown as `-`, so that every line has as many words as the header.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) -> &mut Self {
        let shown = cells.into_iter().map(|cell| match cell.as_ref() {
            "" => "-".to_owned(),
            text => escape(text).into_owned(),
        });
        let mut row = Row::from(shown.collect::<Vec<_>>());
        row.max_height(1);
        self.inner.add_row(row);
        self
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// The lines, each at most `width` columns wide where a width is given.
    pub(super) fn lines(&self, width: Option<u16>) -> Vec<String> {
        let mut table = self.inner.clone();
        if let Some(width) = width {
            // The padding behind the last column is cut off below, so it takes no room.
            table.set_width(width.saturating_add(2)).set_content_arrangement(ContentArrangement::Dynamic);
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Table {
        let mut table = Table::new(["repository", "tag", "size"]);
        table.row(["docker.io/library/alpine", "3.20", "3.4 MiB"]);
        table.row(["registry.example.com/team/application", "v1", ""]);
        table
    }

    #[test]
    fn columns_are_two_spaces_apart() {
        insta::assert_snapshot!(sample().lines(None).join("\n"), @r"
        REPOSITORY                             TAG   SIZE
        docker.io/library/alpine               3.20  3.4 MiB
        registry.example.com/team/application  v1    -
        ");
    }

    #[test]
    fn a_narrow_terminal_cuts_the_widest_column() {
        insta::assert_snapshot!(sample().lines(Some(40)).join("\n"), @r"
        REPOSITORY                 TAG   SIZE
        docker.io/library/alpine   3.20  3.4 MiB
        registry.example.com/tea…  v1    -
        ");
    }

    proptest! {
        #[test]
        fn a_row_is_one_line_and_a_pipe_gets_all_of_it(cells in proptest::collection::vec(any::<String>(), 3)) {
            let mut table = Table::new(["a", "b", "c"]);
            table.row(&cells);
            let lines = table.lines(None);
            prop_assert_eq!(lines.len(), 2);
            for cell in &cells {
                prop_assert!(lines[1].contains(escape(cell).trim_end()), "{:?} in {:?}", cell, lines);
            }
            prop_assert_eq!(table.lines(Some(20)).len(), 2);
        }
    }
}
