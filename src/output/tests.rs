//! The console as a whole, on streams in memory.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde::Serialize;

use super::prompt::Input;
use super::*;
use crate::progress::Event;

/// A writer whose text can be looked at from outside.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub(super) fn text(&self) -> String {
        String::from_utf8(lock(&self.0).clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer that fails.
struct Failing(io::ErrorKind);

impl Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tag {
    tag_name: String,
    digest: &'static str,
}

impl Report for Tag {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}  {}", self.tag_name, self.digest)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.digest)
    }
}

fn tag(name: &str) -> Tag {
    Tag { tag_name: name.to_owned(), digest: "sha256:ab" }
}

fn console(options: ConsoleOptions) -> (Console, Shared, Shared) {
    let (results, messages) = (Shared::default(), Shared::default());
    let streams = Streams::plain(Box::new(results.clone()), Box::new(messages.clone()));
    (Console::on(streams, options), results, messages)
}

fn of(format: OutputFormat) -> ConsoleOptions {
    ConsoleOptions { format, ..ConsoleOptions::default() }
}

fn shown(options: ConsoleOptions) -> String {
    let (console, results, messages) = console(options);
    assert_eq!(console.report(&tag("v1\u{1b}[0m")).unwrap(), Reader::There);
    assert_eq!(messages.text(), "");
    results.text()
}

#[test]
fn a_report_is_shown_in_the_format_that_was_asked_for() {
    assert_eq!(shown(of(OutputFormat::Text)), "v1\\u{1b}[0m  sha256:ab\n");
    assert_eq!(shown(ConsoleOptions { quiet: true, ..of(OutputFormat::Text) }), "sha256:ab\n");
    assert_eq!(shown(of(OutputFormat::Json)), "{\n  \"tagName\": \"v1\\u001b[0m\",\n  \"digest\": \"sha256:ab\"\n}\n");
    assert_eq!(shown(of(OutputFormat::Yaml)), "tagName: \"v1\\e[0m\"\ndigest: sha256:ab\n");
}

fn streamed(format: OutputFormat, names: &[&str]) -> String {
    let (console, results, _) = console(of(format));
    let mut stream = console.stream(&[("repository", &"a.example/b")], "tags").unwrap();
    for name in names {
        let before = results.text().len();
        assert_eq!(stream.item(&tag(name)).unwrap(), Reader::There);
        assert!(results.text().len() > before, "an item is shown as it comes");
    }
    stream.finish().unwrap();
    results.text()
}

#[test]
fn results_that_come_one_by_one_make_one_document() {
    assert_eq!(streamed(OutputFormat::Text, &["v1", "v2"]), "v1  sha256:ab\nv2  sha256:ab\n");
    insta::assert_snapshot!(streamed(OutputFormat::Json, &["v1", "v2"]), @r#"
    {
      "repository": "a.example/b",
      "tags": [
        {"tagName":"v1","digest":"sha256:ab"},
        {"tagName":"v2","digest":"sha256:ab"}
      ]
    }
    "#);
    insta::assert_snapshot!(streamed(OutputFormat::Yaml, &["v1", "v2"]), @r"
    repository: a.example/b
    tags:
    - tagName: v1
      digest: sha256:ab
    - tagName: v2
      digest: sha256:ab
    ");
    for names in [&[][..], &["v1\u{202e}"], &["v1", "v2"]] {
        let json: serde_json::Value = serde_json::from_str(&streamed(OutputFormat::Json, names)).unwrap();
        let yaml: serde_json::Value = serde_yaml::from_str(&streamed(OutputFormat::Yaml, names)).unwrap();
        assert_eq!(json, yaml);
        assert_eq!(json["tags"].as_array().map(Vec::len), Some(names.len()));
        assert_eq!(json["repository"], "a.example/b");
    }
}

#[test]
fn a_document_begins_with_its_first_element_and_ends_when_it_is_finished() {
    for format in [OutputFormat::Json, OutputFormat::Yaml] {
        let (console, results, _) = console(of(format));
        let mut stream = console.stream(&[], "tags").unwrap();
        assert_eq!(results.text(), "", "what fails at once shows nothing");
        stream.item(&tag("v1")).unwrap();
        assert!(results.text().contains("v1"));
    }
    let (console, results, _) = console(of(OutputFormat::Json));
    console.stream(&[], "tags").unwrap().item(&tag("v1")).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&results.text()).is_err(), "a part is not taken for the whole");
}

#[test]
fn a_reader_who_went_away_is_no_failure() {
    let streams = Streams::plain(Box::new(Failing(io::ErrorKind::BrokenPipe)), Box::new(io::sink()));
    let console = Console::on(streams, ConsoleOptions::default());
    assert_eq!(console.report(&tag("v1")).unwrap(), Reader::Gone);
    let mut stream = console.stream(&[], "tags").unwrap();
    assert_eq!(stream.item(&tag("v1")).unwrap(), Reader::Gone);
    stream.finish().unwrap();
}

#[test]
fn a_full_disk_is_a_failure() {
    let streams = Streams::plain(Box::new(Failing(io::ErrorKind::StorageFull)), Box::new(io::sink()));
    let console = Console::on(streams, ConsoleOptions::default());
    let error = console.report(&tag("v1")).unwrap_err();
    assert_eq!(error.to_string(), "standard output cannot be written");
}

/// Says one thing of each sort and gives back what standard error got.
fn said(options: ConsoleOptions) -> String {
    let (console, _, messages) = console(options);
    console.warn("the tag `a\nb` moved");
    console.progress().observe(&Event::Warning("the tag `a\nb` moved".to_owned()));
    console.hint("use a digest");
    console.note("credential from login");
    console.failure(&OutputError::Write(io::Error::other("full")));
    messages.text()
}

#[test]
fn messages_are_lines_for_people() {
    let text = "warning: the tag `a\\nb` moved\nhint: use a digest\n";
    let error = "error: standard output cannot be written\n  because: full\n";
    assert_eq!(said(ConsoleOptions::default()), format!("{text}{error}"));
    let verbose = ConsoleOptions { verbosity: 1, ..ConsoleOptions::default() };
    assert_eq!(said(verbose), format!("{text}note: credential from login\n{error}"));
    let quiet = ConsoleOptions { quiet: true, verbosity: 1, ..ConsoleOptions::default() };
    assert_eq!(said(quiet), error);
}

#[test]
fn messages_are_json_lines_where_programs_read() {
    let by_format = said(of(OutputFormat::Json));
    let by_progress = said(ConsoleOptions { progress: ProgressMode::Json, ..ConsoleOptions::default() });
    assert_eq!(by_format, by_progress);
    let types: Vec<serde_json::Value> = by_format.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<&str> = types.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["warning", "hint", "error"]);
}

#[test]
fn a_flood_of_warnings_ends() {
    let (console, _, messages) = console(ConsoleOptions::default());
    for number in 0..1000 {
        console.warn(&format!("warning {number}"));
    }
    let text = messages.text();
    assert_eq!(text.lines().count(), 101);
    assert!(text.ends_with("warning: further warnings are not shown\n"), "{text}");
}

#[test]
fn questions_need_somebody_to_ask() {
    let (console, _, messages) = console(ConsoleOptions::default());
    assert_eq!(console.confirm("delete it?").unwrap(), Confirmation::NoTerminal);
    let error = console.prompt_secret("password:").unwrap_err();
    assert_eq!(crate::failure::Failure::kind(&error), FailureKind::Usage);
    assert_eq!(messages.text(), "");
}

#[test]
fn only_yes_is_yes() {
    for (answer, expected) in [("y\n", Confirmation::Yes), ("YES", Confirmation::Yes), ("\n", Confirmation::No)] {
        let messages = Shared::default();
        let mut streams = Streams::plain(Box::new(io::sink()), Box::new(messages.clone()));
        streams.input = Input::Prepared(Mutex::new(vec![answer]));
        let console = Console::on(streams, ConsoleOptions::default());
        assert_eq!(console.confirm("delete `a\u{1b}`?").unwrap(), expected);
        assert_eq!(messages.text(), "delete `a\\u{1b}`? [y/N] ");
    }
}
