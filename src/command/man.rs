//! `man`: the manual pages, made from the same definition as the command line.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::{CommandResult, Outcome, cannot};
use crate::files::FileError;
use crate::output::{Page, Report};

/// Flags of `man`.
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// The directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Writes a page for the program and one for every command.
///
/// # Errors
/// The directory cannot be written to.
pub(super) fn run(args: &ManArgs, program: clap::Command) -> CommandResult {
    std::fs::create_dir_all(&args.directory)
        .map_err(FileError::of("make the directory", &args.directory))
        .map_err(cannot("write the manual pages"))?;
    let mut pages = Vec::new();
    let mut program = program.disable_help_subcommand(true);
    program.build();
    write_page(&program, "tranship", &args.directory, &mut pages).map_err(cannot("write the manual pages"))?;
    Ok(Outcome::done(Pages { pages }))
}

fn write_page(
    command: &clap::Command,
    name: &str,
    directory: &Path,
    pages: &mut Vec<PathBuf>,
) -> Result<(), FileError> {
    let path = directory.join(format!("{name}.1"));
    let page = clap_mangen::Man::new(command.clone().name(name.to_owned()).display_name(name.to_owned()))
        .title(name.to_uppercase())
        .date("")
        .source(concat!("tranship ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    page.render(&mut text).map_err(FileError::of("write", &path))?;
    std::fs::write(&path, text).map_err(FileError::of("write", &path))?;
    pages.push(path);
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write_page(below, &format!("{name}-{}", below.get_name()), directory, pages)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Pages {
    pages: Vec<PathBuf>,
}

impl Report for Pages {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.pages.iter().try_for_each(|written| writeln!(page, "{}", written.display()))
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.text(page)
    }
}
