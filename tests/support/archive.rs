//! tar archives made member by member, also such as no honest program makes.

use super::content::{gzip, sha256};
use super::images::{Content, Image, image_of};

/// An archive that is being made.
#[derive(Clone, Default)]
pub(crate) struct Archive(Vec<u8>);

/// A header before its checksum.
pub(crate) struct Header([u8; 512]);

impl Header {
    pub(crate) fn new(name: &str, kind: u8) -> Self {
        let mut header = Self([0; 512]);
        header.put(0, &name.as_bytes()[..name.len().min(100)]);
        header.octal(100, 7, 0o644).octal(108, 7, 0).octal(116, 7, 0).octal(124, 11, 0).octal(136, 11, 1_000_000_000);
        header.0[156] = kind;
        header.put(257, b"ustar\x0000");
        header
    }

    pub(crate) fn put(&mut self, at: usize, text: &[u8]) -> &mut Self {
        self.0[at..at + text.len()].copy_from_slice(text);
        self
    }

    pub(crate) fn octal(&mut self, at: usize, digits: usize, number: u64) -> &mut Self {
        let text = format!("{number:0digits$o}");
        self.put(at, text.as_bytes())
    }

    pub(crate) fn mode(mut self, mode: u64) -> Self {
        self.octal(100, 7, mode);
        self
    }

    pub(crate) fn owner(mut self, user: u64, group: u64) -> Self {
        self.octal(108, 7, user).octal(116, 7, group);
        self
    }

    pub(crate) fn time(mut self, seconds: u64) -> Self {
        self.octal(136, 11, seconds);
        self
    }

    pub(crate) fn size(mut self, size: u64) -> Self {
        self.octal(124, 11, size);
        self
    }

    pub(crate) fn link(mut self, target: &str) -> Self {
        self.put(157, target.as_bytes());
        self
    }

    pub(crate) fn device(mut self, major: u64, minor: u64) -> Self {
        self.octal(329, 7, major).octal(337, 7, minor);
        self
    }

    fn sealed(mut self) -> [u8; 512] {
        self.put(148, b"        ");
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.put(148, format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}

impl Archive {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A member with whatever its header says, and these bytes behind it.
    pub(crate) fn raw(mut self, header: Header, content: &[u8]) -> Self {
        self.0.extend_from_slice(&header.sealed());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        self.raw(Header::new(name, b'0').size(content.len() as u64), content)
    }

    pub(crate) fn directory(self, name: &str) -> Self {
        self.raw(Header::new(name, b'5').mode(0o755), b"")
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.raw(Header::new(name, b'2').mode(0o777).link(target), b"")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.raw(Header::new(name, b'1').link(target), b"")
    }

    /// An extended header for the next member.
    pub(crate) fn records(self, records: &[(&str, &[u8])]) -> Self {
        let mut content = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (1..9).map(|digits| rest + digits).find(|length| length.to_string().len() + rest == *length);
            content.extend_from_slice(format!("{} {key}=", length.unwrap()).as_bytes());
            content.extend_from_slice(value);
            content.push(b'\n');
        }
        self.extended(b'x', &content)
    }

    /// A header of another kind that only says something of the next member.
    pub(crate) fn extended(self, kind: u8, content: &[u8]) -> Self {
        self.raw(Header::new("extended", kind).size(content.len() as u64), content)
    }

    /// The archive with its end.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }

    pub(crate) fn unfinished(self) -> Vec<u8> {
        self.0
    }
}

/// An image of layers that are archives, each as a gzip stream.
pub(crate) fn image_of_archives(archives: impl IntoIterator<Item = Vec<u8>>) -> Image {
    let layer = |archive: Vec<u8>| {
        let layer = Content::new("application/vnd.oci.image.layer.v1.tar+gzip", gzip(&archive));
        (layer, sha256(&archive))
    };
    image_of(archives.into_iter().map(layer).collect())
}
