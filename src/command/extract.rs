//! `extract`: files out of an image, into a directory and nowhere else.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::flags::RegistryFlags;
use super::picked::Picked;
use super::{CommandError, CommandResult, Outcome, cannot};
use crate::filesystem::{Filesystem, Wanted};
use crate::image::{Digest, Platform};
use crate::layer::{Existing, Left, MemberPath};
use crate::output::{Page, Report, Shown};
use crate::session::Session;

/// Words before a colon that are kinds of places, behind which a path of this computer may stand.
const KINDS: [&str; 7] = ["oci", "oci-archive", "docker-archive", "dir", "store", "stream", "docker"];

/// Flags of `extract`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship extract docker.io/library/alpine:3.20 rootfs\n  \
    $ tranship extract registry.example.com/app:1.4:/etc/app.conf .\n  \
    $ tranship extract oci:images:app:/usr/share/doc/ doc\n\n\
    A directory comes with its own name; with a slash behind it, what is in it comes without.\n\
    Owners, devices and some attributes need root; what was left out is said.")]
pub(crate) struct ExtractArgs {
    /// The image, and behind `:` what of it
    #[arg(value_name = "IMAGE[:/PATH]")]
    image: String,

    /// The directory to put it into
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Which image of an index (default: this machine's, else the first)
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,

    /// Replace files that are there already
    #[arg(long)]
    overwrite: bool,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Puts the files there.
///
/// # Errors
/// The image or the path is not there, a layer is refused, or the directory cannot be written.
pub(super) async fn run(args: ExtractArgs, session: &Session) -> CommandResult {
    let doing = format!("extract `{}`", args.image.escape_debug());
    let (image, path) = split(&args.image);
    let wanted = MemberPath::parse(path.unwrap_or("/").as_bytes()).map_err(|_| {
        CommandError::usage(format!("cannot {doing}: `..` and NUL have no place in the path of a file in an image"))
    })?;
    let inside = path.is_some_and(|path| path.ends_with('/'));
    let access = args.registry.access();
    let picked = Picked::find(image, args.platform.as_ref(), &access, session, &doing).await?;
    let progress = session.console().progress();
    let filesystem = Filesystem::new(&picked.source, picked.image(&doing)?, session.spool(), progress);
    let existing = if args.overwrite { Existing::Replaced } else { Existing::Refused };
    let extracted = filesystem
        .map_err(cannot(&doing))?
        .extract(Wanted { path: wanted.clone(), inside }, args.directory.clone(), existing)
        .await
        .map_err(cannot(&doing))?;
    for warning in missing(extracted.left) {
        session.console().warn(&warning);
    }
    Ok(Outcome::done(ExtractReport {
        image: picked.source.shown.clone(),
        digest: picked.one.digest().clone(),
        path: wanted.shown().into_owned(),
        directory: args.directory.display().to_string(),
        files: extracted.files,
        layers_read: extracted.layers_read,
    }))
}

/// The image and the path in it: behind the last `:/` that is not part of the image's own name.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(":/") {
        Some((image, path)) if !KINDS.contains(&image) && !path.starts_with('/') => {
            (image, Some(&text[text.len() - path.len() - 1..]))
        }
        _ => (text, None),
    }
}

/// What the files lack, in words.
fn missing(left: Left) -> Vec<String> {
    let Left { owners, attributes, devices } = left;
    let lines = [
        (owners, "owners were left out, and set-user-id bits with them: root alone can set them"),
        (attributes, "extended attributes were left out: they cannot be set here"),
        (devices, "devices were left out: root alone can make them"),
    ];
    let said = lines.into_iter().filter(|(count, _)| *count > 0);
    said.map(|(count, words)| format!("{count} {words}")).collect()
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExtractReport {
    image: String,
    digest: Digest,
    path: String,
    directory: String,
    /// How many files, directories and links came.
    files: u64,
    layers_read: usize,
}

impl Report for ExtractReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let files = if self.files == 1 { "file" } else { "files" };
        writeln!(page, "{}  {} {files} of {}", Shown(&self.directory), self.files, Shown(&self.image))
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn the_path_is_told_from_the_image() {
        for (text, image, path) in [
            ("alpine", "alpine", None),
            ("alpine:/etc", "alpine", Some("/etc")),
            ("reg:5000/a:1:/etc/x", "reg:5000/a:1", Some("/etc/x")),
            ("docker://reg/a", "docker://reg/a", None),
            ("docker://reg/a:1:/", "docker://reg/a:1", Some("/")),
            ("oci:/images", "oci:/images", None),
            ("oci:/images:/etc/", "oci:/images", Some("/etc/")),
            ("oci:images:app:/a:b", "oci:images:app", Some("/a:b")),
            ("oci-archive:/x.tar", "oci-archive:/x.tar", None),
            ("[::1]:5000/a@sha256:00:/x", "[::1]:5000/a@sha256:00", Some("/x")),
        ] {
            assert_eq!(split(text), (image, path), "{text}");
        }
    }
}
