use avouch_crypto::CryptoError;
use avouch_crypto::observation::{Observed, ObservedKey};
use avouch_tpm_wire::{PublicArea, Signature};

use crate::data;

#[test]
fn recorded_signatures_hold_for_their_own_key_and_bytes_only() {
    for (public, message, signature) in [
        (data!("ak.pub.tpm2b"), data!("quote.msg"), data!("quote.sig")),
        (data!("ak_rsa.pub.tpm2b"), data!("quote_rsa.msg"), data!("quote_rsa.sig")),
    ] {
        let key = ObservedKey::from_public(&PublicArea::parse_sized(public).unwrap()).unwrap();
        let signature = Signature::parse(signature).unwrap();
        assert_eq!(key.verify(message, &signature), Ok(Observed { weak: false }));
        for at in 0..message.len() {
            let mut changed = message.to_vec();
            changed[at] ^= 1;
            assert_eq!(key.verify(&changed, &signature), Err(CryptoError::BadSignature), "byte {at}");
        }
    }
    let other = PublicArea::parse_sized(data!("other-ak.pub.tpm2b")).unwrap();
    let other = ObservedKey::from_public(&other).unwrap();
    let signature = Signature::parse(data!("quote.sig")).unwrap();
    assert_eq!(other.verify(data!("quote.msg"), &signature), Err(CryptoError::BadSignature));
    let rsa = Signature::parse(data!("quote_rsa.sig")).unwrap();
    assert_eq!(other.verify(data!("quote_rsa.msg"), &rsa), Err(CryptoError::OtherScheme));
}

#[test]
fn bytes_that_are_no_key_check_nothing() {
    let signature = Signature::parse(data!("quote.sig")).unwrap();
    let nothing = ObservedKey::from_spki(b"not a key");
    assert_eq!(nothing.verify(data!("quote.msg"), &signature), Err(CryptoError::MalformedKey));
    let zero = Signature::Ecdsa { hash: avouch_tpm_wire::HashAlg::Sha256, r: &[], s: &[0; 66] };
    let key = ObservedKey::from_public(&PublicArea::parse_sized(data!("ak.pub.tpm2b")).unwrap()).unwrap();
    assert_eq!(key.verify(data!("quote.msg"), &zero), Err(CryptoError::BadSignature));
}
