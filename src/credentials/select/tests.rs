//! The choice, in a home of its own with a keychain that holds nothing or is not there.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keyring_core::CredentialStore;

use super::*;
use crate::credentials::{Backend, Credential, Prompt, Secret, Surroundings, Variables, VaultSettings};
use crate::files::{LocalDisk, Places};

struct Nobody;

impl Prompt for Nobody {
    fn ask(&self, _question: &str) -> std::io::Result<Secret> {
        Err(std::io::Error::other("no terminal"))
    }
}

struct Machine {
    home: tempfile::TempDir,
    store: Arc<CredentialStore>,
    opened: Arc<AtomicUsize>,
}

impl Machine {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { home, store: keyring_core::mock::Store::new().unwrap(), opened: Arc::default() }
    }

    /// The vaults `ci` (of the environment), `keys` and `other` (in the keychain), and `login`.
    fn vaults(&self, keychain: Option<()>) -> Vaults {
        let home = self.home.path().to_str().unwrap();
        let variables = [
            ("HOME", home),
            ("XDG_RUNTIME_DIR", home),
            ("TRANSHIP_SECRET_CI_ALL_USERNAME", "all"),
            ("TRANSHIP_SECRET_CI_ALL_PASSWORD", "canary"),
            ("TRANSHIP_SECRET_CI_TEAM_TOKEN", "canary"),
            ("TRANSHIP_SECRET_CI_HALF_PASSWORD", "canary"),
        ];
        let (store, opened) = (Arc::clone(&self.store), Arc::clone(&self.opened));
        let open = move || {
            opened.fetch_add(1, Ordering::SeqCst);
            keychain.map(|()| Arc::clone(&store)).ok_or_else(|| "no bus".to_owned())
        };
        let surroundings = Surroundings {
            places: Places::below(self.home.path()),
            disk: Arc::new(LocalDisk),
            variables: variables.into_iter().collect::<Variables>(),
            authfile: None,
            prompt: Arc::new(Nobody),
            keychain: Arc::new(open),
        };
        let vault = |name: &str, backend| VaultSettings { name: name.parse().unwrap(), backend };
        let configured = ["keys", "other"].map(|name| vault(name, Backend::Keychain));
        let configured = configured.into_iter().chain([vault("ci", Backend::Environment)]).collect();
        Vaults::new(surroundings, configured, Backend::Keychain)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

fn registry(text: &str) -> RegistryAddress {
    text.parse().unwrap()
}

fn rule(pattern: &str, path: &str) -> CredentialRule {
    let SecretPath { vault, secret } = path.parse().unwrap();
    CredentialRule { repository: pattern.parse().unwrap(), vault, secret }
}

fn bob() -> Credential {
    Credential::of_user("bob".to_owned(), Secret::new("canary".to_owned()))
}

/// Name and user, or the error with its reason.
async fn choice(
    vaults: &Vaults,
    wanted: &Wanted,
    registry: &str,
    repository: &str,
    rules: &[CredentialRule],
) -> String {
    let repository = Some(repository).filter(|text| !text.is_empty()).map(|text| text.parse().unwrap());
    match vaults.choose(wanted, &self::registry(registry), repository.as_ref(), rules).await {
        Ok(Chosen { name: None, credential: Credential::Anonymous, why }) => format!("none: {why}"),
        Ok(chosen) => format!("{}: {}", chosen.name.unwrap(), chosen.credential.username().unwrap()),
        Err(error) => {
            assert_eq!(error.kind(), FailureKind::Denied);
            assert!(!format!("{error:?}").contains("canary"));
            format!("{error}: {}", error.reason)
        }
    }
}

const DOCKER_FILE: &str = r#"{"auths":{"r.io":{"auth":"ZG9ja2VyOnA="}}}"#;

#[tokio::test]
async fn the_first_that_is_configured_counts() {
    let machine = Machine::new();
    let vaults = machine.vaults(Some(()));
    let rules = [rule("*", "ci/all"), rule("team", "ci/team")];
    let configured = Wanted::Configured;
    assert_eq!(choice(&vaults, &configured, "r.io", "a", &[]).await, "none: no credential is configured for r.io");
    machine.write(".docker/config.json", DOCKER_FILE);
    let docker = choice(&vaults, &configured, "r.io", "a", &[]).await;
    assert!(docker.ends_with("/.docker/config.json: docker"), "{docker}");
    vaults.log_in(&registry("r.io"), &bob(), None).await.unwrap();
    assert_eq!(choice(&vaults, &configured, "r.io", "a", &[]).await, "login: bob");
    assert_eq!(choice(&vaults, &configured, "r.io", "a", &rules).await, "ci/all: all");
    assert_eq!(choice(&vaults, &configured, "r.io", "team/x", &rules).await, "ci/team: token");
    assert_eq!(choice(&vaults, &configured, "r.io", "", &rules[1..]).await, "login: bob");
    let named = Wanted::Secret("ci/team".parse().unwrap());
    assert_eq!(choice(&vaults, &named, "r.io", "a", &rules).await, "ci/team: token");
    let anonymous = choice(&vaults, &Wanted::Anonymous, "r.io", "a", &rules).await;
    assert_eq!(anonymous, "none: `--anonymous` asks for none");
}

#[tokio::test]
async fn what_is_configured_and_cannot_be_read_is_never_stepped_over() {
    let machine = Machine::new();
    machine.write(".docker/config.json", DOCKER_FILE);
    machine.vaults(Some(())).log_in(&registry("r.io"), &bob(), None).await.unwrap();
    let vaults = machine.vaults(None);
    let cases = [
        ("keys/all", "cannot use the credential `keys/all` that is configured for r.io: cannot use the keychain"),
        (
            "ci/missing",
            "cannot use the credential `ci/missing` that is configured for r.io: its vault has no such secret",
        ),
        ("ci/half", "it has a `password` and no `username`"),
        ("unknown/x", "there is no vault `unknown`"),
    ];
    for (path, part) in cases {
        for (wanted, rules) in
            [(Wanted::Configured, vec![rule("*", path)]), (Wanted::Secret(path.parse().unwrap()), Vec::new())]
        {
            let said = choice(&vaults, &wanted, "r.io", "a", &rules).await;
            assert!(said.contains(part), "{said}");
        }
    }
    let said = choice(&vaults, &Wanted::Configured, "r.io", "a", &[]).await;
    assert!(
        said.starts_with("cannot use the credential `login` that is configured for r.io: cannot use the key"),
        "{said}"
    );
    machine.write(".docker/config.json", "{");
    let said = choice(&vaults, &Wanted::Configured, "other.io", "a", &[]).await;
    assert!(said.contains("not a file of registry credentials"), "{said}");
    machine.write("data/logins.json", "{");
    assert!(choice(&vaults, &Wanted::Configured, "r.io", "a", &[]).await.contains("list of log-ins"));
}

#[tokio::test]
async fn where_nobody_logged_in_no_keychain_is_asked() {
    let machine = Machine::new();
    let vaults = machine.vaults(None);
    vaults.choose(&Wanted::Configured, &registry("r.io"), None, &[]).await.unwrap();
    assert_eq!(machine.opened.load(Ordering::SeqCst), 0);
    assert_eq!(std::fs::read_dir(machine.home.path()).unwrap().count(), 0, "and nothing is written");
}

#[tokio::test]
async fn a_log_in_lasts_until_the_log_out() {
    let machine = Machine::new();
    let vaults = machine.vaults(Some(()));
    let (hub, entry) = (registry("index.docker.io"), |vault: &str, account: &str| {
        machine.store.build(&format!("tranship/{vault}"), account, None).unwrap().get_password()
    });
    assert!(vaults.log_out(&hub).await.unwrap().is_none());
    vaults.log_in(&hub, &bob(), None).await.unwrap();
    assert!(entry("login", "docker.io").unwrap().contains("bob"));
    let list = std::fs::read_to_string(machine.home.path().join("data/logins.json")).unwrap();
    assert!(list.contains("docker.io") && !list.contains("bob") && !list.contains("canary"), "{list}");
    // A log-in elsewhere leaves nothing behind.
    vaults.log_in(&hub, &bob(), Some(&"other".parse().unwrap())).await.unwrap();
    assert!(entry("login", "docker.io").is_err() && entry("other", "docker.io").is_ok());
    assert_eq!(choice(&vaults, &Wanted::Configured, "docker.io", "library/a", &[]).await, "login: bob");
    // Nobody is logged out where the secret could not be removed.
    assert!(machine.vaults(None).log_out(&hub).await.is_err());
    assert!(vaults.logins().unwrap().contains_key(&hub));
    assert_eq!(vaults.log_out(&hub).await.unwrap().unwrap().name.as_str(), "other");
    assert!(entry("other", "docker.io").is_err() && vaults.logins().unwrap().is_empty());
    assert!(vaults.log_in(&hub, &bob(), Some(&"ci".parse().unwrap())).await.is_err());
    assert!(vaults.logins().unwrap().is_empty());
}

#[tokio::test]
async fn a_secret_that_somebody_removed_is_not_a_missing_log_in() {
    let machine = Machine::new();
    let vaults = machine.vaults(Some(()));
    vaults.log_in(&registry("r.io"), &bob(), None).await.unwrap();
    machine.store.build("tranship/login", "r.io", None).unwrap().delete_credential().unwrap();
    let error = vaults.choose(&Wanted::Configured, &registry("r.io"), None, &[]).await.unwrap_err();
    assert!(matches!(error.reason, Reason::Missing(None)));
    assert!(error.hints()[0].contains("tranship login r.io"));
    assert!(vaults.log_out(&registry("r.io")).await.unwrap().is_some());
}

// Threat S33: what is kept for one registry is for no other.
#[tokio::test]
async fn a_log_in_is_for_exactly_its_registry() {
    let machine = Machine::new();
    let vaults = machine.vaults(Some(()));
    for known in ["reg.example.com", "docker.io", "[::1]:5000"] {
        vaults.log_in(&registry(known), &bob(), None).await.unwrap();
    }
    for same in ["REG.example.com", "registry-1.docker.io", "index.docker.io", "[0:0::1]:5000"] {
        assert_eq!(choice(&vaults, &Wanted::Configured, same, "a", &[]).await, "login: bob", "{same}");
    }
    for other in [
        "reg.example.com:5000",
        "reg.example.com:443",
        "reg.example.com.evil",
        "xreg.example.com",
        "example.com",
        "docker.io:5000",
        "auth.docker.io",
        "[::1]",
        "[::2]:5000",
    ] {
        assert!(choice(&vaults, &Wanted::Configured, other, "a", &[]).await.starts_with("none"), "{other}");
    }
}

#[tokio::test]
async fn log_ins_at_once_lose_nothing() {
    let machine = Arc::new(Machine::new());
    let log_ins: Vec<_> = (0..8)
        .map(|number| {
            let machine = Arc::clone(&machine);
            tokio::spawn(async move {
                let registry = registry(&format!("r{number}.io"));
                machine.vaults(Some(())).log_in(&registry, &bob(), None).await
            })
        })
        .collect();
    for log_in in log_ins {
        log_in.await.unwrap().unwrap();
    }
    assert_eq!(machine.vaults(Some(())).logins().unwrap().len(), 8);
    assert!(Path::new(machine.home.path()).join("data/logins.json").exists());
}
