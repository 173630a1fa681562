use bstr::{BStr, BString, ByteSlice};
use std::fmt::{self, Write};

/// Bytes from the kernel (a path, arguments): not necessarily UTF-8, possibly cut.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct KernelString {
    pub bytes: BString,
    /// The original was longer.
    pub truncated: bool,
}

impl KernelString {
    /// The bytes.
    #[must_use]
    pub fn as_bstr(&self) -> &BStr {
        self.bytes.as_bstr()
    }

    /// True when there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Text for people and JSON: bytes outside UTF-8 and control characters as `\xNN`.
    #[must_use]
    pub fn to_text(&self) -> String {
        escape(&self.bytes)
    }

    /// Arguments one by one, as the kernel keeps them: each ends with a NUL.
    pub fn arguments(&self) -> impl Iterator<Item = Self> + '_ {
        let bytes: &[u8] = &self.bytes;
        let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
        let count = if bytes.is_empty() { 0 } else { usize::MAX };
        bytes.split(|byte| *byte == 0).take(count).map(Self::from)
    }

    /// The path taken in `directory` when it is relative, without `.`, `..` and doubled slashes. Of its text alone: what
    /// links lead to is not known.
    #[must_use]
    pub fn resolved_in(&self, directory: &Self) -> Self {
        let relative = !self.bytes.starts_with(b"/");
        let start: &[u8] = if relative { &directory.bytes } else { b"" };
        let mut components: Vec<&[u8]> = Vec::new();
        for component in start.split_str("/").chain(self.bytes.split_str("/")) {
            match component {
                b"" | b"." => {}
                b".." => drop(components.pop()),
                name => components.push(name),
            }
        }
        let mut bytes = BString::default();
        for component in components {
            bytes.push(b'/');
            bytes.extend_from_slice(component);
        }
        Self {
            bytes,
            truncated: self.truncated || (relative && directory.truncated),
        }
    }

    /// The last component of a path.
    #[must_use]
    pub fn file_name(&self) -> &BStr {
        let start = self.bytes.rfind_byte(b'/').map_or(0, |at| at + 1);
        self.bytes[start..].as_bstr()
    }
}

impl From<&[u8]> for KernelString {
    fn from(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.into(),
            truncated: false,
        }
    }
}

impl From<&str> for KernelString {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl fmt::Display for KernelString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// UTF-8 as it is, everything else and control characters as `\xNN`: no terminal escape gets through.
fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                let mut utf8 = [0; 4];
                push_hex(&mut text, character.encode_utf8(&mut utf8).as_bytes());
            } else {
                text.push(character);
            }
        }
        push_hex(&mut text, chunk.invalid());
    }
    text
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ignored = write!(text, "\\x{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_outside_utf8_and_controls_are_escaped() {
        assert_eq!(
            KernelString::from(&b"/tmp/\xffa\x1b[31m\n\xc3\xa9"[..]).to_text(),
            "/tmp/\\xffa\\x1b[31m\\x0aé"
        );
    }

    #[test]
    fn a_path_is_resolved_by_its_text_alone() {
        let resolved = |path: &str, folder: &str| {
            let found = KernelString::from(path).resolved_in(&folder.into());
            found.to_text()
        };
        assert_eq!(
            resolved("core_pattern", "/proc/sys/kernel"),
            "/proc/sys/kernel/core_pattern"
        );
        assert_eq!(resolved("../..//etc/./shadow", "/srv/app"), "/etc/shadow");
        assert_eq!(resolved("/a/../../b", "/srv"), "/b");
        let cut = KernelString {
            truncated: true,
            ..KernelString::from("/srv")
        };
        assert!(KernelString::from("x").resolved_in(&cut).truncated);
        assert!(!KernelString::from("/x").resolved_in(&cut).truncated, "not asked");
    }

    #[test]
    fn file_name_is_what_follows_the_last_slash() {
        assert_eq!(KernelString::from("/usr/bin/nc").file_name(), "nc");
        assert_eq!(KernelString::from("nc").file_name(), "nc");
    }
}
