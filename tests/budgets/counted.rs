//! Registries whose requests are counted: a real one behind a relay, and the scripted one; open, or with tokens.

use std::fmt::Write as _;

use crate::support::docker_registry::DockerRegistry;
use crate::support::images::Image;
use crate::support::program::{Output, Program};
use crate::support::push::Registry;
use crate::support::relay::Relay;
use crate::support::scripted::Scripted;
use crate::support::token_server::{Fetch, TokenServer, Tokens};

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Make {
    Real,
    Scripted,
}

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Open,
    Tokens,
}

/// Every make with every door.
pub(super) const ALL: [(Make, Door); 4] = [
    (Make::Real, Door::Open),
    (Make::Real, Door::Tokens),
    (Make::Scripted, Door::Open),
    (Make::Scripted, Door::Tokens),
];

/// A registry that is counted together with its token server.
pub(super) struct Counted {
    backing: Backing,
    tokens: Option<TokenServer>,
}

enum Backing {
    Real { server: DockerRegistry, relay: Relay },
    Scripted(Scripted),
}

impl Counted {
    pub(super) fn start(make: Make, door: Door) -> Self {
        let tokens = (door == Door::Tokens).then(|| TokenServer::start(Tokens::default()));
        let backing = match make {
            Make::Real => {
                let server = tokens.as_ref().map_or_else(DockerRegistry::open, DockerRegistry::tokens);
                let relay = Relay::to(server.address());
                Backing::Real { server, relay }
            }
            Make::Scripted => {
                let settings = Scripted::settings().page(2);
                Backing::Scripted(match &tokens {
                    Some(tokens) => settings.tokens(tokens).start(),
                    None => settings.start(),
                })
            }
        };
        Self { backing, tokens }
    }

    /// `HOST:PORT`, as the program is told.
    pub(super) fn address(&self) -> String {
        match &self.backing {
            Backing::Real { relay, .. } => relay.address().to_owned(),
            Backing::Scripted(scripted) => scripted.address(),
        }
    }

    /// Puts an image there without being counted.
    pub(super) fn put(&self, repository: &str, image: &Image, tags: &[&str]) {
        match &self.backing {
            Backing::Real { server, .. } => self.own_client(server, repository).push(repository, image, tags),
            Backing::Scripted(scripted) => scripted.put(repository, image, tags),
        }
    }

    /// Whether an image is there whole, asked without being counted.
    pub(super) fn holds(&self, repository: &str, image: &Image) -> bool {
        match &self.backing {
            Backing::Real { server, .. } => self.own_client(server, repository).holds(repository, image),
            Backing::Scripted(scripted) => scripted.holds(repository, image),
        }
    }

    fn own_client(&self, server: &DockerRegistry, repository: &str) -> Registry {
        let registry = Registry::at(&server.url());
        match &self.tokens {
            Some(tokens) => registry.token(&tokens.token(&[&format!("repository:{repository}:pull,push")])),
            None => registry,
        }
    }

    /// The requests so far, to the registry and then to its token server.
    pub(super) fn requests(&self) -> Vec<String> {
        let mut lines = match &self.backing {
            Backing::Real { relay, .. } => relay.lines(),
            Backing::Scripted(scripted) => scripted.lines(),
        };
        lines.extend(self.fetches().iter().map(|fetch| format!("{} token {}", fetch.method, fetch.scopes.join(" "))));
        lines
    }

    /// The tokens that were asked for.
    pub(super) fn fetches(&self) -> Vec<Fetch> {
        self.tokens.as_ref().map(TokenServer::fetches).unwrap_or_default()
    }

    pub(super) fn forget(&self) {
        match &self.backing {
            Backing::Real { relay, .. } => relay.forget(),
            Backing::Scripted(scripted) => scripted.forget_requests(),
        }
        if let Some(tokens) = &self.tokens {
            tokens.forget_fetches();
        }
    }

    /// How many connections came in at the registry itself.
    pub(super) fn connections(&self) -> usize {
        match &self.backing {
            Backing::Real { relay, .. } => relay.connections(),
            Backing::Scripted(scripted) => scripted.connections(),
        }
    }
}

/// The program, knowing a user of every one of `registries`, that moves nothing but what is named.
pub(super) fn program(registries: &[&Counted], settings: &str) -> Program {
    let mut program = Program::new();
    let mut yaml = format!("settings: {{attached: none{settings}}}\n");
    yaml.push_str("vaults:\n- {name: test, backend: environment}\nremote-registries:\n");
    for registry in registries {
        let credentials = match registry.tokens {
            Some(_) => "[{repository: '*', vault: test, secret: bob}]",
            None => "[]",
        };
        writeln!(yaml, "- {{address: '{}', credentials: {credentials}}}", registry.address()).unwrap();
    }
    program.configure(&yaml);
    program.set("TRANSHIP_SECRET_TEST_BOB_USERNAME", "bob");
    program.set("TRANSHIP_SECRET_TEST_BOB_PASSWORD", "secret");
    program
}

/// Runs the program and says what it cost each of `registries`, which it forgets then.
#[track_caller]
pub(super) fn cost(program: &Program, registries: &[&Counted], arguments: &[&str]) -> (Output, Vec<Vec<String>>) {
    for registry in registries {
        registry.forget();
    }
    let output = program.run(arguments).success();
    let requests = registries.iter().map(|registry| registry.requests()).collect();
    (output, requests)
}

/// Asserts how many requests a run cost, over all of `registries`.
#[track_caller]
pub(super) fn assert_cost(program: &Program, registries: &[&Counted], arguments: &[&str], expected: usize) -> Output {
    let (output, requests) = cost(program, registries, arguments);
    let sum: usize = requests.iter().map(Vec::len).sum();
    assert_eq!(sum, expected, "{arguments:?}: {requests:#?}\n{}", output.shown());
    output
}
