//! Artifacts whose files would like to be elsewhere.

use serde_json::json;

use crate::support::images::{Content, EMPTY, Image, OCI_MANIFEST};
use crate::support::layout::write_layout;
use crate::support::program::Program;
use crate::support::tree::tree;

fn titled(title: &str) -> Image {
    let config = Content::new(EMPTY, "{}");
    let layer = Content::new("application/octet-stream", "file");
    let mut described = layer.descriptor();
    described["annotations"] = json!({"org.opencontainers.image.title": title});
    let document = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "text/x", "config": config.descriptor(),
        "layers": [described],
    });
    Image {
        manifest: Content::new(OCI_MANIFEST, document.to_string()),
        blobs: vec![config, layer],
        children: Vec::new(),
    }
}

#[test]
fn s26_titles_lead_nowhere_else() {
    let program = Program::new();
    std::fs::write(program.path("canary"), "canary").unwrap();
    let before = tree(program.home());
    for title in ["../canary", "/etc/canary", "a/../../canary", "..", ".", "", "a\\..\\canary", "canary/", "a\0b"] {
        let _ = std::fs::remove_dir_all(program.path("layout"));
        write_layout(&program.home().join("layout"), "v1", &titled(title));
        program.run(&["artifact", "pull", "oci:layout:v1", "out", "--overwrite"]).code(6).says("is refused");
        std::fs::remove_dir_all(program.path("layout")).unwrap();
        let is_ours =
            |name: &String| name.starts_with("state") || name.starts_with("data") || name.starts_with("cache");
        let after: Vec<_> = tree(program.home()).into_iter().filter(|(name, _)| !is_ours(name)).collect();
        assert_eq!(after, before.clone().into_iter().collect::<Vec<_>>(), "{title:?}");
    }
    // Through a link that is there already.
    std::fs::create_dir(program.path("out")).unwrap();
    std::os::unix::fs::symlink("..", program.path("out/up")).unwrap();
    write_layout(&program.home().join("layout"), "v1", &titled("up/canary"));
    program.run(&["artifact", "pull", "oci:layout:v1", "out", "--overwrite"]).code(1);
    assert_eq!(std::fs::read_to_string(program.path("canary")).unwrap(), "canary");
}
