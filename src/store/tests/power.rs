//! Row 40: what was acknowledged is there after a loss of power, and nothing is there that is not what it says.

use super::*;
use crate::files::ForgetfulDisk;
use crate::registry::{Collection, Effect, Host as _, Maintenance as _, RetentionRule};

/// How many ways a loss can go at each moment.
const WAYS: u64 = 6;

/// Loses power in several ways, and looks at what is left.
async fn after_each_loss(disk: &ForgetfulDisk, root: &Path, look: impl AsyncFn(&Store)) {
    for seed in 0..WAYS {
        let left = tempfile::tempdir().unwrap();
        disk.lose_power(root, left.path(), seed * 0x9E37_79B9);
        let store = quick(left.path());
        look(&store).await;
        assert_eq!(store.scrub().await.unwrap().damaged, [], "no content has a name that is not its own");
        // And it can be worked with.
        push(&store, "later", &sample("later"), &["x"]).await.unwrap();
        assert_whole(&store, "later", &Selector::Tag(tag("x"))).await;
    }
}

async fn upload(store: &Store, blob: &Descriptor, bytes: &Bytes) {
    let mut upload = store.begin_upload(&name("a"), "").await.unwrap();
    upload.write(bytes.clone()).await.unwrap();
    upload.commit(&blob.digest).await.unwrap();
}

#[tokio::test]
async fn row_40_what_was_acknowledged_outlives_a_loss_of_power() {
    let home = tempfile::tempdir().unwrap();
    let disk = ForgetfulDisk::default();
    let store = Store::open(home.path(), Arc::new(disk.clone())).unwrap();
    let (image, other) = (sample("layer"), sample("other"));
    upload(&store, &image.layer, &image.layer_bytes).await;
    after_each_loss(&disk, home.path(), async |store| {
        let size = store.blob_size(&name("a"), &image.layer.digest).await.unwrap();
        assert_eq!(size, Some(image.layer.size));
    })
    .await;
    upload(&store, &image.config, &Bytes::from_static(CONFIG)).await;
    store.push_manifest(&name("a"), &image.manifest, &[tag("x")], TagCondition::Always).await.unwrap();
    let is_there = async |store: &Store| assert_whole(store, "a", &Selector::Tag(tag("x"))).await;
    after_each_loss(&disk, home.path(), is_there).await;
    assert!(store.mount_blob(&name("b"), &image.layer.digest, &name("a")).await.unwrap());
    after_each_loss(&disk, home.path(), async |store| {
        assert!(store.blob_size(&name("b"), &image.layer.digest).await.unwrap().is_some());
    })
    .await;
    // As our own pushes go, and with the tag on another image.
    push(&store, "a", &other, &["y"]).await.unwrap();
    store.remove_tag(&name("a"), &tag("y")).await.unwrap();
    after_each_loss(&disk, home.path(), async |store| {
        is_there(store).await;
        let gone = ImageSource::resolve(store, &name("a"), &Selector::Tag(tag("y"))).await.unwrap();
        assert_eq!(gone, None, "a removal is acknowledged too");
    })
    .await;
    // Also where a manifest is the first thing of its repository.
    let empty = index_of(&[]);
    store.push_manifest(&name("c/d"), &empty, &[tag("x")], TagCondition::Always).await.unwrap();
    after_each_loss(&disk, home.path(), async |store| assert_whole(store, "c/d", &Selector::Tag(tag("x"))).await).await;
    // What collection removes may be there again, and then as a whole or not at all.
    let rules = vec![RetentionRule::unnamed()];
    let collection = Collection { rules, used: [].into(), grace: std::time::Duration::ZERO, effect: Effect::Done };
    assert!(store.collect(&collection).await.unwrap().blobs > 0);
    after_each_loss(&disk, home.path(), async |store| {
        is_there(store).await;
        let by_digest = Selector::Digest(other.manifest.digest().clone());
        if ImageSource::resolve(store, &name("a"), &by_digest).await.unwrap().is_some() {
            assert_whole(store, "a", &by_digest).await;
        }
    })
    .await;
}
