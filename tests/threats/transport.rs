//! What lies between: certificates, plain HTTP, proxies.

use super::{CANARY, USER, program_of, run_once, tells_on_us, through, trust_file, was_left_alone, was_told_nothing};
use crate::support::certificates::{Authority, LOOPBACK};
use crate::support::images::image;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::{Delivery, Response};
use crate::support::tunnel::Tunnel;

#[test]
fn s37_certificates_that_are_not_good_end_it_before_anything_is_said() {
    let (known, unknown) = (Authority::new(), Authority::new());
    for (what, identity) in [
        ("expired", known.expired_server()),
        ("another name", known.server(&["elsewhere.example"])),
        ("another authority", unknown.server(&LOOPBACK)),
        ("for clients", known.client("bob")),
    ] {
        let registry = Scripted::settings().tls(identity).basic(USER, CANARY).start();
        registry.put("app", &image().build(), &["v1"]);
        let program = program_of(&[&registry.address()]);
        let ca = trust_file(&program, &known);
        program.configure(&format!("remote-registries:\n- address: {}\n  ca-cert-file: {ca}\n", registry.address()));
        let image = format!("{}/app:v1", registry.address());
        let failed = run_once(&program, &["resolve", &image]);
        assert_eq!((failed.code, registry.requests().len()), (Some(5), 0), "{what}: {}", failed.shown());
        run_once(&program, &["resolve", &image, "--tls", "skip-verify"]).success();
    }
}

#[test]
fn s37_skip_verify_is_for_the_registry_that_it_is_said_of() {
    let authority = Authority::new();
    let (one, two) = (
        Scripted::settings().tls(authority.server(&LOOPBACK)).start(),
        Scripted::settings().ip("127.0.0.2").tls(authority.server(&LOOPBACK)).start(),
    );
    one.put("app", &image().build(), &["v1"]);
    let program = program_of(&[]);
    let name = |registry: &Scripted| format!("{}/app:v1", registry.address());
    run_once(&program, &["copy", &name(&one), &name(&two), "--src-tls", "skip-verify"]).code(5);
    assert_eq!(two.requests().len(), 0);
    run_once(&program, &["copy", &name(&one), &name(&two), "--tls", "skip-verify"]).success();
    let led = Scripted::settings().ip("127.0.0.2").tls(authority.server(&LOOPBACK)).start();
    one.rule(when("GET", "/blobs/"), Act::redirect_to(307, &led.url()));
    run_once(&program, &["copy", &name(&one), "store:new:v1", "--tls", "skip-verify"])
        .code(5)
        .says("cannot be trusted");
    assert_eq!(led.requests().len(), 0);
}

#[test]
fn s38_a_name_that_is_not_of_this_computer_is_never_asked_in_the_clear() {
    let tunnel = Tunnel::start();
    let mut program = program_of(&["registry.acme.example", "10.255.0.1:5000"]);
    through(&mut program, &tunnel);
    for place in ["registry.acme.example", "registry.acme.example:80", "10.255.0.1:5000", "registry:5000"] {
        run_once(&program, &["resolve", &format!("{place}/app:v1")]).code(5);
    }
    let heads = tunnel.heads();
    assert!(heads.len() >= 4 && heads.iter().all(|head| head.word(0) == "CONNECT"), "{heads:?}");
    assert!(heads.iter().all(|head| head.header("authorization").is_none()));
}

#[test]
fn s38_on_this_computer_nothing_is_shown_before_it_is_known_who_answers() {
    let authority = Authority::new();
    let registry = Scripted::settings().tls(authority.server(&LOOPBACK)).basic(USER, CANARY).start();
    registry.put("app", &image().build(), &["v1"]);
    let program = program_of(&[&registry.address()]);
    let ca = trust_file(&program, &authority);
    program.configure(&format!("remote-registries:\n- address: {}\n  ca-cert-file: {ca}\n", registry.address()));
    run_once(&program, &["resolve", &format!("{}/app:v1", registry.address())]).success();
    // One that answers in the clear, where TLS was spoken before, gets nothing: it may be someone else.
    let impostor = Scripted::start();
    impostor.rule(when("*", ""), Act::respond(Response::new(400)));
    let other = program_of(&[&impostor.address()]);
    run_once(&other, &["resolve", &format!("{}/app:v1", impostor.address())]);
    was_told_nothing(&impostor);
    // And one that breaks off TLS is not asked in the clear instead, where TLS is what is configured.
    let breaking = Scripted::start();
    breaking.rule(when("*", ""), Act::respond(Response::new(200).deliver(Delivery::HangUp)));
    let strict = program_of(&[&breaking.address()]);
    run_once(&strict, &["resolve", &format!("{}/app:v1", breaking.address()), "--tls", "skip-verify"]).code(5);
    assert_eq!(breaking.requests().len(), 0);
}

#[test]
fn s38_plain_http_is_spoken_where_that_is_said_and_leads_nowhere_else() {
    let authority = Authority::new();
    let registry = Scripted::settings().tls(authority.server(&LOOPBACK)).start();
    let program = program_of(&[&registry.address()]);
    run_once(&program, &["resolve", &format!("{}/app:v1", registry.address()), "--tls", "plain-http"]);
    was_told_nothing(&registry);
}

#[test]
fn s39_a_proxy_sees_no_credential_of_a_registry() {
    let authority = Authority::new();
    let registry = Scripted::settings().tls(authority.server(&["registry.acme.example"])).basic(USER, CANARY).start();
    registry.put("app", &image().build(), &["v1"]);
    let proxy = Tunnel::start();
    proxy.lead("registry.acme.example:443", &registry.address());
    let mut program = program_of(&["registry.acme.example", "plain.acme.example"]);
    for name in ["HTTPS_PROXY", "HTTP_PROXY"] {
        program.set(name, &proxy.url().replace("http://", "http://proxy-user:proxy-word@"));
    }
    let ca = trust_file(&program, &authority);
    program.configure(&format!(
        "remote-registries:\n- {{address: registry.acme.example, ca-cert-file: {ca}}}\n\
         - {{address: plain.acme.example, tls: plain-http}}\n"
    ));
    let ended = run_once(&program, &["resolve", "registry.acme.example/app:v1", "-vvv"]).success();
    ended.keeps_quiet_about("proxy-word").keeps_quiet_about(CANARY);
    assert!(registry.requests().iter().any(tells_on_us), "the registry itself gets it, through the tunnel");
    for request in registry.requests() {
        assert!(request.header("proxy-authorization").is_none(), "the proxy's is for the proxy");
    }
    let heads = proxy.heads();
    assert!(heads.iter().all(|head| head.word(0) == "CONNECT" && head.header("authorization").is_none()), "{heads:?}");
    assert!(heads.iter().all(|head| head.header("proxy-authorization").is_some()));

    // In the clear the proxy would see what is said: nothing of ours is.
    let failed = run_once(&program, &["resolve", "plain.acme.example/app:v1"]).keeps_quiet_about("proxy-word");
    assert_ne!(failed.code, Some(0));
    let plain: Vec<_> = proxy.heads().into_iter().filter(|head| head.word(0) != "CONNECT").collect();
    assert!(plain.iter().all(|head| head.header("authorization").is_none()), "{plain:?}");
}

#[test]
fn s39_a_registry_on_this_computer_is_reached_without_a_proxy() {
    let proxy = Scripted::settings().ip("127.0.0.2").start();
    let registry = Scripted::settings().basic(USER, CANARY).start();
    registry.put("app", &image().build(), &["v1"]);
    let mut program = program_of(&[&registry.address()]);
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"] {
        program.set(name, &proxy.url());
    }
    run_once(&program, &["resolve", &format!("{}/app:v1", registry.address())]).success();
    was_left_alone(&proxy);
}
