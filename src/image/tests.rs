//! The grammar of names as a whole: every rule with what it takes and what it refuses, and properties that hold
//! for every text.

use super::*;
use proptest::prelude::*;

const HEX: &str = "ab312bda3241eba40e4d0ac4c28cd4e3d7b0dd9e3d5ba5fbdbd7bd8e2f4ca1c1";

fn naming() -> Naming {
    Naming { known: ["edge".parse().unwrap()].into(), default: Some("docker.io".parse().unwrap()) }
}

fn read(text: &str) -> Result<ImageReference, ReferenceError> {
    ImageReference::parse(text, &naming())
}

#[test]
fn every_rule_takes_what_it_should() {
    let digest_512 = format!("sha512:{}", HEX.repeat(2));
    let longest_tag = "T".repeat(128);
    let cases = [
        // A first part with a dot, a colon, or the word `localhost` is a registry; everything else is not.
        ("reg.example.com", "docker.io/library/reg.example.com:latest"),
        ("localhost", "docker.io/library/localhost:latest"),
        ("localhost:5000", "docker.io/library/localhost:5000"),
        ("localhosts/x", "docker.io/localhosts/x:latest"),
        ("edge", "docker.io/library/edge:latest"),
        ("edge:1", "docker.io/library/edge:1"),
        ("EDGE/x", "edge/x:latest"),
        ("10.0.0.5:5000/x", "10.0.0.5:5000/x:latest"),
        ("xn--rg-bja.example.com/x", "xn--rg-bja.example.com/x:latest"),
        ("[fe80::1]/a/b:v", "[fe80::1]/a/b:v"),
        ("[2001:DB8:0:0::1]:443/x", "[2001:db8::1]:443/x:latest"),
        // Docker Hub's names are one, and one word there lies in `library/`.
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("docker.io/library/nginx", "docker.io/library/nginx:latest"),
        ("Index.Docker.io:443/nginx", "docker.io/library/nginx:latest"),
        ("docker.io:5000/nginx", "docker.io:5000/nginx:latest"),
        ("docker.io.example.com/nginx", "docker.io.example.com/nginx:latest"),
        ("mirror.gcr.io/nginx", "mirror.gcr.io/nginx:latest"),
        // Joints within a repository part.
        ("a.b/c/a__b/a----b/a_b", "a.b/c/a__b/a----b/a_b:latest"),
        // Tags and digests.
        ("x:_", "docker.io/library/x:_"),
        ("x:1.0-RC.1_a", "docker.io/library/x:1.0-RC.1_a"),
        (&format!("x:{longest_tag}"), &format!("docker.io/library/x:{longest_tag}")),
        (&format!("x@sha256:{HEX}"), &format!("docker.io/library/x@sha256:{HEX}")),
        (&format!("x@{digest_512}"), &format!("docker.io/library/x@{digest_512}")),
        (&format!("[::1]:5000/x:v@sha256:{HEX}"), &format!("[::1]:5000/x:v@sha256:{HEX}")),
    ];
    for (text, expected) in cases {
        let shown = read(text).map_or_else(|error| error.to_string(), |reference| reference.to_string());
        assert_eq!(shown, expected, "{text}");
    }
}

#[test]
fn every_rule_names_what_it_refuses() {
    let long_host = format!("{}.example.com/x", "h".repeat(64));
    let long_tag = format!("x:{}", "t".repeat(129));
    let two_digests = format!("x@sha256:{HEX}@sha256:{HEX}");
    let upper_digest = format!("x@sha256:{}", HEX.to_uppercase());
    let cases = [
        (":tag", "repository name is empty"),
        ("@sha256:00", "64 hex digits, not 2"),
        (" x", "` ` cannot stand"),
        ("x ", "` ` cannot stand"),
        ("x\n", "`\\n` cannot stand"),
        ("x:a\0", "`\\0` cannot stand in the tag"),
        ("/x", "empty part"),
        ("x/", "empty part"),
        ("a.example//x", "empty part"),
        ("a.example/x/", "empty part"),
        ("a.example/../x", "begins or ends"),
        ("a.example/.x", "begins or ends"),
        ("a.example/x.-y", "`.-` cannot join"),
        ("a.example/x___y", "`___` cannot join"),
        ("Team/x", "`T` cannot stand in the repository part `Team`"),
        ("a.example/x?tag=1", "`?` cannot stand"),
        ("a.example/x#1", "`#` cannot stand"),
        ("a.example/x\\y", "`\\\\` cannot stand"),
        ("a_b.example/x", "`_` cannot stand in the registry's host"),
        (".example/x", "has a part that is empty"),
        ("a.example./x", "has a part that is empty"),
        ("a.-b.example/x", "begins or ends with `-`"),
        (&long_host, "longer than 63"),
        ("a.example:/x", "`` is not a port"),
        ("a.example:00080000/x", "is not a port"),
        ("a.example:5000:1/x", "IPv6 address in brackets"),
        ("fe80::1/x", "IPv6 address in brackets"),
        ("[::1%25eth0]/x", "IPv6 address in brackets"),
        ("user:secret@a.example/x", "ALGORITHM:HEX"),
        ("docker.io/a:b@c", "ALGORITHM:HEX"),
        ("x:-1", "begins with"),
        ("x:.1", "begins with"),
        (&long_tag, "129 characters"),
        (&two_digests, "`@` is not a lower-case hex digit"),
        (&upper_digest, "is not a lower-case hex digit"),
        ("x@sha256:ab312bda324", "only the local store can look one up"),
        ("x@sha256:ab312b", "64 hex digits, not 6"),
        ("ftp://a.example/x", "without `ftp://`: `a.example/x`"),
        ("http://localhost:5000/x", "without `http://`: `localhost:5000/x`"),
    ];
    for (text, part) in cases {
        let error = read(text).map_or_else(|error| error.to_string(), |reference| format!("taken as {reference}"));
        assert!(error.contains(part), "{text:?}: {error}");
    }
}

#[test]
fn a_missing_default_says_how_to_set_it() {
    let error = ImageReference::parse("team/app:1", &Naming::default()).unwrap_err();
    let hint = error.hint().unwrap();
    assert!(hint.contains("tranship settings set default-remote-registry") && hint.contains("docker.io/team/app"));
}

#[test]
fn a_registry_path_is_put_before_every_repository() {
    let path = |text: &str| text.parse::<RegistryPath>();
    let below = |text: &str| path(text).unwrap().repository(&"app".parse().unwrap()).unwrap().to_string();
    assert_eq!(below("a.example/team/x"), "team/x/app");
    assert_eq!(below("a.example/"), "app");
    assert_eq!(below("docker.io"), "library/app");
    assert_eq!(path("A.example:5000/team/").unwrap().to_string(), "a.example:5000/team");
    for (text, part) in [
        ("https://a.example", "without `https://`"),
        ("a.example//team", "empty part"),
        ("a.example/Team", "`T` cannot stand"),
        ("/team", "host is empty"),
    ] {
        assert!(path(text).unwrap_err().to_string().contains(part), "{text}");
    }
    let long = path(&format!("a.example/{}", "p".repeat(250))).unwrap();
    assert!(long.repository(&"application".parse().unwrap()).is_err());
}

#[test]
fn media_types_are_compared_without_parameters_and_case() {
    let index = MediaType::new(" Application/vnd.OCI.image.index.v1+json ;charset=UTF-8");
    assert_eq!(index, MediaType::oci_index());
    assert!(index.is_index() && index.is_manifest() && !index.is_image_manifest() && !index.is_docker());
    assert!(MediaType::docker_index().is_index() && MediaType::docker_index().is_docker());
    assert!(MediaType::docker_manifest().is_image_manifest());
    for generic in ["", ";charset=utf-8", "text/plain; charset=utf-8", "application/octet-stream"] {
        assert!(MediaType::new(generic).is_generic(), "{generic}");
    }
    for signed in ["v1+json", "v1+prettyjws"] {
        assert!(MediaType::new(&format!("application/vnd.docker.distribution.manifest.{signed}")).is_schema_1());
    }
    let foreign = MediaType::new("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
    let mut layer = Descriptor::of(foreign, b"");
    assert!(!layer.is_foreign(), "nobody else has it");
    layer.urls.push("https://elsewhere.example/layer".to_owned());
    assert!(layer.is_foreign());
}

#[test]
fn configs_of_every_builder_are_read() {
    let config = |rest: &str| {
        let text =
            format!(r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[]}}{rest}}}"#);
        ImageConfig::parse(text.as_bytes()).map(|config| (config.platform().to_string(), config.id().clone(), text))
    };
    let nulls = r#","config":{"Env":null,"Cmd":null,"Labels":null,"Volumes":null,"ExposedPorts":null},"history":null"#;
    for rest in
        ["", nulls, r#","config":null"#, r#","variant":"""#, r#","created":"2026-11-20T12:00:00.123456789+01:00""#]
    {
        let (platform, id, text) = config(rest).unwrap_or_else(|error| panic!("{rest}: {error}"));
        assert_eq!(platform, "linux/amd64");
        assert_eq!(id, Digest::of(text.as_bytes()));
    }
    assert_eq!(config(r#","variant":"v3""#).unwrap().0, "linux/amd64/v3");
    let new = r#"{"architecture":"loong64","os":"plan10","rootfs":{"type":"layers","diff_ids":[]}}"#;
    assert_eq!(ImageConfig::parse(new.as_bytes()).unwrap().platform().to_string(), "plan10/loong64");
    assert!(ImageConfig::parse(b"[]").unwrap_err().to_string().contains("cannot be read"));
}

proptest! {
    #[test]
    fn what_is_taken_is_safe_in_urls_and_is_read_back_the_same(text in "[a-cA-Z0.:/@\\[\\]_ %\u{1b}-]{0,24}") {
        if let Ok(reference) = read(&text) {
            let shown = reference.to_string();
            let safe = |c: char| c.is_ascii_alphanumeric() || "._-/:@[]".contains(c);
            prop_assert!(shown.chars().all(safe), "{}", shown);
            prop_assert_eq!(&ImageReference::parse(&shown, &naming()).unwrap(), &reference);
            prop_assert!(reference.tag().is_some() || reference.digest().is_some());
        }
    }

    #[test]
    fn errors_show_no_control_character(text in any::<String>()) {
        let errors = [
            read(&text).err().map(|error| error.to_string()),
            Location::parse(&format!("store:{text}"), &naming()).err().map(|error| error.to_string()),
            Location::parse(&format!("oci:{text}:"), &naming()).err().map(|error| error.to_string()),
            text.parse::<Platform>().err().map(|error| error.to_string()),
            text.parse::<RegistryPath>().err().map(|error| error.to_string()),
        ];
        for error in errors.into_iter().flatten() {
            prop_assert!(!error.contains(char::is_control), "{:?}", error);
        }
    }

    #[test]
    fn addresses_are_read_back_the_same(text in "[a-cA-C0.:\\[\\]-]{0,16}") {
        if let Ok(address) = text.parse::<RegistryAddress>() {
            prop_assert_eq!(&address.to_string().parse::<RegistryAddress>().unwrap(), &address);
        }
    }

    #[test]
    fn platforms_are_read_back_the_same(text in "[a-zA-Z0-9_.-]{1,8}/[a-zA-Z0-9_.-]{1,8}(/[a-z0-9]{1,3})?") {
        let platform: Platform = text.parse().unwrap();
        prop_assert_eq!(&platform.to_string().parse::<Platform>().unwrap(), &platform);
        prop_assert!(platform.accepts(&platform));
    }
}
