//! Logs written by hand, field by field.

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
