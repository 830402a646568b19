use super::*;

const HTTPS: &str = "https://registry.example.com/v2/a/tags/list";

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn policy(home: &str) -> Policy {
    let realms = ["https://auth.corp.example", "http://plain.corp.example"];
    Policy::new(Origin::of(&url(home)).unwrap(), realms.map(|realm| Origin::of(&url(realm)).unwrap()))
}

/// Judges what came with an answer of the configured origin; `Err` is the refusal's name.
fn judge(home: &str, handed: Handed, to: &str) -> Result<Standing, String> {
    judge_from(home, home, handed, to)
}

fn judge_from(home: &str, base: &str, handed: Handed, to: &str) -> Result<Standing, String> {
    let policy = policy(home);
    let target = url(base).join(to).unwrap();
    let judged = policy.judge(handed, &url(base), target, policy.home().reach());
    judged.map(|permit| permit.standing()).map_err(|refusal| {
        let name = format!("{refusal:?}");
        name.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
    })
}

fn check(home: &str, handed: Handed, cases: &[(&str, Result<Standing, &str>)]) {
    for (to, expected) in cases {
        let expected = expected.map_err(str::to_owned);
        assert_eq!(judge(home, handed, to), expected, "{handed:?} {home} -> {to}");
    }
}

// S6, S8, S38.
#[test]
fn a_credential_goes_to_realms_that_belong_to_the_registry() {
    check(
        HTTPS,
        Handed::Realm,
        &[
            ("https://registry.example.com/token", Ok(Standing::Home)),
            ("https://registry.example.com:8443/token", Ok(Standing::Realm)),
            ("https://auth.example.com/token", Ok(Standing::Realm)),
            ("https://auth.corp.example/x", Ok(Standing::Realm)),
            ("https://auth.corp.example:444/x", Err("ForeignRealm")),
            ("http://plain.corp.example/x", Ok(Standing::Realm)),
            ("https://example.com.evil.net/token", Err("ForeignRealm")),
            ("https://evil.com/token", Err("ForeignRealm")),
            ("http://registry.example.com/token", Err("Downgrade")),
            ("http://127.0.0.1/token", Err("Downgrade")),
            ("https://127.0.0.1/token", Err("ForeignRealm")),
            ("https://user@auth.example.com/token", Err("Malformed")),
            ("file:///etc/passwd", Err("Malformed")),
        ],
    );
    check("https://registry-1.docker.io", Handed::Realm, &[("https://auth.docker.io/token", Ok(Standing::Realm))]);
    check("https://registry.redhat.io", Handed::Realm, &[("https://sso.redhat.com/x", Ok(Standing::Realm))]);
    check("https://xregistry.redhat.io", Handed::Realm, &[("https://sso.redhat.com/x", Err("ForeignRealm"))]);
    // Every customer has a name below these; the public suffix list knows.
    check("https://a.github.io", Handed::Realm, &[("https://b.github.io/token", Err("ForeignRealm"))]);
    check("https://10.0.0.1", Handed::Realm, &[("https://10.0.0.2/token", Err("ForeignRealm"))]);
    check(
        "http://127.0.0.1:5000",
        Handed::Realm,
        &[
            ("http://127.0.0.1:5001/token", Ok(Standing::Realm)),
            ("http://127.0.0.2:5001/token", Err("ForeignRealm")),
            ("https://auth.example.com/token", Err("ForeignRealm")),
        ],
    );
}

#[test]
fn without_a_credential_a_realm_only_has_to_be_outside() {
    check(
        HTTPS,
        Handed::AnonymousRealm,
        &[
            ("https://evil.com/token", Ok(Standing::Stranger)),
            ("http://evil.com/token", Err("Downgrade")),
            ("https://169.254.169.254/token", Err("Inward")),
            ("https://127.0.0.1/token", Err("Inward")),
            ("https://[::ffff:10.0.0.1]/token", Err("Inward")),
        ],
    );
}

// S3, S4, S5, S7, S13, S14.
#[test]
fn redirects_lead_outward_and_take_nothing_along() {
    check(
        HTTPS,
        Handed::Redirect,
        &[
            ("/elsewhere", Ok(Standing::Home)),
            ("https://registry.example.com:8443/x", Ok(Standing::Stranger)),
            ("https://cdn.example.net/x?sig=1", Ok(Standing::Stranger)),
            ("https://auth.corp.example/x", Ok(Standing::Stranger)),
            ("http://registry.example.com/x", Err("Downgrade")),
            ("http://127.0.0.1/x", Err("Downgrade")),
            ("https://127.0.0.1/x", Err("Inward")),
            ("https://localhost/x", Err("Inward")),
            ("https://192.168.1.1/x", Err("Inward")),
            ("https://169.254.169.254/latest/meta-data", Err("Inward")),
            ("gopher://x/", Err("Malformed")),
        ],
    );
    check(
        "http://127.0.0.1:5000",
        Handed::Redirect,
        &[
            ("http://127.0.0.2:5001/x", Ok(Standing::Stranger)),
            ("https://cdn.example.net/x", Ok(Standing::Stranger)),
            ("http://cdn.example.net/x", Err("Downgrade")),
            ("http://169.254.169.254/x", Err("Inward")),
        ],
    );
    let back = judge_from(HTTPS, "https://cdn.example.net/x", Handed::Redirect, HTTPS);
    assert_eq!(back, Ok(Standing::Stranger), "who left home does not come back with its key");
}

// S9.
#[test]
fn uploads_go_elsewhere_only_over_tls_and_without_a_credential() {
    check(
        HTTPS,
        Handed::Upload,
        &[
            ("/v2/a/blobs/uploads/1?_state=x", Ok(Standing::Home)),
            ("https://storage.example.net/x", Ok(Standing::Stranger)),
            ("http://evil.com/x", Err("Downgrade")),
            ("https://127.0.0.1/x", Err("Inward")),
        ],
    );
    check(
        "http://127.0.0.1:5000",
        Handed::Upload,
        &[
            ("http://127.0.0.2:5001/x", Err("Elsewhere")),
            ("http://127.0.0.1:5001/x", Err("Elsewhere")),
            ("http://evil.com/x", Err("Elsewhere")),
            ("https://storage.example.net/x", Ok(Standing::Stranger)),
        ],
    );
}

// S10, S1, S2.
#[test]
fn pages_stay_and_foreign_layers_are_not_fetched() {
    check(
        HTTPS,
        Handed::NextPage,
        &[
            ("?last=b", Ok(Standing::Home)),
            ("//evil.com/v2/a/tags/list", Err("Elsewhere")),
            ("https://evil.com/v2/a/tags/list", Err("Elsewhere")),
            ("https://registry.example.com:8443/v2/a/tags/list", Err("Elsewhere")),
            ("http://registry.example.com/v2/a/tags/list", Err("Elsewhere")),
        ],
    );
    check(
        HTTPS,
        Handed::ForeignLayer,
        &[
            ("https://registry.example.com/x", Err("Foreign")),
            ("http://169.254.169.254/x", Err("Foreign")),
            ("file:///etc/passwd", Err("Malformed")),
        ],
    );
}

#[test]
fn a_registry_inside_may_refer_to_its_neighbours() {
    let policy = policy("https://registry.corp");
    let judge = |reach| {
        let target = url("https://10.0.0.9/blob");
        policy.judge(Handed::Redirect, &url("https://registry.corp/v2/"), target, reach)
    };
    assert!(matches!(judge(Reach::Public), Err(Refusal::Inward { .. })));
    assert_eq!(judge(Reach::Private).unwrap().standing(), Standing::Stranger);
}

#[test]
fn messages_hold_no_secrets() {
    let policy = policy(HTTPS);
    let refusal = policy.judge(Handed::Realm, &url(HTTPS), url("https://u:canary@x/?t=canary"), Reach::Public);
    assert!(!refusal.unwrap_err().to_string().contains("canary"));
}
