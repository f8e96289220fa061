//! A unit's mounts: what covers a path, and what lies below it.

use alloc::vec::Vec;

/// One mount as the process sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mount<'a> {
    pub(crate) point: &'a str,
    options: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) root: &'a str,
}

/// The mounts of a namespace of the unit's own, in the order in which they were made.
pub(crate) struct View<'a>(Vec<Mount<'a>>);

impl<'a> View<'a> {
    /// Reads [`crate::attribute::MOUNTS`]; `None` for a line that is no mount.
    pub(crate) fn parse(raw: &'a str) -> Option<Self> {
        let mount = |line: &'a str| {
            let mut fields = line.split('\t');
            let (point, options) = (fields.next()?, fields.next()?);
            let (kind, root) = (fields.next()?, fields.next()?);
            point.starts_with('/').then_some(Mount { point, options, kind, root })
        };
        raw.lines().map(mount).collect::<Option<Vec<_>>>().filter(|mounts| !mounts.is_empty()).map(Self)
    }

    /// The mount that a path is on: the longest point above it, and of several on one point the last.
    pub(crate) fn covering(&self, path: &str) -> Option<&Mount<'a>> {
        let above = self.0.iter().filter(|mount| is_below(path, mount.point));
        above.max_by_key(|mount| mount.point.trim_end_matches('/').len())
    }

    /// The mount whose point is the path, the one that is on top.
    pub(crate) fn at(&self, path: &str) -> Option<&Mount<'a>> {
        self.0.iter().rev().find(|mount| mount.point == path)
    }

    /// Mounts strictly below a path that are on top of their point.
    pub(crate) fn below<'p>(&'p self, path: &'p str) -> impl Iterator<Item = &'p Mount<'a>> {
        self.0.iter().enumerate().filter_map(move |(index, mount)| {
            let inside = mount.point != path && is_below(mount.point, path);
            let hidden = self.0.iter().skip(index.saturating_add(1)).any(|later| later.point == mount.point);
            (inside && !hidden).then_some(mount)
        })
    }
}

impl Mount<'_> {
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|have| have == option)
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.has("ro")
    }

    /// Whether systemd put an empty, locked file or directory there.
    pub(crate) fn is_inaccessible(&self) -> bool {
        self.root.contains("systemd/inaccessible/")
    }
}

/// Whether a path is another or lies in it.
pub(crate) fn is_below(path: &str, above: &str) -> bool {
    let above = above.trim_end_matches('/');
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
