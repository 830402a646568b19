//! `sync`: repositories that are kept the same, by rules and by name.

mod pruning;
mod rounds;
mod rules;
mod selecting;

use crate::support::program::{Output, Program};
use crate::support::scripted::Scripted;

/// A program with this file of rules, `SRC` and `DST` being the addresses of two registries.
fn with_rules(source: &Scripted, destination: &Scripted, rules: &str) -> Program {
    let program = Program::new();
    write_rules(&program, source, destination, rules);
    program
}

fn write_rules(program: &Program, source: &Scripted, destination: &Scripted, rules: &str) {
    let rules = rules.replace("SRC", &source.address()).replace("DST", &destination.address());
    std::fs::write(program.path("rules.yaml"), rules).unwrap();
}

/// `sync` by the file of rules, without attached things.
fn sync(program: &Program, words: &[&str]) -> Output {
    let file = program.path("rules.yaml");
    let all: Vec<&str> = ["sync", "--attached", "none", "-f", &file].iter().chain(words).copied().collect();
    program.run(&all)
}

/// What is shown, without how long it took.
fn timeless(output: &Output) -> String {
    let shown = output.shown();
    let lines = shown.lines().map(|line| match line.rsplit_once("; ") {
        Some((before, time)) if before.contains(" unchanged") && time.ends_with(" s") => format!("{before}; TIME"),
        _ => line.to_owned(),
    });
    let mut lines: Vec<String> = lines.map(|line| sizeless(&line)).collect();
    // Images come in the order in which they are done.
    let at = |lines: &[String], mark: &str| lines.iter().position(|line| line == mark);
    if let (Some(from), Some(to)) = (at(&lines, "--- stdout"), at(&lines, "--- stderr")) {
        lines[from + 1..to].sort();
    }
    lines.join("\n")
}

/// A line with `SIZE` for amounts of KiB.
fn sizeless(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let mut shown = Vec::new();
    let mut left = words.iter().peekable();
    while let Some(word) = left.next() {
        let number = word.trim_start_matches('(');
        let amount = number.starts_with(|c: char| c.is_ascii_digit()) && number.contains('.');
        match left.peek().and_then(|next| next.strip_prefix("KiB")) {
            Some(behind) if amount => {
                shown.push(format!("{}SIZE{behind}", &word[..word.len() - number.len()]));
                left.next();
            }
            _ => shown.push((*word).to_owned()),
        }
    }
    shown.join(" ")
}
