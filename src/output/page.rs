//! What a report writes on, and what a report is.

use std::io::{self, Write};

use super::escape::{Escaping, Notation};
use super::table::Table;

/// What a command found or did: data in the first place, and two ways to say it to people.
///
/// Structured output is the value's own serialisation, so a report is a plain `Serialize` type whose field names
/// are part of the command line's contract (camelCase).
pub trait Report: erased_serde::Serialize {
    /// Writes it for people; each record on a line.
    ///
    /// # Errors
    /// Those of the page.
    fn text(&self, page: &mut Page<'_>) -> io::Result<()>;

    /// Writes the essential word of each result, one a line, for scripts (`-q`).
    ///
    /// # Errors
    /// Those of the page.
    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()>;
}

erased_serde::serialize_trait_object!(Report);

/// Where a report writes its text: a writer that lets no hidden character through but the line feed.
///
/// Words of strangers still want [`Shown`](super::Shown), so that a line feed in them does not begin a record.
pub struct Page<'a> {
    out: Escaping<&'a mut dyn Write>,
    width: Option<u16>,
}

impl<'a> Page<'a> {
    /// A page on a writer; `width` is the terminal's, none where there is no terminal.
    pub fn new(out: &'a mut dyn Write, width: Option<u16>) -> Self {
        Self { out: Escaping::new(out, Notation::Text), width }
    }

    /// Writes a table; a table without rows writes nothing.
    ///
    /// # Errors
    /// Those of the writer below.
    pub fn table(&mut self, table: &Table) -> io::Result<()> {
        if table.is_empty() {
            return Ok(());
        }
        table.lines(self.width).iter().try_for_each(|line| writeln!(self, "{line}"))
    }
}

impl Write for Page<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
