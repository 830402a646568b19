//! Who the program says that it is: where credentials come from, which one counts, and what tokens cost.

mod credentials;
mod docker;
mod kept;
mod tokens;

use crate::support::program::Program;
use crate::support::server::Request;
use crate::support::token_server::basic;

/// The user that the scripted registries and the token servers of these tests know.
const USER: &str = "bob";
const PASSWORD: &str = "secret";

/// The program with the secret `test/SECRET` of a user in its environment, and this configuration.
fn program(secrets: &[(&str, &str, &str)], registries: &str) -> Program {
    let mut program = Program::new();
    for (secret, user, password) in secrets {
        let variable = |key: &str| format!("TRANSHIP_SECRET_TEST_{}_{key}", secret.to_ascii_uppercase());
        program.set(&variable("USERNAME"), user);
        program.set(&variable("PASSWORD"), password);
    }
    program.configure(&format!("vaults:\n- {{name: test, backend: environment}}\nremote-registries: {registries}"));
    program
}

/// The program that knows `test/bob` for every repository of a registry.
fn program_of_bob(registry: &str) -> Program {
    let entry =
        format!("\n- {{address: '{registry}', credentials: [{{repository: '*', vault: test, secret: bob}}]}}\n");
    program(&[("bob", USER, PASSWORD)], &entry)
}

/// The users that were shown to a registry, request by request; `None` where nobody was.
fn users(requests: &[Request]) -> Vec<Option<String>> {
    let user = |request: &Request| basic(request.header("authorization")?).map(|(user, _)| user);
    requests.iter().map(user).collect()
}
