//! `POST /v1/enroll`: the credential that only this TPM can open.

use std::collections::VecDeque;
use std::sync::Arc;

use avouch_crypto::{hmac_sha256, make_credential, random, sha256};
use avouch_protocol::{
    CredentialChallenge, EnrolRequest, Hash, Message, VERSION, WrappedSecret, enrolment_proof_input,
};
use avouch_store::{Attempt, Change, Refused as StoreRefused, StoreError};
use axum::http::StatusCode;
use zeroize::Zeroizing;

use super::examine::Examined;
use crate::app::{App, store_refused};
use crate::http::guard::Call;
use crate::http::refusal::Refused;
use crate::http::reply::Reply;

/// Seconds that a credential waits for its activation; a busy TPM needs ten.
const ATTEMPT_SECONDS: u64 = 120;

/// Answers an enrolment request with a credential for its attestation key's Name.
pub(crate) async fn enroll(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    let now = app.now()?;
    let request = EnrolRequest::from_cbor(&call.body).map_err(|error| Refused::malformed(&error))?;
    let examined = Examined::of(&app, now, &request)?;
    examined.check_uses(&app)?;
    let (secrets, mut wrapped) = wrap(&examined)?;
    let first = wrapped.pop_front().ok_or_else(|| Refused::internal(&"no credential was made"))?;
    let challenge = CredentialChallenge {
        v: VERSION,
        attempt: Hash(random()),
        credential_blob: first.credential_blob,
        encrypted_secret: first.encrypted_secret,
        further: wrapped.into(),
    };
    let bytes = challenge.to_cbor();
    let proof = enrolment_proof_input(&Hash(sha256(&[&call.body])), &Hash(sha256(&[&bytes])));
    let attempt = Attempt {
        id: challenge.attempt,
        request: call.body.to_vec(),
        challenge: bytes.clone(),
        expected_proof: Hash(hmac_sha256(secrets.as_slice(), &[&proof])),
        expires: now.saturating_add(ATTEMPT_SECONDS),
    };
    app.apply(now, Change::OpenAttempt(attempt)).await.map_err(|error| match error {
        StoreError::Refused(StoreRefused::TooManyAttempts { .. }) => {
            let what = "Too many enrolments wait for their activation.";
            Refused::new(StatusCode::SERVICE_UNAVAILABLE, "ENROL_BUSY", what, "Come again later.").retry(30)
        }
        error => store_refused(&error),
    })?;
    Ok(Reply::cbor(bytes))
}

/// A secret for each endorsement key that was shown, all for the same attestation key: the secrets one behind the
/// other, and how they travel. Whoever knows all of them has all these keys and the attestation key in one TPM.
fn wrap(examined: &Examined<'_>) -> Result<(Zeroizing<Vec<u8>>, VecDeque<WrappedSecret>), Refused> {
    let mut secrets = Zeroizing::new(Vec::new());
    let mut wrapped = VecDeque::new();
    for ek in &examined.eks {
        let secret = Zeroizing::new(random::<32>());
        let credential = make_credential(&ek.area, examined.keys.ak_name(), &secret).map_err(|error| {
            let what = format!("endorsement key {}: {error}", ek.template);
            let remedy =
                "Report the TPM's maker and firmware version; choose another key with `avouch-agent enroll --ek`.";
            Refused::new(StatusCode::FORBIDDEN, "EK_KEY", what, remedy)
        })?;
        secrets.extend_from_slice(secret.as_slice());
        wrapped.push_back(WrappedSecret {
            credential_blob: credential.id_object.into(),
            encrypted_secret: credential.encrypted_secret.into(),
        });
    }
    Ok((secrets, wrapped))
}
