//! Logs written by hand, field by field.

use avouch_bootlog::EventType;
use avouch_crypto::Hash;
use avouch_tpm_wire::{HashAlg, Hasher};

pub(crate) const SHA1: u16 = 0x0004;
pub(crate) const SHA256: u16 = 0x000B;
pub(crate) const SM3: u16 = 0x0012;

pub(crate) const NO_ACTION: u32 = 3;
pub(crate) const SEPARATOR: u32 = 4;
pub(crate) const EFI_ACTION: u32 = 0x8000_0007;

/// Appends an event of the SHA-1 form.
pub(crate) fn sha1_event(log: &mut Vec<u8>, pcr: u32, kind: u32, digest: [u8; 20], data: &[u8]) {
    log.extend(pcr.to_le_bytes());
    log.extend(kind.to_le_bytes());
    log.extend(digest);
    log.extend((data.len() as u32).to_le_bytes());
    log.extend(data);
}

/// A log that holds only the "Spec ID Event03" header for these `(algorithm, digest size)` pairs.
pub(crate) fn agile_log(algorithms: &[(u16, u16)]) -> Vec<u8> {
    let mut data = b"Spec ID Event03\0".to_vec();
    data.extend([0, 0, 0, 0, 0, 2, 105, 2]);
    data.extend((algorithms.len() as u32).to_le_bytes());
    for (id, size) in algorithms {
        data.extend(id.to_le_bytes());
        data.extend(size.to_le_bytes());
    }
    data.push(0);
    let mut log = Vec::new();
    sha1_event(&mut log, 0, NO_ACTION, [0; 20], &data);
    log
}

/// Appends an event of the crypto-agile form.
pub(crate) fn agile_event(log: &mut Vec<u8>, pcr: u32, kind: u32, digests: &[(u16, &[u8])], data: &[u8]) {
    log.extend(pcr.to_le_bytes());
    log.extend(kind.to_le_bytes());
    log.extend((digests.len() as u32).to_le_bytes());
    for (id, digest) in digests {
        log.extend(id.to_le_bytes());
        log.extend(*digest);
    }
    log.extend((data.len() as u32).to_le_bytes());
    log.extend(data);
}

/// The data of a StartupLocality event.
pub(crate) fn startup_locality(locality: u8) -> Vec<u8> {
    [b"StartupLocality\0".as_slice(), &[locality]].concat()
}

pub(crate) const GLOBAL: [u8; 16] =
    [0x61, 0xDF, 0xE4, 0x8B, 0xCA, 0x93, 0xD2, 0x11, 0xAA, 0x0D, 0x00, 0xE0, 0x98, 0x03, 0x2B, 0x8C];
pub(crate) const SECURITY: [u8; 16] =
    [0xCB, 0xB2, 0x19, 0xD7, 0x3A, 0x3D, 0x96, 0x45, 0xA3, 0xBC, 0xDA, 0xD0, 0x0E, 0x67, 0x65, 0x6F];
pub(crate) const SHIM: [u8; 16] =
    [0x50, 0xAB, 0x5D, 0x60, 0x46, 0xE0, 0x00, 0x43, 0xAB, 0xB6, 0x3D, 0xD8, 0x10, 0xDD, 0x8B, 0x23];

pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// `UEFI_VARIABLE_DATA`.
pub(crate) fn variable(guid: [u8; 16], name: &str, value: &[u8]) -> Vec<u8> {
    let name = utf16(name);
    let lengths = [(name.len() as u64 / 2).to_le_bytes(), (value.len() as u64).to_le_bytes()].concat();
    [guid.as_slice(), &lengths, &name, value].concat()
}

/// Events of one SHA-256 bank, each extended with the digest of its data unless told otherwise.
pub(crate) struct Boot(pub(crate) Vec<u8>);

impl Boot {
    pub(crate) fn new() -> Self {
        Self(agile_log(&[(SHA256, 32)]))
    }

    pub(crate) fn event(self, pcr: u32, kind: EventType, data: &[u8]) -> Self {
        self.hashing(pcr, kind, data, data)
    }

    pub(crate) fn hashing(mut self, pcr: u32, kind: EventType, data: &[u8], hashed: &[u8]) -> Self {
        let digest = Hash.hash(HashAlg::Sha256, &[hashed]);
        agile_event(&mut self.0, pcr, kind.0, &[(SHA256, digest.as_bytes())], data);
        self
    }

    /// A statement that extends nothing.
    pub(crate) fn event_without_digest(mut self, pcr: u32, data: &[u8]) -> Self {
        agile_event(&mut self.0, pcr, NO_ACTION, &[(SHA256, &[0; 32])], data);
        self
    }

    /// The five variables of PCR 7 and its separator.
    pub(crate) fn policy(self, secure_boot: u8) -> Self {
        let kind = EventType::EFI_VARIABLE_DRIVER_CONFIG;
        self.event(7, kind, &variable(GLOBAL, "SecureBoot", &[secure_boot]))
            .event(7, kind, &variable(GLOBAL, "PK", b"pk"))
            .event(7, kind, &variable(GLOBAL, "KEK", b"kek"))
            .event(7, kind, &variable(SECURITY, "db", b"db"))
            .event(7, kind, &variable(SECURITY, "dbx", b"dbx"))
            .event(7, EventType::SEPARATOR, &[0; 4])
    }

    /// Separators of PCR 0 to 6.
    pub(crate) fn separators(self) -> Self {
        (0..7).fold(self, |boot, pcr| boot.event(pcr, EventType::SEPARATOR, &[0; 4]))
    }

    /// An image by the content that its digest stands for.
    pub(crate) fn image(self, pcr: u32, kind: EventType, content: &[u8]) -> Self {
        self.hashing(pcr, kind, &[0; 32], content)
    }
}
