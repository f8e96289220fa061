//! A node for one test: a software TPM, the logs of a small boot, and the node's side of the protocol.

use avouch_crypto::ca::Identity;
use avouch_crypto::client_key::ClientKey;
use avouch_crypto::{hmac_sha256, sha256};
use avouch_https::{Answer, Https};
use avouch_protocol::{
    ActivateRequest, ActivateResponse, Challenge, ChallengeRequest, CredentialChallenge, EnrolRequest, EnrolmentToken,
    Evidence, Hash, ImaFormat, ImaSegment, Membership, Message, NodeProfile, Purpose, Receipt, Refusal, ShownEk,
    SignedReceipt, VERSION, enrolment_proof_input, qualifying_data,
};
use avouch_server::Grant;
use avouch_testkit::{Factory, Swtpm, skip_without_swtpm};
use avouch_tpm::{AkBlob, EndorsementKey, SwtpmTransport, Tpm};
use avouch_tpm_wire::{Digest, EkTemplate, HashAlg, PcrSelection, PublicArea};

use crate::world::{World, eventually, refusal};

const CBOR: &str = "application/cbor";

pub(crate) fn hash(parts: &[&[u8]]) -> Hash {
    Hash(sha256(parts))
}

/// An enrolled node.
pub(crate) struct Node {
    // Before the TPM that it speaks to.
    pub(crate) tpm: Tpm<SwtpmTransport>,
    pub(crate) keys: AkBlob,
    pub(crate) client: Https,
    pub(crate) spki: Hash,
    pub(crate) membership: Membership,
    pub(crate) ima: Vec<u8>,
    pub(crate) ima_count: u64,
    pub(crate) last: (u64, Hash),
    _swtpm: Swtpm,
}

/// The factory, and a server that trusts its TPMs; `None` where swtpm is not installed.
pub(crate) fn world() -> Option<(Factory, World)> {
    let factory = skip_without_swtpm().unwrap()?;
    let roots = factory.ek_roots();
    let world = World::with(|config| {
        config.ek_roots = vec![roots];
        // The boot log of these nodes tells of PCR 12 alone, without the separators that firmware owes.
        config.pcrs = avouch_server::Pcrs::parse("sha256:10,12").unwrap();
    });
    Some((factory, world))
}

pub(crate) fn token(world: &World, uses: u32) -> EnrolmentToken {
    let grant = Grant {
        profile: NodeProfile::EkCert,
        uses,
        expires: u64::from(u32::MAX),
        origin: world.running().origin().to_owned(),
    };
    world.admin().enrolment_token(&grant, None).unwrap()
}

/// Speaks to a TPM, whose socket may be there a moment before swtpm listens on it.
pub(crate) fn speak(swtpm: &Swtpm) -> Tpm<SwtpmTransport> {
    let mut connected = None;
    eventually("swtpm listens", || {
        connected = SwtpmTransport::connect(&swtpm.transport()).ok();
        connected.is_some()
    });
    Tpm::new(connected.unwrap())
}

/// What a TPM shows to enrol with a client key.
pub(crate) fn request(
    tpm: &mut Tpm<SwtpmTransport>,
    token: &EnrolmentToken,
    key: &ClientKey,
) -> (EnrolRequest, AkBlob) {
    let mut eks = tpm.endorsement_keys(None).unwrap().into_iter();
    let ek = eks.next().unwrap();
    let further = |ek: EndorsementKey| ShownEk {
        public: ek.public.into(),
        certificate: ek.certificate.unwrap_or_default().into(),
    };
    let keys = tpm.create_attestation_key().unwrap();
    let request = EnrolRequest {
        v: VERSION,
        token: token.to_cbor().into(),
        client_spki: key.spki_der().to_vec().into(),
        ek_public: ek.public.into(),
        ek_certificate: ek.certificate.unwrap().into(),
        parent_public: keys.parent_public.clone().into(),
        ak_public: keys.public.clone().into(),
        ak_private: keys.private.clone().into(),
        label: None,
        further_eks: eks.map(further).collect(),
        cloud_key: None,
        ek_chain: None,
    };
    (request, keys)
}

/// Opens the credential and lets the AK certify its parent.
pub(crate) fn activation(
    tpm: &mut Tpm<SwtpmTransport>,
    keys: &AkBlob,
    request: &EnrolRequest,
    credential: &[u8],
) -> ActivateRequest {
    let challenge = CredentialChallenge::from_cbor(credential).unwrap();
    let mut open = |public: &[u8], id_object: &[u8], secret: &[u8]| {
        let template = EkTemplate::of(&PublicArea::parse(public).unwrap()).unwrap();
        tpm.activate_credential(keys, template, id_object, secret).unwrap()
    };
    let mut secret = open(&request.ek_public, &challenge.credential_blob, &challenge.encrypted_secret);
    for (ek, wrapped) in request.further_eks.iter().zip(&challenge.further) {
        secret.extend(open(&ek.public, &wrapped.credential_blob, &wrapped.encrypted_secret));
    }
    let input = enrolment_proof_input(&hash(&[&request.to_cbor()]), &hash(&[credential]));
    let spki = hash(&[&request.client_spki]);
    let qualifying = qualifying_data(hash, Purpose::Certify, &hash(&[credential]), &spki, &Hash::ZERO);
    let certified = tpm.load_attestation_key(keys).unwrap().certify_parent(&qualifying.0).unwrap();
    ActivateRequest {
        v: VERSION,
        attempt: challenge.attempt,
        proof: Hash(hmac_sha256(secret.as_slice(), &[&input])),
        parent_certify: certified.attest.into(),
        parent_certify_signature: certified.signature.into(),
        cloud_certify: None,
        report_key: None,
    }
}

impl Node {
    /// TPM number `which` joins.
    pub(crate) fn enrol(world: &World, factory: &Factory, which: usize) -> Self {
        let swtpm = factory.start(which).unwrap();
        let tpm = speak(&swtpm);
        Self::enrol_tpm(world, swtpm, tpm, &token(world, 1)).unwrap()
    }

    pub(crate) fn enrol_tpm(
        world: &World,
        swtpm: Swtpm,
        mut tpm: Tpm<SwtpmTransport>,
        token: &EnrolmentToken,
    ) -> Result<Self, Refusal> {
        let key = ClientKey::generate().unwrap();
        let (request, keys) = request(&mut tpm, token, &key);
        let spki = hash(&[&request.client_spki]);
        let credential = taken(world.anonymous().post("/v1/enroll", CBOR, &request.to_cbor()).unwrap())?;
        let activation = activation(&mut tpm, &keys, &request, &credential);
        let answer = taken(world.anonymous().post("/v1/enroll/activate", CBOR, &activation.to_cbor()).unwrap())?;
        let membership = ActivateResponse::from_cbor(&answer).unwrap().membership;
        let identity = Identity::new(&[membership.client_certificate.to_vec()], key).unwrap();
        let client = world.client(Some(&identity));
        let mut node = Self {
            tpm,
            keys,
            client,
            spki,
            membership,
            ima: Vec::new(),
            ima_count: 0,
            last: (0, Hash::ZERO),
            _swtpm: swtpm,
        };
        node.tpm.pcr_extend(12, &[Digest::new(HashAlg::Sha256, &BOOT_EVENT).unwrap()]).unwrap();
        // PCRs 0 to 9 are zero after the boot that `boot_log` tells of.
        node.measure("boot_aggregate", &sha256(&[&[0; 320]]));
        Ok(node)
    }

    /// The kernel measures a file.
    pub(crate) fn measure(&mut self, path: &str, digest: &[u8; 32]) {
        let field = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat();
        let data =
            [field(&[b"sha256:\0", digest.as_slice()].concat()), field(&[path.as_bytes(), b"\0"].concat())].concat();
        let value = Digest::new(HashAlg::Sha256, &sha256(&[&data])).unwrap();
        self.tpm.pcr_extend(10, &[value]).unwrap();
        // The template hash of the list is SHA-1 and only tells a violation; replay recomputes it.
        let entry = [10u32.to_le_bytes().as_slice(), &[1; 20], &field(b"ima-ng"), &field(&data)].concat();
        self.ima.extend(entry);
        self.ima_count += 1;
    }

    pub(crate) fn ask(&self) -> Answer {
        let (last_seq, last_record) = self.last;
        let request = ChallengeRequest { v: VERSION, last_seq, last_record };
        self.client.post("/v1/challenge", CBOR, &request.to_cbor()).unwrap()
    }

    pub(crate) fn challenge(&self) -> Vec<u8> {
        taken(self.ask()).unwrap()
    }

    /// Honest evidence for a challenge.
    pub(crate) fn evidence(&mut self, challenge_bytes: &[u8]) -> Evidence {
        let challenge = Challenge::from_cbor(challenge_bytes).unwrap();
        let digest = hash(&[challenge_bytes]);
        let spki = self.spki;
        let qualifying = |purpose| qualifying_data(hash, purpose, &digest, &spki, &Hash::ZERO).0;
        let selection = PcrSelection { bank: HashAlg::from_id(challenge.pcr_bank).unwrap(), mask: challenge.pcr_mask };
        let mut key = self.tpm.load_attestation_key(&self.keys).unwrap();
        let quote = key.quote(selection, &qualifying(Purpose::Quote)).unwrap();
        let first = challenge.offsets.reset_count.is_none();
        let time = first.then(|| key.get_time(&qualifying(Purpose::GetTime)).unwrap());
        let from = usize::try_from(challenge.offsets.ima_bytes).unwrap();
        Evidence {
            v: VERSION,
            seq: challenge.seq,
            challenge: digest,
            quote: quote.attest.into(),
            quote_signature: quote.signature.into(),
            time: time.as_ref().map(|time| time.attest.clone().into()),
            time_signature: time.map(|time| time.signature.into()),
            boot_log: (first || !challenge.offsets.boot_log_proven).then(|| boot_log().into()),
            ima: Some(ImaSegment {
                format: ImaFormat::Binary,
                from_count: challenge.offsets.ima_count,
                bytes: self.ima[from..].to_vec().into(),
            }),
            agent_version: "test".into(),
            report_digest: Hash::ZERO,
            userspace_log: None,
            reports: Vec::new(),
            report_signature: None,
            report_key: None,
        }
    }

    pub(crate) fn send(&self, evidence: &Evidence) -> Answer {
        self.client.post("/v1/evidence", CBOR, &evidence.to_cbor()).unwrap()
    }

    /// A whole round; the receipt is kept.
    pub(crate) fn round(&mut self) -> Receipt {
        let challenge = self.challenge();
        let evidence = self.evidence(&challenge);
        let receipt = receipt(&self.send(&evidence));
        self.last = (receipt.seq, receipt.record_hash);
        receipt
    }

    pub(crate) fn tag(&self) -> String {
        self.membership.node_tag.to_hex()
    }
}

pub(crate) fn taken(answer: Answer) -> Result<Vec<u8>, Refusal> {
    if answer.status == 200 { Ok(answer.body) } else { Err(refusal(&answer)) }
}

pub(crate) fn receipt(answer: &Answer) -> Receipt {
    assert_eq!(answer.status, 200, "{:?}", refusal(answer));
    Receipt::from_cbor(&SignedReceipt::from_cbor(&answer.body).unwrap().receipt).unwrap()
}

/// Digest of the one event of the boot.
const BOOT_EVENT: [u8; 32] = [0xB0; 32];

/// A crypto-agile log of a boot with one event, an EV_IPL in PCR 12 (TCG PC Client Platform Firmware Profile,
/// TCG_EfiSpecIDEvent and TCG_PCR_EVENT2).
pub(crate) fn boot_log() -> Vec<u8> {
    let header = [
        b"Spec ID Event03\0".as_slice(),
        &[0; 4],
        &[0, 2, 0, 2],
        &1u32.to_le_bytes(),
        &HashAlg::Sha256.id().to_le_bytes(),
        &32u16.to_le_bytes(),
        &[0],
    ]
    .concat();
    let length = u32::try_from(header.len()).unwrap().to_le_bytes();
    let first = [&0u32.to_le_bytes(), 3u32.to_le_bytes().as_slice(), &[0; 20], &length, &header].concat();
    let numbers = [12u32, 0x0D, 1].map(u32::to_le_bytes).concat();
    let alg = HashAlg::Sha256.id().to_le_bytes();
    [first.as_slice(), &numbers, &alg, &BOOT_EVENT, &0u32.to_le_bytes()].concat()
}
