//! Files that hold certificates: PEM with one block or many, DER, PKCS#7 bundles, NV contents of a TPM.

use super::{CertificateError, CertificateFacts, describe, pem};
use crate::cms;
use crate::tlv::Elements;

/// Most blocks of one file that are read; the largest vendor collections hold a few hundred.
const MAX_BLOCKS: usize = 4_096;
/// More bytes than any collection of that many certificates has.
const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

/// What a file of certificates holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateFile {
    /// How the certificates are wrapped.
    pub container: Container,
    /// What was found, in order; what cannot be read has its reason.
    pub items: Vec<Item>,
    /// More blocks followed and were not read.
    pub truncated: bool,
}

/// How certificates are wrapped in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Container {
    /// One DER certificate.
    Der,
    /// PEM blocks (RFC 7468).
    Pem,
    /// The certificates of a PKCS#7 or CMS SignedData, in a WIN_CERTIFICATE or not.
    Pkcs7,
    /// The contents of an NV index of a TPM: with the TCG's header, or filled up.
    Nv,
}

/// One thing in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    /// The label of its PEM block.
    pub label: Option<String>,
    /// DER.
    pub der: Vec<u8>,
    /// What it says.
    pub facts: Result<CertificateFacts, CertificateError>,
}

/// Reads whatever certificates a file holds. Memory: at most twice the file.
///
/// # Errors
/// [`CertificateError`] when nothing in it could be a certificate; a damaged item of many is reported in its place.
pub fn read_file(bytes: &[u8]) -> Result<CertificateFile, CertificateError> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(CertificateError::TooLarge { got: bytes.len() });
    }
    if let Some(file) = from_pem(bytes) {
        return Ok(file);
    }
    let signature = win_certificate(bytes).unwrap_or(bytes);
    if let Ok(certificates) = cms::certificates(signature) {
        let items = certificates.iter().map(|der| Item::new(None, der.to_vec())).collect();
        return Ok(CertificateFile { container: Container::Pkcs7, items, truncated: false });
    }
    let whole = describe(bytes);
    let (container, der) = match (&whole, crate::ek::stored_certificate(bytes)) {
        (Err(_), Some(der)) => (Container::Nv, der),
        _ => (Container::Der, bytes),
    };
    let item = Item::new(None, der.to_vec());
    match item.facts {
        Err(error) if error != CertificateError::AttributeCertificate => Err(error),
        _ => Ok(CertificateFile { container, items: vec![item], truncated: false }),
    }
}

/// `None` when the bytes hold no PEM block.
fn from_pem(bytes: &[u8]) -> Option<CertificateFile> {
    let mut items = Vec::new();
    let mut truncated = false;
    for block in pem::blocks(bytes) {
        if items.len() == MAX_BLOCKS {
            truncated = true;
            break;
        }
        items.push(match block {
            Some((label, der)) => Item::new(Some(label), der),
            None => Item { label: None, der: Vec::new(), facts: Err(CertificateError::Pem) },
        });
    }
    (!items.is_empty()).then_some(CertificateFile { container: Container::Pem, items, truncated })
}

/// What a WIN_CERTIFICATE of UEFI holds (UEFI 2.10 section 32.2.4): length, revision 2.0, type; a PKCS#7 follows at
/// once (0x0002) or behind a GUID (0x0EF1), and zeros up to a multiple of eight bytes.
fn win_certificate(bytes: &[u8]) -> Option<&[u8]> {
    let (_length, rest) = bytes.split_first_chunk::<4>()?;
    let (_guid, body) = match rest.first_chunk::<4>()? {
        [0x00, 0x02, 0x02, 0x00] => rest.split_at_checked(4)?,
        [0x00, 0x02, 0xF1, 0x0E] => rest.split_at_checked(4 + 16)?,
        _ => return None,
    };
    let signature = Elements::new(body).next().ok()?.whole;
    let filling = body.get(signature.len()..)?;
    filling.iter().all(|byte| *byte == 0).then_some(signature)
}

impl Item {
    fn new(label: Option<String>, der: Vec<u8>) -> Self {
        let facts = match label.as_deref() {
            None | Some("CERTIFICATE" | "TRUSTED CERTIFICATE" | "X509 CERTIFICATE") => describe(&der),
            Some("ATTRIBUTE CERTIFICATE") => Err(CertificateError::AttributeCertificate),
            Some(_) => Err(CertificateError::Pem),
        };
        Self { label, der, facts }
    }
}
