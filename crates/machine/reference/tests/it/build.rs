//! Archives byte by byte, so that tests can make what no tool makes.

/// One member of a cpio archive.
pub(crate) struct Member<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) mode: u32,
    pub(crate) inode: u32,
    pub(crate) links: u32,
    pub(crate) content: &'a [u8],
}

pub(crate) const FILE: u32 = 0o100_755;
pub(crate) const DIRECTORY: u32 = 0o040_755;
pub(crate) const SYMLINK: u32 = 0o120_777;
pub(crate) const DEVICE: u32 = 0o020_600;

pub(crate) fn entry<'a>(name: &'a str, mode: u32, content: &'a [u8]) -> Member<'a> {
    Member { name: name.as_bytes(), mode, inode: 0, links: 1, content }
}

pub(crate) fn linked<'a>(name: &'a str, inode: u32, content: &'a [u8]) -> Member<'a> {
    Member { name: name.as_bytes(), mode: FILE, inode, links: 3, content }
}

/// A newc archive with its trailer.
pub(crate) fn cpio(members: &[Member<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let trailer = entry("TRAILER!!!", 0, b"");
    for member in members.iter().chain([&trailer]) {
        let (inode, mode, links) = (member.inode, member.mode, member.links);
        let (size, name_size) = (member.content.len(), member.name.len() + 1);
        let head = format!(
            "070701{inode:08x}{mode:08x}{:08x}{:08x}{links:08x}{:08x}{size:08x}{:08x}{:08x}{:08x}{:08x}{name_size:08X}{:08x}",
            0, 0, 0, 8, 1, 0, 0, 0
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(member.name);
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend_from_slice(member.content);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

/// A header of a tar archive with its content, both filled up.
pub(crate) fn tar_member(name: &[u8], kind: u8, target: &[u8], content: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..107].copy_from_slice(b"0000755");
    block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    block[156] = kind;
    block[157..157 + target.len()].copy_from_slice(target);
    block[257..265].copy_from_slice(b"ustar\x0000");
    seal(&mut block);
    block.extend_from_slice(content);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

/// Writes the checksum of a tar header.
pub(crate) fn seal(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..512].iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// A tar archive with its end marker.
pub(crate) fn tar(members: &[Vec<u8>]) -> Vec<u8> {
    [members.concat(), vec![0; 1024]].concat()
}
