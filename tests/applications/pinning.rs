//! `app pin`.

use super::{COMPOSE, SHOP, Site, TICKETS, compose};
use crate::support::program::Program;
use crate::support::scripted::Scripted;

/// A text without pins.
fn without_pins(text: &str) -> String {
    let mut pieces = text.split("@sha256:");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + &piece[64..])
}

#[test]
fn a_pinned_file_differs_in_the_words_of_images_alone() {
    for (spec, words) in [(TICKETS, 3), (SHOP, 14), (COMPOSE, 4)] {
        let site = Site::of(spec);
        for text in [site.text.clone(), format!("\u{feff}{}", site.text.replace('\n', "\r\n"))] {
            site.write(&text);
            let run = site.program.run(&["app", "pin", "-f", "app.yaml"]).success();
            assert_eq!(run.stdout.matches("@sha256:").count(), words);
            // What had no tag has one now, so that the digest can be compared with it.
            let expected = text.replace("seat-display'", "seat-display:latest'").replace("legacy,", "legacy:latest,");
            assert_eq!(without_pins(&run.stdout), expected);
            for name in site.images.keys() {
                assert!(run.stdout.contains(&site.pin(name)), "{name}: {}", run.stdout);
            }
            let again = site.program.invoke(&["app", "pin", "-f", "-"]).stdin(run.stdout.as_str()).run().success();
            assert_eq!(again.stdout, run.stdout, "a pinned file stays as it is");
        }
    }
}

#[test]
fn files_are_written_whole_or_not_at_all() {
    let site = Site::of(COMPOSE);
    let run = site.program.run(&["app", "pin", "-f", "app.yaml", "--write"]).success();
    assert_eq!(run.lines().len(), 4, "{}", run.shown());
    let (line, change) = run.lines()[0].split_once(": ").unwrap();
    assert_eq!(line, "app.yaml:5");
    let name = format!("{}/shop/worker:3", site.registry.address());
    assert_eq!(change, format!("{name} -> {}", site.pin("shop/worker:3")));
    let pinned = site.read();
    assert_eq!(without_pins(&pinned), site.text);
    let again = site.program.run(&["app", "pin", "-f", "app.yaml", "--write"]).success();
    assert_eq!((again.stdout.as_str(), site.read()), ("", pinned));
    // One that is not there, and no file is written.
    let missing = site.text.replace("cache:7", "cache:8");
    site.write(&missing);
    std::fs::write(site.program.home().join("other.yaml"), &site.text).unwrap();
    let run = site.program.run(&["app", "pin", "-f", "other.yaml", "app.yaml", "--write"]).code(3);
    assert!(run.stdout.is_empty() && run.stderr.contains("shop/cache:8"), "{}", run.shown());
    assert_eq!(site.read(), missing);
    assert_eq!(std::fs::read_to_string(site.program.home().join("other.yaml")).unwrap(), site.text);
}

#[cfg(unix)]
#[test]
fn a_file_keeps_its_permissions_and_a_link_stays_one() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let site = Site::of(COMPOSE);
    let home = site.program.home();
    let real = home.join("real.yaml");
    std::fs::rename(home.join("app.yaml"), &real).unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o664)).unwrap();
    symlink("real.yaml", home.join("app.yaml")).unwrap();
    site.program.run(&["app", "pin", "-f", "app.yaml", "--write", "-q"]).success();
    assert!(std::fs::symlink_metadata(home.join("app.yaml")).unwrap().is_symlink());
    assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o664);
    assert!(std::fs::read_to_string(&real).unwrap().contains("@sha256:"));
    let names: Vec<_> = home.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".tmp")), "{names:?}");
}

#[test]
fn a_pin_is_verified_against_its_tag_and_renewed() {
    let mut site = Site::of(COMPOSE);
    let verify = ["app", "pin", "-f", "app.yaml", "--verify"];
    let run = site.program.run(&verify).code(1).says("has no digest");
    assert!(run.stdout.contains("not pinned"), "{}", run.shown());
    site.program.run(&["app", "pin", "-f", "app.yaml", "--write"]).success();
    let run = site.program.run(&verify).success();
    assert_eq!(run.stdout.matches("pinned").count(), 4, "{}", run.shown());
    let old = site.pin("shop/cache:7");
    site.renew("shop/cache:7");
    let run = site.program.run(&verify).code(1).says("renew the digest");
    assert!(run.stderr.contains(site.images["shop/cache:7"].digest()), "{}", run.shown());
    assert_eq!(site.program.run(&[&verify[..], &["-q"]].concat()).code(1).stdout, format!("{old}\n"));
    site.program.run(&["app", "pin", "-f", "app.yaml", "--write"]).success();
    assert!(site.read().contains(&old), "a digest that stands there stays");
    site.program.run(&["app", "pin", "-f", "app.yaml", "--write", "--update"]).success();
    assert!(site.read().contains(&site.pin("shop/cache:7")));
    site.program.run(&verify).success();
    // Nobody answers: it cannot be told.
    site.write(&site.read().replace(&site.registry.address(), "127.0.0.1:1"));
    site.program.run(&[&verify[..], &["--retries", "0"]].concat()).code(5);
}

#[test]
fn images_are_taken_from_the_home_registry() {
    let site = Site::of(COMPOSE);
    site.program.run(&["app", "pin", "-f", "app.yaml", "--to-home"]).code(2).says("there is no home registry");
    let home = Scripted::start();
    site.program.configure(&format!("settings: {{home-registry: '{}/tower'}}\n", home.address()));
    site.program.run(&["app", "pin", "-f", "app.yaml", "--to-home"]).code(3).says("bring it home: `tranship pull");
    site.program.run(&["app", "pull", "-f", "app.yaml", "-q"]).success();
    let run = site.program.run(&["app", "pin", "-f", "app.yaml", "--to-home", "--write"]).success();
    assert_eq!(run.lines().len(), 4);
    let there = format!("{}/tower/{}/", home.address(), site.registry.address().replace(':', "_"));
    let text = site.read();
    for name in site.images.keys() {
        assert!(text.contains(&format!("{there}{name}@{}", site.images[name].digest())), "{name}: {text}");
    }
    assert_eq!(without_pins(&text), site.text.replace(&format!("{}/", site.registry.address()), &there));
    // What names the home already stays, and is checked and pulled as what it is.
    site.program.run(&["app", "pin", "-f", "app.yaml", "--to-home", "--write"]).success();
    assert_eq!(site.read(), text);
    site.program.run(&["app", "check", "-f", "app.yaml"]).success();
    site.program.run(&["app", "pull", "-f", "app.yaml"]).success();
    assert!(home.tags(&format!("tower/{}_{}", home.address().replace(':', "_"), "x")).is_empty());
}

#[test]
fn what_cannot_be_asked_for_together() {
    let program = Program::new();
    std::fs::write(program.home().join("a.yaml"), compose(&["reg.example.com/a:1"])).unwrap();
    program.run(&["app", "pin", "-f", "-", "--write"]).code(2).says("standard input cannot be written");
    program.run(&["app", "pin", "-f", "a.yaml", "a.yaml"]).code(2).says("there are several");
    program.run(&["app", "pin", "-f", "a.yaml", "--verify", "--write"]).code(2);
    program.run(&["app", "images", "-f", "-", "-f", "-"]).code(2).says("`-f -` stands twice");
}
