//! Proxies: which requests go through them, what they get to see, and who is blamed when they fail.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::certificates::Authority;
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::scripted::Scripted;
use crate::support::token_server::{TokenServer, Tokens};
use crate::support::tunnel::{Conduct, Tunnel};

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

/// A proxy that finds the registry's name at `registry`.
fn leading_to(registry: &Scripted) -> Tunnel {
    let tunnel = Tunnel::start();
    tunnel.lead(NAME, &registry.address());
    tunnel
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
    let proxy = leading_to(&registry);
    let output = program(&proxy.url(), &trusting(&authority)).run(&["inspect", IMAGE, "-vvv"]).success();
    output.keeps_quiet_about("canary");
    for head in proxy.heads() {
        assert_eq!((head.word(0), head.word(1)), ("CONNECT", NAME));
        assert!(head.header("authorization").is_none() && head.header("proxy-authorization").is_none(), "{head:?}");
    }
    assert_eq!(registry.requests().len(), 3);
}

#[test]
fn the_proxys_own_password_goes_to_the_proxy_alone() {
    let authority = Authority::new();
    let registry = tls_registry(&authority);
    let proxy = leading_to(&registry);
    let url = proxy.url().replace("http://", "http://eve:quiet-canary@");
    let output = program(&url, &trusting(&authority)).run(&["inspect", IMAGE, "-vvv"]).success();
    output.keeps_quiet_about("quiet-canary");
    let expected = format!("Basic {}", STANDARD.encode("eve:quiet-canary"));
    assert!(proxy.heads().iter().all(|head| head.header("proxy-authorization") == Some(&expected)));
    assert!(registry.requests().iter().all(|request| request.header("proxy-authorization").is_none()));

    let dead = Tunnel::that(Conduct::HangsUp).url().replace("http://", "http://eve:quiet-canary@");
    let output = program(&dead, &trusting(&authority)).run(&["resolve", IMAGE, "-vvv", "--retries", "0"]).code(5);
    output.keeps_quiet_about("quiet-canary");
}

#[test]
fn without_tls_a_proxy_may_see_what_is_no_secret() {
    let open = holding(Scripted::start());
    let proxy = leading_to(&open);
    program(&proxy.url(), "  tls: plain-http\n").run(&["inspect", IMAGE]).success();
    assert_eq!(proxy.targets()[0], format!("http://{NAME}/v2/app/manifests/v1"));

    let closed = holding(Scripted::settings().basic("bob", "canary").start());
    let proxy = leading_to(&closed);
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
    let proxy = leading_to(&registry);
    proxy.lead(&format!("localhost:{port}"), &server);
    let fields = format!("{}  token-realms: ['https://localhost:{port}']\n", trusting(&authority));
    program(&proxy.url(), &fields).run(&["resolve", IMAGE]).success();
    assert_eq!(tokens.fetches().len(), 1);
    assert!(proxy.targets().contains(&format!("localhost:{port}")), "{:?}", proxy.targets());
}

#[test]
fn some_are_reached_without_it() {
    for exception in ["registry.test", ".test", "*"] {
        let proxy = Tunnel::start();
        let mut program = program(&proxy.url(), "");
        program.set("NO_PROXY", exception);
        let output = program.run(&["resolve", IMAGE, "--retries", "0"]).code(5);
        assert!(!output.stderr.contains("proxy"), "{}", output.shown());
        assert!(proxy.targets().is_empty(), "{exception}: {:?}", proxy.targets());
    }
    // What is on this computer never goes elsewhere.
    let local = holding(Scripted::start());
    let proxy = Tunnel::start();
    program(&proxy.url(), "").run(&["resolve", &format!("{}/app:v1", local.address())]).success();
    assert!(proxy.targets().is_empty());
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
        let proxy = Tunnel::that(conduct);
        let output = program(&proxy.url(), "").run(&["resolve", IMAGE, "--retries", "0"]).code(5);
        let named = format!("cannot connect to https://{NAME} through the proxy {}", proxy.url());
        output.says(&named).says(reason).says(hint);
    }
    let proxy = Tunnel::that(Conduct::Answers(407));
    let output = program(&proxy.url(), "  tls: plain-http\n").run(&["resolve", IMAGE, "--retries", "0"]).code(5);
    output.says(&format!("through the proxy {}: it wants a user name and a password", proxy.url()));
    let gone = Tunnel::that(Conduct::HangsUp).url();
    let output = program(&gone, "").run(&["resolve", IMAGE, "--retries", "0"]).code(5);
    output.says(&format!("through the proxy {gone}"));
}
