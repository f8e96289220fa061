//! A certificate as it lies in an NV index.

use super::EkError;
use crate::certificate::Fields;

/// TCG PC Client Implementation Specification 7.4.5, TCG_PCCLIENT_STORED_CERT: tag 1001, type 00 (full certificate);
/// a 16-bit length follows.
const STORED_CERT: [u8; 3] = [0x10, 0x01, 0x00];
/// TCG_FULL_CERT, which some vendors put between the header and the certificate.
const FULL_CERT: [u8; 2] = [0x10, 0x02];

/// The certificate in the contents of an NV index: its fields and exactly its bytes.
pub(crate) fn unwrap(nv: &[u8]) -> Result<(Fields<'_>, &[u8]), EkError> {
    let body = match nv.strip_prefix(&STORED_CERT) {
        Some(rest) => stored(rest)?,
        None => nv,
    };
    if body.is_empty() || is_filling(body) {
        return Err(EkError::Missing);
    }
    let (fields, der) = Fields::decode_prefix(body).map_err(EkError::Certificate)?;
    let rest = body.get(der.len()..).unwrap_or_default();
    if !is_filling(rest) {
        return Err(EkError::Trailing { offset: nv.len() - rest.len() });
    }
    Ok((fields, der))
}

fn stored(rest: &[u8]) -> Result<&[u8], EkError> {
    let (length, body) = rest.split_first_chunk::<2>().ok_or(EkError::Header { wanted: 2, got: rest.len() })?;
    let wanted = usize::from(u16::from_be_bytes(*length));
    let (certificate, filling) = body.split_at_checked(wanted).ok_or(EkError::Header { wanted, got: body.len() })?;
    if is_filling(filling) {
        Ok(certificate.strip_prefix(&FULL_CERT).unwrap_or(certificate))
    } else {
        Err(EkError::Trailing { offset: STORED_CERT.len() + 2 + wanted })
    }
}

/// Nothing but 00, or nothing but FF: NV memory that was never written.
fn is_filling(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0x00) || bytes.iter().all(|byte| *byte == 0xFF)
}
