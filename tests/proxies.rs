//! Proxies: which requests go through them, what they get to see, and who is blamed when they fail.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::certificates::Authority;
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::proxy::{Conduct, Proxy};
use crate::support::scripted::Scripted;
use crate::support::token_server::{TokenServer, Tokens};

const NAME: &str = "registry.test:5000";
const IMAGE: &str = "registry.test:5000/app:v1";

/// The program with both sorts of proxies at `url`, trusting `authority` for the registry and logged in there.
fn program(url: &str, fields: &str) -> Program {
    let mut program = Program::new();
    for variable in ["http_proxy", "https_proxy"] {
        program.set(variable, url);
    }
    program.set("TRANSHIP_SECRET_TEST_BOB_USERNAME", "bob");
    program.set("TRANSHIP_SECRET_TEST_BOB_PASSWORD", "canary");
    program.configure(&format!(
        "vaults: [{{name: test, backend: environment}}]\nremote-registries:\n- address: {NAME}\n  \
         credentials: [{{repository: '*', vault: test, secret: bob}}]\n{fields}"
    ));
    program
}

fn trusting(authority: &Authority) -> String {
    format!("  ca-cert: |\n    {}\n", authority.pem().trim_end().replace('\n', "\n    "))
}

fn holding(registry: Scripted) -> Scripted {
    registry.put("app", &image().build(), &["v1"]);
    registry
}

fn tls_registry(authority: &Authority) -> Scripted {
    holding(Scripted::settings().tls(authority.server(&["registry.test"])).basic("bob", "canary").start())
}

// Threat S39.
#[test]
fn tls_goes_through_a_tunnel_that_sees_nothing() {
    let authority = Authority::new();
    let registry = tls_registry(&authority);
    let proxy = Proxy::to(&[(NAME, &registry.address())]);
    let output = program(&proxy.url(), &trusting(&authority)).run(&["inspect", IMAGE, "-vvv"]).success();
    output.keeps_quiet_about("canary");
    assert!(proxy.lines().iter().all(|line| *line == format!("CONNECT {NAME}")), "{:?}", proxy.lines());
    for head in proxy.heads() {
        assert!(head.header("authorization").is_none() && head.header("proxy-authorization").is_none(), "{head:?}");
    }
    assert_eq!(registry.requests().len(), 3);
}

#[test]
fn the_proxys_own_password_goes_to_the_proxy_alone() {
    let authority = Authority::new();
    let registry = tls_registry(&authority);
    let proxy = Proxy::to(&[(NAME, &registry.address())]);
    let url = proxy.url().replace("http://", "http://eve:quiet-canary@");
    let output = program(&url, &trusting(&authority)).run(&["inspect", IMAGE, "-vvv"]).success();
    output.keeps_quiet_about("quiet-canary");
    let expected = format!("Basic {}", STANDARD.encode("eve:quiet-canary"));
    assert!(proxy.heads().iter().all(|head| head.header("proxy-authorization") == Some(&expected)));
    assert!(registry.requests().iter().all(|request| request.header("proxy-authorization").is_none()));

    let dead = Proxy::that(Conduct::HangsUp).url().replace("http://", "http://eve:quiet-canary@");
    let output = program(&dead, &trusting(&authority)).run(&["resolve", IMAGE, "-vvv", "--retries", "0"]).code(5);
    output.keeps_quiet_about("quiet-canary");
}

#[test]
fn without_tls_a_proxy_may_see_what_is_no_secret() {
    let open = holding(Scripted::start());
    let proxy = Proxy::to(&[(NAME, &open.address())]);
    program(&proxy.url(), "  tls: plain-http\n").run(&["inspect", IMAGE]).success();
    assert!(proxy.lines()[0].ends_with(&format!(" http://{NAME}/v2/app/manifests/v1")), "{:?}", proxy.lines());

    let closed = holding(Scripted::settings().basic("bob", "canary").start());
    let proxy = Proxy::to(&[(NAME, &closed.address())]);
    let output = program(&proxy.url(), "  tls: plain-http\n").run(&["inspect", IMAGE]).code(4);
    output
        .says(&format!("would pass through the proxy {} unprotected", proxy.url()))
        .says("hint: add registry.test to NO_PROXY, or speak to it over TLS");
    assert!(proxy.heads().iter().all(|head| head.header("authorization").is_none()));
}

#[test]
fn a_token_server_is_reached_through_the_proxy_too() {
    let authority = Authority::new();
    let tokens = TokenServer::start_at("127.0.0.1", Some(&authority), Tokens::default());
    tokens.change(|tokens| drop(tokens.users.insert("bob".to_owned(), "canary".to_owned())));
    let realm = tokens.realm();
    let server = realm.trim_start_matches("https://").trim_end_matches("/token").to_owned();
    let port = server.rsplit_once(':').unwrap().1;
    let settings = Scripted::settings().tls(authority.server(&["registry.test"]));
    let registry = holding(settings.tokens_named(&tokens, &format!("https://localhost:{port}/token")).start());
    let proxy = Proxy::to(&[(NAME, &registry.address()), (&format!("localhost:{port}"), &server)]);
    let fields = format!("{}  token-realms: ['https://localhost:{port}']\n", trusting(&authority));
    program(&proxy.url(), &fields).run(&["resolve", IMAGE]).success();
    assert_eq!(tokens.fetches().len(), 1);
    assert!(proxy.lines().contains(&format!("CONNECT localhost:{port}")), "{:?}", proxy.lines());
}

#[test]
fn some_are_reached_without_it() {
    for exception in ["registry.test", ".test", "*"] {
        let proxy = Proxy::to(&[]);
        let mut program = program(&proxy.url(), "");
        program.set("NO_PROXY", exception);
        let output = program.run(&["resolve", IMAGE, "--retries", "0"]).code(5);
        assert!(!output.stderr.contains("proxy"), "{}", output.shown());
        assert!(proxy.lines().is_empty(), "{exception}: {:?}", proxy.lines());
    }
    // What is on this computer never goes elsewhere.
    let local = holding(Scripted::start());
    let proxy = Proxy::to(&[]);
    program(&proxy.url(), "").run(&["resolve", &format!("{}/app:v1", local.address())]).success();
    assert!(proxy.lines().is_empty());
}

// Fault 44.
#[test]
fn a_proxy_that_lets_nobody_through_is_named() {
    let cases = [
        (Conduct::Answers(407), "it wants a user name and a password", "hint: name them in the proxy's URL"),
        (Conduct::Answers(502), "it refused", ""),
        (Conduct::HangsUp, "it ended the connection", ""),
    ];
    for (conduct, reason, hint) in cases {
        let proxy = Proxy::that(conduct);
        let output = program(&proxy.url(), "").run(&["resolve", IMAGE, "--retries", "0"]).code(5);
        let named = format!("cannot connect to https://{NAME} through the proxy {}", proxy.url());
        output.says(&named).says(reason).says(hint);
    }
    let proxy = Proxy::that(Conduct::Answers(407));
    let output = program(&proxy.url(), "  tls: plain-http\n").run(&["resolve", IMAGE, "--retries", "0"]).code(5);
    output.says(&format!("through the proxy {}: it wants a user name and a password", proxy.url()));
    let gone = Proxy::that(Conduct::HangsUp).url();
    let output = program(&gone, "").run(&["resolve", IMAGE, "--retries", "0"]).code(5);
    output.says(&format!("through the proxy {gone}"));
}
