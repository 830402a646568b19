use super::*;
use crate::failure::{Failure as _, FailureKind};
use crate::image::RegistryAddress;
use crate::yaml::Problem;

fn change(home: &Home, change: &Change) -> Result<Vec<Problem>, ConfigError> {
    home.file().change(change, Mode::Apply)
}

fn address(text: &str) -> RegistryAddress {
    text.parse().unwrap()
}

const TEXT: &str = "\
# ours
settings:
  default-remote-registry: docker.io # for short names
  home-registry: home.example

remote-registries:
# the main one
- address: a.example
  tls: verify   # never less
  credentials:
  - {repository: '*', vault: v, secret: s}
- address: b.example
  mirrors: [m.example]
vaults:
- {name: v, backend: keychain}
";

#[test]
fn lines_from_the_field() {
    let home = Home::with("");
    let settings = path("topdc image-registry settings");
    let create = Change::Create(settings, body("default-remote-registry: registry-1.docker.io\n"));
    change(&home, &create).unwrap();
    // Settings can be created again; what is not given stays.
    change(&home, &create).unwrap();
    let DocumentPath::Secrets(vault) = path("strongbox vaults registry-credentials secrets") else { panic!() };
    home.file().ensure_vault(&vault, Mode::Apply).unwrap();
    home.file().ensure_vault(&vault, Mode::Apply).unwrap();
    let registry = "address: registry.example.com:6000
credentials:
- repository: '*'
  vault: registry-credentials
  secret: example-registry
";
    let create = Change::Create(path("image-registry remote-registries"), body(registry));
    change(&home, &create).unwrap();
    assert_eq!(
        home.text(),
        "settings:
  default-remote-registry: registry-1.docker.io
vaults:
- name: registry-credentials
  backend: keychain
remote-registries:
- address: registry.example.com:6000
  credentials:
  - repository: '*'
    vault: registry-credentials
    secret: example-registry
"
    );
    let error = change(&home, &create).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Failed);
    assert!(error.hints()[0].contains("`replace`") && error.hints()[0].contains("`merge`"));
    assert_eq!(home.file().load().unwrap().vaults.len(), 1);
    assert!(home.file().validate().unwrap().is_empty());
}

#[test]
fn merge_removes_nothing() {
    let home = Home::with(TEXT);
    let text = "tls: skip-verify
credentials:
- {repository: team-a, vault: v, secret: t}
- {repository: '*', vault: v, secret: other}
";
    change(&home, &Change::Merge(path("image-registry remote-registries a.example"), body(text))).unwrap();
    let wanted = TEXT
        .replace("tls: verify ", "tls: skip-verify ")
        .replace("secret: s}\n", "secret: other}\n  - {repository: team-a, vault: v, secret: t}\n");
    assert_eq!(home.text(), wanted);
    let text = "- {address: b.example, mirrors: [n.example]}\n- address: c.example\n";
    change(&home, &Change::Merge(path("image-registry remote-registries"), body(text))).unwrap();
    assert_eq!(home.text(), wanted.replace("[m.example]\n", "[n.example]\n- address: c.example\n"));
}

#[test]
fn replace_puts_the_whole() {
    let home = Home::with(TEXT);
    change(&home, &Change::Replace(path("image-registry settings"), body("home-registry: other.example\n"))).unwrap();
    let wanted = TEXT
        .replace("  default-remote-registry: docker.io # for short names\n", "")
        .replace("home-registry: home.example", "home-registry: other.example");
    assert_eq!(home.text(), wanted);
    // The key of the path need not be repeated; a missing entry is added.
    let replace = Change::Replace(path("image-registry remote-registries A.example"), body("tls: plain-http\n"));
    change(&home, &replace).unwrap();
    let replace = Change::Replace(path("image-registry sites stockholm"), body("registries: [s.example]\n"));
    change(&home, &replace).unwrap();
    let config = home.file().load().unwrap();
    let registry = config.registry(&address("a.example")).unwrap();
    assert_eq!((registry.tls, registry.credentials.len()), (TlsMode::PlainHttp, 0));
    assert!(config.site("stockholm").is_some());
    assert!(home.text().contains("tls: plain-http   # never less"), "{}", home.text());
}

#[test]
fn nothing_can_be_the_whole() {
    let home = Home::with(TEXT);
    change(&home, &Change::Replace(path("image-registry settings"), body(""))).unwrap();
    assert!(home.file().list(&path("image-registry settings")).unwrap().is_empty());
    change(&home, &Change::Replace(path("image-registry remote-registries"), body("[]\n"))).unwrap();
    assert!(home.file().load().unwrap().remote_registries.is_empty());
    assert!(home.text().starts_with("# ours\n") && home.text().ends_with("- {name: v, backend: keychain}\n"));
}

#[test]
fn delete_takes_what_it_names() {
    let home = Home::with(TEXT);
    change(&home, &Change::Delete(path("image-registry remote-registries b.example"))).unwrap();
    assert_eq!(home.text(), TEXT.replace("- address: b.example\n  mirrors: [m.example]\n", ""));
    change(&home, &Change::Delete(path("image-registry settings home-registry"))).unwrap();
    assert!(!home.text().contains("home-registry"));
    for gone in ["image-registry remote-registries b.example", "image-registry sites", "strongbox vaults w"] {
        let error = change(&home, &Change::Delete(path(gone))).unwrap_err();
        assert_eq!(error.kind(), FailureKind::NotFound, "{gone}: {error}");
    }
}

#[test]
fn show_and_list() {
    let file = Home::with(TEXT);
    let file = file.file();
    assert_eq!(file.list(&path("image-registry remote-registries")).unwrap(), ["a.example", "b.example"]);
    assert_eq!(file.list(&path("image-registry settings")).unwrap(), ["default-remote-registry", "home-registry"]);
    assert!(file.list(&path("image-registry sites")).unwrap().is_empty());
    let shown = file.show(&path("image-registry remote-registries b.example")).unwrap();
    assert_eq!(serde_json::to_string(&shown).unwrap(), r#"{"address":"b.example","mirrors":["m.example"]}"#);
    let shown = file.show(&path("image-registry settings home-registry")).unwrap();
    assert_eq!(shown.as_str(), Some("home.example"));
    assert_eq!(file.show(&path("strongbox vaults w")).unwrap_err().kind(), FailureKind::NotFound);
    assert!(matches!(file.show(&path("strongbox vaults v secrets")), Err(ConfigError::Verb { .. })));
}

#[test]
fn validation_changes_nothing_and_finds_the_same() {
    let home = Home::with(TEXT);
    let good = Change::Create(path("image-registry remote-registries"), body("address: c.example\n"));
    home.file().change(&good, Mode::Validate).unwrap();
    let there = Change::Create(path("image-registry remote-registries"), body("address: a.example\n"));
    assert!(matches!(home.file().change(&there, Mode::Validate), Err(ConfigError::Exists { .. })));
    assert_eq!(home.text(), TEXT);
    assert_eq!(std::fs::read_dir(home.directory.path()).unwrap().count(), 1);
}

#[test]
fn wrong_bodies_name_their_line_and_change_nothing() {
    let home = Home::with(TEXT);
    let registries = "image-registry remote-registries";
    for (verb, at, text, part) in [
        ("create", registries, "address: c.example\nmirors: []\n", "standard input:2: unknown key `mirors`"),
        ("create", registries, "tls: verify\n", "standard input:1: `address` is missing"),
        ("create", registries, "address: c.example\npassword: canary\n", "standard input:2: `password` of a remote"),
        ("merge", registries, "tls: verify\n", "`address` is missing"),
        ("replace", "image-registry remote-registries a.example", "address: b.example\n", "not the one of the path"),
        ("merge", "image-registry sites stockholm", "name: stockholm\n", "with this change: a site needs"),
        ("create", "image-registry settings", "home: x\n", "unknown key `home` in the settings"),
        ("create", "strongbox vaults v secrets", "name: x\n", "`create` does not go with"),
    ] {
        let (at, text) = (path(at), body(text));
        let wrong = match verb {
            "create" => Change::Create(at, text),
            "merge" => Change::Merge(at, text),
            _ => Change::Replace(at, text),
        };
        let error = change(&home, &wrong).unwrap_err();
        assert_eq!(error.kind(), FailureKind::Usage, "{error}");
        assert!(error.to_string().contains(part) && !error.to_string().contains("canary"), "{error}");
        assert_eq!(home.text(), TEXT);
    }
}

#[test]
fn what_has_no_meaning_is_left_out() {
    let home = Home::with("");
    let text = "name: v\nmax-versions: 3 # old\ndistribute: {to: all}\nbackend: file\n";
    let warnings = change(&home, &Change::Create(path("strongbox vaults"), body(text))).unwrap();
    assert_eq!(warnings.iter().map(|warning| warning.line).collect::<Vec<_>>(), [Some(2), Some(3)]);
    assert_eq!(home.text(), "vaults:\n- name: v\n  backend: file\n");
}

#[test]
fn settings_one_at_a_time() {
    let home = Home::with(TEXT);
    let file = home.file();
    file.set_setting(SettingKey::HomeRegistry, "new.example/x").unwrap();
    assert_eq!(home.text(), TEXT.replace("home.example", "new.example/x"));
    file.set_setting(SettingKey::Platforms, "linux/amd64, linux/arm64").unwrap();
    file.set_setting(SettingKey::Concurrency, "9").unwrap();
    let settings = file.load().unwrap().settings;
    assert_eq!(SettingKey::Platforms.shown(&settings).as_deref(), Some("linux/amd64,linux/arm64"));
    assert_eq!(settings.concurrency, 9);
    file.unset_setting(SettingKey::Concurrency).unwrap();
    assert_eq!(file.unset_setting(SettingKey::Concurrency).unwrap_err().kind(), FailureKind::NotFound);
    let error = file.set_setting(SettingKey::Attached, "some").unwrap_err();
    assert_eq!(error.to_string(), "the setting: `attached`: `some` is not one of none, image, all");
}

#[test]
fn registries_by_type() {
    let home = Home::with(TEXT);
    let file = home.file();
    let mut entry = RemoteRegistry::unconfigured(address("c.example"));
    entry.limits = Limits { concurrency: Some(2), bandwidth: Some(50 << 20) };
    entry.ca_cert_file = Some("ca.pem".into());
    file.add_registry(&entry).unwrap();
    assert!(matches!(file.add_registry(&entry), Err(ConfigError::Exists { .. })));
    file.set_registry(&address("c.example"), |entry| entry.tls = TlsMode::PlainHttp).unwrap();
    let added = "- address: c.example\n  ca-cert-file: ca.pem\n  limits:\n    concurrency: 2\n    bandwidth: 50MiB/s\n  tls: plain-http\n";
    assert_eq!(home.text(), TEXT.replace("vaults:\n", &format!("{added}vaults:\n")));
    file.set_registry(&address("c.example"), |entry| entry.limits = Limits::default()).unwrap();
    assert!(!home.text().contains("limits"));
    file.remove_registry(&address("c.example")).unwrap();
    assert_eq!(home.text(), TEXT);
    let error = file.set_registry(&address("c.example"), |_| ()).unwrap_err();
    assert_eq!(error.kind(), FailureKind::NotFound);
}

#[test]
fn a_person_edits_the_whole() {
    let home = Home::with("settings: {oops: 1}\n");
    let file = home.file();
    let before = file.text().unwrap();
    assert!(file.rewrite(&before, "settings: {more: 1}\n").is_err());
    file.rewrite(&before, TEXT).unwrap();
    assert_eq!(home.text(), TEXT);
    assert!(file.rewrite(&before, "").unwrap_err().to_string().contains("cannot write"));
}
