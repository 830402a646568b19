//! What comes out is what went in, and no more than is allowed.

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;

use super::*;

fn packed(packing: Packing, content: &[u8]) -> Vec<u8> {
    let mut packer = Packer::new(packing, Vec::new()).unwrap();
    packer.write_all(content).unwrap();
    packer.finish().unwrap()
}

fn unpacked(bytes: &[u8], limits: Limits) -> io::Result<(Compression, Vec<u8>)> {
    let mut reader = unpack(Cursor::new(bytes.to_vec()), limits)?;
    let mut content = Vec::new();
    reader.read_to_end(&mut content)?;
    assert_eq!(reader.unpacked(), content.len() as u64);
    Ok((reader.compression(), content))
}

fn xz(content: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(content: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_kind_is_told_by_its_first_bytes_and_read() {
    let content = b"some content, some content".repeat(1000);
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &packed(Packing::ZSTD, &content)].concat();
    for (bytes, expected) in [
        (packed(Packing::None, &content), Compression::None),
        (packed(Packing::GZIP, &content), Compression::Gzip),
        (packed(Packing::Zstd(19), &content), Compression::Zstd),
        (skipped, Compression::Zstd),
        (xz(&content), Compression::Xz),
        (bzip2(&content), Compression::Bzip2),
    ] {
        let (found, read) = unpacked(&bytes, Limits::DEFAULT).unwrap();
        assert_eq!(found, expected);
        assert!(read == content, "{expected:?}");
        if expected != Compression::None {
            let (_, twice) = unpacked(&bytes.repeat(2), Limits::DEFAULT).unwrap();
            assert!(twice == content.repeat(2), "several members of {expected:?}");
            assert!(unpacked(&bytes[..bytes.len() - 5], Limits::DEFAULT).is_err(), "a cut {expected:?}");
        }
    }
    assert_eq!(unpacked(b"", Limits::DEFAULT).unwrap(), (Compression::None, Vec::new()));
    assert_eq!(unpacked(b"BZ", Limits::DEFAULT).unwrap(), (Compression::None, b"BZ".to_vec()));
}

#[test]
fn what_grows_beyond_the_limits_is_refused() {
    let limits = Limits { total: 1 << 24, ratio: 100, free: 1 << 20 };
    let refusal = |bytes: &[u8]| Refusal::of(&unpacked(bytes, limits).unwrap_err());
    let zeros = vec![0; 4 << 20];
    for bytes in [packed(Packing::GZIP, &zeros), packed(Packing::ZSTD, &zeros), xz(&zeros), bzip2(&zeros)] {
        assert!(matches!(refusal(&bytes), Some(Refusal::Ratio { ratio: 100, .. })));
        assert!(unpacked(&bytes, Limits::DEFAULT).is_ok());
    }
    let members = packed(Packing::GZIP, &vec![0; 64 << 10]).repeat(100);
    assert!(matches!(refusal(&members), Some(Refusal::Ratio { .. })));
    // What is not packed has no ratio, and has a length all the same.
    assert!(unpacked(&zeros, limits).is_ok());
    assert_eq!(refusal(&vec![0; (1 << 24) + 1]), Some(Refusal::Total(1 << 24)));
}

#[test]
fn a_window_that_needs_too_much_memory_is_refused() {
    let with_window = |log: u32| {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(log).unwrap();
        encoder.write_all(b"content").unwrap();
        encoder.finish().unwrap()
    };
    assert!(unpacked(&with_window(27), Limits::DEFAULT).is_ok());
    let error = unpacked(&with_window(28), Limits::DEFAULT).unwrap_err();
    assert!(error.to_string().contains("memory"), "{error}");
}

#[test]
fn packings_are_read_and_shown() {
    for (text, packing) in [
        ("none", Packing::None),
        ("gzip", Packing::Gzip(6)),
        ("gzip:9", Packing::Gzip(9)),
        ("zstd", Packing::Zstd(3)),
        ("zstd:19", Packing::Zstd(19)),
    ] {
        assert_eq!(text.parse(), Ok(packing));
        assert_eq!(packing.to_string().parse(), Ok(packing));
        assert_eq!(Compression::detect(&packed(packing, b"content")), packing.compression());
    }
    for text in ["", "gz", "gzip:", "gzip:10", "zstd:0", "zstd:23", "zstd:-1", "none:1", "zstd:3:4"] {
        assert!(text.parse::<Packing>().is_err(), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn packing_is_undone_by_unpacking_and_always_the_same(content in proptest::collection::vec(any::<u8>(), 0..5000)) {
        for packing in [Packing::None, Packing::Gzip(1), Packing::ZSTD] {
            let bytes = packed(packing, &content);
            prop_assert_eq!(&packed(packing, &content), &bytes);
            let mut reader = unpack_as(packing.compression(), Cursor::new(bytes), Limits::DEFAULT).unwrap();
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            prop_assert_eq!(read, content.clone());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0..5_usize) {
        let magic: [&[u8]; 5] = [b"", &[0x1f, 0x8b, 8], &[0x28, 0xb5, 0x2f, 0xfd], b"\xfd7zXZ\0", b"BZh9"];
        let _ = unpacked(&[magic[kind], &bytes].concat(), Limits { total: 1 << 20, ..Limits::DEFAULT });
    }
}
