//! What rules say and what they cannot say, in each of the forms.

use crate::support::images::image;
use crate::support::program::Program;
use crate::support::scripted::Scripted;

/// What is said of rules in a form.
fn refused(form: &str, rules: &str, to: &[&str]) -> String {
    let program = Program::new();
    std::fs::write(program.path("rules.yaml"), rules).unwrap();
    let file = program.path("rules.yaml");
    let words = [&["sync", "--rules-format", form, "-f", &file], to].concat();
    let output = program.run(&words).code(2);
    assert_eq!(output.stdout, "");
    let said = output.stderr.replace(&program.home().display().to_string(), "HOME");
    let lines = said.lines().filter(|line| !line.starts_with("error: cannot read the rules"));
    lines.map(|line| line.trim_start_matches("  because: ").replace("HOME/", "")).collect::<Vec<_>>().join("\n")
}

/// What is said of each of some rules of this program's form.
fn each(rules: &[&str]) -> String {
    let said = rules.iter().map(|rules| refused("tranship", rules, &[]));
    said.collect::<Vec<_>>().join("\n")
}

#[test]
fn unknown_keys_are_named_with_their_line_and_the_nearest() {
    insta::assert_snapshot!(each(&[
        "default: {}\nrules: []\n",
        "rules:\n- form: a.example/x\n  to: b.example/x\n",
        "rules:\n- from: a.example/x\n  to: b.example/x\n  tags:\n    semvre: '>=1'\n",
        "rules:\n- from: a.example/x\n  to: b.example/x\n  prune: {share: 0.1}\n",
        "defaults:\n  too: b.example\nrules: [{from: a.example/x}]\n",
        "rules:\n- from: a.example/*\n  to: b.example/x\n  repositories: {matches: x}\n",
        "rules:\n- from: a.example/x\n  to: b.example/x\n  password: hunter2\n",
    ]), @r"
    rules.yaml:1: unknown key `default` in the rules; did you mean `defaults`?
    rules.yaml:2: unknown key `form` in a rule; did you mean `from`?; rules.yaml:2: `from` is missing
    rules.yaml:5: unknown key `semvre` in the tags of a rule; did you mean `semver`?
    rules.yaml:4: unknown key `share` in `prune`; known are max-share
    rules.yaml:2: unknown key `too` in the defaults; did you mean `to`?; rules.yaml:3: `to` is missing, and `defaults` name none
    rules.yaml:4: unknown key `matches` in the repositories of a rule; did you mean `match`?
    rules.yaml:4: `password` of a rule looks like a secret, and the configuration holds none; keep it with `tranship secret set VAULT/SECRET`
    ");
}

#[test]
fn what_is_empty_is_refused() {
    insta::assert_snapshot!(each(&[
        "",
        "rules: []\n",
        "rules:\n- to: b.example/x\n",
        "rules:\n- from: a.example/x\n",
        "rules:\n- from: a.example/x\n  to: []\n",
        "rules:\n- from: a.example/x\n  to: b.example/x\n  tags:\n    match: []\n",
        "rules:\n- from: a.example/x\n  to: b.example/x\n  platforms: []\n",
    ]), @r"
    rules.yaml:1: there are no `rules`, so there is nothing to do
    rules.yaml:1: there are no `rules`, so there is nothing to do
    rules.yaml:2: `from` is missing
    rules.yaml:2: `to` is missing, and `defaults` name none
    rules.yaml:3: `to` is empty; leave it out, or name at least one
    rules.yaml:5: `match` is empty; leave it out, or name at least one
    rules.yaml:4: `platforms` is empty; leave it out, or name at least one
    ");
}

#[test]
fn what_contradicts_itself_is_refused() {
    insta::assert_snapshot!(each(&[
        "rules:\n- from: a.example/x:1.0\n  to: b.example/x\n  tags: {newest: 5}\n",
        "rules:\n- from: a.example/x:1.0\n  to: b.example/x\n  prune: {}\n",
        "rules:\n- from: a.example/x\n  to: b.example/x\n  repositories: {match: y}\n",
        "rules:\n- from: a.example/x\n  to: b.example/x\n  tags:\n    match: latest\n    newest: 5\n",
        "rules:\n- from: a.example/x\n  to: b.example/x\n  tags:\n    match: ['3.*']\n    newest-by: date\n",
        "rules:\n- from: a.example/x\n  to: b.example/x\n  tags:\n    match: ['1.*', '2.0']\n    exclude: ['1.*', '2*']\n",
        "rules:\n- from: a.example/x\n  to: a.example/x\n",
        "rules:\n- from: a.example/x\n  to: [b.example/x, b.example/x]\n",
    ]), @r"
    rules.yaml:4: `tags` picks among tags, and `from` names the one image `a.example/x:1.0`
    rules.yaml:4: `prune` removes what the source has no more, and `from` names the one image `a.example/x:1.0`
    rules.yaml:4: `repositories` picks among several, and `from` names one, `a.example/x`
    rules.yaml:6: `newest` picks among tags, and `match` names the one tag `latest`
    rules.yaml:6: `newest-by` says in which order, and without `newest` nothing is ordered
    rules.yaml:6: `exclude` takes away everything that `match` takes
    rules.yaml:3: `to` is where `from` is, `a.example/x`
    rules.yaml:3: `to` names a place twice
    ");
}

#[test]
fn what_is_no_value_is_refused() {
    insta::assert_snapshot!(each(&[
        "rules:\n- from: a.example/x\n  to: b.example/x\n  tags:\n    regex: '('\n    semver: soon\n    newest: 0\n",
        "rules:\n- from: a.example/x\n  to: b.example/x\n  tags:\n    match: '['\n    newest: 3\n    newest-by: age\n",
        "rules:\n- from: a.example/x\n  to: b.example/x\n  tags: {match: [3.20]}\n",
        "rules:\n- from: a.example/*/x\n  to: b.example/x\n",
        "rules:\n- from: a.example/x/*:latest\n  to: b.example/x\n",
        "rules:\n- from: oci:dir\n  to: b.example/x\n",
        "rules:\n- from: a.example/x\n  to: UPPER/x\n",
        "rules:\n- from: a.example/x\n  to: b.example/x:1.0\n",
        "rules:\n- from: a.example/x:1\n  to: b.example/x@sha256:aaaa\n",
        "rules:\n- from: short\n  to: b.example/x\n",
        "rules:\n- from: a.example/x\n  to: b.example/x\n  prune: {max-share: 2}\n",
        "rules:\n- from: a.example/x\n  to: b.example/x\n  backup-tag: 'before-{date}'\n",
        "rules:\n- from: a.example/x\n  to: b.example/x\n  backup-tag: '{tag}-{dat}'\n",
        "rules:\n- from: a.example/x\n  to: b.example/x\n  platforms: x/y/z/w\n  attached: some\n",
        "rules: x\n",
        "- rules\n",
        "rules:\n - from: [\n",
    ]), @r"
    rules.yaml:5: `regex`: this is not a regular expression: unclosed group; rules.yaml:6: `semver`: `soon` is not a range of versions such as `>=3.18, <4`: unexpected character 's' while parsing major version number; rules.yaml:7: `newest`: `0` is not a number from 1
    rules.yaml:5: `match`: this is not a glob: unclosed character class; missing ']'; rules.yaml:7: `newest-by`: `age` is not one of semver, date
    rules.yaml:4: `match` is a number or a truth value here; put it in quotes
    rules.yaml:2: `from`: `*` stands for whole repositories and can be the last part alone, as in `quay.io/prometheus/*`
    rules.yaml:2: `from`: `a.example/x/*:latest` names tags of many repositories; pick those with `tags`
    rules.yaml:2: `from`: `oci:dir` is no repository; those of registries and of the store (`store:NAME`) are
    rules.yaml:3: `to`: `U` cannot stand in the repository part `UPPER` (lower-case letters, digits, `.`, `_` and `-`)
    rules.yaml:3: `to`: a repository is wanted here, without tag and digest: `b.example/x`
    rules.yaml:3: `to`: a sha256 digest has 64 hex digits, not 4
    rules.yaml:2: `from`: `short` names no registry, and no default remote registry is set
    rules.yaml:4: `max-share`: `2` is not a share; one is written as in 0.2 or 20%, above 0 and up to 1
    rules.yaml:4: `backup-tag`: without `{tag}` all tags would have the same name
    rules.yaml:4: `backup-tag`: `{dat}` stands for nothing; did you mean `date`?
    rules.yaml:4: `platforms`: `x/y/z/w` is not a platform; one is written OS/ARCHITECTURE[/VARIANT], as in linux/arm64/v8; rules.yaml:5: `attached`: `some` is not one of none, image, all
    rules.yaml:1: `rules` is a list
    rules.yaml:1: keys and values are expected for the rules
    rules.yaml:3: this is not YAML: did not find expected node content
    ");
}

#[test]
fn rules_of_regsync_and_skopeo_are_refused_with_their_lines() {
    let regsync = [
        "version: 2\nsync: []\n",
        "version: 1\nsync:\n- source: a.example/x\n  target: b.example/x\n  type: repo\n",
        "version: 1\nsync:\n- source: a.example/x\n  target: b.example/x\n  type: repository\n  tags: {alow: ['1']}\n",
        "version: 1\nsync:\n- source: a.example/x:1\n  target: b.example/x\n  type: repository\n",
        "version: 1\nsync:\n- source: '{{env \"X\"}}/x'\n  target: b.example/x\n  type: repository\n  backup: '{{ .Time }}'\n",
        "version: 1\nsync:\n- source: a.example/x\n  target: b.example/x\n  type: repository\n  tags: {allow: ['(']}\n  referrers: often\n",
    ];
    let said: Vec<String> = regsync.iter().map(|rules| refused("regsync", rules, &[])).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    rules.yaml:1: `version`: only version 1 is known, and this is 2
    rules.yaml:5: `type`: `repo` is not one of registry, repository, image
    rules.yaml:6: unknown key `alow` in `tags`; did you mean `allow`?
    rules.yaml:3: `type` is repository, and `source` names one image
    rules.yaml:3: `source`: templates are not understood here; write what they come to; rules.yaml:6: `backup`: `{{ .Time }}` is not understood here; `{{ .Ref.Tag }}` is, and `backup-tag` of this program's form knows the date too
    rules.yaml:7: `referrers` is true or false; rules.yaml:6: `allow`: this is not a regular expression: unclosed group
    ");
    let skopeo = [
        ("a.example:\n  images: {x: []}\n", &[][..]),
        ("a.example:\n  image: {x: []}\n", &["b.example"][..]),
        ("a.example:\n  images: {x: [1.0]}\n", &["b.example"][..]),
        ("a.example:\n  images-by-tag-regex: {x: '('}\n  images-by-semver: {y: soon}\n", &["b.example"][..]),
        ("a.example:\n  images: {one/x: [], two/x: []}\n", &["b.example"][..]),
        ("{}\n", &["b.example"][..]),
        ("[]\n", &["b.example"][..]),
    ];
    let said: Vec<String> = skopeo.iter().map(|(rules, to)| refused("skopeo", rules, to)).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    rules.yaml:1: rules of skopeo do not say where to; name it: `tranship sync -f FILE --rules-format skopeo DST`
    rules.yaml:2: unknown key `image` in a registry; did you mean `images`?
    rules.yaml:2: `x` is a number or a truth value here; put it in quotes
    rules.yaml:2: `x`: this is not a regular expression: unclosed group; rules.yaml:3: `y`: `soon` is not a range of versions such as `>=3.18, <4`: unexpected character 's' while parsing major version number
    rules.yaml:1: `a.example/one/x` and `a.example/two/x` would both become `b.example/x`; `--scoped` keeps their whole names
    rules.yaml:1: there are no images, so there is nothing to do
    rules.yaml:1: keys and values are expected for the rules of skopeo
    ");
}

#[test]
fn rules_of_regsync_do_what_they_say() {
    let (source, destination) = (Scripted::start(), Scripted::start());
    for tag in ["1.0", "1.1", "2.0", "latest"] {
        source.put("team/app", &image().build(), &[tag]);
    }
    source.put("other", &image().build(), &["1.0"]);
    let rules = "version: 1\nx-tags: &tags {allow: ['1\\.\\d+', latest], deny: ['.*0']}\n\
        creds: [{registry: SRC, user: u, pass: '{{env \"P\"}}'}]\ndefaults: {ratelimit: {min: 100}, interval: 60m}\n\
        sync:\n- {source: SRC/team/app, target: DST/copy, type: repository, tags: *tags}\n\
        - {source: SRC/team/app:2.0, target: 'DST/one:mine', type: image}\n\
        - {source: SRC, target: DST, type: registry, repos: {allow: ['oth.*']}}\n";
    let rules = rules.replace("SRC", &source.address()).replace("DST", &destination.address());
    let program = Program::new();
    std::fs::write(program.path("regsync.yml"), rules).unwrap();
    let words = ["sync", "--rules-format", "regsync", "-f", &program.path("regsync.yml")];
    let output = program.run(&words).success().says("`creds` of the configuration of regsync has no meaning here");
    assert_eq!(destination.tags("copy"), ["1.1", "latest"], "{}", output.shown());
    assert_eq!((destination.tags("one"), destination.tags("other")), (vec!["mine".to_owned()], vec!["1.0".to_owned()]));
    assert_eq!(source.count("GET", "/referrers/"), 0, "regsync leaves behind what refers to images");
}

#[test]
fn rules_of_skopeo_do_what_they_say() {
    let (source, destination) = (Scripted::start(), Scripted::start());
    for tag in ["1.13.1", "1.13.2-alpine", "3.0"] {
        source.put("lib/nginx", &image().build(), &[tag]);
    }
    source.put("busybox", &image().build(), &["a", "b"]);
    source.put("redis", &image().build(), &["1", "2"]);
    let rules = "SRC:\n  tls-verify: false\n  images: {busybox: [], redis: ['2']}\n  \
        images-by-tag-regex: {lib/nginx: '^1\\.13\\.[12]-alpine'}\n  images-by-semver: {lib/nginx: '>= 2.0 <4'}\n";
    let program = Program::new();
    std::fs::write(program.path("skopeo.yml"), rules.replace("SRC", &source.address())).unwrap();
    let to = format!("{}/mirror", destination.address());
    let words = ["sync", "--rules-format", "skopeo", "-f", &program.path("skopeo.yml"), &to];
    program.run(&words).success().says("`tls-verify` of a registry has no meaning here");
    assert_eq!(destination.tags("mirror/nginx"), ["1.13.2-alpine", "3.0"]);
    assert_eq!(destination.tags("mirror/busybox"), ["a", "b"]);
    assert_eq!(destination.tags("mirror/redis"), ["2"]);
    program.run(&[&words[..], &["--scoped"]].concat()).success();
    let whole = format!("mirror/{}/lib/nginx", source.address().replace(':', "_"));
    assert_eq!(destination.tags(&whole).len(), 2);
}
