//! Images and variables written by hand, field by field.

use avouch_pe::Guid;

/// Sections begin at multiples of this in the file.
const FILE_ALIGNMENT: usize = 0x200;
const DIRECTORIES: u32 = 16;

/// What an image is made of.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) wide: bool,
    pub(crate) checksum: u32,
    pub(crate) directories: u32,
    /// Name, content, and size in memory where it is another than the content's.
    pub(crate) sections: Vec<(&'static str, Vec<u8>, Option<u32>)>,
    /// Bytes behind the sections.
    pub(crate) trailing: Vec<u8>,
    /// `WIN_CERTIFICATE` bodies with their types.
    pub(crate) certificates: Vec<(u16, Vec<u8>)>,
    /// Puts the sections into the file in the reverse order of the table.
    pub(crate) reversed: bool,
}

impl Parts {
    pub(crate) fn new(sections: &[(&'static str, &[u8])]) -> Self {
        Self {
            wide: true,
            checksum: 0x1234_5678,
            directories: DIRECTORIES,
            sections: sections.iter().map(|(name, data)| (*name, data.to_vec(), None)).collect(),
            trailing: Vec::new(),
            certificates: Vec::new(),
            reversed: false,
        }
    }

    /// A kernel-like image with a signature.
    pub(crate) fn signed() -> Self {
        let mut parts = Self::new(&[(".text", b"code"), (".data", b"data that is longer"), (".sbat", SBAT.as_bytes())]);
        parts.certificates = vec![(2, b"PKCS#7 would stand here".to_vec())];
        parts
    }

    /// A UKI with two profiles and a signature.
    pub(crate) fn uki() -> Self {
        let magic: &[u8] = b"#### LoaderInfo: systemd-stub 258 ####\0";
        let mut parts = Self::new(&[
            (".sdmagic", magic),
            (".linux", b"kernel"),
            (".sbat", SBAT.as_bytes()),
            (".profile", b"ID=a"),
            (".profile", b"ID=b"),
        ]);
        parts.certificates = vec![(2, b"signature".to_vec())];
        parts
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let mut out = b"MZ".to_vec();
        out.resize(0x3C, 0);
        push32(&mut out, 0x80);
        out.resize(0x80, b'.');
        out.extend(b"PE\0\0");
        push16(&mut out, 0x8664);
        push16(&mut out, self.sections.len() as u16);
        out.extend([0; 12]);
        let optional = if self.wide { 112 } else { 96 } + self.directories as usize * 8;
        push16(&mut out, optional as u16);
        push16(&mut out, 0x0206);
        let start = out.len();
        push16(&mut out, if self.wide { 0x020B } else { 0x010B });
        out.resize(start + 56, 0);
        push32(&mut out, 0x40_0000);
        let headers = (start + optional + self.sections.len() * 40).next_multiple_of(FILE_ALIGNMENT);
        push32(&mut out, headers as u32);
        push32(&mut out, self.checksum);
        push16(&mut out, 10);
        out.resize(start + if self.wide { 108 } else { 92 }, 0);
        push32(&mut out, self.directories);
        let directories = out.len();
        out.resize(start + optional, 0);
        self.place_sections(&mut out, headers);
        self.place_certificates(&mut out, directories + 4 * 8);
        out
    }

    fn place_sections(&self, out: &mut Vec<u8>, headers: usize) {
        let mut places = vec![0; self.sections.len()];
        let mut order: Vec<usize> = (0..self.sections.len()).collect();
        if self.reversed {
            order.reverse();
        }
        let mut at = headers;
        for index in order {
            places[index] = at;
            at += self.sections[index].1.len().next_multiple_of(FILE_ALIGNMENT);
        }
        for (index, (name, data, in_memory)) in self.sections.iter().enumerate() {
            let mut header = name.as_bytes().to_vec();
            header.resize(8, 0);
            push32(&mut header, in_memory.unwrap_or(data.len() as u32));
            push32(&mut header, 0x1000 * (index as u32 + 1));
            push32(&mut header, data.len().next_multiple_of(FILE_ALIGNMENT) as u32);
            push32(&mut header, places[index] as u32);
            header.resize(40, 0);
            out.extend(header);
        }
        out.resize(at, 0);
        for ((_, data, _), place) in self.sections.iter().zip(places) {
            out[place..place + data.len()].copy_from_slice(data);
        }
        out.extend(&self.trailing);
    }

    fn place_certificates(&self, out: &mut Vec<u8>, directory: usize) {
        if self.certificates.is_empty() {
            return;
        }
        out.resize(out.len().next_multiple_of(8), 0);
        let start = out.len();
        for (kind, body) in &self.certificates {
            push32(out, body.len() as u32 + 8);
            push16(out, 0x0200);
            push16(out, *kind);
            out.extend(body);
            out.resize(out.len().next_multiple_of(8), 0);
        }
        let size = (out.len() - start) as u32;
        out[directory..directory + 4].copy_from_slice(&(start as u32).to_le_bytes());
        out[directory + 4..directory + 8].copy_from_slice(&size.to_le_bytes());
    }
}

pub(crate) const SBAT: &str = "sbat,1,SBAT Version,sbat,1,https://example.org/sbat\n\
    grub,3,Example,grub2,2.06,https://example.org/grub\n\
    grub.debian,4,Debian,grub2,2.06-13,https://tracker.debian.org/pkg/grub2\n";

/// `EFI_SIGNATURE_LIST`.
pub(crate) fn list(kind: Guid, header: &[u8], signatures: &[(Guid, &[u8])]) -> Vec<u8> {
    let size = signatures.first().map_or(0, |(_, data)| data.len() + 16);
    let mut out = kind.0.to_vec();
    push32(&mut out, (28 + header.len() + signatures.len() * size) as u32);
    push32(&mut out, header.len() as u32);
    push32(&mut out, size as u32);
    out.extend(header);
    for (owner, data) in signatures {
        out.extend(owner.0);
        out.extend(*data);
    }
    out
}

/// `EFI_VARIABLE_AUTHENTICATION_2` before `value`.
pub(crate) fn update(time: [u8; 16], pkcs7: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = time.to_vec();
    push32(&mut out, pkcs7.len() as u32 + 24);
    push16(&mut out, 0x0200);
    push16(&mut out, 0x0EF1);
    out.extend(Guid::from_text("4aafd29d-68df-49ee-8aa9-347d375665a7").unwrap().0);
    out.extend(pkcs7);
    out.extend(value);
    out
}

pub(crate) fn push16(out: &mut Vec<u8>, value: u16) {
    out.extend(value.to_le_bytes());
}

pub(crate) fn push32(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_le_bytes());
}
