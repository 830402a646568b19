//! Names, addresses and proxies that lead nowhere.

use crate::support::images::image;
use crate::support::program::Program;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::{Delivery, Response};

#[test]
fn f43_an_address_that_does_not_answer_is_passed_over_for_the_next() {
    // The name has two addresses on most machines, and nobody listens on the first.
    let registry = Scripted::start();
    let image = image().build();
    registry.put("a", &image, &["v1"]);
    let name = registry.address().replace("127.0.0.1", "localhost");
    let output = Program::new().run(&["resolve", "-q", &format!("{name}/a:v1")]).success();
    assert!(output.stdout.contains(image.digest()));
    let output = Program::new().run(&["resolve", "--retries", "0", "registry.invalid/a:v1"]).code(5);
    output.says("cannot connect to https://registry.invalid");
}

#[test]
fn f44_a_proxy_that_does_not_let_us_through_is_named() {
    let refusals = [Response::new(407), Response::new(502), Response::new(1).deliver(Delivery::HangUp)];
    for refusal in refusals {
        let proxy = Scripted::start();
        proxy.rule(when("CONNECT", ""), Act::respond(refusal));
        let program = Program::new();
        let run = program.invoke(&["resolve", "--retries", "0", "registry.example.com/a:v1"]);
        let run = run.env("HTTPS_PROXY", &format!("http://user:canary-proxy@{}", proxy.address()));
        run.run().code(5).says(&format!("proxy http://{}", proxy.address())).keeps_quiet_about("canary-proxy");
        assert_eq!(proxy.lines(), ["CONNECT registry.example.com:443"]);
    }
}
