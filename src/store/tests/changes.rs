//! Changes of tags and manifests, and the `index.json` that follows: in the midst of another push, and where the
//! process ends in between.

use std::sync::OnceLock;

use super::*;
use crate::files::{Access, DiskFile};

/// A disk on which another push of the same process ends while a tag is moved.
#[derive(Default)]
struct Busy(OnceLock<Store>);

impl Disk for Busy {
    fn create_new(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        LocalDisk.create_new(path, access)
    }

    fn create_held(&self, path: &Path, access: Access) -> io::Result<Option<Box<dyn DiskFile>>> {
        LocalDisk.create_held(path, access)
    }

    fn append(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        LocalDisk.append(path, access)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if let (true, Some(store)) = (to.ends_with("_tags/x"), self.0.get()) {
            store.shared.write_index().unwrap();
        }
        LocalDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if let (true, Some(store)) = (path.ends_with("_tags/x"), self.0.get()) {
            store.shared.write_index().unwrap();
        }
        LocalDisk.remove(path)
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        LocalDisk.touch(path)
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        LocalDisk.create_directories(path)
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_push_that_ends_while_another_moves_a_tag_hides_nothing_of_it() {
    let home = tempfile::tempdir().unwrap();
    let disk = Arc::new(Busy::default());
    let store = Store::open(home.path(), disk.clone()).unwrap();
    assert!(disk.0.set(store.clone()).is_ok());
    push(&store, "a", &sample("layer"), &["x"]).await.unwrap();
    assert_eq!(listed(home.path()), ["a:x"]);
    store.remove_tag(&name("a"), &tag("x")).await.unwrap();
    assert!(listed(home.path()).is_empty());
}

#[tokio::test]
async fn the_index_after_a_change_that_was_killed_is_made_good_by_the_next() {
    // The tag moves, its directory is synced, and the disk takes nothing more: what follows is as after a kill.
    let (image, other) = (sample("layer"), sample("other"));
    let home = tempfile::tempdir().unwrap();
    push(&quick(home.path()), "a", &image, &["x", "y"]).await.unwrap();
    let dying = |calls| {
        let disk = FaultyDisk::new(calls, Failing::FromThenOn, io::ErrorKind::Other);
        Store::open(home.path(), Arc::new(disk)).unwrap()
    };
    let gone = |tag_name: &str| {
        let (store, selector) = (quick(home.path()), Selector::Tag(tag(tag_name)));
        async move { ImageSource::resolve(&store, &name("a"), &selector).await.unwrap().is_none() }
    };
    dying(2).remove_tag(&name("a"), &tag("x")).await.unwrap_err();
    assert!(gone("x").await && !gone("y").await);
    push(&quick(home.path()), "b", &other, &["z"]).await.unwrap();
    assert_eq!(listed(home.path()), ["a:y", "b:z"]);
    dying(2).remove_manifest(&name("a"), image.manifest.digest()).await.unwrap_err();
    assert!(gone("y").await);
    push(&quick(home.path()), "b", &other, &["z"]).await.unwrap();
    assert_eq!(listed(home.path()), ["b:z"]);
    for calls in 0.. {
        let tagged = dying(calls);
        let pushed = tagged.push_manifest(&name("b"), &other.manifest, &[tag("later")], TagCondition::Always).await;
        drop(tagged);
        push(&quick(home.path()), "c", &other, &["z"]).await.unwrap();
        let there = ImageSource::resolve(&quick(home.path()), &name("b"), &Selector::Tag(tag("later"))).await.unwrap();
        assert_eq!(listed(home.path()).contains(&"b:later".to_owned()), there.is_some(), "{calls}");
        if pushed.is_ok() {
            break;
        }
    }
    assert_eq!(std::fs::read_dir(home.path().join("leases")).unwrap().count(), 0);
}
