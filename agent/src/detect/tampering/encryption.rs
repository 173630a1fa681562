//! Files that are renamed as ransomware renames what it has encrypted: the old name, and a word of its own. The kernel tells of the
//! first rename in a folder by a program only, so how many there were is known when the alert's window closes.

use super::finding;
use crate::detect::program::{builds, name};
use crate::detect::rules::tampering;
use crate::detect::{DetectContext, Finding};
use crate::event::Name;

const EXTENSIONS: [&[u8]; 29] = [
    b"enc",
    b"encrypt",
    b"encrypted",
    b"encr",
    b"crypt",
    b"crypted",
    b"crypto",
    b"cry",
    b"crypz",
    b"locked",
    b"lckd",
    b"lock64",
    b"lockbit",
    b"locky",
    b"ransom",
    b"wncry",
    b"wcry",
    b"wnry",
    b"ryk",
    b"ryuk",
    b"conti",
    b"akira",
    b"babyk",
    b"phobos",
    b"dharma",
    b"rhysida",
    b"medusa",
    b"qilin",
    b"cerber",
];

pub(super) fn inspect(context: &DetectContext<'_>, moved: &Name) -> Option<Finding> {
    let appended = appended(&moved.path.bytes, &moved.new_path.bytes)?;
    if context.event.raw.header.ret < 0 || !is_of_ransom(appended) || builds(context.event) {
        return None;
    }
    let did = format!(
        "renamed {} to {}: so ransomware marks what it has encrypted",
        moved.path, moved.new_path
    );
    Some(finding(
        context,
        &tampering::BULK_ENCRYPTION,
        &context.actor(),
        &did,
    ))
}

/// What the new name has behind the old one.
fn appended<'a>(old: &[u8], new: &'a [u8]) -> Option<&'a [u8]> {
    let old = name(old);
    name(new).strip_prefix(old).filter(|_| !old.is_empty())
}

/// `.enc`, `.id-4711.[mail].locked`.
fn is_of_ransom(appended: &[u8]) -> bool {
    let extension = appended
        .rsplit(|byte| *byte == b'.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    appended.starts_with(b".") && EXTENSIONS.contains(&extension.as_slice())
}

#[cfg(test)]
mod tests {
    use crate::detect::testing::{image_file, scene};
    use crate::event::{FileObject, KernelString, Name, Payload};

    fn renamed(below: &[&str], old: &str, new: &str) -> Vec<&'static str> {
        scene("acme/shop", "/bin/mv")
            .below(below)
            .rules(Payload::Rename(Name {
                file: image_file(),
                directory: FileObject::default(),
                rename_flags: 0,
                path: old.into(),
                new_path: new.into(),
                fs_path: KernelString::default(),
            }))
    }

    #[test]
    fn what_ransomware_has_encrypted_has_another_name() {
        for (old, new) in [
            ("/data/a.docx", "/data/a.docx.enc"),
            ("/data/a", "/data/a.LOCKED"),
            ("1", "1.id-4711.[mail@example].crypt"),
        ] {
            assert_eq!(
                renamed(&["/bin/bash"], old, new),
                ["tampering.bulk_encryption"],
                "{new}"
            );
        }
        for (old, new) in [
            ("/data/temp-1.rdb", "/data/dump.rdb"),
            ("/data/a", "/data/a.bak"),
            ("/data/secrets.tmp", "/data/secrets.enc"),
            ("/app/Gemfile", "/app/Gemfile.lock"),
            ("/data/a.enc", "/data/a"),
        ] {
            assert!(renamed(&["/bin/bash"], old, new).is_empty(), "{new}");
        }
        assert!(renamed(&["/usr/bin/dpkg"], "/data/a", "/data/a.enc").is_empty());
    }
}
