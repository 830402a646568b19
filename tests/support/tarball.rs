//! Tars that are made member by member, also such as no honest program writes.

use serde_json::{Value, json};
use tar::{EntryType, Header};

use super::images::{Content, Image, OCI_INDEX};
use super::program::Program;

/// A tar under way.
pub(crate) struct Tar(Vec<u8>);

impl Tar {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// A file.
    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        self.raw(name, b'0', content.len() as u64, "", content)
    }

    /// A file that holds a document.
    pub(crate) fn json(self, name: &str, value: &Value) -> Self {
        self.file(name, value.to_string().as_bytes())
    }

    /// A member of another type: `1` a hard link, `2` a symbolic one, `3` a device, `6` a pipe, `x` a pax header.
    pub(crate) fn special(self, name: &str, kind: u8, link: &str) -> Self {
        self.raw(name, kind, 0, link, b"")
    }

    /// A header that says what it is told, and content behind it.
    pub(crate) fn raw(mut self, name: &str, kind: u8, size: u64, link: &str, content: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(EntryType::new(kind));
        header.set_mode(0o644);
        header.set_size(size);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// An image as a layout holds it, without the lists.
    pub(crate) fn layout(image: &Image) -> Self {
        let tar = Self::new().json("oci-layout", &json!({"imageLayoutVersion": "1.0.0"}));
        let contents = image.all_blobs().into_iter().chain(image.all_manifests());
        contents.fold(tar, |tar, content| tar.file(&blob_name(content), &content.bytes))
    }

    /// The list of a layout.
    pub(crate) fn index(self, entries: &Value) -> Self {
        self.json("index.json", &json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}))
    }

    /// The bytes, with the end that a tar has.
    pub(crate) fn bytes(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }

    /// Writes it into a file of the program's home.
    pub(crate) fn write(self, program: &Program, file: &str) {
        std::fs::write(program.home().join(file), self.bytes()).unwrap();
    }
}

/// The member of a layout that holds a blob.
pub(crate) fn blob_name(content: &Content) -> String {
    format!("blobs/sha256/{}", content.digest.strip_prefix("sha256:").unwrap())
}

/// The list by which docker finds an image of a layout.
pub(crate) fn docker_list(image: &Image, tags: &Value) -> Value {
    let layers: Vec<String> = image.blobs[1..].iter().map(blob_name).collect();
    json!([{"Config": blob_name(&image.blobs[0]), "RepoTags": tags, "Layers": layers}])
}
