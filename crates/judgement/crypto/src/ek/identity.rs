//! What an EK certificate says, and for which key it says it.

use avouch_tpm_wire::PublicArea;
use der::asn1::{ObjectIdentifier, UintRef};
use der::{Decode, Sequence};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::pkix::name::GeneralName;

use super::EkError;
use crate::CryptoError;
use crate::certificate::Fields;
use crate::hash::sha256;
use crate::tpm_key::{EcCurve, PublicKey};

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const PRIME256V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
// TCG EK Credential Profile, section 3.1.2.
const TPM_MANUFACTURER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.2.1");
const TPM_MODEL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.2.2");
const TPM_VERSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.2.3");
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
}

impl EkIdentity {
    pub(super) fn read(fields: &Fields, der: &[u8]) -> Self {
        let certificate = fields.inner().tbs_certificate();
        let names = fields.alternative_names();
        let attribute = |oid| {
            names
                .iter()
                .filter_map(|name| match name {
                    GeneralName::DirectoryName(name) => Some(name),
                    _ => None,
                })
                .flat_map(|name| name.iter())
                .find(|attribute| attribute.oid == oid)
                .map(text)
        };
        let (manufacturer, model) = (attribute(TPM_MANUFACTURER), attribute(TPM_MODEL));
        let serial = certificate.serial_number().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial,
            software: is_software(manufacturer.as_deref(), model.as_deref()),
            manufacturer,
            model,
            version: attribute(TPM_VERSION),
            sha256: sha256(&[der]),
            not_after: fields.validity().1,
        }
    }
}

/// Checks that the certificate is for exactly this key.
pub(super) fn same_key(fields: &Fields, ek_public: &PublicArea<'_>) -> Result<(), EkError> {
    let spki = fields.inner().tbs_certificate().subject_public_key_info();
    let key = spki.subject_public_key.as_bytes().unwrap_or_default();
    let same = match PublicKey::of(ek_public.key()).map_err(EkError::Key)? {
        PublicKey::Rsa(wanted) if spki.algorithm.oid == RSA_ENCRYPTION => {
            let key = RsaPublicKey::from_der(key).map_err(|_| EkError::Key(CryptoError::MalformedKey))?;
            key.modulus.as_bytes() == wanted.n && key.exponent.as_bytes() == wanted.e
        }
        PublicKey::Ec(curve, point) if spki.algorithm.oid == EC_PUBLIC_KEY => {
            let named = match curve {
                EcCurve::P256 => PRIME256V1,
                EcCurve::P384 => SECP384R1,
            };
            let parameters = spki.algorithm.parameters.as_ref();
            parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok()) == Some(named) && key == point
        }
        _ => false,
    };
    if same { Ok(()) } else { Err(EkError::OtherKey) }
}

/// RFC 8017 appendix A.1.1.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

/// An attribute's characters; vendors use UTF8String and PrintableString, which are both UTF-8.
fn text(attribute: &AttributeTypeAndValue) -> String {
    String::from_utf8_lossy(attribute.value.value()).into_owned()
}

fn is_software(manufacturer: Option<&str>, model: Option<&str>) -> bool {
    let swtpm = model.is_some_and(|model| model.to_ascii_lowercase().contains("swtpm"));
    swtpm || manufacturer.is_some_and(|manufacturer| manufacturer.eq_ignore_ascii_case(LIBTPMS))
}
