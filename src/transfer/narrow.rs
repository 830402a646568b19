//! Platforms: which of an index's images are wanted, and the index that names only those.
//!
//! This is the one place where a manifest is written that was not there before. It is asked for by `--platform`,
//! and the plan says that the digest changes.

use std::collections::{BTreeMap, HashSet};

use serde_json::value::RawValue;

use super::Error;
use crate::image::{Descriptor, Digest, Manifest, ManifestError, Platform, RawManifest};

/// The annotation by which an attestation in an index names the image that it is about.
const ABOUT: &str = "vnd.docker.reference.digest";

/// What is left of a manifest when only some platforms are wanted.
pub(super) enum Narrowed {
    /// All of it.
    Whole(RawManifest),
    /// The one image.
    Child(Descriptor),
    /// An index of some of its images.
    Index(RawManifest),
}

/// Picks `platforms` from `root`: the image itself where one is wanted, an index of them where several are.
///
/// An image that is no index is taken as it is; whether it is for a wanted platform, its config says.
///
/// # Errors
/// A platform that is not there.
pub(super) fn narrow(root: RawManifest, platforms: &[Platform]) -> Result<Narrowed, Error> {
    let Manifest::Index(index) = root.manifest() else { return Ok(Narrowed::Whole(root)) };
    let picked = platforms.iter().map(|wanted| pick(&index.manifests, wanted)).collect::<Result<Vec<_>, _>>()?;
    match picked[..] {
        [] => return Ok(Narrowed::Whole(root)),
        [only] => return Ok(Narrowed::Child(only.clone())),
        _ => {}
    }
    let kept: HashSet<&Digest> = picked.iter().map(|descriptor| &descriptor.digest).collect();
    let keep = |child: &Descriptor| {
        let about = child.annotations.get(ABOUT).and_then(|about| about.parse::<Digest>().ok());
        kept.contains(&child.digest) || about.is_some_and(|about| kept.contains(&about))
    };
    let kept: Vec<bool> = index.manifests.iter().map(keep).collect();
    if kept.iter().all(|kept| *kept) {
        return Ok(Narrowed::Whole(root));
    }
    Ok(Narrowed::Index(rewrite(&root, &kept)?))
}

/// The image for `wanted`: one for exactly that where there is one, else the first that will do.
fn pick<'a>(children: &'a [Descriptor], wanted: &Platform) -> Result<&'a Descriptor, Error> {
    let offered = |child: &Descriptor| child.platform.clone().filter(|platform| !platform.is_unknown());
    let exact = children.iter().find(|child| offered(child).as_ref() == Some(wanted));
    let fits = |child: &&Descriptor| offered(child).is_some_and(|platform| wanted.accepts(&platform));
    exact.or_else(|| children.iter().find(fits)).ok_or_else(|| Error::NoPlatform {
        wanted: Box::new(wanted.clone()),
        offered: children.iter().filter_map(offered).collect(),
    })
}

/// The index with the kept entries alone, each in the very words that it had.
fn rewrite(root: &RawManifest, kept: &[bool]) -> Result<RawManifest, ManifestError> {
    let mut document: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(root.bytes())?;
    let entries: Vec<Box<RawValue>> = match document.get("manifests") {
        Some(entries) => serde_json::from_str(entries.get())?,
        None => return Err(ManifestError::NotManifest),
    };
    let entries: Vec<_> = entries.into_iter().zip(kept).filter_map(|(entry, kept)| kept.then_some(entry)).collect();
    document.insert("manifests".to_owned(), serde_json::value::to_raw_value(&entries)?);
    // Some registries refuse an index that does not name its own type.
    document.insert("mediaType".to_owned(), serde_json::value::to_raw_value(root.media_type())?);
    let bytes = serde_json::to_vec(&document)?;
    RawManifest::parse(bytes.into(), Some(root.media_type()), root.digest().algorithm())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Algorithm, MediaType};

    fn index(entries: &[(&str, Option<&str>)]) -> (RawManifest, Vec<Digest>) {
        let digests: Vec<Digest> = (0..entries.len()).map(|n| Digest::of(&n.to_be_bytes())).collect();
        let entry = |(n, (platform, about)): (usize, &(&str, Option<&str>))| {
            let (os, architecture) = platform.split_once('/').unwrap();
            let (architecture, variant) = architecture.split_once('/').unwrap_or((architecture, ""));
            let about = about.map_or_else(String::new, |about| {
                format!(r#","annotations":{{"{ABOUT}":"{}"}}"#, digests[about.parse::<usize>().unwrap()])
            });
            format!(
                r#"{{ "mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":7,"x-odd":1.50,"platform":{{"os":"{os}","architecture":"{architecture}","variant":"{variant}"}}{about}}}"#,
                digests[n]
            )
        };
        let entries: Vec<String> = entries.iter().enumerate().map(entry).collect();
        let text = format!(r#"{{"schemaVersion":2,"annotations":{{"k":"v"}},"manifests":[{}]}}"#, entries.join(","));
        let index = RawManifest::parse(text.into(), Some(&MediaType::oci_index()), Algorithm::Sha256).unwrap();
        (index, digests)
    }

    fn platforms(texts: &[&str]) -> Vec<Platform> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn one_platform_is_its_own_image() {
        let (index, digests) = index(&[("linux/arm/v7", None), ("linux/arm/v6", None), ("linux/amd64", None)]);
        let child = |wanted: &str| match narrow(index.clone(), &platforms(&[wanted])).unwrap() {
            Narrowed::Child(child) => child.digest,
            Narrowed::Whole(_) | Narrowed::Index(_) => panic!("not one image"),
        };
        assert_eq!(child("linux/amd64"), digests[2]);
        assert_eq!(child("linux/arm"), digests[0], "the first that will do");
        assert_eq!(child("linux/arm/v6"), digests[1]);
    }

    #[test]
    fn several_platforms_are_an_index_in_the_words_of_the_old_one() {
        let entries = [
            ("linux/amd64", None),
            ("linux/arm64", None),
            ("linux/s390x", None),
            ("unknown/unknown", Some("0")),
            ("unknown/unknown", Some("2")),
        ];
        let (index, digests) = index(&entries);
        let Narrowed::Index(narrowed) = narrow(index, &platforms(&["linux/amd64", "linux/arm64"])).unwrap() else {
            panic!("not an index")
        };
        let kept: Vec<&Digest> = narrowed.manifest().children().iter().map(|child| &child.digest).collect();
        assert_eq!(kept, [&digests[0], &digests[1], &digests[3]]);
        let text = String::from_utf8(narrowed.bytes().to_vec()).unwrap();
        assert!(text.contains(r#""x-odd":1.50"#) && text.contains(r#""annotations":{"k":"v"}"#), "{text}");
        assert!(text.contains(r#""mediaType":"application/vnd.oci.image.index.v1+json""#), "{text}");
    }

    #[test]
    fn all_platforms_are_the_index_itself_and_a_missing_one_is_named() {
        let (index, _) = index(&[("linux/amd64", None), ("linux/arm64", None), ("unknown/unknown", Some("0"))]);
        let all = platforms(&["linux/amd64", "linux/arm64/v8"]);
        assert!(matches!(narrow(index.clone(), &all), Ok(Narrowed::Whole(found)) if found.digest() == index.digest()));
        let error = narrow(index, &platforms(&["windows/amd64"])).err().unwrap().to_string();
        assert_eq!(error, "there is no image for windows/amd64; there are linux/amd64, linux/arm64");
    }
}
