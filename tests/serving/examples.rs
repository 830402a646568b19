//! The examples for those who run `tranship serve` on machines of their own: what they tell the program it takes.

use crate::support::program::Program;

fn example(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/serve").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// Runs the program with words of an example, for as far as it needs what is not there.
fn refused(words: &[&str], says: &str) {
    Program::new().run(words).code(2).says(says);
}

#[test]
fn the_unit_starts_what_there_is() {
    let unit = example("tranship-serve.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/tranship ")).unwrap();
    let words: Vec<&str> = start.split(' ').map(str::trim).collect();
    let words: Vec<&str> =
        words.iter().map(|word| if word.starts_with('/') { "nowhere/serve.yaml" } else { *word }).collect();
    refused(&words, "there is no file nowhere/serve.yaml");
    for section in ["[Unit]", "[Service]", "[Install]"] {
        assert!(unit.lines().any(|line| line == section), "{section}");
    }
}

#[test]
fn the_container_starts_what_there_is() {
    let file = example("Containerfile");
    let list = |word: &str| -> Vec<String> {
        serde_json::from_str(file.lines().find_map(|line| line.strip_prefix(word)).unwrap().trim()).unwrap()
    };
    let entry = list("ENTRYPOINT");
    let mut words: Vec<String> = entry[1..].to_vec();
    assert_eq!(entry[0], "tranship");
    words.extend(list("CMD"));
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.extend(["--users", "nowhere"]);
    refused(&words, "there is no file nowhere");
}
