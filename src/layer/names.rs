//! Follows symbolic links among names, within the root of a file system that is nowhere but in memory.

use super::{MemberPath, Problem};

/// How many links are followed at most on the way to one name, as Linux does.
pub(super) const MAX_LINKS: usize = 40;

/// What a name stands for, as far as following goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node<'a> {
    Missing,
    Directory,
    Link(&'a [u8]),
    Other,
}

/// The real name of the directory `path`: no part of it is a link any more.
///
/// A link's absolute target begins at the root of the file system, as for a process inside. One that climbs above the
/// root is refused: a process inside would stay at the root, one outside would not, and no honest layer needs it.
///
/// # Errors
/// It leads above the root, in a circle, or through something that is no directory.
pub(super) fn resolve<'a>(path: &MemberPath, node: impl Fn(&MemberPath) -> Node<'a>) -> Result<MemberPath, Problem> {
    let mut real = MemberPath::default();
    // The parts that are still to be gone, the next one last.
    let mut left: Vec<Vec<u8>> = path.parts().rev().map(<[u8]>::to_vec).collect();
    let mut links = 0;
    let mut via = String::new();
    while let Some(part) = left.pop() {
        if part == b".." {
            let Some((parent, _)) = real.split() else { return Err(Problem::Behind(via)) };
            real = parent;
            continue;
        }
        let next = real.join(&part);
        match node(&next) {
            Node::Missing | Node::Directory => real = next,
            Node::Other => return Err(Problem::NoDirectory(next.shown().into_owned())),
            Node::Link(target) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Problem::Circle);
                }
                via = next.shown().into_owned();
                if target.first() == Some(&b'/') {
                    real = MemberPath::default();
                }
                let parts = target.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
                left.extend(parts.rev().map(<[u8]>::to_vec));
            }
        }
        if next_is_long(&real) {
            return Err(Problem::Name("it is longer than 4,096 bytes"));
        }
    }
    Ok(real)
}

/// Whether links made a name longer than any that is taken.
fn next_is_long(path: &MemberPath) -> bool {
    path.as_bytes().len() > 4096
}
