//! Layers that want to write elsewhere, to be read in two ways, or to become endless.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::archive::{Archive, Header, image_of_archives};
use crate::support::images::{Content, Image, image_of};
use crate::support::layout::write_layout;
use crate::support::program::{Output, Program};
use crate::support::tree::tree;

/// A home in which everything that is not the directory for the files is a canary.
struct Cage {
    program: Program,
    before: Vec<(String, String)>,
}

impl Cage {
    fn new() -> Self {
        let program = Program::new();
        for directory in ["outside", "outside/etc"] {
            std::fs::create_dir(program.home().join(directory)).unwrap();
        }
        for name in ["canary", "passwd", "outside/canary", "outside/etc/passwd"] {
            std::fs::write(program.home().join(name), "canary").unwrap();
        }
        let mut cage = Self { program, before: Vec::new() };
        cage.before = cage.canaries();
        cage
    }

    fn canaries(&self) -> Vec<(String, String)> {
        let is_canary =
            |name: &str| !["layout", "cage", "state", "data", "cache"].iter().any(|own| name.starts_with(own));
        tree(self.program.home()).into_iter().filter(|(name, _)| is_canary(name)).collect()
    }

    /// Extracts and exports layers; nothing outside has changed.
    #[track_caller]
    fn run(&self, image: &Image) -> Output {
        let _ = std::fs::remove_dir_all(self.program.home().join("layout"));
        let _ = std::fs::remove_dir_all(self.program.home().join("cage"));
        write_layout(&self.program.home().join("layout"), "v1", image);
        let exported = self.program.run(&["export", "oci:layout:v1", "/dev/null"]);
        let extracted = self.program.run(&["extract", "oci:layout:v1", "cage"]);
        assert_eq!(exported.code, extracted.code, "{} {}", exported.shown(), extracted.shown());
        assert_eq!(self.canaries(), self.before, "{}", extracted.shown());
        extracted
    }

    /// Layers that are refused with the member's name, before anything is written.
    #[track_caller]
    fn refuses(&self, layers: &[Archive], member: &str, why: &str) {
        let image = image_of_archives(layers.iter().map(|layer| layer.clone().finish()));
        self.run(&image).code(6).says(member).says(why);
        assert!(!self.program.home().join("cage").exists());
    }

    /// Layers that stay inside; what is there then.
    #[track_caller]
    fn keeps(&self, layers: &[Archive]) -> Vec<String> {
        let image = image_of_archives(layers.iter().map(|layer| layer.clone().finish()));
        self.run(&image).success();
        tree(&self.program.home().join("cage")).into_keys().collect()
    }
}

fn archive() -> Archive {
    Archive::new()
}

#[test]
fn s23_names_that_lead_out_are_refused() {
    let cage = Cage::new();
    let canary = cage.program.path("canary");
    for name in ["../canary", "a/../../canary", "./../canary", "a/..", ".."] {
        cage.refuses(&[archive().file(name, b"x")], name, "leads out");
        cage.refuses(&[archive().directory(name)], name, "leads out");
        cage.refuses(&[archive().symlink(name, "x")], name, "leads out");
    }
    cage.refuses(&[archive().hard_link("in", "../canary")], "in", "leads out");
    cage.refuses(&[archive().hard_link("in", &canary[1..])], "in", "not there");
    cage.refuses(&[archive().hard_link("in", &canary)], "in", "not there");
    // One that would be found where the program runs.
    cage.refuses(&[archive().hard_link("in", "canary")], "in", "not there");
    cage.refuses(&[archive().directory("d").hard_link("in", "d")], "in", "is a directory");
    cage.refuses(&[archive().symlink(".", "outside")], "", "the root of the file system");
    cage.refuses(&[archive().symlink("./", "outside").file("canary", b"x")], "", "the root of the file system");
    cage.refuses(&[archive().records(&[("path", b"a\0b")]).file("x", b"")], "extended", "NUL");
    let long = "x/".repeat(3000);
    cage.refuses(&[archive().records(&[("path", long.as_bytes())]).file("x", b"")], "x/x", "longer than 4,096");
}

#[test]
fn s23_links_that_lead_out_are_not_followed() {
    let cage = Cage::new();
    let outside = cage.program.path("outside");
    let up = "../".repeat(20);
    for target in ["..", "../outside", "a/../..", up.as_str()] {
        let link = archive().directory("a").symlink("link", target);
        assert_eq!(cage.keeps(std::slice::from_ref(&link)), ["a", "link"], "a link alone is nothing but text");
        cage.refuses(&[link.clone().file("link/canary", b"x")], "link/canary", "leads out");
        cage.refuses(&[link.clone(), archive().file("link/canary", b"x")], "link/canary", "leads out");
        cage.refuses(&[link.clone(), archive().file("link/.wh.canary", b"")], "link/.wh.canary", "leads out");
        cage.refuses(&[link.clone().hard_link("in", "link/canary")], "in", "leads out");
        cage.refuses(&[link.directory("link/etc/")], "link/etc", "leads out");
    }
    // A chain of links, each harmless by itself.
    let chain = archive().directory("d").symlink("d/up", "..").symlink("up", "d/up/..");
    cage.refuses(&[chain.file("up/canary", b"x")], "up/canary", "leads out");
    // An absolute target begins at the root of the file system, as for whoever runs in it.
    let absolute = archive().symlink("link", &outside).file("link/canary", b"x").file("/canary", b"x");
    let inside = format!("{}/canary", &outside[1..]);
    let found = cage.keeps(&[absolute]);
    assert!(found.contains(&inside) && found.contains(&"canary".to_owned()), "{found:?}");
    let circle = archive().symlink("a", "b").symlink("b", "a");
    cage.refuses(&[circle.file("a/x", b"")], "a/x", "lead to each other");
    cage.refuses(&[archive().file("a", b"").file("a/x", b"")], "a/x", "no directory");
    // A directory that becomes a link, and a link that becomes a directory.
    let becomes = [archive().directory("d").file("d/x", b"1"), archive().symlink("d", &outside).file("e", b"")];
    assert_eq!(cage.keeps(&becomes), ["d", "e"]);
    let becomes = [archive().symlink("d", &outside), archive().directory("d").file("d/canary", b"x")];
    assert_eq!(cage.keeps(&becomes), ["d", "d/canary"]);
    // A mode is set on what was made, never through a link.
    let through = archive().symlink("x", "outside/canary").raw(Header::new("x", b'0').mode(0o777), b"");
    assert_eq!(cage.keeps(&[through]), ["x"]);
}

#[test]
fn s23_links_that_are_there_already_are_not_followed() {
    let cage = Cage::new();
    let image = image_of_archives([archive().directory("d").file("d/canary", b"x").file("canary", b"x").finish()]);
    write_layout(&cage.program.home().join("layout"), "v1", &image);
    for overwrite in [&["extract", "oci:layout:v1", "cage"][..], &["extract", "oci:layout:v1", "cage", "--overwrite"]] {
        let _ = std::fs::remove_dir_all(cage.program.home().join("cage"));
        std::fs::create_dir(cage.program.home().join("cage")).unwrap();
        std::os::unix::fs::symlink(cage.program.home().join("outside"), cage.program.home().join("cage/d")).unwrap();
        cage.program.run(overwrite).code(1).says("`d`");
        std::fs::remove_file(cage.program.home().join("cage/d")).unwrap();
        std::os::unix::fs::symlink(cage.program.home().join("canary"), cage.program.home().join("cage/canary"))
            .unwrap();
        cage.program.run(overwrite);
        assert_eq!(cage.canaries(), cage.before);
    }
}

#[test]
fn s23_whiteouts_hide_nothing_but_names_of_lower_layers() {
    let cage = Cage::new();
    for name in [".wh..", ".wh...", ".wh.", "d/.wh.."] {
        cage.refuses(&[archive().directory("d"), archive().file(name, b"")], name, "marks something as deleted");
    }
    cage.refuses(&[archive().file("../.wh.canary", b"")], "../.wh.canary", "leads out");
    let lower = archive().file("a", b"").file("d/x", b"");
    assert_eq!(cage.keeps(&[lower.clone(), archive().file(".wh.nothing", b"").file(".wh.a", b"")]), ["d", "d/x"]);
    let itself = archive().file("d/y", b"").file("d/.wh..wh..opq", b"").file(".wh.d", b"");
    assert_eq!(cage.keeps(&[lower, itself]), ["a", "d", "d/y"]);
}

#[test]
fn s23_odd_names_are_nothing_but_names() {
    let cage = Cage::new();
    let names =
        ["C:\\x", "\\\\?\\y", "aux", "con.txt", "File", "file", "caf\u{e9}", "cafe\u{301}", "-rf", "a\nb", "\u{1b}[2J"];
    let all = names.iter().fold(archive(), |archive, name| archive.file(name, b"x"));
    let mut expected: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    expected.sort();
    assert_eq!(cage.keeps(&[all]), expected);
    cage.refuses(&[archive().file("../\u{1b}]52;c;x\u{7}", b"")], "\\u{1b}", "leads out");
}

#[test]
fn s24_archives_that_two_readers_would_read_in_two_ways_are_refused() {
    let cage = Cage::new();
    let inner = archive().file("hidden", b"x").finish();
    let size = inner.len() as u64;
    let says = |number: u64| number.to_string().into_bytes();
    let plain = |size| Header::new("outer", b'0').size(size);
    let two = "two lengths";
    cage.refuses(&[archive().records(&[("size", &says(size))]).raw(plain(0), &inner)], "outer", two);
    cage.refuses(&[archive().records(&[("size", b"0")]).raw(plain(size), &inner)], "outer", two);
    cage.refuses(&[archive().records(&[("size", b"-1")]).raw(plain(0), b"")], "extended", "a number that is none");
    cage.refuses(&[archive().records(&[("size", b"0x10")]).raw(plain(0), b"")], "extended", "a number that is none");
    for malformed in
        [&b"12 path=x"[..], b"99 path=x\n", b"x path=x\n", b"9 pathx\n\n\n", b"5 =x\n", b"0 a=b\n", b"-9 a=b\n"]
    {
        cage.refuses(&[archive().extended(b'x', malformed).file("x", b"")], "extended", "extended header is malformed");
    }
    cage.refuses(
        &[archive().records(&[("path", b"a"), ("path", b"b")]).file("c", b"")],
        "extended",
        "says one thing twice",
    );
    cage.refuses(&[archive().records(&[("path", b"")]).file("c", b"")], "extended", "empty");
    cage.refuses(&[archive().extended(b'L', b"a\0").records(&[("path", b"b")]).file("c", b"")], "c", "two long names");
    cage.refuses(&[archive().extended(b'L', b"a\0").extended(b'L', b"b\0").file("c", b"")], "b", "announced twice");
    cage.refuses(&[archive().extended(b'g', b"10 path=x\n").file("c", b"")], "extended", "only some heed");
    cage.refuses(&[archive().raw(Header::new("d/", b'0').size(1), b"x")], "d/", "the name of a directory");
    cage.refuses(
        &[archive().raw(Header::new("l", b'2').link("x").size(512), &[0; 512])],
        "l",
        "of a kind that has none",
    );
    cage.refuses(&[archive().raw(Header::new("d", b'5').size(512), &[0; 512])], "d", "of a kind that has none");
    for kind in *b"VMDNXZ9" {
        cage.refuses(&[archive().raw(Header::new("odd", kind), b"")], "odd", "not one of a file system");
    }
    let mut number = Header::new("number", b'0');
    number.put(124, b"0000000+1");
    cage.refuses(&[archive().raw(number, b"")], "number", "a number that is none");
    let holes: [(&str, &[u8]); 3] =
        [("GNU.sparse.map", b"0,1,0,1"), ("GNU.sparse.size", b"9"), ("GNU.sparse.name", b"s")];
    cage.refuses(&[archive().records(&holes).raw(Header::new("x", b'0').size(2), b"ab")], "s", "holes");
}

#[test]
fn s24_broken_archives_are_refused() {
    let cage = Cage::new();
    let mut wrong_sum = archive().file("a", b"x").finish();
    wrong_sum[0] = b'b';
    let cut = &archive().file("a", &[1; 600]).unfinished()[..1024];
    let header = &archive().file("a", b"").unfinished()[..300];
    let amid = archive().file("a", b"").bytes(&[0; 512]).file("b", b"").finish();
    let dangling = archive().records(&[("path", b"a")]).finish();
    for (bytes, why) in [
        (&wrong_sum[..], "wrong checksum"),
        (cut, "cut off"),
        (header, "cut off"),
        (&amid, "a block of zeros stands amid it"),
        (&dangling, "does not come"),
        (b"no archive at all, but text", "cut off"),
    ] {
        cage.run(&image_of_archives([bytes.to_vec()])).code(6).says(why);
    }
    // What ends without the blocks that mark the end is taken, as everybody takes it.
    cage.run(&image_of_archives([archive().file("a", b"x").unfinished()])).success();
    cage.run(&image_of_archives([Vec::new()])).success();
}

#[test]
fn s24_what_is_taken_is_listed_as_gnu_tar_lists_it() {
    let cage = Cage::new();
    let long = "n".repeat(200);
    let odd = archive().extended(b'L', format!("{long}\0").as_bytes()).file("cut", b"1");
    let odd = odd
        .records(&[("path", b"renamed"), ("comment", b"\xff"), ("size", b"3")])
        .raw(Header::new("x", b'0').size(3), b"abc");
    let odd =
        odd.extended(b'g', b"18 comment=global\n").raw(Header::new("old", 0), b"").raw(Header::new("dir/", 0), b"");
    let mut binary = Header::new("binary", b'0');
    binary.put(124, &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    let odd = odd.raw(binary, b"xy").raw(Header::new("spaces", b'7').size(0), b"");
    let bytes = odd.clone().finish();
    let mut found = cage.keeps(&[odd]);
    found.sort();
    let file = cage.program.home().join("cage.tar");
    std::fs::write(&file, bytes).unwrap();
    let listed = Command::new("tar").arg("-tf").arg(&file).output().unwrap();
    let mut listed: Vec<String> =
        String::from_utf8(listed.stdout).unwrap().lines().map(|name| name.trim_end_matches('/').to_owned()).collect();
    listed.sort();
    assert_eq!(found, listed);
}

#[test]
fn s22_layers_that_become_endless_are_refused_before_anything_is_written() {
    let cage = Cage::new();
    let bomb = zeros(3 << 30);
    assert!(bomb.len() < 1 << 20);
    let layer = Content::new("application/vnd.oci.image.layer.v1.tar+zstd", bomb);
    let begun = Instant::now();
    write_layout(
        &cage.program.home().join("layout"),
        "v1",
        &image_of(vec![(layer, "sha256:".to_owned() + &"0".repeat(64))]),
    );
    let run = cage.program.run(&["extract", "oci:layout:v1", "cage"]).code(6).says("times its size");
    assert!(run.peak < 64 << 20, "{} bytes", run.peak);
    assert!(begun.elapsed() < Duration::from_secs(50));
    assert!(!Path::new(&cage.program.path("cage")).exists());
    assert_eq!(cage.canaries(), cage.before);
}

#[test]
fn s22_a_file_of_nothing_but_holes_costs_nothing() {
    let cage = Cage::new();
    let holes: [(&str, &[u8]); 2] = [("GNU.sparse.map", b"0,1"), ("GNU.sparse.size", b"1099511627776")];
    let layer = archive().records(&holes).raw(Header::new("holes", b'0').size(1), b"x");
    write_layout(&cage.program.home().join("layout"), "v1", &image_of_archives([layer.finish()]));
    cage.program.run(&["export", "oci:layout:v1", "all.tar"]).success();
    assert!(std::fs::metadata(cage.program.path("all.tar")).unwrap().len() < 1 << 16);
}

#[test]
fn s22_names_that_would_fill_memory_are_refused() {
    let cage = Cage::new();
    let deep = "a/".repeat(2000);
    let names = |archive: Archive, number: usize| {
        archive.records(&[("path", format!("{number}/{deep}x").as_bytes())]).file("x", b"")
    };
    let many = (0..200).fold(archive(), names);
    let run = cage.run(&image_of_archives([many.finish()])).code(6).says("256 MiB of names");
    assert!(run.peak < 500 << 20, "{} bytes", run.peak);
}

/// An archive of one file of zeros, packed very small.
fn zeros(size: u64) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    let mut header = Header::new("zeros", b'0');
    header.put(124, &[&[0x80, 0, 0, 0][..], &size.to_be_bytes()].concat());
    encoder.write_all(&archive().raw(header, b"").unfinished()).unwrap();
    let piece = vec![0; 1 << 20];
    for _ in 0..size >> 20 {
        encoder.write_all(&piece).unwrap();
    }
    encoder.finish().unwrap()
}
