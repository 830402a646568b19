//! File systems of images: exported, extracted, compared with what umoci and GNU tar make of them.

mod exporting;
mod extracting;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::archive::{Archive, Header, image_of_archives};
use crate::support::images::Image;
use crate::support::layout::write_layout;
use crate::support::program::Program;

/// Runs another program, which has to succeed.
#[track_caller]
fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A layout of one image in the program's home; its location.
fn layout(program: &Program, name: &str, image: &Image) -> String {
    write_layout(&program.home().join(name), "v1", image);
    format!("oci:{}:v1", program.path(name))
}

/// What umoci makes of a layout, as root.
fn judged_by_umoci(program: &Program, name: &str) -> PathBuf {
    let bundle = program.home().join(format!("{name}.umoci"));
    let image = format!("{}:v1", program.path(name));
    succeed(Command::new("umoci").args(["unpack", "--image", &image]).arg(&bundle));
    bundle.join("rootfs")
}

/// What GNU tar makes of an archive, as root.
fn unpacked_by_tar(archive: &Path, directory: &Path) {
    std::fs::create_dir_all(directory).unwrap();
    let flags = ["--extract", "--preserve-permissions", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-f"];
    succeed(Command::new("tar").args(flags).arg(archive).arg("-C").arg(directory));
}

/// A file with owner, mode and time of its own.
fn file(archive: Archive, name: &str, content: &[u8]) -> Archive {
    let header = Header::new(name, b'0').size(content.len() as u64).mode(0o640).owner(1000, 50);
    archive.raw(header.time(1_234_567_890), content)
}

/// A file with holes, in the form of GNU tar that `--sparse-version` names.
fn sparse(version: &str) -> Vec<u8> {
    let work = tempfile::tempdir().unwrap();
    let path = work.path().join("holes");
    let holes = std::fs::File::create(&path).unwrap();
    for (offset, text) in [(1 << 20, &b"first"[..]), (3 << 20, b"second")] {
        std::os::unix::fs::FileExt::write_all_at(&holes, text, offset).unwrap();
    }
    holes.set_len(5 << 20).unwrap();
    let format = if version == "old" {
        vec!["--format=gnu".to_owned()]
    } else {
        vec!["--format=posix".to_owned(), format!("--sparse-version={version}")]
    };
    let archive = work.path().join("archive.tar");
    let name = format!("s,holes,holes-{version},");
    let mut command = Command::new("tar");
    command.args(["--create", "--sparse", "--mtime=@1111111111", "--transform", &name]).args(format);
    succeed(command.arg("-f").arg(&archive).arg("-C").arg(work.path()).arg("holes"));
    let bytes = std::fs::read(archive).unwrap();
    assert!(bytes.len() < 1 << 20, "the archive has no holes");
    bytes
}

/// Ten layers with everything that layers do to each other.
fn ten_layers() -> Image {
    let long = format!("deep/{}/{}", "d".repeat(120), "n".repeat(130));
    let base = Archive::new().directory("./").directory("etc/").directory("usr/").directory("usr/bin/");
    let base = base.directory("usr/lib/").directory("var/").directory("var/log/").directory("tmp/");
    let base = file(file(base, "etc/kept", b"kept"), "etc/gone", b"gone");
    let base =
        file(base, "usr/bin/tool", b"a tool").hard_link("usr/bin/same", "usr/bin/tool").symlink("lib", "usr/lib");
    let base = base.raw(Header::new("usr/bin/suid", b'0').mode(0o4755).owner(0, 7), b"").symlink("abs", "/etc/kept");
    let base = file(file(base, "var/log/old", b"old"), "var/log/older", b"older");
    let base = base.raw(Header::new("null", b'3').mode(0o666).device(1, 3), b"");
    let base = base.raw(Header::new("disk", b'4').mode(0o660).owner(0, 6).device(7, 200), b"");
    let base = base.raw(Header::new("pipe", b'6').mode(0o600), b"").directory("deep/");
    let (parent, _) = long.rsplit_once('/').unwrap();
    let base = base.records(&[("path", parent.as_bytes())]).directory("long/");
    let base = file(base.records(&[("path", long.as_bytes())]), "short", b"long name");
    let base = file(base.records(&[("SCHILY.xattr.user.note", b"a\0value\n")]), "noted", b"x");
    let sticky = Archive::new().raw(Header::new("tmp/", b'5').mode(0o1777).owner(5, 6), b"");
    let second = file(sticky, "etc/kept", b"changed").file("etc/.wh.gone", b"");
    let second = second.hard_link("usr/bin/alias", "usr/bin/tool");
    let third = file(Archive::new().directory("var/log/").file("var/log/.wh..wh..opq", b""), "var/log/new", b"new");
    let fourth = file(file(Archive::new(), "swap/inner", b"1"), "other", b"2");
    let fifth = file(file(Archive::new(), "swap", b"a file now").directory("other/"), "other/in", b"3");
    let sixth = file(file(Archive::new(), "lib/through-link", b"4").directory("opt/"), "opt/a", b"5");
    let seventh = Archive::new().file(".wh.opt", b"").file("usr/bin/.wh.tool", b"");
    let eighth = file(Archive::new().directory("opt/"), "opt/b", b"6").hard_link("opt/c", "opt/b");
    let fraction: [(&str, &[u8]); 3] = [("mtime", b"1300000000.123456789"), ("uid", b"3000000"), ("gid", b"2097152")];
    let ninth = file(Archive::new().records(&fraction), "fraction", b"7");
    let ninth =
        file(ninth.records(&[("mtime", b"-1.5")]), "before", b"8").raw(Header::new("etc/", b'5').mode(0o700), b"");
    let tenth = file(Archive::new().file(".wh.abs", b""), "abs", b"no link").symlink("noted", "fraction");
    let layers = [base, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth];
    image_of_archives(layers.map(Archive::finish))
}
