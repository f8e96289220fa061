//! What an EK certificate says, and for which key it says it.

use avouch_tpm_wire::PublicArea;

use super::{EkError, Root};
use crate::certificate::{Fields, TpmFacts, oid, serial, text_of};
use crate::hash::sha256;
use crate::tpm_key::{EcCurve, PublicKey};

/// What libtpms gives as the manufacturer: IBM's PCI vendor number, where hardware has four ASCII letters.
const LIBTPMS: &str = "id:00001014";

/// A TPM that its vendor vouches for. Only [`super::EkRoots::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EkIdentity {
    /// Subject (RFC 4514), often empty.
    pub subject: String,
    /// Issuer (RFC 4514).
    pub issuer: String,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// TPM manufacturer as in the certificate, e.g. `id:494E5443` (INTC).
    pub manufacturer: Option<String>,
    /// TPM model.
    pub model: Option<String>,
    /// TPM firmware version at manufacture.
    pub version: Option<String>,
    /// SHA-256 of the certificate without filling.
    pub sha256: [u8; 32],
    /// Unix seconds of notAfter.
    pub not_after: u64,
    /// The certificate says that this is swtpm or another libtpms: what it measures, its host can change.
    pub software: bool,
    /// The root that vouches.
    pub root: Root,
}

impl EkIdentity {
    pub(super) fn read(fields: &Fields<'_>, der: &[u8], root: Root) -> Self {
        let tpm = TpmFacts::of(fields);
        let (manufacturer, model, version) =
            tpm.map_or((None, None, None), |tpm| (tpm.manufacturer, tpm.model, tpm.version));
        Self {
            subject: text_of(fields.subject),
            issuer: text_of(fields.issuer),
            serial: serial(fields.serial),
            software: is_software(manufacturer.as_deref(), model.as_deref()),
            manufacturer,
            model,
            version,
            sha256: sha256(&[der]),
            not_after: fields.validity().1,
            root,
        }
    }
}

/// Checks that the certificate is for exactly this key, whatever label the vendor gave it.
pub(crate) fn same_key(fields: &Fields<'_>, public: &PublicArea<'_>) -> Result<(), EkError> {
    let spki = &fields.spki;
    let same = match PublicKey::of(public.key()).map_err(EkError::Key)? {
        PublicKey::Rsa(wanted) => spki.rsa() == Some((wanted.n, wanted.e)),
        PublicKey::Ec(curve, point) => {
            spki.algorithm == oid::key::EC
                && spki.curve().and_then(EcCurve::from_oid) == Some(curve)
                && spki.key == point
        }
    };
    if same { Ok(()) } else { Err(EkError::OtherKey) }
}

fn is_software(manufacturer: Option<&str>, model: Option<&str>) -> bool {
    let swtpm = model.is_some_and(|model| model.to_ascii_lowercase().contains("swtpm"));
    swtpm || manufacturer.is_some_and(|manufacturer| manufacturer.eq_ignore_ascii_case(LIBTPMS))
}
