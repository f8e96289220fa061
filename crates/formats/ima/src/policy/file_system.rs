//! File systems by their magic number (`include/uapi/linux/magic.h` and the file systems' own headers).

use core::fmt;

/// A file system type, by its magic number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileSystem(pub u64);

/// Magic, name, and whether the kernel makes up the content so that no program can be put there.
const KNOWN: &[(u64, &str, bool)] = &[
    (0x0000_9FA0, "proc", true),
    (0x6265_6572, "sysfs", true),
    (0x6462_6720, "debugfs", true),
    (0x7472_6163, "tracefs", true),
    (0x0000_1CD1, "devpts", true),
    (0x4249_4E4D, "binfmt_misc", true),
    (0x7363_6673, "securityfs", true),
    (0xF97C_FF8C, "selinuxfs", true),
    (0x4341_5D53, "smackfs", true),
    (0x0027_E0EB, "cgroup", true),
    (0x6367_7270, "cgroup2", true),
    (0x6E73_6673, "nsfs", true),
    (0xDE5E_81E4, "efivarfs", true),
    (0xCAFE_4A11, "bpf", true),
    (0x6265_6570, "configfs", true),
    (0x6165_676C, "pstore", true),
    (0x1980_0202, "mqueue", true),
    (0x0102_1994, "tmpfs", false),
    (0x8584_58F6, "ramfs", false),
    (0x9584_58F6, "hugetlbfs", false),
    (0x0000_EF53, "ext2/3/4", false),
    (0x5846_5342, "xfs", false),
    (0x9123_683E, "btrfs", false),
    (0xF2F5_2010, "f2fs", false),
    (0x2FC1_2FC1, "zfs", false),
    (0x7371_7368, "squashfs", false),
    (0xE0F5_E1E2, "erofs", false),
    (0x794C_7630, "overlayfs", false),
    (0x6573_5546, "fuse", false),
    (0x0000_6969, "nfs", false),
    (0xFF53_4D42, "cifs", false),
    (0xFE53_4D42, "smb2", false),
    (0x00C3_6400, "ceph", false),
    (0x0102_1997, "9p", false),
    (0x0000_9660, "iso9660", false),
    (0x0000_4D44, "vfat", false),
    (0x2011_BAB0, "exfat", false),
];

impl FileSystem {
    /// The usual name, when the magic is a known one.
    pub fn name(self) -> Option<&'static str> {
        KNOWN.iter().find(|(magic, _, _)| *magic == self.0).map(|(_, name, _)| *name)
    }

    /// The file system with this name in `/proc/filesystems`, when it has one magic and that is known.
    pub fn from_name(name: &str) -> Option<Self> {
        KNOWN.iter().find(|(_, known, _)| *known == name).map(|(magic, ..)| Self(*magic))
    }

    /// True when the kernel makes up the files, so that leaving them out leaves out no program. False for a magic that
    /// is not known.
    pub fn is_pseudo(self) -> bool {
        KNOWN.iter().any(|(magic, _, pseudo)| *magic == self.0 && *pseudo)
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "file system 0x{:x}", self.0),
        }
    }
}

impl fmt::Debug for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}(0x{:x})", self.0)
    }
}
