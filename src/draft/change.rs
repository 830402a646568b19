//! Changes to what a container runs, in the words of a Dockerfile (`CMD ["sh"]`, `ENV A=b`, …).

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// What is run unless something else is asked for; nothing where empty.
    Cmd(Vec<String>),
    /// What is always run; nothing where empty.
    Entrypoint(Vec<String>),
    /// A variable.
    Env(String, String),
    /// A variable that is no more.
    Unset(String),
    /// A port, `80/tcp`.
    Expose(String),
    /// A note; none where the value is `None`.
    Label(String, Option<String>),
    /// As whom it runs.
    User(String),
    /// Where files are kept that are not part of the image.
    Volume(String),
    /// Where it runs.
    WorkingDirectory(String),
    /// How it is told to end.
    StopSignal(String),
    /// What a build upon the image does first.
    OnBuild(String),
    /// How it is seen whether it is well.
    HealthCheck(Value),
}

/// A text that is no change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no change that can be made: {reason}", .text.escape_debug())]
pub struct ChangeError {
    text: String,
    reason: &'static str,
}

/// Every instruction that is taken.
const KNOWN: &str =
    "CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR are";

impl Change {
    /// Reads an instruction, which may say several changes (`ENV A=1 B=2`).
    ///
    /// # Errors
    /// It is none that is known, or says nothing.
    pub fn parse(text: &str) -> Result<Vec<Self>, ChangeError> {
        let wrong = |reason| ChangeError { text: text.to_owned(), reason };
        let trimmed = text.trim();
        let (word, rest) = trimmed.split_once(char::is_whitespace).unwrap_or((trimmed, ""));
        let rest = rest.trim();
        if rest.is_empty() {
            return Err(wrong("an instruction and what it says are wanted, as in `CMD [\"sh\"]`"));
        }
        let pairs = || pairs(rest).ok_or_else(|| wrong("KEY=VALUE is wanted"));
        Ok(match word.to_ascii_uppercase().as_str() {
            "CMD" => vec![Self::Cmd(command(rest))],
            "ENTRYPOINT" => vec![Self::Entrypoint(command(rest))],
            "ENV" => pairs()?.into_iter().map(|(key, value)| Self::Env(key, value)).collect(),
            "LABEL" => pairs()?.into_iter().map(|(key, value)| Self::Label(key, Some(value))).collect(),
            "EXPOSE" => {
                let ports: Option<Vec<_>> = rest.split_whitespace().map(port).collect();
                ports.ok_or_else(|| wrong("ports are wanted, as in `EXPOSE 80 53/udp`"))?
            }
            "USER" => vec![Self::User(rest.to_owned())],
            "VOLUME" => list(rest).into_iter().map(Self::Volume).collect(),
            "WORKDIR" => vec![Self::WorkingDirectory(rest.to_owned())],
            "STOPSIGNAL" => vec![Self::StopSignal(rest.to_owned())],
            "ONBUILD" => vec![Self::OnBuild(rest.to_owned())],
            "HEALTHCHECK" => vec![Self::HealthCheck(
                health(rest).ok_or_else(|| wrong("`HEALTHCHECK NONE` or `HEALTHCHECK [OPTIONS] CMD …` is wanted"))?,
            )],
            _ => return Err(wrong(KNOWN)),
        })
    }

    /// Makes the change.
    pub(super) fn apply(&self, config: &mut Map<String, Value>) {
        let mut set = |key: &str, value: Value| drop(config.insert(key.to_owned(), value));
        match self {
            // A null says that there is none, to those who know no missing field.
            Self::Cmd(words) if words.is_empty() => drop(config.remove("Cmd")),
            Self::Entrypoint(words) if words.is_empty() => drop(config.remove("Entrypoint")),
            Self::Cmd(words) => set("Cmd", json!(words)),
            Self::Entrypoint(words) => {
                set("Entrypoint", json!(words));
                // What was run by the old one is nothing to the new one.
                config.remove("Cmd");
            }
            Self::User(user) => set("User", json!(user)),
            Self::WorkingDirectory(path) => set("WorkingDir", json!(path)),
            Self::StopSignal(signal) => set("StopSignal", json!(signal)),
            Self::HealthCheck(check) => set("Healthcheck", check.clone()),
            Self::Env(key, value) => set_variable(config, key, Some(value)),
            Self::Unset(key) => set_variable(config, key, None),
            Self::OnBuild(instruction) => {
                let list = config.entry("OnBuild").or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(json!(instruction));
                }
            }
            Self::Expose(port) => drop(object(config, "ExposedPorts").insert(port.clone(), json!({}))),
            Self::Volume(path) => drop(object(config, "Volumes").insert(path.clone(), json!({}))),
            Self::Label(key, Some(value)) => drop(object(config, "Labels").insert(key.clone(), json!(value))),
            Self::Label(key, None) => drop(object(config, "Labels").remove(key)),
        }
    }
}

/// An object in the config, which is made where there is none.
fn object<'c>(config: &'c mut Map<String, Value>, key: &str) -> &'c mut Map<String, Value> {
    let value = config.entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = json!({});
    }
    match value {
        Value::Object(object) => object,
        _ => unreachable!("it was made an object"),
    }
}

/// Sets or removes a variable, in its place where it has one.
fn set_variable(config: &mut Map<String, Value>, key: &str, value: Option<&str>) {
    let mut variables: Vec<String> =
        config.get("Env").and_then(|list| serde_json::from_value(list.clone()).ok()).unwrap_or_default();
    let is_it = |variable: &String| variable.split('=').next() == Some(key);
    let line = value.map(|value| format!("{key}={value}"));
    match (variables.iter().position(is_it), line) {
        (Some(at), Some(line)) => variables[at] = line,
        (Some(at), None) => drop(variables.remove(at)),
        (None, Some(line)) => variables.push(line),
        (None, None) => {}
    }
    config.insert("Env".to_owned(), json!(variables));
}

/// A JSON list of words, or a line for the shell.
#[must_use]
pub fn command(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()])
}

fn list(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| text.split_whitespace().map(str::to_owned).collect())
}

/// A port with its protocol.
fn port(text: &str) -> Option<Change> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let known = ["tcp", "udp", "sctp"].contains(&protocol);
    let range = number.split('-').all(|part| part.parse::<u16>().is_ok()) && number.split('-').count() <= 2;
    (known && range).then(|| Change::Expose(format!("{number}/{protocol}")))
}

/// `KEY=VALUE …` with quotes and backslashes as in a Dockerfile, or its old form `KEY VALUE`.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let words = words(text)?;
    if !words.first()?.contains('=') {
        let (key, value) = text.split_once(char::is_whitespace)?;
        return Some(vec![(key.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: String| {
        let (key, value) = word.split_once('=')?;
        (!key.is_empty()).then(|| (key.to_owned(), value.to_owned()))
    };
    words.into_iter().map(pair).collect()
}

fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', quote) if quote != Some('\'') => word.push(letters.next()?),
            (letter, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => (quote, begun) = (Some(letter), true),
            (letter, None) if letter.is_whitespace() => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (letter, _) => word.push(letter),
        }
    }
    if begun || !word.is_empty() {
        words.push(word);
    }
    quote.is_none().then_some(words)
}

/// `NONE`, or options and `CMD`.
fn health(text: &str) -> Option<Value> {
    if text.eq_ignore_ascii_case("none") {
        return Some(json!({"Test": ["NONE"]}));
    }
    let mut check = json!({});
    let mut rest = text;
    while let Some(option) = rest.strip_prefix("--") {
        let (option, behind) = option.split_once(char::is_whitespace)?;
        let (key, value) = option.split_once('=')?;
        let field = match key {
            "interval" => "Interval",
            "timeout" => "Timeout",
            "start-period" => "StartPeriod",
            "start-interval" => "StartInterval",
            "retries" => "Retries",
            _ => return None,
        };
        check[field] = match field {
            "Retries" => json!(value.parse::<u32>().ok()?),
            _ => json!(i64::try_from(value.parse::<SignedDuration>().ok()?.as_nanos()).ok()?),
        };
        rest = behind.trim_start();
    }
    let (word, command) = rest.split_once(char::is_whitespace)?;
    if !word.eq_ignore_ascii_case("cmd") {
        return None;
    }
    check["Test"] = match serde_json::from_str::<Vec<String>>(command.trim()) {
        Ok(words) => json!([&["CMD".to_owned()][..], &words].concat()),
        Err(_) => json!(["CMD-SHELL", command.trim()]),
    };
    Some(check)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(texts: &[&str]) -> Value {
        let mut config = Map::new();
        for change in texts.iter().flat_map(|text| Change::parse(text).unwrap()) {
            change.apply(&mut config);
        }
        Value::Object(config)
    }

    #[test]
    fn instructions_say_what_they_say_in_a_dockerfile() {
        for (texts, expected) in [
            (&["CMD [\"sh\", \"-l\"]"][..], json!({"Cmd": ["sh", "-l"]})),
            (&["cmd echo hi"], json!({"Cmd": ["/bin/sh", "-c", "echo hi"]})),
            (&["CMD x", "ENTRYPOINT [\"/e\"]"], json!({"Entrypoint": ["/e"]})),
            (
                &["ENV A=1 B=\"two words\"", "ENV A=3", "ENV C old form"],
                json!({"Env": ["A=3", "B=two words", "C=old form"]}),
            ),
            (&["LABEL a=b c='d e'", "LABEL a=f"], json!({"Labels": {"a": "f", "c": "d e"}})),
            (&["EXPOSE 80 53/udp 1-9/tcp"], json!({"ExposedPorts": {"80/tcp": {}, "53/udp": {}, "1-9/tcp": {}}})),
            (&["VOLUME /a /b", "VOLUME [\"/c d\"]"], json!({"Volumes": {"/a": {}, "/b": {}, "/c d": {}}})),
            (
                &["USER 1000:50", "WORKDIR /w", "STOPSIGNAL SIGINT"],
                json!({"User": "1000:50", "WorkingDir": "/w", "StopSignal": "SIGINT"}),
            ),
            (&["ONBUILD RUN x", "ONBUILD RUN y"], json!({"OnBuild": ["RUN x", "RUN y"]})),
            (&["HEALTHCHECK NONE"], json!({"Healthcheck": {"Test": ["NONE"]}})),
            (
                &["HEALTHCHECK --interval=5s --retries=3 CMD curl -f x"],
                json!({"Healthcheck": {"Interval": 5_000_000_000_i64, "Retries": 3, "Test": ["CMD-SHELL", "curl -f x"]}}),
            ),
        ] {
            assert_eq!(changed(texts), expected, "{texts:?}");
        }
    }

    #[test]
    fn what_says_nothing_is_refused() {
        for text in
            ["", "CMD", "RUN x", "ENV", "ENV =x", "ENV A=\"x", "EXPOSE x", "EXPOSE 1/x", "HEALTHCHECK curl", "LABEL a"]
        {
            assert!(Change::parse(text).is_err(), "{text}");
        }
    }
}
