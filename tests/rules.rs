//! The shape of the code, as rules: who may use whom, how long a file may be, what only one module does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What every module but the bottom ones themselves may use.
const BOTTOM: [&str; 5] = ["failure", "image", "progress", "files", "compression"];

/// Who may use whom, from the bottom up. What is not here is not there.
const MODULES: &[(&str, &[&str])] = &[
    ("failure", &[]),
    ("image", &["failure"]),
    ("progress", &["failure", "image"]),
    ("files", &["failure"]),
    ("compression", &["failure"]),
    ("yaml", &[]),
    ("registry", &[]),
    ("wire", &["registry"]),
    ("credentials", &[]),
    ("config", &["yaml", "credentials"]),
    ("outbound", &["wire"]),
    ("client", &["outbound", "wire", "registry", "credentials", "config"]),
    ("blobs", &["registry"]),
    ("store", &["blobs", "registry"]),
    ("bucket", &["registry"]),
    ("archive", &["blobs", "compression", "registry"]),
    ("transfer", &["registry"]),
    ("mirror", &["registry", "transfer", "yaml"]),
    ("streams", &["config", "outbound", "registry", "transfer", "yaml"]),
    ("application", &["yaml"]),
    ("sites", &["registry"]),
    ("layer", &[]),
    ("filesystem", &["layer", "registry", "transfer"]),
    ("draft", &["registry", "transfer"]),
    ("server", &["config", "outbound", "registry", "wire"]),
    ("output", &[]),
    (
        "session",
        &[
            "archive",
            "bucket",
            "client",
            "config",
            "credentials",
            "outbound",
            "output",
            "registry",
            "server",
            "store",
            "streams",
            "transfer",
            "wire",
            "yaml",
        ],
    ),
    (
        "command",
        &[
            "archive",
            "application",
            "client",
            "config",
            "credentials",
            "mirror",
            "draft",
            "filesystem",
            "layer",
            "output",
            "registry",
            "server",
            "session",
            "sites",
            "store",
            "streams",
            "transfer",
            "yaml",
        ],
    ),
    ("cli", &["command", "config", "output", "session"]),
];

/// The most lines of a file.
const LONGEST: usize = 500;

/// Words that only some modules may say, and why.
const RESERVED: &[(&str, &[&str], &str)] = &[
    ("reqwest", &["outbound"], "only `outbound` dials"),
    ("TcpStream", &["outbound"], "only `outbound` dials"),
    ("UdpSocket", &["outbound"], "only `outbound` dials"),
    ("TcpListener", &["server"], "only `server` listens"),
    ("object_store", &["bucket"], "only `bucket` speaks to object storage, which that crate dials"),
    ("axum", &["server"], "only `server` answers requests"),
    ("println!", &["output"], "only `output` prints"),
    ("eprintln!", &["output"], "only `output` prints"),
    ("io::stdout", &["output"], "only `output` writes to the terminal"),
    ("io::stderr", &["output"], "only `output` writes to the terminal"),
    ("keyring::", &["credentials"], "secrets come from vaults"),
    ("clap::", &["cli", "command"], "only the command line knows flags"),
];

/// Crates that may not be in the tree, and why.
const BANNED: [(&str, &str); 10] = [
    ("openssl", "rustls is the one TLS stack"),
    ("openssl-sys", "rustls is the one TLS stack"),
    ("native-tls", "rustls is the one TLS stack"),
    ("boring", "rustls is the one TLS stack"),
    ("serde_yml", "unsound and given up"),
    ("serde_yaml", "given up; its living name is yaml_serde"),
    ("tokio-tar", "reads archives otherwise than others do (CVE-2025-62518)"),
    ("astral-tokio-tar", "reads archives otherwise than others do (RUSTSEC-2026-0066)"),
    ("async-tar", "given up"),
    ("atty", "given up"),
];

/// The oldest version of a crate that may be in the tree, and why.
const OLDEST: [(&str, [u64; 3], &str); 1] = [("tar", [0, 4, 46], "older ones pass over sizes in PAX headers")];

#[test]
fn modules_use_only_what_lies_below_them() {
    let mut wrong = Vec::new();
    for source in Source::all() {
        let allowed = MODULES.iter().find(|(name, _)| *name == source.module);
        let Some((_, allowed)) = allowed else {
            wrong.push(format!("{}: the module `{}` is not in the table", source.shown, source.module));
            continue;
        };
        for used in source.uses() {
            let bottom = !BOTTOM.contains(&source.module.as_str()) && BOTTOM.contains(&used.as_str());
            if used != source.module && !bottom && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: `{}` may not use `{used}`", source.shown, source.module));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_long() {
    let long = |source: &Source| source.lines >= LONGEST;
    let found: Vec<String> =
        Source::all().iter().filter(|s| long(s)).map(|s| format!("{}: {} lines", s.shown, s.lines)).collect();
    assert!(found.is_empty(), "files have fewer than {LONGEST} lines:\n{}", found.join("\n"));
}

#[test]
fn some_words_belong_to_one_module() {
    let mut wrong = Vec::new();
    for source in Source::all() {
        for (word, owners, reason) in RESERVED {
            if !owners.contains(&source.module.as_str()) && source.code.contains(word) {
                wrong.push(format!("{}: `{word}` ({reason})", source.shown));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_tree_of_crates_holds_nothing_that_is_banned() {
    let crates = locked_crates();
    let mut wrong = Vec::new();
    for (name, version) in &crates {
        if let Some((_, reason)) = BANNED.iter().find(|(banned, _)| banned == name) {
            wrong.push(format!("{name} {version}: {reason}"));
        }
        if let Some((_, oldest, reason)) = OLDEST.iter().find(|(crate_name, ..)| crate_name == name)
            && numbers(version) < *oldest
        {
            wrong.push(format!("{name} {version}: {reason}"));
        }
    }
    let stacks: Vec<&String> = crates.iter().filter(|(name, _)| name == "rustls").map(|(_, version)| version).collect();
    if stacks.len() != 1 {
        wrong.push(format!("rustls has to be there once, and is there as {stacks:?}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_rules_see_what_they_are_to_see() {
    let text = "//! use crate::comment;\nuse crate::{image::Digest, store};\nfn f() { crate::wire::x() } // crate::no\n\
                #[cfg(test)]\nmod tests {\n    use crate::cli;\n}\n";
    let source = Source::new("x/mod.rs", text);
    assert_eq!(source.module, "x");
    assert_eq!(source.uses().into_iter().collect::<Vec<_>>(), ["image", "store", "wire"]);
    assert_eq!(Source::new("y.rs", "use crate::{\n    a, // one\n    b::{c, d},\n    e::f,\n};").uses().len(), 3);
    assert_eq!(numbers("0.4.9"), [0, 4, 9]);
    assert!(numbers("0.4.46-rc.1+x") == [0, 4, 46] && numbers("0.4.9") < numbers("0.4.46"));
    assert!(locked_crates().len() > 100);
    assert!(Source::all().len() > 30);
}

/// A file under `src`, without comments and tests.
struct Source {
    shown: String,
    module: String,
    lines: usize,
    code: String,
}

impl Source {
    /// All of them, but for `lib.rs`, `main.rs` and files of tests alone.
    fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        list(&root, &mut files);
        let texts: Vec<(PathBuf, String)> =
            files.into_iter().map(|file| (file.clone(), std::fs::read_to_string(&file).unwrap())).collect();
        let only_tests: BTreeSet<PathBuf> = texts.iter().flat_map(|(file, text)| test_files(file, text)).collect();
        let kept = texts.iter().filter(|(file, _)| !only_tests.iter().any(|test| file.starts_with(test)));
        let kept = kept.map(|(file, text)| Self::new(&file.strip_prefix(&root).unwrap().to_string_lossy(), text));
        kept.filter(|source| !matches!(source.module.as_str(), "lib" | "main")).collect()
    }

    fn new(path: &str, text: &str) -> Self {
        let first = path.split(['/', '\\']).next().unwrap_or_default();
        let module = first.trim_end_matches(".rs").to_owned();
        // Tests stand last in a file, and may use whatever helps them.
        let text_without_tests = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code: Vec<&str> = text_without_tests.lines().map(without_comment).collect();
        Self { shown: format!("src/{path}"), module, lines: text.lines().count(), code: code.join("\n") }
    }

    /// The modules of this crate that the code names.
    fn uses(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for after in self.code.split("crate::").skip(1) {
            match after.strip_prefix('{') {
                Some(group) => found.extend(heads(group)),
                None => {
                    found.insert(word(after));
                }
            }
        }
        found
    }
}

/// The first word of every member of `{a::b, c::{d, e}, f}`, read from behind the opening brace.
fn heads(group: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut depth = 0_u32;
    let mut member = String::new();
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => found.push(word(&std::mem::take(&mut member))),
            _ => member.push(c),
        }
    }
    found.push(word(&member));
    found.retain(|word| !word.is_empty());
    found
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// A line without its comment. URLs in strings lose their end, which does no harm here.
fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// The files and directories that `text` declares for tests alone.
fn test_files(file: &Path, text: &str) -> Vec<PathBuf> {
    let directory = match file.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib") => file.parent().unwrap().to_owned(),
        _ => file.with_extension(""),
    };
    let declared = text.split("#[cfg(test)]\n").skip(1).filter_map(|after| {
        let line = after.lines().find(|line| !line.trim_start().starts_with("#["))?;
        Some(word(line.trim_start().trim_start_matches("pub(crate) ").strip_prefix("mod ")?.strip_suffix(';')?))
    });
    declared.flat_map(|name| [directory.join(format!("{name}.rs")), directory.join(name)]).collect()
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

/// Name and version of every crate in `Cargo.lock`.
fn locked_crates() -> Vec<(String, String)> {
    let lock = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        line.trim_matches(['"', ' ', '=']).to_owned()
    };
    lock.split("[[package]]").skip(1).map(|block| (value(block, "name"), value(block, "version"))).collect()
}

fn numbers(version: &str) -> [u64; 3] {
    let release = version.split(['-', '+']).next().unwrap_or_default();
    let mut parts = release.split('.').map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}
