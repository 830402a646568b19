use std::time::Duration;

use super::*;
use crate::credentials::Backend;
use crate::failure::{Failure as _, FailureKind};
use crate::image::Attached;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n    MAMCAQU=\n    -----END CERTIFICATE-----\n";

#[test]
fn everything_that_can_be_said() {
    let text = format!(
        "settings:
  default-remote-registry: registry-1.docker.io
  home-registry: registry.acme.example.net/team
  vault-backend: file
  platforms: [linux/amd64, linux/arm64]
  attached: all
  concurrency: 8
  store: images
  timeout: 1m30s
  retries: 0
remote-registries:
- address: registry.example.com:6000
  override-address: 10.0.0.5:6000
  ca-cert: |
    {CERTIFICATE}
  client-cert-file: /etc/client.pem
  client-key-file: client.key
  tls: skip-verify
  token-realms: [https://auth.corp.example]
  mirrors: [mirror.internal:5000/cache]
  limits: {{concurrency: 4, bandwidth: 50MiB/s}}
  headers: {{X-Team: blue}}
  credentials:
  - {{repository: team-a, vault: registry-credentials, secret: team-a}}
  - {{repository: '*', vault: registry-credentials, secret: example-registry}}
vaults:
- {{name: registry-credentials, backend: keychain}}
- {{name: ci, backend: environment}}
sites:
- {{name: stockholm, registries: [site1.example.net:5000]}}
"
    );
    let home = Home::with(&text);
    let config = home.file().load().unwrap();
    let settings = &config.settings;
    assert_eq!(settings.default_remote_registry.as_ref().unwrap().to_string(), "docker.io");
    assert_eq!(settings.home_registry.as_ref().unwrap().to_string(), "registry.acme.example.net/team");
    assert_eq!((settings.vault_backend, settings.attached), (Backend::File, Attached::All));
    assert_eq!((settings.concurrency, settings.retries), (8, Some(0)));
    assert_eq!(settings.store.as_deref(), Some(home.directory.path().join("images").as_path()));
    assert_eq!(settings.timeout, Some(Duration::from_secs(90)));
    let registry = config.registry(&"REGISTRY.example.com:6000".parse().unwrap()).unwrap();
    assert_eq!(registry.override_address.as_ref().unwrap().to_string(), "10.0.0.5:6000");
    assert_eq!(registry.tls, TlsMode::SkipVerify);
    assert_eq!(registry.limits, Limits { concurrency: Some(4), bandwidth: Some(50 << 20) });
    assert_eq!(registry.client_key_file.as_deref(), Some(home.directory.path().join("client.key").as_path()));
    assert_eq!(registry.headers.get("X-Team").map(String::as_str), Some("blue"));
    assert_eq!((registry.credentials.len(), config.vaults.len()), (2, 2));
    assert_eq!(config.site("stockholm").unwrap().registries.len(), 1);
    assert!(config.naming().known.contains(&registry.address));
}

#[test]
fn nothing_is_a_configuration_too() {
    for text in ["", "# only a comment\n", "{}\n", "settings:\nvaults:\n"] {
        let config = Home::with(text).file().load().unwrap();
        assert_eq!(config.settings.concurrency, DEFAULT_CONCURRENCY);
        assert_eq!(config.settings.vault_backend, Backend::Keychain);
    }
}

fn problems(text: &str) -> Vec<String> {
    let home = Home::with(text);
    let error = home.file().load().expect_err(text);
    assert_eq!(error.kind(), FailureKind::Usage);
    let prefix = format!("{}:", home.path().display());
    error.problems().iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
}

#[test]
fn all_that_is_wrong_is_found_with_its_line() {
    let found = problems(
        "settings:
  default-remote-registery: docker.io
  concurrency: 0
remote-registries:
- adress: x.example
- address: https://x.example
  tls: never
- address: docker.io
- address: registry-1.docker.io
  client-cert-file: x
  limits: {bandwidth: fast}
sites:
- name: Stockholm
colour: blue
",
    );
    let wanted = [
        "14: unknown key `colour` in the configuration; known are settings, remote-registries, vaults, sites",
        "2: unknown key `default-remote-registery` in the settings; did you mean `default-remote-registry`?",
        "3: `concurrency`: `0` is not a number from 1 to 64",
        "9: the address `registry-1.docker.io` stands twice",
        "5: unknown key `adress` in a remote registry; did you mean `address`?",
        "5: `address` is missing",
        "6: `address`: ",
        "7: `tls`: `never` is not one of verify, skip-verify, plain-http",
        "11: `bandwidth`: `fast` is not a rate; one is written as in 50MiB/s",
        "9: `client-cert-file` and `client-key-file` go together",
        "13: `name`: `Stockholm` is not a name",
        "13: a site needs at least one of `registries`",
    ];
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
    for (found, wanted) in found.iter().zip(wanted) {
        assert!(found.starts_with(wanted), "{found} is not {wanted}");
    }
}

#[test]
fn values_that_break_their_rule() {
    let registry = |line: &str| problems(&format!("remote-registries:\n- address: x.example\n  {line}\n"));
    for (line, part) in [
        ("ca-cert: nothing", "there is no certificate in it"),
        ("ca-cert: \"-----BEGIN CERTIFICATE-----\\n!!!\\n-----END CERTIFICATE-----\\n\"", "cannot be read"),
        ("ca-cert-file: ''", "the path is empty"),
        ("token-realms: [http://auth.example]", "is not an https URL"),
        ("token-realms: [auth.example]", "is not a URL"),
        ("token-realms: https://auth.example", "`token-realms` is a list"),
        ("mirrors: [https://mirror]", "mirror"),
        ("headers: {'bad name': x}", "not the name of a header"),
        ("headers: [x]", "names and values"),
        ("credentials: [{repository: A, vault: v, secret: s}]", "`repository`: "),
        ("credentials: [{repository: a, vault: v}]", "`secret` is missing"),
        ("credentials: [{repository: 1.10, vault: v, secret: s}]", "`repository` is a number or a truth value here"),
        ("override-address: [x]", "`override-address` is one plain value"),
        ("limits: 5", "keys and values are expected for the limits"),
    ] {
        let found = registry(line);
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert!(found[0].starts_with("3: ") && found[0].contains(part), "{line}: {found:?}");
    }
    for (line, part) in [("timeout: soon", "30s"), ("timeout: -3s", "30s"), ("retries: 101", "0 to 100")] {
        assert!(problems(&format!("settings: {{{line}}}\n"))[0].contains(part), "{line}");
    }
    assert!(problems("- a\n")[0].contains("keys and values are expected for the configuration"));
    assert!(problems("a: [\n")[0].contains("this is not YAML"));
    assert!(problems("a:\n[]\nb: c\n")[0].contains("could not find expected ':'"));
}

#[test]
fn secrets_are_refused_and_not_shown() {
    for text in [
        "remote-registries:\n- address: x.example\n  password: canary\n",
        "remote-registries:\n- {address: x.example, username: canary}\n",
        "remote-registries:\n- address: x.example\n  credentials:\n  - {repository: '*', vault: v, secret: s, token: canary}\n",
        "remote-registries:\n- address: x.example\n  headers: {Authorization: Bearer canary}\n",
        "remote-registries:\n- address: bob:canary@x.example\n",
        "remote-registries:\n- address: x.example\n  ca-cert: |\n    -----BEGIN PRIVATE KEY-----\n    canary\n",
        "remote-registries:\n- address: x.example\n  token-realms: [\"https://bob:canary@x.example\"]\n",
        "vaults:\n- name: v\n  data: {a: canary}\n",
    ] {
        let found = problems(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("secret") && !found[0].contains("canary"), "{found:?}");
    }
}

#[test]
fn avassas_own_fields_are_taken_with_a_warning() {
    let home = Home::with("vaults:\n- name: v\n  distribute: {to: all}\n  cas-required: true\n");
    assert_eq!(home.file().load().unwrap().vaults.len(), 1);
    let warnings = home.file().validate().unwrap();
    assert_eq!(warnings.iter().map(|warning| warning.line).collect::<Vec<_>>(), [Some(3), Some(4)]);
}

#[test]
fn validation_looks_at_files_and_names() {
    let rule = "credentials: [{repository: '*', vault: nowhere, secret: s}]";
    let home = Home::with(&format!("remote-registries:\n- address: x.example\n  ca-cert-file: ca.pem\n  {rule}\n"));
    let error = home.file().validate().unwrap_err().to_string();
    assert!(error.contains("config.yaml:3: `ca-cert-file`: cannot read"), "{error}");
    std::fs::write(home.directory.path().join("ca.pem"), CERTIFICATE.replace("    ", "")).unwrap();
    let warnings = home.file().validate().unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].what.contains("no vault `nowhere`") && warnings[0].line == Some(4), "{warnings:?}");
}
