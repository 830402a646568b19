use std::io;
use std::time::{Duration, SystemTime};

use super::*;
use crate::files::{Failing, FaultyDisk, LocalDisk};
use crate::image::MediaType;
use crate::registry::Verifier;

fn journals(directory: &Path) -> Journals {
    Journals::new(&directory.join("transfers"), Arc::new(LocalDisk))
}

fn key(destination: &str) -> Key {
    Key { source: "a.example/x:v1".to_owned(), destination: destination.to_owned(), digest: Digest::of(b"image") }
}

/// The content of a big blob: enough of it for the tests, and its descriptor.
fn blob() -> (Descriptor, Vec<u8>) {
    let content = vec![7; 1000];
    (Descriptor { size: WORTH_KEEPING, ..Descriptor::of(MediaType::oci_config(), &content) }, content)
}

fn at(blob: &Descriptor, content: &[u8], offset: usize) -> Verifier {
    let mut verifier = Verifier::new(blob);
    verifier.update(&content[..offset]).unwrap();
    verifier
}

/// How far what was left was read, and that it is what was noted.
fn reached(left: &Left, blob: &Descriptor, content: &[u8]) -> Vec<usize> {
    let offset = |state: &Verifier| usize::try_from(state.seen()).unwrap();
    let right = |state: &&Verifier| state.checkpoint() == at(blob, content, offset(state)).checkpoint();
    left.states.iter().filter(right).map(offset).collect()
}

/// Whether nothing is there to be gone on with.
fn is_nothing(left: &Left) -> bool {
    left.upload.is_none() && left.states.is_empty()
}

fn upload(session: &str) -> UploadState {
    UploadState { session: session.to_owned(), offset: 0 }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = directory.join("transfers").read_dir().into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_was_noted_is_there_for_the_next_run_and_goes_with_the_end() {
    let home = tempfile::tempdir().unwrap();
    let (blob, content) = blob();
    let journal = journals(home.path()).take_up(key("b"));
    assert!(is_nothing(&journal.left(&blob)));
    journal.passed(&blob, &at(&blob, &content, 1));
    assert!(names(home.path()).is_empty(), "without an upload there is nothing to go on with");
    journal.began(&blob, &upload("one"));
    for offset in [100, 200, 300] {
        journal.passed(&blob, &at(&blob, &content, offset));
    }
    journal.began(&blob, &upload("two"));
    drop(journal);

    let journal = journals(home.path()).take_up(key("b"));
    let left = journal.left(&blob);
    assert_eq!(left.upload, Some(upload("two")));
    assert_eq!(reached(&left, &blob, &content), [100, 200, 300]);
    assert!(is_nothing(&journal.left(&Descriptor { size: blob.size + 1, ..blob.clone() })));
    assert!(is_nothing(&journals(home.path()).take_up(key("c")).left(&blob)), "it is another's");
    // What is read again from before a checkpoint puts another in its place.
    journal.passed(&blob, &at(&blob, &content, 250));
    assert_eq!(reached(&journal.left(&blob), &blob, &content), [100, 200, 250]);
    journal.over(&blob);
    assert!(is_nothing(&journal.left(&blob)));
    journal.finish();
    assert_eq!(names(home.path()), Vec::<String>::new());
}

#[cfg(unix)]
#[test]
fn it_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let journal = journals(home.path()).take_up(key("b"));
    journal.began(&blob().0, &upload("one"));
    for name in names(home.path()) {
        let mode = home.path().join("transfers").join(&name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_second_process_works_without() {
    let home = tempfile::tempdir().unwrap();
    let (blob, content) = blob();
    let first = journals(home.path()).take_up(key("b"));
    first.began(&blob, &upload("first"));
    let second = journals(home.path()).take_up(key("b"));
    assert!(is_nothing(&second.left(&blob)));
    second.began(&blob, &upload("second"));
    second.passed(&blob, &at(&blob, &content, 9));
    second.finish();
    assert!(journals(home.path()).list().unwrap()[0].in_use);
    drop(first);
    assert_eq!(journals(home.path()).take_up(key("b")).left(&blob).upload, Some(upload("first")));
}

#[test]
fn torn_and_damaged_lines_say_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (blob, content) = blob();
    let journal = journals(home.path()).take_up(key("b"));
    journal.began(&blob, &upload("one"));
    journal.passed(&blob, &at(&blob, &content, 100));
    journal.passed(&blob, &at(&blob, &content, 200));
    drop(journal);
    let path = home.path().join("transfers").join(key("b").file());
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let journal = journals(home.path()).take_up(key("b"));
        let left = journal.left(&blob);
        assert!(left.states.len() <= 2 && left.upload.is_none_or(|left| left == upload("one")));
        // What is written behind a torn line is read all the same.
        journal.began(&blob, &upload("later"));
        drop(journal);
        assert_eq!(journals(home.path()).take_up(key("b")).left(&blob).upload, Some(upload("later")), "{length}");
    }
    for nonsense in [b"\0\xff\n{}\n[]\n".to_vec(), vec![b'x'; 100_000]] {
        std::fs::write(&path, nonsense).unwrap();
        assert!(journals(home.path()).list().unwrap().is_empty());
        assert!(is_nothing(&journals(home.path()).take_up(key("b")).left(&blob)));
    }
}

#[test]
fn whichever_call_fails_the_journal_says_what_was_or_less() {
    let (blob, content) = blob();
    for failing in Failing::ALL {
        for fails_at in 0.. {
            let home = tempfile::tempdir().unwrap();
            let disk = FaultyDisk::new(fails_at, failing, io::ErrorKind::StorageFull);
            let journal = Journals::new(&home.path().join("transfers"), Arc::new(disk.clone())).take_up(key("b"));
            journal.began(&blob, &upload("one"));
            for offset in [100, 200, 300] {
                journal.passed(&blob, &at(&blob, &content, offset));
            }
            drop(journal);
            let left = journals(home.path()).take_up(key("b")).left(&blob);
            let read = reached(&left, &blob, &content);
            assert!(left.upload.is_none_or(|left| left == upload("one")), "{failing:?} {fails_at}");
            assert!([100, 200, 300].starts_with(&read), "{failing:?} {fails_at}: {read:?}");
            if !disk.has_failed() {
                assert_eq!(read, [100, 200, 300]);
                break;
            }
        }
    }
}

#[test]
fn a_long_journal_is_written_anew_with_what_counts() {
    let home = tempfile::tempdir().unwrap();
    let (blob, content) = blob();
    let journal = journals(home.path()).take_up(key("b"));
    let (first, second) = (upload(&"x".repeat(1000)), upload(&"y".repeat(1000)));
    for _ in 0..=COMPACT / 2000 {
        journal.began(&blob, &first);
        journal.began(&blob, &second);
    }
    for offset in 0..content.len() {
        journal.passed(&blob, &at(&blob, &content, offset));
    }
    drop(journal);
    let path = home.path().join("transfers").join(key("b").file());
    assert!(path.metadata().unwrap().len() < COMPACT);
    let left = journals(home.path()).take_up(key("b")).left(&blob);
    assert_eq!(left.upload, Some(second));
    let read = reached(&left, &blob, &content);
    assert_eq!(read, (936..1000).collect::<Vec<_>>(), "the last ones are kept");
}

#[test]
fn they_are_listed_removed_and_bounded() {
    let home = tempfile::tempdir().unwrap();
    let (blob, content) = blob();
    let (journals, day) = (journals(home.path()), Duration::from_hours(24));
    let make = |destination: &str, age: Duration| {
        let journal = journals.take_up(key(destination));
        journal.began(&blob, &upload("one"));
        journal.passed(&blob, &at(&blob, &content, 500));
        drop(journal);
        let path = home.path().join("transfers").join(key(destination).file());
        std::fs::File::options().append(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    };
    assert!(journals.list().unwrap().is_empty() && journals.clean(Duration::ZERO).unwrap().is_empty());
    make("old", 2 * day);
    make("new", Duration::ZERO);
    let held = journals.take_up(key("held"));
    held.began(&blob, &upload("one"));
    let listed = journals.list().unwrap();
    let shown: Vec<_> = listed.iter().map(|kept| (kept.destination.as_str(), kept.bytes, kept.in_use)).collect();
    assert_eq!(shown, [("old", 500, false), ("new", 500, false), ("held", 0, true)]);
    assert_eq!((listed[0].source.as_str(), &listed[0].digest), ("a.example/x:v1", &Digest::of(b"image")));
    let destinations = |kept: Vec<KeptTransfer>| kept.into_iter().map(|kept| kept.destination).collect::<Vec<_>>();
    assert_eq!(destinations(journals.clean(day).unwrap()), ["old"]);
    assert_eq!(destinations(journals.clean(Duration::ZERO).unwrap()), ["new"]);
    assert_eq!(destinations(journals.list().unwrap()), ["held"]);

    make("ancient", 8 * day);
    make("next", Duration::ZERO);
    assert_eq!(destinations(journals.list().unwrap()), ["held", "next"], "what is too old goes by itself");
    for number in 0..100 {
        make(&number.to_string(), day);
    }
    let left = destinations(journals.list().unwrap());
    assert_eq!(left.len(), 100);
    assert!(left.contains(&"held".to_owned()) && left.contains(&"99".to_owned()));
    held.finish();
}
