//! A vault file on a real disk, and on one that fails.

use super::*;
use crate::credentials::vault::Prompt;
use crate::credentials::{Secret, Variables};
use crate::files::{Failing, FaultyDisk, LocalDisk};

const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

/// Answers with each of its lines once.
struct Script(Mutex<Vec<&'static str>>);

impl Prompt for Script {
    fn ask(&self, _question: &str) -> io::Result<Secret> {
        let line = self.0.lock().unwrap().pop().ok_or_else(|| io::Error::other("no terminal"))?;
        Ok(Secret::new(line.to_owned()))
    }
}

fn vault(home: &Path, disk: Arc<dyn Disk>, variables: &[(&str, &str)], answers: &[&'static str]) -> Sealed {
    let answers = answers.iter().rev().copied().collect();
    let variables: Variables = variables.iter().copied().collect();
    let passphrases = Passphrases::new(variables, Arc::new(Script(Mutex::new(answers))));
    let mut vault = Sealed::new("v".parse().unwrap(), &Places::below(home), disk, passphrases);
    Arc::get_mut(&mut vault.file).unwrap().cost = CHEAP;
    vault
}

fn with_passphrase(home: &Path, passphrase: &str) -> Sealed {
    vault(home, Arc::new(LocalDisk), &[("TRANSHIP_VAULT_PASSPHRASE", passphrase)], &[])
}

fn token(value: &str) -> SecretData {
    let mut data = SecretData::default();
    data.set("token".parse().unwrap(), value);
    data
}

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn path(home: &Path) -> PathBuf {
    home.join("data/vaults/v.sealed")
}

async fn value(vault: &Sealed, secret: &str) -> Option<String> {
    let data = vault.get(&name(secret)).await.unwrap()?;
    Some(data.text("token").unwrap()?.expose().to_owned())
}

#[tokio::test]
async fn secrets_are_kept_for_the_next_run_and_not_in_the_clear() {
    let home = tempfile::tempdir().unwrap();
    let first = with_passphrase(home.path(), "p");
    assert!(first.list().await.unwrap().is_empty() && !first.delete(&name("a")).await.unwrap());
    assert!(!path(home.path()).exists());
    first.put(&name("b"), &token("canary")).await.unwrap();
    first.put(&name("a"), &token("canary-2")).await.unwrap();
    let file = std::fs::read(path(home.path())).unwrap();
    assert!(!String::from_utf8_lossy(&file).contains("canary") && !String::from_utf8_lossy(&file).contains("token"));

    let second = with_passphrase(home.path(), "p");
    assert_eq!(second.list().await.unwrap(), [name("a"), name("b")]);
    assert_eq!(value(&second, "b").await.as_deref(), Some("canary"));
    assert!(second.delete(&name("b")).await.unwrap());
    assert_eq!(value(&first, "b").await, None);
    assert_eq!(value(&first, "a").await.as_deref(), Some("canary-2"));
    first.clear().await.unwrap();
    first.clear().await.unwrap();
    assert_eq!(value(&second, "a").await, None);
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    with_passphrase(home.path(), "p").prepare().await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path(home.path())), 0o600);
    // An older file that others could read is tightened when it is written.
    std::fs::set_permissions(path(home.path()), std::fs::Permissions::from_mode(0o644)).unwrap();
    with_passphrase(home.path(), "p").put(&name("a"), &token("x")).await.unwrap();
    assert_eq!(mode(&path(home.path())), 0o600);
}

#[tokio::test]
async fn a_wrong_passphrase_and_a_damaged_file_are_told_apart() {
    let home = tempfile::tempdir().unwrap();
    with_passphrase(home.path(), "p").put(&name("a"), &token("x")).await.unwrap();
    let wrong = with_passphrase(home.path(), "q");
    let error = wrong.get(&name("a")).await.unwrap_err();
    assert!(matches!(error, VaultError::Sealed(SealedError::WrongPassphrase { .. })), "{error}");
    assert_eq!(error.kind(), FailureKind::Denied);
    // Nor does it overwrite what it cannot read.
    assert!(wrong.put(&name("b"), &token("y")).await.is_err());
    assert_eq!(value(&with_passphrase(home.path(), "p"), "a").await.as_deref(), Some("x"));

    let mut file = std::fs::read(path(home.path())).unwrap();
    file.truncate(file.len() - 3);
    std::fs::write(path(home.path()), file).unwrap();
    let error = with_passphrase(home.path(), "p").get(&name("a")).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Corrupt, "{error}");
    assert!(error.to_string().contains("damaged") && error.to_string().contains("v.sealed"), "{error}");
}

#[tokio::test]
async fn the_passphrase_can_be_a_file_or_be_typed() {
    let home = tempfile::tempdir().unwrap();
    let key = home.path().join("key");
    std::fs::write(&key, b"\xff\x00key\n").unwrap();
    let disk: Arc<dyn Disk> = Arc::new(LocalDisk);
    let variables = [("TRANSHIP_VAULT_KEY_FILE", key.to_str().unwrap())];
    vault(home.path(), Arc::clone(&disk), &variables, &[]).put(&name("a"), &token("x")).await.unwrap();
    assert_eq!(value(&vault(home.path(), Arc::clone(&disk), &variables, &[]), "a").await.as_deref(), Some("x"));
    std::fs::write(&key, b"").unwrap();
    let error = vault(home.path(), Arc::clone(&disk), &variables, &[]).list().await.unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.to_string().contains("cannot use the key file") && why.contains("it is empty"), "{error}: {why}");

    let home = tempfile::tempdir().unwrap();
    let typed = |answers: &[&'static str]| vault(home.path(), Arc::clone(&disk), &[], answers);
    for (answers, part) in [(&[][..], "nobody can be asked"), (&["one", "two"], "differ"), (&["", ""], "is empty")] {
        let error = typed(answers).put(&name("a"), &token("x")).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(!path(home.path()).exists());
    }
    let chosen = typed(&["one", "one"]);
    chosen.put(&name("a"), &token("x")).await.unwrap();
    // The second use in a run does not ask again.
    chosen.put(&name("b"), &token("y")).await.unwrap();
    assert_eq!(value(&typed(&["one"]), "b").await.as_deref(), Some("y"));
    // A vault that is there is not asked for twice, and a wrong answer can be given again.
    let second = typed(&["two", "two", "two", "one"]);
    assert!(second.list().await.is_err());
    assert_eq!(second.list().await.unwrap().len(), 2);
}

#[tokio::test]
async fn writers_at_once_lose_nothing() {
    let home = tempfile::tempdir().unwrap();
    let writers: Vec<_> = (0..8)
        .map(|number| {
            let vault = with_passphrase(home.path(), "p");
            tokio::spawn(async move { vault.put(&name(&format!("s{number}")), &token("x")).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(with_passphrase(home.path(), "p").list().await.unwrap().len(), 8);
}

// Fault rows 36, 37 and 41: whichever call fails, the file holds the old secrets or the new.
#[tokio::test]
async fn every_failure_of_the_disk_leaves_the_old_vault_or_the_new() {
    for failing in Failing::ALL {
        for nth in 0.. {
            let home = tempfile::tempdir().unwrap();
            with_passphrase(home.path(), "p").put(&name("a"), &token("old")).await.unwrap();
            let disk = FaultyDisk::new(nth, failing, io::ErrorKind::StorageFull);
            let faulty = vault(home.path(), Arc::new(disk.clone()), &[("TRANSHIP_VAULT_PASSPHRASE", "p")], &[]);
            let written = faulty.put(&name("a"), &token("new")).await;
            let found = value(&with_passphrase(home.path(), "p"), "a").await.unwrap();
            if !disk.has_failed() {
                assert_eq!(found, "new");
                assert!(nth > 3, "the disk was used");
                break;
            }
            assert_eq!(written.unwrap_err().kind(), FailureKind::Failed);
            assert!(["old", "new"].contains(&found.as_str()), "call {nth}: {found}");
        }
    }
}

#[tokio::test]
async fn a_person_may_mistype_a_passphrase_twice_and_a_script_never() {
    let home = tempfile::tempdir().unwrap();
    with_passphrase(home.path(), "p").put(&name("a"), &token("t")).await.unwrap();
    let typed = |answers: &[&'static str]| vault(home.path(), Arc::new(LocalDisk), &[], answers);
    assert_eq!(value(&typed(&["q", "r", "p"]), "a").await.as_deref(), Some("t"));
    let wrong = |error: VaultError| matches!(error, VaultError::Sealed(SealedError::WrongPassphrase { .. }));
    assert!(wrong(typed(&["q", "r", "s", "p"]).get(&name("a")).await.unwrap_err()));
    assert!(wrong(with_passphrase(home.path(), "q").get(&name("a")).await.unwrap_err()));
}
