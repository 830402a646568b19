use std::path::Path;

use super::*;

fn read(text: &str) -> Result<Serving, ConfigError> {
    read_serving(text, Path::new("serve.yaml"), Path::new("/etc/tranship"))
}

fn problems(text: &str) -> Vec<String> {
    read(text).unwrap_err().problems().iter().map(ToString::to_string).collect()
}

#[test]
fn every_key_is_read() {
    let serving = read(
        "listen: 0.0.0.0:5000\ntls-cert: cert.pem\ntls-key: /key.pem\nplain-http: false\nusers: users\n\
         anonymous: pull\nauth: token\nurl: https://r.example\n\
         storage: s3://images/site\nstorage-endpoint: https://minio.example\nstorage-region: here\nstorage-secret: v/s3\ngroups:\n- {name: dev, users: [alice, bob]}\n\
         access:\n- {repository: team-a/, to: ['group:dev', 'user:carol'], allow: [push]}\n- {to: [users], allow: [pull]}\n\
         immutable-tags: ['v*', 'release/app:*']\ndeletes: false\nweb: false\naccess-log: json\n\
         webhooks:\n- {url: 'https://hook.example/x', secret: v/s}\n\
         limits: {connections: 10, uploads: 20, blob-size: 1GiB, idle: 5s}\n",
    )
    .unwrap();
    assert_eq!(serving.listen, "0.0.0.0:5000".parse().ok());
    assert_eq!(serving.tls_cert.as_deref(), Some(Path::new("/etc/tranship/cert.pem")));
    assert_eq!(serving.tls_key.as_deref(), Some(Path::new("/key.pem")));
    assert_eq!((serving.plain_http, serving.deletes, serving.web), (Some(false), Some(false), Some(false)));
    assert_eq!((serving.anonymous, serving.auth), (Some(Rights::Pull), Some(Scheme::Token)));
    assert_eq!((serving.groups.len(), serving.access.len(), serving.webhooks.len()), (1, 2, 1));
    assert_eq!(serving.storage.map(|storage| storage.to_string()).as_deref(), Some("s3://images/site"));
    assert_eq!(serving.storage_endpoint.as_ref().map(url::Url::as_str), Some("https://minio.example/"));
    assert_eq!((serving.storage_region.as_deref(), serving.storage_secret.is_some()), (Some("here"), true));
    assert_eq!(serving.access_log, Some(LogForm::Json));
    assert_eq!(serving.limits.blob_size, Some(1 << 30));
    let (name, other) = ("team-a/app".parse().unwrap(), "team-ab".parse().unwrap());
    let [first, second] = &serving.access[..] else { panic!("{:?}", serving.access) };
    assert!(first.is_for(&name) && !first.is_for(&other) && second.is_for(&other));
    assert!(first.allows(Permission::Pull) && first.allows(Permission::Push) && !first.allows(Permission::Delete));
    let immutable = |name: &str, tag: &str| {
        let (name, tag) = (name.parse().unwrap(), tag.parse().unwrap());
        serving.immutable_tags.iter().any(|pattern| pattern.is_for(&name, &tag))
    };
    assert!(immutable("a", "v1.0") && immutable("release/app/x", "latest"));
    assert!(!immutable("a", "latest") && !immutable("release/apple", "latest") && !immutable("a", "V1"));
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_the_nearest_key() {
    let told = problems("listen: here\nimutable-tags: []\nweb: 'no'\nanonymous: all\n");
    assert_eq!(
        told,
        [
            "serve.yaml:2: unknown key `imutable-tags` in what `serve` is told; did you mean `immutable-tags`?",
            "serve.yaml:1: `listen`: `here` is not IP:PORT, as in 127.0.0.1:5000",
            "serve.yaml:4: `anonymous`: `all` is not one of none, pull, push",
            "serve.yaml:3: `web` is `true` or `false`",
        ]
    );
    for (text, told) in [
        ("access:\n- {to: [], allow: [pull]}\n", "serve.yaml:2: a rule of access needs `to` and `allow`"),
        ("access:\n- {to: ['group:x'], allow: [pull]}\n", "there is no group `x` under `groups`"),
        ("access:\n- {to: [alice], allow: [pull]}\n", "`alice` is not one of everyone, users, user:NAME, group:NAME"),
        ("access:\n- {to: [users], allow: [all]}\n", "`all` is not one of pull, push, delete"),
        ("groups:\n- {name: a, users: []}\n- {name: a}\n", "the name `a` stands twice"),
        ("tls-cert: x\n", "`tls-cert` and `tls-key` go together"),
        ("storage: /srv\n", "it is none of file:DIR, s3://BUCKET/PREFIX"),
        ("immutable-tags: ['[a']\n", "is no pattern for tags"),
        ("immutable-tags: ['Team:v*']\n", "is no pattern for tags"),
        ("immutable-tags: ['team:']\n", "it fits no tag"),
        ("webhooks:\n- {url: 'https://h/x', secret: v/s, secret-file: x}\n", "`secret` or `secret-file`, not both"),
        ("webhooks:\n- {url: 'https://h/x', token: x}\n", "looks like a secret"),
        ("limits: {connections: 0}\n", "is not a number from 1"),
        ("- a\n", "keys and values are expected for what `serve` is told"),
        ("listen: [\n", "serve.yaml:"),
    ] {
        let found = problems(text).join("\n");
        assert!(found.contains(told), "{text}: {found}");
    }
    let hidden = problems("webhooks:\n- {url: 'hook.example/cAnArY'}\n").join("\n");
    assert!(hidden.contains("`url`: it is not") && !hidden.contains("cAnArY"), "{hidden}");
    let several = read("a: 1\nb: 2\n").unwrap_err();
    assert!(several.to_string().contains("`b`"), "all of it is said: {several}");
}

#[test]
fn an_empty_file_says_nothing_and_one_that_is_missing_is_told() {
    assert!(read("").unwrap().listen.is_none());
    let error = load_serving(Path::new("/nonexistent/serve.yaml")).unwrap_err();
    assert_eq!(error.to_string(), "there is no file /nonexistent/serve.yaml");
}

#[test]
fn flags_win_over_the_file() {
    let file = read("listen: 1.2.3.4:1\nanonymous: pull\nimmutable-tags: [a]\nlimits: {uploads: 5}\n").unwrap();
    let flags = read("anonymous: none\nimmutable-tags: [b, c]\ndeletes: false\n").unwrap();
    let both = flags.over(file);
    assert_eq!((both.listen, both.anonymous), ("1.2.3.4:1".parse().ok(), Some(Rights::None)));
    assert_eq!(both.immutable_tags.iter().map(ToString::to_string).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!((both.deletes, both.limits.uploads), (Some(false), Some(5)));
}

#[test]
fn the_example_is_right_and_shows_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/serve/serve.yaml");
    let serving = load_serving(&path).unwrap();
    assert_eq!((serving.access.len(), serving.webhooks.len(), serving.immutable_tags.len()), (4, 1, 2));
    let text = std::fs::read_to_string(&path).unwrap();
    for key in read::SERVING.known {
        let shown = text.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{key}:")));
        assert!(shown, "the example does not show `{key}`");
    }
    // What is behind a `#` is right as well.
    let lines = text.lines().filter_map(|line| line.strip_prefix("# "));
    let others: Vec<&str> =
        lines.filter(|line| read::SERVING.known.iter().any(|key| line.starts_with(&format!("{key}: ")))).collect();
    assert!(others.len() > 2);
    super::read_serving(&others.join("\n"), &path, Path::new("/")).unwrap();
}
