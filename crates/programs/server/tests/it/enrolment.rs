//! First contact with a real TPM.

use avouch_crypto::client_key::ClientKey;
use avouch_protocol::Message;

use crate::node::{Node, activation, request, speak, token, world};
use crate::world::{json, refusal};

const CBOR: &str = "application/cbor";

#[test]
fn a_tpm_joins_once_per_token_and_again_as_the_next_generation() {
    let Some((factory, world)) = world() else { return };
    let token = token(&world, 1);
    let start = |which| {
        let swtpm = factory.start(which).unwrap();
        let tpm = speak(&swtpm);
        Node::enrol_tpm(&world, swtpm, tpm, &token)
    };
    let first = start(0).unwrap();
    assert_eq!(first.membership.generation, 1);
    let again = start(0).unwrap();
    assert_eq!((again.membership.generation, again.tag()), (2, first.tag()));
    // The earlier client key is worth nothing now.
    assert_eq!(refusal(&first.ask()).code, "CLIENT_KEY_REPLACED");
    again.challenge();
    let Err(refused) = start(1) else { panic!("a used-up token enrolled another TPM") };
    assert_eq!(refused.code, "TOKEN_USED_UP");
}

#[test]
fn a_wrong_proof_uses_up_the_attempt() {
    let Some((factory, world)) = world() else { return };
    let swtpm = factory.start(0).unwrap();
    let mut tpm = speak(&swtpm);
    let (request, keys) = request(&mut tpm, &token(&world, 1), &ClientKey::generate().unwrap());
    let client = world.anonymous();
    let credential = client.post("/v1/enroll", CBOR, &request.to_cbor()).unwrap().body;
    let right = activation(&mut tpm, &keys, &request, &credential);
    let mut wrong = right.clone();
    wrong.proof.0[0] ^= 1;
    let answer = client.post("/v1/enroll/activate", CBOR, &wrong.to_cbor()).unwrap();
    assert_eq!((answer.status, refusal(&answer).code.as_str()), (403, "ACTIVATION_PROOF"));
    let answer = client.post("/v1/enroll/activate", CBOR, &right.to_cbor()).unwrap();
    assert_eq!((answer.status, refusal(&answer).code.as_str()), (403, "ATTEMPT_UNKNOWN"));
    assert_eq!(json(&world.operator().get("/v1/nodes").unwrap())["nodes"].as_array().unwrap().len(), 0);
}

#[test]
fn the_client_key_of_another_node_is_refused() {
    let Some((factory, world)) = world() else { return };
    let key = ClientKey::generate().unwrap();
    let mut codes = Vec::new();
    for which in [0, 1] {
        let swtpm = factory.start(which).unwrap();
        let mut tpm = speak(&swtpm);
        let (request, keys) = request(&mut tpm, &token(&world, 1), &key);
        let client = world.anonymous();
        let credential = client.post("/v1/enroll", CBOR, &request.to_cbor()).unwrap().body;
        let activation = activation(&mut tpm, &keys, &request, &credential);
        let answer = client.post("/v1/enroll/activate", CBOR, &activation.to_cbor()).unwrap();
        codes.push(if answer.status == 200 { "taken".into() } else { refusal(&answer).code });
    }
    assert_eq!(codes, ["taken", "CLIENT_KEY_USED"]);
}

#[test]
fn a_certificate_of_another_tpm_is_refused() {
    let Some((factory, world)) = world() else { return };
    let mut requests = Vec::new();
    for which in [0, 1] {
        let swtpm = factory.start(which).unwrap();
        let mut tpm = speak(&swtpm);
        requests.push(request(&mut tpm, &token(&world, 1), &ClientKey::generate().unwrap()).0);
    }
    requests[0].ek_certificate = requests[1].ek_certificate.clone();
    let answer = world.anonymous().post("/v1/enroll", CBOR, &requests[0].to_cbor()).unwrap();
    assert_eq!((answer.status, refusal(&answer).code.as_str()), (403, "EK_CERTIFICATE"));
}
