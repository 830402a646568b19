//! What can follow in a path of `config`: the words that supctl knows, and the names that are configured.

use std::ffi::OsString;

use super::{in_time, registries, session, vaults};
use crate::config::{DocumentPath, Verb};

/// The words that fit behind those that are typed already.
pub(super) fn words() -> Vec<String> {
    let typed = typed(std::env::args_os().collect(), std::env::var("_CLAP_COMPLETE_INDEX").ok().as_deref());
    let before: Vec<&str> = typed.iter().map(String::as_str).collect();
    let following = DocumentPath::following(&before);
    following.iter().flat_map(|word| named(word, &before)).collect()
}

/// The path as far as it is typed, without the word that is being completed. A completer gets to see that word
/// alone; the shell has put the line behind `--`, and says where in it the cursor is, or has cut it off there.
fn typed(arguments: Vec<OsString>, index: Option<&str>) -> Vec<String> {
    let mut line: Vec<String> = arguments
        .into_iter()
        .skip_while(|word| word != "--")
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let current = index.and_then(|index| index.parse().ok()).unwrap_or(line.len().saturating_sub(1));
    line.truncate(current);
    let verb = |word: &String| VERBS.iter().any(|verb| verb.to_string() == *word);
    let path = line.iter().position(verb).map_or(line.len(), |verb| verb + 1);
    line.drain(path..).filter(|word| !word.starts_with('-')).collect()
}

const VERBS: [Verb; 6] = [Verb::Create, Verb::Show, Verb::List, Verb::Replace, Verb::Merge, Verb::Delete];

/// The word itself, or the names that it stands for.
fn named(word: &str, before: &[&str]) -> Vec<String> {
    match word {
        "ADDRESS" => registries(),
        "VAULT" => vaults(),
        "NAME" => sites().unwrap_or_default(),
        "SECRET" => secrets(before),
        _ => vec![word.to_owned()],
    }
}

fn sites() -> Option<Vec<String>> {
    let session = session()?;
    let sites = &session.config().ok()?.sites;
    Some(sites.iter().map(|site| site.name.to_string()).collect())
}

fn secrets(before: &[&str]) -> Vec<String> {
    let Ok(DocumentPath::Secrets(vault)) = DocumentPath::parse(before) else { return Vec::new() };
    in_time(async move {
        let secrets = session()?.vaults(None).ok()?.named(&vault).ok()?.list().await.ok()?;
        Some(secrets.iter().map(ToString::to_string).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_what_stands_between_the_verb_and_the_cursor() {
        let typed = |line: &str, index: Option<&str>| {
            let words = ["tranship", "--"].into_iter().chain(line.split(' ')).map(OsString::from);
            typed(words.collect(), index).join(" ")
        };
        let line = "tranship -v config show --validate strongbox vaults v";
        assert_eq!(typed(line, None), "strongbox vaults");
        assert_eq!(typed(line, Some("6")), "strongbox");
        assert_eq!(typed("tranship config create image", None), "");
        assert_eq!(typed("tranship config topdc list image-registry sites ", None), "image-registry sites");
    }
}
