use std::io::Read as _;
use std::sync::Arc;

use ::tar::{Builder, EntryType, Header};

use super::*;
use crate::files::{Access, LocalDisk, Replacement};
use crate::registry::{ErrorKind, Result};

/// A member as it is made for a test: what its header says, and what stands behind it.
struct Raw<'r> {
    name: &'r str,
    kind: u8,
    size: u64,
    link: &'r str,
    content: &'r [u8],
}

fn file<'r>(name: &'r str, content: &'r [u8]) -> Raw<'r> {
    Raw { name, kind: b'0', size: content.len() as u64, link: "", content }
}

fn special<'r>(name: &'r str, kind: u8, link: &'r str) -> Raw<'r> {
    Raw { name, kind, size: 0, link, content: b"" }
}

/// A tar of these members, byte by byte.
fn archive(members: &[Raw<'_>]) -> Vec<u8> {
    let mut made = Vec::new();
    for member in members {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::new(member.kind));
        header.as_old_mut().name[..member.name.len()].copy_from_slice(member.name.as_bytes());
        header.as_old_mut().linkname[..member.link.len()].copy_from_slice(member.link.as_bytes());
        header.set_mode(0o644);
        header.set_size(member.size);
        header.set_cksum();
        made.extend_from_slice(header.as_bytes());
        made.extend_from_slice(member.content);
        made.resize(made.len().next_multiple_of(BLOCK), 0);
    }
    made.resize(made.len() + 2 * BLOCK, 0);
    made
}

/// Reads a tar from a file and from a stream, which have to agree.
fn open(bytes: &[u8]) -> Result<Members> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("f.tar");
    std::fs::write(&path, bytes).unwrap();
    let of_file = Members::of_file(std::fs::File::open(&path).unwrap(), bytes.len() as u64, "f.tar");
    let of_stream = Members::of_stream(bytes, home.path(), "f.tar", |_| true);
    assert_eq!(of_file.is_ok(), of_stream.is_ok());
    of_file
}

fn content(members: &Members, name: &str) -> Vec<u8> {
    members.document(name, 1 << 20).unwrap().unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    let error = open(bytes).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    error.to_string()
}

#[test]
fn members_are_found_and_links_followed() {
    let tar = archive(&[
        special("./a/", b'5', ""),
        file("./a/one", b"first"),
        file("two", &[7; 1000]),
        special("a/link", b'2', "../two"),
        special("hard", b'1', "a/one"),
        special("far", b'2', "a/link"),
        special("lost", b'2', "nowhere"),
        special("out", b'2', "../../etc/passwd"),
        special("round", b'2', "round"),
    ]);
    let members = open(&tar).unwrap();
    assert_eq!(content(&members, "a/one"), b"first");
    assert_eq!(content(&members, "hard"), b"first");
    assert_eq!(content(&members, "far"), [7; 1000]);
    assert!(members.find("three").unwrap().is_none());
    for (name, why) in [("lost", "`nowhere`"), ("out", "`out`"), ("round", "too many links"), ("a", "directory")] {
        let error = members.find(name).unwrap_err().to_string();
        assert!(error.contains(why), "{name}: {error}");
    }
    assert!(members.document("two", 999).unwrap_err().to_string().contains("`two` of f.tar has 1000 bytes"));
    let mut part = Vec::new();
    members.reader(&members.find("a/one").unwrap().unwrap(), 2).read_to_end(&mut part).unwrap();
    assert_eq!(part, b"rst");
}

#[test]
fn long_names_and_huge_sizes_go_there_and_back() {
    let name = format!("blobs/sha512/{}", "a".repeat(128));
    for size in [0, 1, 511, 512, 1 << 33, (1 << 40) + 7] {
        let mut bytes = header::write(&name, size, EntryType::Regular);
        assert_eq!(bytes.len() % BLOCK, 0);
        let last = bytes.split_off(bytes.len() - BLOCK);
        let own = header::parse(last.as_slice().try_into().unwrap()).unwrap();
        let mut extensions = header::Extensions::default();
        let first = header::parse(bytes[..BLOCK].try_into().unwrap()).unwrap();
        let records = usize::try_from(first.entry_size().unwrap()).unwrap();
        extensions.take(first.entry_type(), bytes[BLOCK..BLOCK + records].to_vec()).unwrap();
        let described = extensions.describe(&own).unwrap();
        assert_eq!((described.name.as_str(), described.size), (name.as_str(), size));
    }
    // GNU's way of both.
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(5);
    builder.append_data(&mut header, &name, &b"hello"[..]).unwrap();
    assert_eq!(content(&open(&builder.into_inner().unwrap()).unwrap(), &name), b"hello");
    let mut header = Header::new_gnu();
    header.set_size(1 << 40);
    assert_eq!(header::size_of(&header).unwrap(), 1 << 40);
}

#[test]
fn what_leads_out_or_is_no_file_is_refused_by_its_name() {
    for (member, part) in [
        (file("../x", b""), "the member `../x` leads out"),
        (file("a/../../x", b""), "leads out"),
        (file("/etc/x", b""), "the member `/etc/x` has an absolute name"),
        (special("dev", b'3', ""), "the member `dev` is no file"),
        (special("block", b'4', ""), "no file"),
        (special("pipe", b'6', ""), "no file"),
        (special("hard", b'1', "../x"), "`../x` leads out"),
        (Raw { size: 512, ..special("link", b'2', "x") }, "has content, and is no file"),
        (special("\u{1b}[2J", b'3', ""), "`\\u{1b}[2J`"),
        (special("sparse", b'S', ""), "is sparse"),
    ] {
        let said = refusal(&archive(&[member]));
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn s24_what_readers_would_read_in_two_ways_is_refused() {
    let pax = |text: &'static [u8]| Raw { kind: b'x', ..file("PaxHeaders/0", text) };
    let global = |text: &'static [u8]| Raw { kind: b'g', ..file("pax_global_header", text) };
    let long = |text: &'static [u8]| Raw { kind: b'L', ..file("././@LongLink", text) };
    let hidden = archive(&[file("inner", b"")]);
    let cases: Vec<(Vec<Raw<'_>>, &str)> = vec![
        // The size of one header is not that of the other.
        (vec![pax(b"9 size=0\n"), file("a", &hidden)], "the member `a` has two sizes"),
        (vec![pax(b"9 size=5\n"), file("a", b"123")], "two sizes"),
        (vec![pax(b"11 size=-5\n"), file("a", b"")], "no number"),
        (vec![pax(b"9 size=5\n9 size=6\n"), file("a", b"")], "twice"),
        (vec![pax(b"99 size=5\n"), file("a", b"")], "cannot be read"),
        (vec![pax(b"size=5\n"), file("a", b"")], "cannot be read"),
        (vec![pax(b"10 path=b\n"), long(b"c\0"), file("a", b"")], "two names"),
        (vec![pax(b"10 path=b\n"), pax(b"10 path=c\n"), file("a", b"")], "describe one member twice"),
        (vec![long(b"b\0"), long(b"c\0"), file("a", b"")], "describe one member twice"),
        (vec![pax(b"13 path=../b\n"), file("a", b"")], "`../b` leads out"),
        (vec![pax(b"22 GNU.sparse.major=1\n"), file("a", b"")], "is sparse"),
        (vec![global(b"10 path=b\n"), file("a", b"")], "change all members"),
        (vec![global(b"9 size=0\n"), file("a", &hidden)], "change all members"),
        (vec![file("a", b""), pax(b"10 path=b\n")], "describes no member"),
        (vec![file("manifest.json", b"1"), file("./manifest.json", b"2")], "`manifest.json` is there twice"),
        (vec![file("a", b"1"), special("a", b'2', "b")], "there twice"),
        (vec![file("a/", b"content")], "has content"),
    ];
    for (members, part) in cases {
        let said = refusal(&archive(&members));
        assert!(said.contains(part), "{part}: {said}");
    }
    // What stands in a global header and changes nothing, and the same blob once more, are no harm.
    let fine = [global(b"14 comment=hi\n"), file("blobs/a", b"1"), file("blobs/a", b"1"), special("d", b'5', "")];
    assert_eq!(content(&open(&archive(&fine)).unwrap(), "blobs/a"), b"1");
    // A size that is in the pax header alone counts.
    let mut only_pax = vec![pax(b"12 size=512\n"), Raw { size: 0, ..file("a", &[1; 512]) }];
    only_pax.push(file("b", b"2"));
    let members = open(&archive(&only_pax)).unwrap();
    assert_eq!((content(&members, "a"), content(&members, "b")), (vec![1; 512], b"2".to_vec()));
}

#[test]
fn what_is_cut_or_no_tar_is_refused() {
    let whole = archive(&[file("a", &[1; 1000]), file("b", b"2")]);
    assert!(open(&whole[..whole.len() - 2 * BLOCK]).is_ok(), "some write no end");
    assert!(open(&whole[..whole.len() - BLOCK]).is_ok(), "or half of it");
    assert!(refusal(&whole[..1000]).contains("the member `a` is longer than the archive"));
    assert!(refusal(&whole[..whole.len() - 2 * BLOCK - 100]).contains("`b`"));
    assert!(refusal(&whole[..100]).contains("too short"));
    assert!(refusal(b"").contains("empty"));
    assert!(refusal(&[b'x'; 2048]).contains("damaged"));
    let mut damaged = whole.clone();
    damaged[0] = b'b';
    assert!(refusal(&damaged).contains("damaged"));
    // Behind one block of zeros some readers go on, and others do not.
    let mut between = archive(&[file("a", b"")]);
    between.truncate(between.len() - BLOCK);
    between.extend(archive(&[file("b", b"")]));
    assert!(refusal(&between).contains("follows what some readers take for its end"));
    let long = "x".repeat(100_000);
    let notes = Raw { kind: b'x', ..file("PaxHeaders/0", long.as_bytes()) };
    assert!(refusal(&archive(&[notes, file("a", b"")])).contains("100000 bytes of notes"));
    let endless = Raw { size: (1 << 33) - 1, ..file("a", b"1") };
    assert!(refusal(&archive(&[endless])).contains("longer than the archive"));
}

#[test]
fn what_is_not_wanted_is_not_put_aside() {
    let tar = archive(&[file("wanted", b"1"), file("other", &[1; 4000]), file("wanted-too", b"2")]);
    let home = tempfile::tempdir().unwrap();
    let members = Members::of_stream(&tar[..], home.path(), "-", |name| name.starts_with("wanted")).unwrap();
    assert_eq!(content(&members, "wanted-too"), b"2");
    assert_eq!(home.path().read_dir().unwrap().count(), 0, "what is put aside has no name");
}

fn sink(path: &std::path::Path) -> TarSink {
    TarSink::new(Output::File(Replacement::begin(Arc::new(LocalDisk), path, Access::Shared).unwrap()))
}

#[test]
fn what_is_written_is_read_back_and_what_is_not_whole_is_taken_back() {
    let home = tempfile::tempdir().unwrap();
    let write = |path: &std::path::Path| {
        let mut tar = sink(path);
        tar.document("blobs/sha256/a", b"one").unwrap();
        tar.begin("blobs/sha256/b", 5).unwrap();
        tar.content(b"two").unwrap();
        assert_eq!(tar.end().unwrap_err().kind(), ErrorKind::Corrupt);
        tar.begin("blobs/sha256/c", 2).unwrap();
        assert_eq!(tar.content(b"longer").unwrap_err().kind(), ErrorKind::Corrupt);
        tar.document("d", &[4; 600]).unwrap();
        tar.begin("e", 5).unwrap();
        tar.finish().unwrap();
        std::fs::read(path).unwrap()
    };
    let (first, second) = (write(&home.path().join("a.tar")), write(&home.path().join("b.tar")));
    assert_eq!(first, second, "the same content is the same archive");
    let members = open(&first).unwrap();
    assert_eq!(content(&members, "blobs/sha256/a"), b"one");
    assert_eq!(content(&members, "d"), [4; 600]);
    assert!(members.find("blobs/sha256/b").unwrap().is_none() && members.find("e").unwrap().is_none());
    // The system's tar reads it too.
    let listed = std::process::Command::new("tar").arg("-tf").arg(home.path().join("a.tar")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "blobs/\nblobs/sha256/\nblobs/sha256/a\nd\n");
}

#[test]
fn what_went_out_on_a_stream_is_not_taken_back() {
    let mut tar = TarSink::new(Output::Stream(Box::new(Vec::new())));
    tar.begin("a", 5).unwrap();
    tar.content(b"12").unwrap();
    assert_eq!(tar.begin("b", 1).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(tar.document("c", b"").unwrap_err().kind(), ErrorKind::Storage);
    assert!(tar.finish().is_err(), "it has no end");
}
