//! PE images (Microsoft PE/COFF specification, "File Headers" and "Section Table").

use alloc::vec::Vec;

use avouch_tpm_wire::{Digest, HashAlg, Hasher};

use crate::cursor::{Cursor, length, wide};
use crate::{PeError, authenticode};

/// Most zero bytes that a section may have behind its data in the file. Kernels ask for some 60 MiB; a digest has to
/// go through them all.
pub const MAX_ZERO_FILL: u32 = 256 * 1024 * 1024;

const SECTION_HEADER: usize = 40;
const DIRECTORY: usize = 8;
/// Index of the certificate table among the data directories.
const CERTIFICATE_DIRECTORY: usize = 4;
const MAX_DIRECTORIES: u32 = 16;
/// `WIN_CERTIFICATE` structures begin at multiples of this.
const CERTIFICATE_ALIGNMENT: usize = 8;

/// A PE image that borrows its bytes: a UEFI application or driver, a UKI, or a kernel with an EFI stub.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    bytes: &'a [u8],
    layout: Layout,
    sections: Vec<Section<'a>>,
    certificates: Vec<Certificate<'a>>,
}

/// Where in the file the fields are that a digest leaves out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) machine: u16,
    pub(crate) subsystem: u16,
    pub(crate) size_of_image: u32,
    pub(crate) headers: usize,
    pub(crate) checksum: usize,
    /// The directory entry of the certificate table; `None` where the header has no such entry.
    pub(crate) directory: Option<usize>,
    /// Start and length of the certificate table; zero length where the image has none.
    pub(crate) table: (usize, usize),
}

/// One section.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// Position in the section table, from 0.
    pub index: usize,
    /// Byte of its header in the file.
    pub offset: usize,
    /// Its name without the zero bytes behind it.
    pub name: &'a [u8],
    /// Where it is loaded, from the image's base.
    pub virtual_address: u32,
    /// Bytes that it has in memory.
    pub virtual_size: u32,
    /// Byte of its data in the file.
    pub data_offset: usize,
    /// Its data in the file, filled up to the file's alignment.
    pub raw: &'a [u8],
}

/// One entry of the certificate table (`WIN_CERTIFICATE`, UEFI 2.10 section 32.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// Byte where it begins.
    pub offset: usize,
    /// wRevision, 0x0200 in every known signer.
    pub revision: u16,
    /// wCertificateType.
    pub kind: u16,
    /// bCertificate.
    pub data: &'a [u8],
}

// === impl Image ===

impl<'a> Image<'a> {
    /// Reads the headers, the section table and the certificate table.
    ///
    /// Overlapping sections are taken as they are, since firmware loads and hashes them as they are.
    ///
    /// # Errors
    /// [`PeError`] where the file is cut, a part lies outside it, or bytes follow the certificate table, which would
    /// be in no digest.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PeError> {
        let (layout, table, count) = headers(bytes)?;
        let mut headers = Cursor::new(bytes.get(table..).unwrap_or_default(), table);
        let sections = (0..usize::from(count)).map(|index| section(&mut headers, bytes, index));
        let sections = sections.collect::<Result<Vec<_>, _>>()?;
        if layout.headers < headers.offset() {
            let (wanted, got) = (wide(layout.headers), wide(headers.offset()));
            return Err(PeError::Outside { offset: table, field: "the section table", wanted, got });
        }
        let certificates = certificates(bytes, &layout)?;
        let image = Self { bytes, layout, sections, certificates };
        authenticode::check(&image)?;
        Ok(image)
    }

    /// The digest that firmware computes when it loads the image, that db and dbx list, and that EV_EFI_BOOT_SERVICES_
    /// APPLICATION events extend (Windows Authenticode PE Signature Format, "Calculating the PE Image Hash").
    ///
    /// It covers the file without checksum and certificate table: headers, sections in the order of their place in the
    /// file, and the bytes after them. Tools that sign first fill a file up to a multiple of eight; the digest of an
    /// unsigned file is that of the file as it is.
    pub fn authenticode(&self, alg: HashAlg, hasher: &impl Hasher) -> Digest {
        authenticode::digest(self, alg, hasher)
    }

    /// The sections in the order of the section table.
    pub fn sections(&self) -> &[Section<'a>] {
        &self.sections
    }

    /// The first section of this name.
    pub fn section(&self, name: &str) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.name == name.as_bytes())
    }

    /// The entries of the certificate table; empty in an unsigned image.
    pub fn certificates(&self) -> &[Certificate<'a>] {
        &self.certificates
    }

    /// The `.sbat` section, read.
    ///
    /// # Errors
    /// [`PeError`] when the section is no SBAT table.
    pub fn sbat(&self) -> Result<Option<crate::sbat::Table<'a>>, PeError> {
        self.section(".sbat").map(|section| crate::sbat::Table::parse(section.data())).transpose()
    }

    /// IMAGE_FILE_MACHINE_*, e.g. 0x8664 for x86-64 and 0xAA64 for AArch64.
    pub fn machine(&self) -> u16 {
        self.layout.machine
    }

    /// IMAGE_SUBSYSTEM_*: 10 application, 11 boot service driver, 12 runtime driver, 13 ROM.
    pub fn subsystem(&self) -> u16 {
        self.layout.subsystem
    }

    /// SizeOfImage: bytes that it takes in memory.
    pub fn size_of_image(&self) -> u32 {
        self.layout.size_of_image
    }

    /// The whole file.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }
}

// === impl Section ===

impl<'a> Section<'a> {
    /// What of the file is loaded: the data up to the section's size in memory.
    pub fn data(&self) -> &'a [u8] {
        self.raw.get(..length(self.virtual_size)).unwrap_or(self.raw)
    }

    /// Zero bytes that follow the data in memory, at most [`MAX_ZERO_FILL`].
    pub fn zeros(&self) -> usize {
        length(self.virtual_size).saturating_sub(self.raw.len())
    }

    /// The digest of the section as it stands in memory, which is what a boot stub measures.
    pub fn digest(&self, alg: HashAlg, hasher: &impl Hasher) -> Digest {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut parts = alloc::vec![self.data()];
        let mut left = self.zeros();
        while left > 0 {
            let piece = ZEROS.get(..left).unwrap_or(&ZEROS);
            parts.push(piece);
            left = left.saturating_sub(piece.len());
        }
        hasher.hash(alg, &parts)
    }

    /// The name as text; `None` when it is not UTF-8.
    pub fn name(&self) -> Option<&'a str> {
        core::str::from_utf8(self.name).ok()
    }
}

// === impl Certificate ===

impl Certificate<'_> {
    /// `WIN_CERT_TYPE_PKCS_SIGNED_DATA`: an Authenticode signature, PKCS#7.
    pub const PKCS_SIGNED_DATA: u16 = 0x0002;
    /// `WIN_CERT_TYPE_EFI_PKCS115`.
    pub const PKCS1_15: u16 = 0x0EF0;
    /// `WIN_CERT_TYPE_EFI_GUID`.
    pub const GUID: u16 = 0x0EF1;
}

/// The fixed places, where the section table begins and how many sections it has.
fn headers(bytes: &[u8]) -> Result<(Layout, usize, u16), PeError> {
    let mut dos = Cursor::new(bytes, 0);
    magic(&mut dos, *b"MZ", "the DOS signature", "\"MZ\"")?;
    dos.take(58, "the DOS header")?;
    let at = dos.offset();
    let pe = dos.u32("the offset of the PE header")?;
    if length(pe) < dos.offset() {
        let wanted = "a place behind the DOS header";
        return Err(PeError::Value { offset: at, field: "the offset of the PE header", wanted, got: pe.into() });
    }
    dos.take(length(pe).saturating_sub(dos.offset()), "the DOS program")?;
    magic(&mut dos, *b"PE\0\0", "the PE signature", "\"PE\"")?;
    let machine = dos.u16("the machine")?;
    let count = dos.u16("the number of sections")?;
    dos.take(12, "the COFF header")?;
    let optional = dos.u16("the size of the optional header")?;
    dos.u16("the characteristics")?;
    let layout = optional_header(dos.part(usize::from(optional), "the optional header")?, bytes, machine)?;
    Ok((layout, dos.offset(), count))
}

fn optional_header(mut cursor: Cursor<'_>, file: &[u8], machine: u16) -> Result<Layout, PeError> {
    let offset = cursor.offset();
    let wide_addresses = match cursor.u16("the magic of the optional header")? {
        0x010B => false,
        0x020B => true,
        got => {
            let (field, wanted) = ("the magic of the optional header", "0x10b or 0x20b");
            return Err(PeError::Value { offset, field, wanted, got: got.into() });
        }
    };
    cursor.take(54, "the optional header")?;
    let size_of_image = cursor.u32("the size of the image")?;
    let at = cursor.offset();
    let headers = length(cursor.u32("the size of the headers")?);
    if headers > file.len() {
        let (wanted, got) = (wide(file.len()), wide(headers));
        return Err(PeError::Outside { offset: at, field: "the header area", wanted, got });
    }
    let checksum = cursor.offset();
    cursor.u32("the checksum")?;
    let subsystem = cursor.u16("the subsystem")?;
    cursor.take(if wide_addresses { 38 } else { 22 }, "the optional header")?;
    let at = cursor.offset();
    let directories = cursor.u32("the number of data directories")?;
    if directories > MAX_DIRECTORIES {
        let (field, wanted, got) = ("data directories", MAX_DIRECTORIES.into(), directories.into());
        return Err(PeError::TooMany { offset: at, field, wanted, got });
    }
    let mut entries = cursor.part(length(directories).saturating_mul(DIRECTORY), "the data directories")?;
    let (mut directory, mut table) = (None, (file.len(), 0));
    if length(directories) > CERTIFICATE_DIRECTORY {
        entries.take(CERTIFICATE_DIRECTORY.saturating_mul(DIRECTORY), "the data directories")?;
        directory = Some(entries.offset());
        table = certificate_table(&mut entries, file)?;
    }
    Ok(Layout { machine, subsystem, size_of_image, headers, checksum, directory, table })
}

/// The certificate table's entry is a place in the file, not an address; the table must be the file's end.
fn certificate_table(entries: &mut Cursor<'_>, file: &[u8]) -> Result<(usize, usize), PeError> {
    let offset = entries.offset();
    let start = length(entries.u32("the certificate table's place")?);
    let size = length(entries.u32("the certificate table's size")?);
    if size == 0 {
        return Ok((file.len(), 0));
    }
    let end = start.saturating_add(size);
    if end > file.len() {
        let (wanted, got) = (wide(file.len()), wide(end));
        return Err(PeError::Outside { offset, field: "the certificate table", wanted, got });
    }
    if end < file.len() {
        let got = file.len().saturating_sub(end);
        return Err(PeError::Trailing { offset: end, field: "the certificate table", got });
    }
    Ok((start, size))
}

fn magic<const N: usize>(
    cursor: &mut Cursor<'_>,
    magic: [u8; N],
    field: &'static str,
    wanted: &'static str,
) -> Result<(), PeError> {
    let offset = cursor.offset();
    let got = cursor.array::<N>(field)?;
    if got == magic {
        return Ok(());
    }
    let got = got.iter().rev().fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
    Err(PeError::Value { offset, field, wanted, got })
}

fn section<'a>(cursor: &mut Cursor<'a>, file: &'a [u8], index: usize) -> Result<Section<'a>, PeError> {
    let offset = cursor.offset();
    let mut header = cursor.part(SECTION_HEADER, "a section header")?;
    let name = header.take(8, "the section's name")?;
    let name = name.get(..name.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1)));
    let virtual_size = header.u32("the section's size in memory")?;
    let virtual_address = header.u32("the section's address")?;
    let size = header.u32("the section's size in the file")?;
    let at = header.offset();
    let data_offset = if size == 0 { 0 } else { length(header.u32("the section's place in the file")?) };
    let end = data_offset.saturating_add(length(size));
    let Some(raw) = file.get(data_offset..end) else {
        let (wanted, got) = (wide(file.len()), wide(end));
        return Err(PeError::Outside { offset: at, field: "the section's data", wanted, got });
    };
    let section =
        Section { index, offset, name: name.unwrap_or_default(), virtual_address, virtual_size, data_offset, raw };
    match wide(section.zeros()) {
        got if got > MAX_ZERO_FILL.into() => Err(PeError::TooMany {
            offset: offset.saturating_add(8),
            field: "zero bytes behind a section",
            wanted: MAX_ZERO_FILL.into(),
            got,
        }),
        _ => Ok(section),
    }
}

fn certificates<'a>(file: &'a [u8], layout: &Layout) -> Result<Vec<Certificate<'a>>, PeError> {
    let (start, size) = layout.table;
    let mut out = Vec::new();
    if size == 0 {
        return Ok(out);
    }
    let mut cursor = Cursor::new(file.get(start..).unwrap_or_default(), start);
    while !cursor.is_at_end() {
        let offset = cursor.offset();
        let len = length(cursor.u32("a certificate's length")?);
        let revision = cursor.u16("a certificate's revision")?;
        let kind = cursor.u16("a certificate's type")?;
        let Some(body) = len.checked_sub(DIRECTORY) else {
            let wanted = "at least the 8 bytes of its header";
            return Err(PeError::Value { offset, field: "a certificate's length", wanted, got: wide(len) });
        };
        let data = cursor.take(body, "a certificate")?;
        out.push(Certificate { offset, revision, kind, data });
        let filling = len.next_multiple_of(CERTIFICATE_ALIGNMENT).saturating_sub(len).min(cursor.rest().len());
        cursor.take(filling, "the filling behind a certificate")?;
    }
    Ok(out)
}
