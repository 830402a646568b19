//! Archives that somebody else has made.

use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::run_once;
use crate::support::images::{Content, Image, OCI_MANIFEST, image};
use crate::support::program::{Output, Program};
use crate::support::tarball::{Tar, blob_name, docker_list};

/// What a run may take of memory, whatever an archive says.
const MEMORY: u64 = 64 << 20;

/// A program in a directory of its own below a home with canaries, which must stay as they are.
struct Caged {
    program: Program,
}

impl Caged {
    fn new() -> Self {
        let program = Program::new();
        for canary in ["canary", "a/canary", "blobs/canary"] {
            let path = program.home().join(canary);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "untouched").unwrap();
        }
        Self { program }
    }

    /// Reads the archive in every way, which has to fail with `code`, say `part`, and leave nothing behind.
    #[track_caller]
    fn refused(&self, archive: &[u8], code: i32, part: &str) {
        let before = listing(self.program.home());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), archive).unwrap();
        let path = file.path().to_str().unwrap();
        for words in [
            vec!["load".to_owned(), path.to_owned(), "--to".to_owned(), "app:v1".to_owned()],
            vec!["copy".to_owned(), format!("oci-archive:{path}"), "oci:out".to_owned()],
        ] {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            judge(&run_once(&self.program, &words), code, part);
        }
        judge(&self.program.invoke(&["load", "-", "--to", "app:v1"]).stdin(archive).run(), code, part);
        let after = listing(self.program.home());
        let new: Vec<&String> = after.iter().filter(|name| !before.contains(name)).collect();
        assert!(
            new.iter().all(|name| name.starts_with("data") || name.starts_with("state") || name.starts_with("out")),
            "{new:?}"
        );
        assert!(!Path::new("/tmp/escaped").exists());
        for canary in ["canary", "a/canary", "blobs/canary"] {
            assert_eq!(std::fs::read_to_string(self.program.home().join(canary)).unwrap(), "untouched");
        }
        assert_eq!(self.program.run(&["images", "-q"]).success().stdout, "", "nothing is kept");
    }
}

/// Asserts how a run failed, and that it took little and did nothing else.
#[track_caller]
fn judge(output: &Output, code: i32, part: &str) {
    assert_eq!(output.code, Some(code), "{part}: {}", output.shown());
    assert!(output.stderr.contains(part), "`{part}` is not said: {}", output.shown());
    assert!(!output.stderr.contains('\u{1b}') && !output.stderr.contains("panicked"), "{}", output.shown());
    assert!(output.peak < MEMORY, "{} bytes of memory: {}", output.peak, output.shown());
}

fn listing(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in directory.read_dir().unwrap().flatten() {
            found.push(entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned());
            if entry.path().is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    found
}

/// An archive of both forms that holds `image`, whose one entry is `entry`.
fn both(image: &Image, entry: &Value) -> Tar {
    Tar::layout(image).index(&json!([entry]))
}

#[test]
fn s16_paths_in_an_archive_are_names_of_members_and_digests_are_digests() {
    let caged = Caged::new();
    let image = image().build();
    for digest in ["sha256:../../../../etc/shadow", "sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e", "", "SHA256:00"]
    {
        let entry = json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 5});
        caged.refused(&both(&image, &entry).bytes(), 6, "`index.json`");
    }
    for path in ["/etc/passwd", "../../etc/passwd", "a/../../canary", "", "nowhere", "canary"] {
        for list in [json!([{"Config": path, "Layers": []}]), json!([{"Config": "c", "Layers": [path]}])] {
            let program = Program::new();
            std::fs::write(program.path("canary"), "untouched").unwrap();
            let config = json!({"rootfs": {"diff_ids": [image.blobs[0].digest]}});
            Tar::new().json("c", &config).json("manifest.json", &list).write(&program, "f.tar");
            let failed = run_once(&program, &["load", "f.tar", "--to", "a:1"]).code(6);
            assert!(failed.stderr.contains("`manifest.json`"), "{}", failed.shown());
        }
    }
}

#[test]
fn s17_documents_of_an_archive_that_can_be_read_in_two_ways() {
    let caged = Caged::new();
    let image = image().build();
    let mut both_kinds = image.document();
    both_kinds["manifests"] = json!([]);
    let twice = String::from_utf8(image.manifest.bytes.clone()).unwrap().replacen('{', "{\"layers\":[],", 1);
    for document in [both_kinds.to_string(), twice] {
        let manifest = Content::new(OCI_MANIFEST, document);
        let tar = Tar::layout(&image).file(&blob_name(&manifest), &manifest.bytes);
        caged.refused(&tar.index(&json!([manifest.descriptor()])).bytes(), 6, "");
    }
    let mut other = image.manifest.descriptor();
    other["mediaType"] = json!("application/vnd.oci.image.index.v1+json");
    caged.refused(&both(&image, &other).bytes(), 6, "");
}

#[test]
fn s19_sizes_in_an_archive_that_are_not_true() {
    let caged = Caged::new();
    let image = image().build();
    for (size, part) in [(0_u64, "not 0"), (1_u64 << 40, "not 1099511627776")] {
        let mut entry = image.manifest.descriptor();
        entry["size"] = json!(size);
        caged.refused(&both(&image, &entry).bytes(), 6, part);
    }
    // A layer that is longer, shorter or other than its manifest says is refused with the member's name or digest.
    for wrong in [vec![1_u8; 10], vec![1; 100_000], vec![1; image.blobs[1].bytes.len()]] {
        let layer = &image.blobs[1];
        let contents = [&image.blobs[0], &image.blobs[2], &image.manifest];
        let tar = Tar::new().json("oci-layout", &json!({"imageLayoutVersion": "1.0.0"}));
        let tar = contents.into_iter().fold(tar, |tar, content| tar.file(&blob_name(content), &content.bytes));
        let tar = tar.file(&blob_name(layer), &wrong).index(&json!([image.manifest.descriptor()]));
        caged.refused(&tar.bytes(), 6, layer.digest.strip_prefix("sha256:").unwrap());
    }
    let cut = both(&image, &image.manifest.descriptor()).raw("blobs/sha256/x", b'0', 1 << 32, "", b"little").bytes();
    caged.refused(&cut, 6, "the member `blobs/sha256/x` is longer than the archive");
}

#[test]
fn s20_lists_and_documents_of_an_archive_without_end() {
    // A gigabyte that takes no room on the disk stands behind the header.
    let image = image().build();
    for name in ["index.json", "manifest.json", "oci-layout", "config"] {
        let program = Program::new();
        let mut tar = Tar::layout(&image);
        if name == "config" {
            tar = tar.json("manifest.json", &json!([{"Config": "config", "Layers": []}]));
        }
        let bytes = tar.raw(name, b'0', 1 << 30, "", b"").bytes();
        let mut file = std::fs::File::create(program.home().join("f.tar")).unwrap();
        file.write_all(&bytes[..bytes.len() - 1024]).unwrap();
        file.set_len(bytes.len() as u64 + (1 << 30)).unwrap();
        let (form, words) = match name {
            "oci-layout" | "index.json" => ("oci-archive", "at most"),
            _ => ("docker-archive", "at most"),
        };
        let failed = run_once(&program, &["copy", &format!("{form}:f.tar"), "store:a:1"]).code(6);
        assert!(failed.stderr.contains(words) || failed.stderr.contains("twice"), "{name}: {}", failed.shown());
        assert!(failed.stderr.contains(&format!("`{name}`")), "{}", failed.shown());
        assert!(failed.peak < MEMORY, "{name}: {}", failed.peak);
    }
}

#[test]
fn s21_documents_of_an_archive_that_are_deep_or_wide() {
    let caged = Caged::new();
    let image = image().build();
    let deep = "[".repeat(1_000_000);
    let tar = |name: &str, text: &str| Tar::layout(&image).file(name, text.as_bytes()).bytes();
    caged.refused(&tar("index.json", &deep), 6, "`index.json`");
    let wide = format!("{{\"schemaVersion\":2,\"manifests\":[{}0]}}", "{},".repeat(1_000_000));
    caged.refused(&tar("index.json", &wide), 6, "`index.json`");
    for text in [deep, format!("[{}{{}}]", "{\"Config\":\"a\"},".repeat(20_000)), "{}".to_owned(), "[[]]".to_owned()] {
        let program = Program::new();
        Tar::new().file("manifest.json", text.as_bytes()).write(&program, "f.tar");
        let failed = run_once(&program, &["load", "f.tar"]).code(6);
        assert!(failed.stderr.contains("`manifest.json`") && failed.peak < MEMORY, "{}", failed.shown());
    }
    // More members than any archive has.
    let one = Tar::new().file("x", b"").bytes();
    let mut many = Vec::new();
    for number in 0..200_001 {
        let name = format!("{number:0>6}");
        let mut header = tar::Header::from_byte_slice(&one[..512]).clone();
        header.as_old_mut().name[..6].copy_from_slice(name.as_bytes());
        header.set_cksum();
        many.extend_from_slice(header.as_bytes());
    }
    let program = Program::new();
    std::fs::write(program.path("f.tar"), many).unwrap();
    let failed = run_once(&program, &["load", "f.tar"]).code(6);
    assert!(failed.stderr.contains("more members than are taken"), "{}", failed.shown());
    assert!(failed.peak < 2 * MEMORY, "{}", failed.peak);
}

#[test]
fn s22_compressed_archives_that_become_endless() {
    let caged = Caged::new();
    // Zeros by the gigabyte out of a few kilobytes: behind the end of the tar, and as one member.
    let zeros = vec![0_u8; 16 << 20];
    let mut packer = zstd::Encoder::new(Vec::new(), 3).unwrap();
    packer.write_all(&Tar::new().raw("blobs/sha256/zeros", b'0', 8 << 30, "", b"").bytes()[..512]).unwrap();
    for _ in 0..160 {
        packer.write_all(&zeros).unwrap();
    }
    let bomb = packer.finish().unwrap();
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    caged.refused(&bomb, 6, "times its size");
    // A window of 2 GiB is not made room for.
    let mut packer = zstd::Encoder::new(Vec::new(), 1).unwrap();
    packer.window_log(31).unwrap();
    packer.include_contentsize(false).unwrap();
    packer.write_all(&Tar::new().file("a", &zeros[..1 << 20]).bytes()).unwrap();
    caged.refused(&packer.finish().unwrap(), 6, "");
    // Packed twice it is no tar.
    let twice = zstd::encode_all(&zstd::encode_all(&Tar::new().file("a", b"").bytes()[..], 1).unwrap()[..], 1).unwrap();
    caged.refused(&twice, 6, "");
}

#[test]
fn s23_members_that_lead_out_of_an_archive() {
    let caged = Caged::new();
    let image = image().build();
    for (name, kind, link, part) in [
        ("../canary", b'0', "", "the member `../canary` leads out"),
        ("blobs/../../canary", b'0', "", "leads out"),
        ("/tmp/escaped", b'0', "", "the member `/tmp/escaped` has an absolute name"),
        ("hard", b'1', "../canary", "leads out"),
        ("dev", b'3', "", "the member `dev` is no file"),
        ("pipe", b'6', "", "the member `pipe` is no file"),
        ("\u{1b}]52;c;x\u{7}", b'3', "", "\\u{1b}"),
    ] {
        let tar = both(&image, &image.manifest.descriptor()).special(name, kind, link);
        caged.refused(&tar.bytes(), 6, part);
    }
    // Links are followed among members alone.
    for target in ["../../../../../../etc/passwd", "/etc/passwd", "../canary", "blobs"] {
        let tar = Tar::new().special("manifest.json", b'2', target).bytes();
        let program = Program::new();
        std::fs::write(program.path("canary"), "untouched").unwrap();
        std::fs::write(program.path("f.tar"), tar).unwrap();
        let failed = run_once(&program, &["load", "f.tar"]).code(6);
        assert!(failed.stderr.contains("the member `"), "{}", failed.shown());
    }
}

#[test]
fn s24_an_archive_that_readers_would_read_in_two_ways() {
    let caged = Caged::new();
    let image = image().build();
    let honest = || both(&image, &image.manifest.descriptor());
    let hidden = Tar::new().file("index.json", b"{}").bytes();
    let sizes = Tar::layout(&image).raw("PaxHeaders/0", b'x', 9, "", b"9 size=0\n").file("hidden", &hidden);
    caged.refused(&sizes.index(&json!([image.manifest.descriptor()])).bytes(), 6, "the member `hidden` has two sizes");
    caged.refused(&honest().file("./index.json", b"{}").bytes(), 6, "the member `index.json` is there twice");
    let mut after_one_block = honest().bytes();
    after_one_block.truncate(after_one_block.len() - 512);
    after_one_block.extend(hidden);
    caged.refused(&after_one_block, 6, "what some readers take for its end");
}

#[test]
fn s25_s26_what_stands_in_the_place_of_an_archive_and_names_in_it() {
    let program = Program::new();
    let image = image().build();
    // A link is what its user wrote; a device or a directory is no archive.
    both(&image, &image.manifest.descriptor()).write(&program, "f.tar");
    std::os::unix::fs::symlink("f.tar", program.home().join("link.tar")).unwrap();
    run_once(&program, &["inspect", "oci-archive:link.tar"]).success();
    for file in ["/dev/null", "/dev/zero", "data"] {
        let failed = run_once(&program, &["inspect", &format!("oci-archive:{file}")]);
        assert!(matches!(failed.code, Some(1 | 3 | 6)) && failed.peak < MEMORY, "{file}: {}", failed.shown());
    }
    for name in ["../../escaped", "/tmp/escaped", "a\nb", "\u{1b}[2J", "a\u{202e}b"] {
        let mut entry = image.manifest.descriptor();
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        let other = json!({"mediaType": OCI_MANIFEST, "digest": format!("sha256:{}", "0".repeat(64)), "size": 5,
                           "annotations": {"org.opencontainers.image.ref.name": "other"}});
        Tar::layout(&image).index(&json!([entry, other])).write(&program, "f.tar");
        run_once(&program, &["copy", &format!("oci-archive:f.tar:{name}"), &format!("oci-archive:g.tar:{name}")])
            .success();
        let missing = run_once(&program, &["inspect", "oci-archive:f.tar:missing"]).code(3);
        assert!(!missing.stderr.contains(['\u{1b}', '\u{202e}']), "{:?}", missing.stderr);
        let list = docker_list(&image, &json!([name]));
        Tar::layout(&image).json("manifest.json", &list).write(&program, "d.tar");
        let loaded = run_once(&program, &["load", "d.tar"]).code(2);
        assert!(!loaded.stderr.contains(['\u{1b}', '\u{202e}']), "{:?}", loaded.stderr);
    }
    assert!(!program.home().parent().unwrap().join("escaped").exists() && !Path::new("/tmp/escaped").exists());
}
