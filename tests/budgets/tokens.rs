//! What it costs to be let in, and how many connections are made.

use super::counted::{ALL, Counted, Door, Make, cost, program};
use crate::support::images::image;

const PARALLELISM: [usize; 3] = [1, 6, 64];

#[test]
fn one_token_for_each_registry_however_many_blobs_travel_at_once() {
    needs!("docker-registry");
    for make in [Make::Real, Make::Scripted] {
        for concurrency in PARALLELISM {
            let (from, to) = (Counted::start(make, Door::Tokens), Counted::start(make, Door::Tokens));
            let image = image().layers(&[1000; 12]).build();
            from.put("team/app", &image, &["v1"]);
            let program = program(&[&from, &to], &format!(", concurrency: {concurrency}"));
            let words = [format!("{}/team/app:v1", from.address()), format!("{}/mirror/app:v1", to.address())];
            cost(&program, &[&from, &to], &["copy", &words[0], &words[1]]);
            let scopes =
                |counted: &Counted| counted.fetches().into_iter().map(|fetch| fetch.scopes).collect::<Vec<_>>();
            assert_eq!(scopes(&from), [["repository:team/app:pull"]], "{make:?} {concurrency}");
            assert_eq!(scopes(&to), [["repository:mirror/app:pull,push"]], "{make:?} {concurrency}");
        }
    }
}

#[test]
fn one_token_for_all_repositories_of_a_registry() {
    needs!("docker-registry");
    for make in [Make::Real, Make::Scripted] {
        for concurrency in PARALLELISM {
            let registry = Counted::start(make, Door::Tokens);
            registry.put("team/app", &image().layers(&[1000; 12]).build(), &["v1"]);
            let program = program(&[&registry], &format!(", concurrency: {concurrency}"));
            let name = |repository: &str| format!("{}/{repository}:v1", registry.address());
            cost(&program, &[&registry], &["copy", &name("team/app"), &name("mirror/app"), &name("other/app")]);
            let [fetch] = registry.fetches().try_into().unwrap();
            let mut scopes = fetch.scopes;
            scopes.sort();
            let expected = ["mirror/app:pull,push", "other/app:pull,push", "team/app:pull"];
            assert_eq!(scopes, expected.map(|scope| format!("repository:{scope}")), "{make:?} {concurrency}");
        }
    }
}

#[test]
fn a_kept_token_is_enough_for_the_next_process() {
    needs!("docker-registry");
    for make in [Make::Real, Make::Scripted] {
        let (from, to) = (Counted::start(make, Door::Tokens), Counted::start(make, Door::Tokens));
        from.put("team/app", &image().build(), &["v1"]);
        let program = program(&[&from, &to], "");
        let words = [format!("{}/team/app:v1", from.address()), format!("{}/mirror/app:v1", to.address())];
        cost(&program, &[&from, &to], &["copy", &words[0], &words[1]]);
        let (_, requests) = cost(&program, &[&from, &to], &["copy", &words[0], &words[1]]);
        assert_eq!(requests.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1], "{requests:#?}");
    }
}

#[test]
fn no_more_connections_than_blobs_travel_at_once() {
    needs!("docker-registry");
    for (make, door) in ALL {
        for concurrency in [1, 4] {
            let (from, to) = (Counted::start(make, door), Counted::start(make, door));
            from.put("team/app", &image().layers(&[100_000; 10]).build(), &["v1"]);
            let program = program(&[&from, &to], &format!(", concurrency: {concurrency}"));
            let words = [format!("{}/team/app:v1", from.address()), format!("{}/mirror/app:v1", to.address())];
            cost(&program, &[&from, &to], &["copy", &words[0], &words[1]]);
            for counted in [&from, &to] {
                let connections = counted.connections();
                assert!(connections <= concurrency, "{make:?} {door:?}: {connections} for {concurrency} at once");
            }
        }
    }
}
