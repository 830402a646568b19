//! Files in all their places, and helpers that are shell scripts.

use super::*;
use crate::credentials::KeyName;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    fn entry(&self, name: &str, registry: &str, username: &str) {
        self.write(name, &format!(r#"{{"auths":{{"{registry}":{{"username":"{username}","password":"p"}}}}}}"#));
    }

    /// Another process writes the script, because one that is open for writing anywhere cannot be run, and other
    /// tests fork at any time.
    #[cfg(unix)]
    fn helper(&self, name: &str, script: &str) {
        let path = self.path(&format!("bin/docker-credential-{name}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let write = r#"printf '#!/bin/sh\n%s\n' "$2" > "$1" && chmod 755 "$1""#;
        let status = std::process::Command::new("sh").args(["-c", write, "sh"]).arg(&path).arg(script).status();
        assert!(status.unwrap().success());
    }

    fn files_with(&self, more: &[(&str, &str)]) -> DockerFiles {
        let home = self.0.path().to_str().unwrap();
        let path = format!("{home}/bin:/usr/bin:/bin");
        let runtime = format!("{home}/run");
        let own = [("HOME", home), ("PATH", &*path), ("XDG_RUNTIME_DIR", &*runtime)];
        DockerFiles::new(own.into_iter().chain(more.iter().copied()).collect(), None)
    }

    fn files(&self) -> DockerFiles {
        self.files_with(&[])
    }
}

async fn user(files: &DockerFiles, registry: &str) -> String {
    match files.find(&registry.parse().unwrap(), None).await {
        Ok(Some(Found { credential: Credential::Password { username, .. }, .. })) => username,
        Ok(Some(Found { credential, .. })) => format!("{credential:?}"),
        Ok(None) => "none".to_owned(),
        Err(error) => format!("error: {error}"),
    }
}

#[tokio::test]
async fn files_are_searched_in_order() {
    let home = Home::new();
    let everywhere = |home: &Home, username: &str| home.entry(username, "r.io", username);
    assert_eq!(user(&home.files(), "r.io").await, "none");
    // From the last to the first, so that each that is added stands before those that are there.
    for place in [".docker/config.json", ".config/containers/auth.json", "run/containers/auth.json"] {
        everywhere(&home, place);
        assert_eq!(user(&home.files(), "r.io").await, place);
    }
    everywhere(&home, "docker/config.json");
    let docker = home.path("docker");
    let docker = [("DOCKER_CONFIG", docker.to_str().unwrap())];
    assert_eq!(user(&home.files_with(&docker), "r.io").await, "docker/config.json");
    everywhere(&home, "named");
    everywhere(&home, "flag");
    let named = home.path("named");
    let named = [docker[0], ("REGISTRY_AUTH_FILE", named.to_str().unwrap())];
    let mut files = home.files_with(&named);
    assert_eq!(user(&files, "r.io").await, "named");
    files.authfile = Some(home.path("flag"));
    assert_eq!(user(&files, "r.io").await, "flag");
    assert_eq!(user(&files, "other.io").await, "none");
}

#[tokio::test]
async fn a_file_without_an_entry_gives_way_to_the_next() {
    let home = Home::new();
    home.entry(".docker/config.json", "r.io", "bob");
    home.write("run/containers/auth.json", r#"{"auths":{"r.io":{},"other.io":{"auth":"Ym9iOnA="}}}"#);
    home.write(".config/containers/auth.json", " \n");
    assert_eq!(user(&home.files(), "r.io").await, "bob");
    // Where docker's directory is named, the usual one is not meant.
    let none = home.path("none");
    let files = home.files_with(&[("DOCKER_CONFIG", none.to_str().unwrap())]);
    assert_eq!(user(&files, "r.io").await, "none");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_an_error_without_its_content() {
    let home = Home::new();
    let path = home.write(".docker/config.json", r#"{"auths":{"r.io":"canary"}}"#);
    let error = home.files().find(&"r.io".parse().unwrap(), None).await.unwrap_err();
    assert!(error.to_string().contains("config.json is not a file of registry credentials (line 1"), "{error}");
    assert!(!format!("{error:?} {error}").contains("canary"));
    assert!(error.hints()[0].contains("--authfile"));

    std::fs::write(&path, vec![b' '; 1 << 21]).unwrap();
    assert!(user(&home.files(), "r.io").await.starts_with("error: cannot read"));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(user(&home.files(), "r.io").await.starts_with("error: cannot read"));
    let mut files = home.files();
    files.authfile = Some(home.path("missing"));
    assert!(user(&files, "r.io").await.starts_with("error: cannot read"));
}

#[cfg(unix)]
#[tokio::test]
async fn helpers_are_asked_by_the_protocol() {
    let home = Home::new();
    let config = r#"{"credsStore":"store","credHelpers":{"gcr.io":"own"},"auths":{"plain.io":{"auth":"Ym9iOnA="}}}"#;
    home.write(".docker/config.json", config);
    home.helper("own", r#"echo '{"ServerURL":"gcr.io","Username":"<token>","Secret":"canary"}'"#);
    let store = r#"read -r server
test "$1" = get || exit 2
case "$server" in
  plain.io) echo "credentials not found in native keychain"; exit 1;;
  empty.io) echo '{"Username":"","Secret":""}';;
  *) echo "{\"Username\":\"$server\",\"Secret\":\"s\"}";;
esac"#;
    home.helper("store", store);
    let files = home.files();
    assert_eq!(user(&files, "gcr.io").await, "IdentityToken([hidden])");
    assert_eq!(user(&files, "other.io:5000").await, "other.io:5000");
    assert_eq!(user(&files, "index.docker.io").await, "https://index.docker.io/v1/");
    // What the helper does not have is looked for in the file.
    assert_eq!(user(&files, "plain.io").await, "bob");
    assert_eq!(user(&files, "empty.io").await, "none");
    let found = files.find(&"gcr.io".parse().unwrap(), None).await.unwrap().unwrap();
    assert!(matches!(&found.by, By::Helper(program) if program == "docker-credential-own"));
}

// Threat S29.
#[cfg(unix)]
#[tokio::test]
async fn a_helpers_name_cannot_be_a_path_or_a_command() {
    let home = Home::new();
    home.helper("x", "touch \"$0.ran\"");
    for name in ["../../evil", "a b", "-rf", "x;touch", "x\\n", "$(x)", "/bin/sh", "ä", "a/../x"] {
        home.write(".docker/config.json", &format!(r#"{{"credHelpers":{{"r.io":"{name}"}}}}"#));
        let said = user(&home.files(), "r.io").await;
        assert!(said.contains("cannot name a credential helper") && !said.contains('\n'), "{name}: {said}");
    }
    assert!(!home.path("bin/docker-credential-x.ran").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_helper_that_fails_is_an_error_and_shows_no_secret() {
    let home = Home::new();
    home.write(".docker/config.json", r#"{"credsStore":"x"}"#);
    assert!(user(&home.files(), "r.io").await.contains("`docker-credential-x` failed"), "a missing program");
    let cases = [
        ("echo 'no such \u{1b}[1mthing'; exit 3", "exit status: 3 and said `no such \\u{1b}[1mthing`"),
        (r#"echo '{"Secret":"canary"}'; exit 1"#, "it ended with exit status: 1, which"),
        ("echo canary", "its answer is not what helpers answer"),
        (r#"echo '{"Username":"u","Secret":["canary"]}'"#, "its answer is not what helpers answer"),
        ("head -c 100000 /dev/zero", "more than 65536 bytes"),
        ("exit 0", "its answer is not"),
    ];
    for (script, part) in cases {
        home.helper("x", script);
        let said = user(&home.files(), "r.io").await;
        assert!(said.contains(part) && !said.contains("canary"), "{script}: {said}");
    }
    home.helper("x", "sleep 30");
    let mut files = home.files();
    files.patience = Duration::from_millis(200);
    assert!(user(&files, "r.io").await.contains("did not answer within"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_helper_does_not_see_our_variables() {
    let home = Home::new();
    home.write(".docker/config.json", r#"{"credsStore":"x"}"#);
    home.helper("x", r#"echo "{\"Username\":\"got ${CARGO_MANIFEST_DIR:+it}${TRANSHIP_X}\",\"Secret\":\"s\"}""#);
    let command = home.files_with(&[("TRANSHIP_VAULT_PASSPHRASE", "canary")]);
    assert_eq!(user(&command, "r.io").await, "got it");
}

#[tokio::test]
async fn as_a_vault_it_is_named_by_registry_and_only_read() {
    let home = Home::new();
    let config = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"aHViOnA="},"quay.io/team":{"auth":"dGVhbTpw"},"b@d":{}},"credHelpers":{"gcr.io":"gcloud"}}"#;
    home.write(".docker/config.json", config);
    let vault = Docker::new("docker".parse().unwrap(), home.files());
    let names: Vec<_> = vault.list().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["docker.io", "gcr.io", "quay.io/team"]);
    for (secret, username) in [("docker.io", "hub"), ("quay.io/team/app", "team")] {
        let data = vault.get(&secret.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(data.credential().unwrap().username(), Some(username));
        assert_eq!(data.keys().map(KeyName::as_str).collect::<Vec<_>>(), ["password", "username"]);
    }
    assert!(vault.get(&"quay.io".parse().unwrap()).await.unwrap().is_none());
    assert!(vault.put(&"quay.io".parse().unwrap(), &SecretData::default()).await.is_err());
    assert_eq!(std::fs::read_to_string(home.path(".docker/config.json")).unwrap(), config);
}
