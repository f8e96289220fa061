//! Directories in a policy, compared by whole components: `/tmp` never covers `/tmpx`.

/// An absolute directory; a component may be `*`, which stands for exactly one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directory {
    text: String,
    components: Vec<Option<String>>,
}

impl Directory {
    /// `None` unless the text is absolute and its components are names or `*`. `/` alone covers everything.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        let mut components = Vec::new();
        for name in rest.split('/').filter(|_| !rest.is_empty()) {
            match name {
                "" | "." | ".." => return None,
                "*" => components.push(None),
                // A star inside a name would be a pattern, and patterns are where exclusions go wrong.
                name if name.contains('*') || name.chars().any(char::is_control) => return None,
                name => components.push(Some(name.to_owned())),
            }
        }
        Some(Self { text: text.into(), components })
    }

    /// As it is written in the policy.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_root(&self) -> bool {
        self.components.is_empty()
    }

    pub(crate) fn has_star(&self) -> bool {
        self.components.iter().any(Option::is_none)
    }

    /// True when `path` is the directory itself or lies under it. A path that is relative, has `.`, `..` or empty
    /// components or a control character is covered by nothing: its name is not to be trusted.
    pub(crate) fn covers(&self, path: &[u8]) -> bool {
        let Some(rest) = path.strip_prefix(b"/") else { return false };
        let mut names = rest.split(|byte| *byte == b'/');
        let matches = self.components.iter().all(|component| match (component, names.next()) {
            (_, None) => false,
            (Some(wanted), Some(name)) => wanted.as_bytes() == name,
            (None, Some(name)) => !name.is_empty(),
        });
        matches && is_plain(path)
    }

    /// True when some path lies under both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.components.iter().zip(&other.components).all(|(a, b)| a == b || a.is_none() || b.is_none())
    }
}

/// True for an absolute path of names without control characters.
pub(crate) fn is_plain(path: &[u8]) -> bool {
    let names = |rest: &[u8]| {
        rest.split(|byte| *byte == b'/').all(|name| !matches!(name, b"" | b"." | b".."))
            && !rest.iter().any(u8::is_ascii_control)
    };
    path.strip_prefix(b"/").is_some_and(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_covers_whole_components_only() {
        let tmp = Directory::parse("/var/tmp").unwrap();
        for path in ["/var/tmp", "/var/tmp/a", "/var/tmp/a/b c"] {
            assert!(tmp.covers(path.as_bytes()), "{path}");
        }
        for path in [
            "/var/tmpx",
            "/var/tmpx/a",
            "/var",
            "var/tmp/a",
            "/var/tmp/../../usr/bin/a",
            "/var/tmp/a\nb",
            "/var/tmp//a",
        ] {
            assert!(!tmp.covers(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn a_star_is_exactly_one_name() {
        let homes = Directory::parse("/home/*/build").unwrap();
        assert!(homes.covers(b"/home/ann/build/a.out"));
        assert!(!homes.covers(b"/home/build/a.out"));
        assert!(!homes.covers(b"/home/ann/x/build/a.out"));
        assert!(!homes.covers(b"/home/ann"));
        for bad in ["", "tmp", "/a/", "//", "/a/../b", "/a*", "/a/**", "/a\n", "/."] {
            assert_eq!(Directory::parse(bad), None, "{bad}");
        }
        assert!(Directory::parse("/").unwrap().covers(b"/anything"));
    }

    #[test]
    fn overlap_is_found_in_both_directions() {
        let directory = |text| Directory::parse(text).unwrap();
        assert!(directory("/home/*/bin").overlaps(&directory("/home/ann")));
        assert!(directory("/").overlaps(&directory("/usr")));
        assert!(!directory("/home/*/bin").overlaps(&directory("/home/ann/lib")));
        assert!(!directory("/usr/lib").overlaps(&directory("/usr/lib64")));
    }
}
