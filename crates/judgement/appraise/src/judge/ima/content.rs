//! Whether a measured file is one that the policy knows: by digest first, then by signature, then by exclusion.

use avouch_crypto::cms::{CmsError, verify_detached};
use avouch_crypto::{Hash as Sha, sha256};
use avouch_ima::signature::FileSignature;
use avouch_ima::{Body, DigestAlg, Modsig};
use avouch_protocol::Hash;

use super::{Judge, Measured, Rules};
use crate::code::FindingCode;
use crate::policy::{KnownFile, Signer};
use crate::session::ImaJudged;

/// What the policy says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Good,
    /// Superseded, and its window is open.
    InWindow,
    /// By its signature alone.
    Signed,
    /// Unknown, under an exclusion in force.
    Excluded,
    Bad(FindingCode, &'static str),
}

/// What a file's signature comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureStanding {
    /// By a signer of the policy for this directory, whose key the kernel had loaded.
    Good,
    /// There is none.
    Absent,
    /// By somebody else, or in a form that is not taken.
    UnknownSigner,
    /// It names a key that counts here and is not over this file.
    NotOverThis,
}

impl Judge<'_> {
    pub(super) fn content(&mut self, file: &Measured<'_>) {
        if !matches!(file.alg, DigestAlg::Sha256 | DigestAlg::Sha384 | DigestAlg::Sha512) {
            return self.push(
                FindingCode::ImaDigestAlgorithm,
                file,
                "is measured with a digest that identifies nothing",
            );
        }
        let counter = match self.standing(file) {
            Standing::Good => return,
            Standing::InWindow => &mut self.judged.in_window,
            Standing::Signed => &mut self.judged.signed,
            Standing::Excluded => &mut self.judged.excluded,
            Standing::Bad(code, what) => return self.push(code, file, what),
        };
        *counter = counter.saturating_add(1);
    }

    fn standing(&self, file: &Measured<'_>) -> Standing {
        let Rules { tables, now, .. } = *self.rules;
        if let Some(known) = Some(file.digest).filter(|_| !file.verity).and_then(|digest| tables.files.known(digest)) {
            return known_standing(known, file.name, self.rules);
        }
        match signature(file, self.rules, self.judged) {
            SignatureStanding::Good => return Standing::Signed,
            SignatureStanding::NotOverThis => {
                let what = "bears a signature by a key of the policy that is not over this file";
                return Standing::Bad(FindingCode::ImaSignatureInvalid, what);
            }
            SignatureStanding::Absent | SignatureStanding::UnknownSigner => {}
        }
        if tables.exclusion(file.name).is_some_and(|(_, exclusion)| exclusion.is_in_force(now)) {
            return Standing::Excluded;
        }
        match file.verity {
            // Nothing was approved, so nothing is missing: that is told once, as NO_IMA_REFERENCE.
            _ if tables.knows_no_file() => Standing::Good,
            true => Standing::Bad(FindingCode::ImaVerityUnsigned, "has no signature that counts"),
            false => Standing::Bad(FindingCode::ImaUnknownDigest, "is not in the policy"),
        }
    }
}

fn known_standing(known: &KnownFile, path: &[u8], rules: &Rules<'_>) -> Standing {
    if rules.now > known.until {
        return Standing::Bad(FindingCode::ImaSuperseded, "is superseded and its update window is over");
    }
    if rules.tables.binds(path) && !known.paths.iter().any(|listed| listed.as_bytes() == path) {
        return Standing::Bad(
            FindingCode::ImaWrongPath,
            "is a known file in a place where the policy does not have it",
        );
    }
    if known.until == u64::MAX { Standing::Good } else { Standing::InWindow }
}

/// What the entry's signatures come to under these rules.
pub(super) fn signature(file: &Measured<'_>, rules: &Rules<'_>, judged: &ImaJudged) -> SignatureStanding {
    let Body::File { signature, .. } = file.entry.body else { return SignatureStanding::Absent };
    let counts = |signer: &&Signer| {
        signer.covers(file.name) && (signer.is_built_in || judged.keys.contains(&Hash(signer.certificate)))
    };
    let by_attribute = signature.map(|attribute| file_signature(file, attribute, rules, counts));
    let by_module = || Some(module_signature(&file.entry.modsig()?.ok()?, rules, counts));
    match by_attribute {
        Some(SignatureStanding::Good) => SignatureStanding::Good,
        other => by_module().or(other).unwrap_or(SignatureStanding::Absent),
    }
}

/// An appended signature, over the digest that the list carries beside it.
fn module_signature<'r>(
    signature: &Modsig<'_>,
    rules: &Rules<'r>,
    counts: impl Fn(&&'r Signer) -> bool,
) -> SignatureStanding {
    let Some(alg) = signature.digest_alg.hash_alg() else { return SignatureStanding::UnknownSigner };
    let mut standing = SignatureStanding::UnknownSigner;
    for signer in rules.tables.signers.iter().filter(counts) {
        let (alg_id, fingerprint) = (alg.id().to_be_bytes(), signer.key.fingerprint());
        let check = sha256(&[b"pkcs7", &fingerprint, &alg_id, signature.digest, signature.pkcs7]);
        if rules.seen.is_known(&check) {
            return SignatureStanding::Good;
        }
        match verify_detached(signature.pkcs7, alg, signature.digest, core::slice::from_ref(&signer.key)) {
            Ok(_) => {
                rules.seen.remember(&check);
                return SignatureStanding::Good;
            }
            Err(CmsError::UnknownSigner | CmsError::Der { .. } | CmsError::TooLarge { .. }) => {}
            Err(_) => standing = SignatureStanding::NotOverThis,
        }
    }
    standing
}

fn file_signature<'r>(
    file: &Measured<'_>,
    attribute: &[u8],
    rules: &Rules<'r>,
    counts: impl Fn(&&'r Signer) -> bool,
) -> SignatureStanding {
    let Ok(signature) = FileSignature::parse(attribute) else { return SignatureStanding::UnknownSigner };
    let mut signers =
        rules.tables.signers.iter().filter(|s| s.key.answers_to(signature.key_id)).filter(counts).peekable();
    if signers.peek().is_none() {
        return SignatureStanding::UnknownSigner;
    }
    let Ok(signed) = signature.signed_digest(file.alg, file.digest, file.verity, &Sha) else {
        return SignatureStanding::NotOverThis;
    };
    let good = signers.any(|signer| {
        let fingerprint = signer.key.fingerprint();
        let alg = signed.alg().id().to_be_bytes();
        let check = sha256(&[&fingerprint, &alg, signed.as_bytes(), signature.signature]);
        if rules.seen.is_known(&check) {
            return true;
        }
        let good = signer.key.verify_digest(signed.alg(), signed.as_bytes(), signature.signature).is_ok();
        if good {
            rules.seen.remember(&check);
        }
        good
    });
    if good { SignatureStanding::Good } else { SignatureStanding::NotOverThis }
}
