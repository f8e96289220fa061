//! Certificates: what they say, in which ways they are odd, and which bundled root they chain to.

use avouch_crypto::certificate::{CertificateError, CertificateFacts, Container, Item, KeyFacts, read_file};
use avouch_crypto::ek::{EkRoots, RootSource, bundle};
use data_encoding::{BASE64, HEXLOWER};
use serde::Serialize;

use super::Options;
use super::page::Page;
use super::report::{Facts, Problem, Read, Reading};
use crate::settings::timestamp;

/// What a file of certificates holds.
#[derive(Debug, Default, Serialize)]
pub struct Certificates {
    /// `PEM`, `DER`, `PKCS#7` or `TPM NV`.
    pub format: &'static str,
    /// How many could be read.
    pub count: usize,
    /// What was found, in the file's order.
    pub certificates: Vec<Found>,
}

/// One thing in the file.
#[derive(Debug, Default, Serialize)]
pub struct Found {
    /// Label of its PEM block.
    pub label: Option<String>,
    /// `certificate`, `attribute certificate`, `public key`, or `unknown`.
    pub what: &'static str,
    /// Bytes of DER.
    pub bytes: usize,
    /// SHA-256 of the DER.
    pub sha256: String,
    /// What it says; null when it is no certificate or cannot be read.
    #[serde(flatten)]
    pub certificate: Option<Box<Certificate>>,
}

/// What a certificate says; nothing of it is verified but `chains_to`.
#[derive(Debug, Serialize)]
pub struct Certificate {
    /// Subject (RFC 4514).
    pub subject: String,
    /// Issuer (RFC 4514).
    pub issuer: String,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// `RSA2048`, `EC-secp256r1`, or the algorithm's identifier.
    pub key: String,
    /// Begin of its validity, seconds since 1970.
    pub not_before: i64,
    /// End of its validity, seconds since 1970.
    pub not_after: i64,
    /// Signature algorithm.
    pub signature: String,
    /// Identifiers of its critical extensions.
    pub critical_extensions: Vec<String>,
    /// basicConstraints; null without that extension.
    pub ca: Option<bool>,
    /// Names of its key usages.
    pub key_usage: Vec<&'static str>,
    /// Identifiers of its extended key usages.
    pub purposes: Vec<String>,
    /// True when the purposes contain that of an endorsement certificate.
    pub is_ek: bool,
    /// True when the purposes contain that of an attestation key certificate.
    pub is_ak: bool,
    /// Names in subjectAltName.
    pub alternative_names: Vec<String>,
    /// What subjectAltName says of the TPM.
    pub tpm: Option<Tpm>,
    /// subjectKeyIdentifier, whose last four bytes name the key in `security.ima`.
    pub subject_key_id: Option<String>,
    /// Known ways in which it departs from the rules.
    pub quirks: Vec<String>,
    /// The bundled root that it chains to, or that it is.
    pub chains_to: Option<Root>,
    /// Why it chains to none; null for a CA, of which nothing is asked.
    pub no_root: Option<String>,
}

/// What a vendor wrote of a TPM.
#[derive(Debug, Serialize)]
pub struct Tpm {
    /// e.g. `id:494E5443`.
    pub manufacturer: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Firmware version at manufacture.
    pub version: Option<String>,
}

/// A root that came with Avouch.
#[derive(Debug, Serialize)]
pub struct Root {
    /// Its vendor.
    pub vendor: String,
    /// Subject.
    pub subject: String,
    /// SHA-256 of the certificate.
    pub sha256: String,
}

/// Reads whatever certificates a file holds.
pub(super) fn read(bytes: &[u8], options: &Options) -> Reading {
    let file = match read_file(bytes) {
        Ok(file) => file,
        Err(error) => return other(bytes, &error),
    };
    let roots = EkRoots::bundled();
    let mut problems = Vec::new();
    let mut found = Vec::new();
    for (place, item) in file.items.iter().enumerate() {
        let what = kind(item);
        if let (Err(error), true) = (&item.facts, matches!(what, "unknown")) {
            problems.push(Problem { offset: offset(error), what: format!("certificate {place}: {error}") });
        }
        let certificate =
            item.facts.as_ref().ok().map(|facts| Box::new(certificate(facts, &item.der, &roots, options)));
        let sha256 = HEXLOWER.encode(&avouch_crypto::sha256(&[&item.der]));
        found.push(Found { label: item.label.clone(), what, bytes: item.der.len(), sha256, certificate });
    }
    if file.truncated {
        problems.push(Problem::new("more blocks follow, and are not read"));
    }
    let format = match file.container {
        Container::Pem => "PEM",
        Container::Der => "DER",
        Container::Pkcs7 => "PKCS#7",
        Container::Nv => "TPM NV",
        _ => "unknown",
    };
    let count = found.iter().filter(|found| found.certificate.is_some()).count();
    let facts = Some(Facts::Cert(Box::new(Certificates { format, count, certificates: found })));
    let nothing = !problems.is_empty() && count == 0;
    let read = if nothing {
        Read::Not
    } else if file.truncated {
        Read::Partly
    } else {
        Read::Whole
    };
    Reading { facts, read, problems }
}

/// A PEM file without certificates may hold a public key; that is said, and is no certificate.
fn other(bytes: &[u8], error: &CertificateError) -> Reading {
    let text = String::from_utf8_lossy(bytes);
    let label = text.split("-----BEGIN ").nth(1).and_then(|rest| rest.split("-----").next());
    let Some(label) = label.filter(|label| label.ends_with("PUBLIC KEY")) else {
        return Reading::not(Problem { offset: offset(error), what: error.to_string() });
    };
    let body = text.split("-----").nth(2).unwrap_or_default().split_whitespace().collect::<String>();
    let Ok(der) = BASE64.decode(body.as_bytes()) else {
        return Reading::not(Problem::new(format!("a {label} block that is not base64")));
    };
    let sha256 = HEXLOWER.encode(&avouch_crypto::sha256(&[&der]));
    let found = Found { label: Some(label.into()), what: "public key", bytes: der.len(), sha256, ..Found::default() };
    let facts = Certificates { format: "PEM", count: 0, certificates: vec![found] };
    Reading::whole(Facts::Cert(Box::new(facts)), Vec::new())
}

fn offset(error: &CertificateError) -> Option<usize> {
    match error {
        CertificateError::Der { offset } => offset.and_then(|offset| usize::try_from(offset).ok()),
        _ => None,
    }
}

fn kind(item: &Item) -> &'static str {
    let label = item.label.as_deref().unwrap_or_default();
    match &item.facts {
        Ok(_) => "certificate",
        Err(CertificateError::AttributeCertificate) => "attribute certificate",
        Err(_) if label.ends_with("PUBLIC KEY") => "public key",
        Err(_) => "unknown",
    }
}

fn certificate(facts: &CertificateFacts, der: &[u8], roots: &EkRoots, options: &Options) -> Certificate {
    let (chains_to, no_root) = root(facts, der, roots, options);
    Certificate {
        subject: facts.subject.clone(),
        issuer: facts.issuer.clone(),
        serial: facts.serial.clone(),
        key: match &facts.key {
            KeyFacts::Rsa { bits } => format!("RSA{bits}"),
            KeyFacts::Ec { curve } => format!("EC-{curve}"),
            other => other.to_string(),
        },
        not_before: facts.not_before,
        not_after: facts.not_after,
        signature: facts.signature.clone(),
        critical_extensions: facts.critical_extensions.clone(),
        ca: facts.ca,
        key_usage: facts.key_usage.clone(),
        purposes: facts.purposes.clone(),
        is_ek: facts.is_ek,
        is_ak: facts.is_ak,
        alternative_names: facts.alternative_names.clone(),
        tpm: facts.tpm.as_ref().map(|tpm| Tpm {
            manufacturer: tpm.manufacturer.clone(),
            model: tpm.model.clone(),
            version: tpm.version.clone(),
        }),
        subject_key_id: facts.subject_key_id.as_deref().map(|id| HEXLOWER.encode(id)),
        quirks: facts.quirks.iter().map(ToString::to_string).collect(),
        chains_to,
        no_root,
    }
}

/// The bundled certificate that this is, or the root above an endorsement certificate.
fn root(facts: &CertificateFacts, der: &[u8], roots: &EkRoots, options: &Options) -> (Option<Root>, Option<String>) {
    if facts.ca == Some(true) {
        let bundled = bundle::certificates().find(|bundled| bundled.facts.sha256 == facts.sha256);
        let root = |bundled: bundle::BundledCertificate| Root {
            vendor: bundled.vendor.into(),
            subject: bundled.facts.subject,
            sha256: HEXLOWER.encode(&facts.sha256),
        };
        return (bundled.map(root), None);
    }
    if !facts.is_ek && facts.tpm.is_none() {
        return (None, None);
    }
    let Some(now) = options.now else { return (None, Some("not checked: the time is not known".into())) };
    match roots.root_of(der, now) {
        Ok(root) => {
            let vendor = match root.source {
                RootSource::Bundled { vendor } => vendor.into(),
                _ => "given".into(),
            };
            (Some(Root { vendor, subject: root.subject, sha256: HEXLOWER.encode(&root.sha256) }), None)
        }
        Err(error) => (None, Some(error.to_string())),
    }
}

impl Certificates {
    pub(super) fn show(&self, page: &mut Page) {
        page.fact("format", self.format);
        page.fact("certificates", self.count.to_string());
        for found in &self.certificates {
            let label = found.label.as_ref().map_or_else(String::new, |label| format!(" ({label})"));
            page.heading(&format!("{}{label}, {} bytes", found.what, found.bytes));
            page.fact("sha256", &found.sha256);
            if let Some(certificate) = &found.certificate {
                certificate.show(page);
            }
        }
    }
}

impl Certificate {
    fn show(&self, page: &mut Page) {
        let named = |name: &str| if name.is_empty() { "empty".to_owned() } else { name.to_owned() };
        let time = |at: i64| u64::try_from(at).map_or_else(|_| format!("{at} seconds before 1970"), timestamp);
        page.fact("subject", named(&self.subject));
        page.fact("issuer", named(&self.issuer));
        page.fact("serial", &self.serial);
        page.fact("key", &self.key);
        page.fact("valid", format!("{} to {}", time(self.not_before), time(self.not_after)));
        page.fact("signature", &self.signature);
        if !self.key_usage.is_empty() {
            page.fact("key usage", self.key_usage.join(", "));
        }
        let role = match (self.ca, self.is_ek, self.is_ak) {
            (Some(true), _, _) => "a certificate authority",
            (_, true, true) => "an endorsement key and an attestation key at once",
            (_, true, false) => "an endorsement key",
            (_, false, true) => "an attestation key",
            _ => "",
        };
        if !role.is_empty() {
            page.fact("certifies", role);
        }
        if let Some(tpm) = &self.tpm {
            let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "unknown".into());
            page.fact("TPM", format!("{} {} {}", part(&tpm.manufacturer), part(&tpm.model), part(&tpm.version)));
        }
        self.quirks.iter().for_each(|quirk| page.fact("quirk", quirk));
        if let Some(root) = &self.chains_to {
            page.sign("✓", &format!("bundled root of {}: {} {}", root.vendor, root.subject, root.sha256));
        }
        self.no_root.iter().for_each(|why| page.sign("?", &format!("chains to no bundled root: {why}")));
    }
}
