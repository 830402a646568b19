//! The tables of what was seen to go wrong in the world: every row is there once, and every test that it names exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A table, the letter of its numbers in the names of tests, how many rows it has, and where its tests are.
const TABLES: [(&str, char, u32, &str); 3] =
    [("faults", 'f', 50, "faults"), ("quirks", 'q', 63, "quirks"), ("threats", 's', 55, "threats")];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A row: its number, and what is said of it and of its tests.
struct Row {
    number: u32,
    what: String,
    held: String,
}

fn rows(table: &str, letter: char) -> Vec<Row> {
    let text = std::fs::read_to_string(root().join(format!("tests/tables/{table}.md"))).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [number, what, held] = cells.as_slice() else { panic!("{table}: not three cells in {line}") };
        let digits = number.strip_prefix(letter.to_ascii_uppercase()).unwrap_or(number);
        Some(Row { number: digits.parse().ok()?, what: (*what).to_owned(), held: (*held).to_owned() })
    };
    text.lines().filter(|line| line.starts_with('|')).filter_map(row).collect()
}

/// The tests that a cell names: words in backticks with a path in them.
fn named(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2).filter(|word| word.contains("::") && !word.contains(' '))
}

/// Where the module of a test may be written down: tests of the library are in files of their own, or beside the code.
fn places(module: &[&str]) -> Vec<PathBuf> {
    let beside: Vec<&str> = module.iter().copied().filter(|part| *part != "tests").collect();
    let mut places = Vec::new();
    for path in [module.join("/"), beside.join("/")] {
        for directory in ["tests", "src"] {
            let ends = ["", "/mod", "/tests", "/tests/mod", "_tests"];
            places.extend(ends.map(|end| root().join(directory).join(format!("{path}{end}.rs"))));
        }
    }
    places
}

fn exists(test: &str) -> bool {
    let parts: Vec<&str> = test.split("::").collect();
    let (function, module) = parts.split_last().unwrap();
    let definition = format!("fn {function}(");
    let has = |path: PathBuf| std::fs::read_to_string(path).is_ok_and(|text| text.contains(&definition));
    places(module).into_iter().any(has)
}

#[test]
fn every_table_has_every_row_once_and_in_order() {
    for (table, letter, count, _) in TABLES {
        let rows = rows(table, letter);
        let numbers: Vec<u32> = rows.iter().map(|row| row.number).collect();
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "{table}");
        for row in rows {
            assert!(!row.what.is_empty() && !row.held.is_empty(), "{table} {}", row.number);
        }
    }
}

#[test]
fn every_table_of_the_folder_is_looked_at() {
    let files = std::fs::read_dir(root().join("tests/tables")).unwrap().flatten();
    let found: BTreeSet<String> =
        files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".md")?.to_owned())).collect();
    assert_eq!(found, TABLES.iter().map(|(table, ..)| (*table).to_owned()).collect());
}

#[test]
fn every_test_that_a_table_names_exists() {
    for (table, letter, ..) in TABLES {
        for row in rows(table, letter) {
            for test in named(&row.held) {
                assert!(exists(test), "{table} {}: there is no test `{test}`", row.number);
            }
        }
    }
}

#[test]
fn every_test_with_a_number_stands_in_its_row() {
    for (table, letter, _, folder) in TABLES {
        let held: BTreeMap<u32, String> = rows(table, letter).into_iter().map(|row| (row.number, row.held)).collect();
        for file in std::fs::read_dir(root().join("tests").join(folder)).unwrap().flatten() {
            let text = std::fs::read_to_string(file.path()).unwrap();
            let functions = text.lines().filter_map(|line| line.strip_prefix("fn ")?.split('(').next());
            for function in functions {
                let Some(rest) = function.strip_prefix(letter) else { continue };
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                let Ok(number) = digits.parse::<u32>() else { continue };
                let cell = held.get(&number).map_or("", String::as_str);
                assert!(cell.contains(&format!("::{function}`")), "{table} {number} does not name {function}");
            }
        }
    }
}
