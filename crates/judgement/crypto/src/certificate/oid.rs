//! Object identifiers as content bytes, and what people call them.

/// 2.5.4.3 and its like: attribute types of names.
pub(crate) mod ext {
    pub(crate) const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1D, 0x0E];
    pub(crate) const KEY_USAGE: &[u8] = &[0x55, 0x1D, 0x0F];
    pub(crate) const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1D, 0x11];
    pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 0x13];
    pub(crate) const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 0x1E];
    pub(crate) const CERTIFICATE_POLICIES: &[u8] = &[0x55, 0x1D, 0x20];
    pub(crate) const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1D, 0x25];
}

/// TCG purposes and attributes (TCG EK Credential Profile).
pub(crate) mod tcg {
    /// tcg-kp-EKCertificate, 2.23.133.8.1.
    pub(crate) const EK_PURPOSE: &[u8] = &[0x67, 0x81, 0x05, 0x08, 0x01];
    /// tcg-kp-AIKCertificate, 2.23.133.8.3.
    pub(crate) const AK_PURPOSE: &[u8] = &[0x67, 0x81, 0x05, 0x08, 0x03];
    pub(crate) const MANUFACTURER: &[u8] = &[0x67, 0x81, 0x05, 0x02, 0x01];
    pub(crate) const MODEL: &[u8] = &[0x67, 0x81, 0x05, 0x02, 0x02];
    pub(crate) const VERSION: &[u8] = &[0x67, 0x81, 0x05, 0x02, 0x03];
}

/// anyExtendedKeyUsage, 2.5.29.37.0.
pub(crate) const ANY_PURPOSE: &[u8] = &[0x55, 0x1D, 0x25, 0x00];

/// Key types (RFC 8017, RFC 5480, RFC 8410).
pub(crate) mod key {
    pub(crate) const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
    pub(crate) const RSAES_OAEP: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x07];
    pub(crate) const RSASSA_PSS: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A];
    pub(crate) const EC: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
    pub(crate) const ED25519: &[u8] = &[0x2B, 0x65, 0x70];
}

/// Named curves (RFC 5480 section 2.1.1.1).
pub(crate) mod curve {
    pub(crate) const P256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
    pub(crate) const P384: &[u8] = &[0x2B, 0x81, 0x04, 0x00, 0x22];
    pub(crate) const P521: &[u8] = &[0x2B, 0x81, 0x04, 0x00, 0x23];
}

/// Signature algorithms (RFC 8017 appendix A.2.4, RFC 5758).
pub(crate) mod signature {
    pub(crate) const RSA_SHA1: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x05];
    pub(crate) const RSA_SHA256: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B];
    pub(crate) const RSA_SHA384: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0C];
    pub(crate) const RSA_SHA512: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0D];
    pub(crate) const ECDSA_SHA1: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x01];
    pub(crate) const ECDSA_SHA256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
    pub(crate) const ECDSA_SHA384: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03];
    pub(crate) const ECDSA_SHA512: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x04];
}

/// Hash algorithms (NIST CSOR, RFC 3279).
pub(crate) mod hash {
    pub(crate) const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
    pub(crate) const SHA384: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
    pub(crate) const SHA512: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03];
}

/// PKCS#7 and CMS (RFC 5652).
pub(crate) mod cms {
    pub(crate) const SIGNED_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02];
    pub(crate) const CONTENT_TYPE: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x03];
    pub(crate) const MESSAGE_DIGEST: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x04];
}

/// Attribute types that RFC 4514 section 3 gives a name, and what they are called.
const NAMES: [(&[u8], &str); 9] = [
    (&[0x55, 0x04, 0x03], "CN"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (&[0x55, 0x04, 0x0A], "O"),
    (&[0x55, 0x04, 0x0B], "OU"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x09], "STREET"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 0x01, 0x19], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 0x01, 0x01], "UID"),
];

/// The short name of an attribute type, or its dotted form.
pub(crate) fn attribute_type(oid: &[u8]) -> String {
    let known = NAMES.iter().find(|(known, _)| *known == oid);
    known.map_or_else(|| dotted(oid), |(_, name)| (*name).to_owned())
}

/// The name of a signature algorithm, or its dotted form.
pub(crate) fn signature_name(oid: &[u8]) -> String {
    let name = match oid {
        signature::RSA_SHA1 => "sha1WithRSAEncryption",
        signature::RSA_SHA256 => "sha256WithRSAEncryption",
        signature::RSA_SHA384 => "sha384WithRSAEncryption",
        signature::RSA_SHA512 => "sha512WithRSAEncryption",
        signature::ECDSA_SHA1 => "ecdsa-with-SHA1",
        signature::ECDSA_SHA256 => "ecdsa-with-SHA256",
        signature::ECDSA_SHA384 => "ecdsa-with-SHA384",
        signature::ECDSA_SHA512 => "ecdsa-with-SHA512",
        key::RSASSA_PSS => "rsassaPss",
        key::ED25519 => "ed25519",
        other => return dotted(other),
    };
    name.to_owned()
}

/// Numbers with dots; `?` and hexadecimal for bytes that are no object identifier.
pub(crate) fn dotted(oid: &[u8]) -> String {
    match arcs(oid) {
        Some(arcs) => arcs.iter().map(u128::to_string).collect::<Vec<_>>().join("."),
        None => oid.iter().fold("?".to_owned(), |text, byte| format!("{text}{byte:02x}")),
    }
}

/// X.690 section 8.19; arcs of more than 128 bits are none.
fn arcs(oid: &[u8]) -> Option<Vec<u128>> {
    let mut arcs = Vec::new();
    let mut arc = 0_u128;
    let mut open = false;
    for byte in oid {
        if !open && *byte == 0x80 {
            return None;
        }
        arc = arc.checked_mul(0x80)? | u128::from(byte & 0x7F);
        open = byte & 0x80 != 0;
        if !open {
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.push(first);
                arc -= first * 40;
            }
            arcs.push(core::mem::take(&mut arc));
        }
    }
    (!open && !arcs.is_empty()).then_some(arcs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_read_as_people_write_them() {
        assert_eq!(dotted(tcg::EK_PURPOSE), "2.23.133.8.1");
        assert_eq!(dotted(key::RSA), "1.2.840.113549.1.1.1");
        assert_eq!(dotted(ANY_PURPOSE), "2.5.29.37.0");
        assert_eq!(dotted(&[0x55, 0x84]), "?5584");
        assert_eq!(dotted(&[]), "?");
        assert_eq!(attribute_type(&[0x55, 0x04, 0x03]), "CN");
        assert_eq!(attribute_type(tcg::MODEL), "2.23.133.2.2");
    }
}
