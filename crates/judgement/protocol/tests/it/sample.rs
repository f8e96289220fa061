//! One message of each kind, with the bytes it must have, built by an encoder that shares nothing with the crate's.

use avouch_protocol::{
    ActivateRequest, ActivateResponse, Certification, Challenge, ChallengeRequest, CredentialChallenge, EnrolRequest,
    EnrolmentToken, Evidence, Hash, ImaFormat, ImaSegment, KeyLost, Membership, Message, NodeProfile, NodeTag, Offsets,
    Receipt, RecordHeader, Refusal, ShownCloudKey, ShownEk, ShownReportKey, SignedReceipt, Status, WrappedSecret,
};

/// RFC 8949 section 3: major type and the shortest form of the argument.
fn head(major: u8, number: u64) -> Vec<u8> {
    let major = major << 5;
    match number {
        0..=23 => vec![major | number as u8],
        24..=0xFF => vec![major | 24, number as u8],
        0x100..=0xFFFF => [&[major | 25], (number as u16).to_be_bytes().as_slice()].concat(),
        0x1_0000..=0xFFFF_FFFF => [&[major | 26], (number as u32).to_be_bytes().as_slice()].concat(),
        _ => [&[major | 27], number.to_be_bytes().as_slice()].concat(),
    }
}

pub(crate) fn uint(number: u64) -> Vec<u8> {
    head(0, number)
}

pub(crate) fn bytes(value: &[u8]) -> Vec<u8> {
    [head(2, value.len() as u64), value.to_vec()].concat()
}

pub(crate) fn text(value: &str) -> Vec<u8> {
    [head(3, value.len() as u64), value.as_bytes().to_vec()].concat()
}

pub(crate) fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, items.len() as u64), items.concat()].concat()
}

pub(crate) fn boolean(value: bool) -> Vec<u8> {
    vec![0xF4 | u8::from(value)]
}

/// A map from small integers to encoded items, in the order given.
pub(crate) fn map(items: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let body: Vec<u8> = items.iter().flat_map(|(key, item)| [uint(*key), item.clone()].concat()).collect();
    [head(5, items.len() as u64), body].concat()
}

/// The entries of a message, so that tests can add, drop and move them.
pub(crate) type Fields = Vec<(u64, Vec<u8>)>;

fn hash(fill: u8) -> Hash {
    Hash([fill; 32])
}

fn h(fill: u8) -> Vec<u8> {
    bytes(&[fill; 32])
}

pub(crate) fn challenge() -> (Challenge, Fields) {
    let offsets = Offsets {
        reset_count: Some(7),
        ima_count: 780,
        ima_bytes: 98_765,
        boot_log_proven: true,
        reports: 12,
        report_head: hash(6),
    };
    let message = Challenge {
        v: 1,
        origin: "https://verifier.example:8443".into(),
        node_tag: NodeTag([2; 32]),
        round: 5_666_667,
        seq: 42,
        prev: hash(5),
        base: Hash::ZERO,
        server_nonce: hash(7),
        pcr_bank: 0x000B,
        pcr_mask: 0x16FF,
        policy_ref: hash(10),
        offsets,
        deadline: 1_700_000_090,
        chain_pcr: Some(13),
        cap_pcr: Some(15),
    };
    let proven = [(0, uint(7)), (1, uint(780)), (2, uint(98_765)), (3, boolean(true)), (4, uint(12)), (5, h(6))];
    let fields = vec![
        (0, uint(1)),
        (1, text("https://verifier.example:8443")),
        (2, h(2)),
        (3, uint(5_666_667)),
        (4, uint(42)),
        (5, h(5)),
        (6, h(0)),
        (7, h(7)),
        (8, uint(0x0B)),
        (9, uint(0x16FF)),
        (10, h(10)),
        (11, map(&proven)),
        (12, uint(1_700_000_090)),
        (13, uint(13)),
        (14, uint(15)),
    ];
    (message, fields)
}

pub(crate) fn evidence() -> (Evidence, Fields) {
    let message = Evidence {
        v: 1,
        seq: 42,
        challenge: hash(2),
        quote: vec![0xFF, 0x54].into(),
        quote_signature: vec![0x18].into(),
        time: Some(vec![0x80].into()),
        time_signature: Some(vec![0x19].into()),
        boot_log: Some(vec![1; 300].into()),
        ima: Some(ImaSegment { format: ImaFormat::Ascii, from_count: 780, bytes: vec![10].into() }),
        agent_version: "0.1.0".into(),
        report_digest: Hash::ZERO,
        userspace_log: Some(vec![0x1E, 0x7B].into()),
        reports: vec![vec![0xA9].into(), vec![].into()],
        report_signature: Some(vec![0x1A].into()),
        report_key: Some(shown_report_key()),
    };
    let fields = vec![
        (0, uint(1)),
        (1, uint(42)),
        (2, h(2)),
        (3, bytes(&[0xFF, 0x54])),
        (4, bytes(&[0x18])),
        (5, bytes(&[0x80])),
        (6, bytes(&[0x19])),
        (7, bytes(&[1; 300])),
        (8, map(&[(0, uint(1)), (1, uint(780)), (2, bytes(&[10]))])),
        (9, text("0.1.0")),
        (10, h(0)),
        (11, bytes(&[0x1E, 0x7B])),
        (12, array(&[bytes(&[0xA9]), bytes(&[])])),
        (13, bytes(&[0x1A])),
        (14, report_key_item()),
    ];
    (message, fields)
}

fn shown_report_key() -> ShownReportKey {
    let certification = Certification { attest: vec![0x1C].into(), signature: vec![0x1D].into() };
    ShownReportKey { public: vec![0x1B].into(), certification }
}

fn report_key_item() -> Vec<u8> {
    map(&[(0, bytes(&[0x1B])), (1, map(&[(0, bytes(&[0x1C])), (1, bytes(&[0x1D]))]))])
}

pub(crate) fn token() -> (EnrolmentToken, Fields) {
    let message = EnrolmentToken {
        v: 1,
        id: hash(1),
        origin: "https://verifier.example:8443".into(),
        server_ca_pins: vec![hash(3), hash(4)],
        log_key: hash(5),
        witness_policy: String::new(),
        profile: NodeProfile::EkCert,
        uses: 100,
        expires: 1_700_086_400,
        signature: vec![9; 64].into(),
    };
    let fields = vec![
        (0, uint(1)),
        (1, h(1)),
        (2, text("https://verifier.example:8443")),
        (3, array(&[h(3), h(4)])),
        (4, h(5)),
        (5, text("")),
        (6, uint(0)),
        (7, uint(100)),
        (8, uint(1_700_086_400)),
        (9, bytes(&[9; 64])),
    ];
    (message, fields)
}

/// Something that can be done with every kind of message.
pub(crate) trait Each {
    fn each<M: Message + Clone + PartialEq + std::fmt::Debug>(&mut self, message: M, fields: Fields);
}

/// Shows every message to `visitor`.
pub(crate) fn every(visitor: &mut impl Each) {
    let (message, fields) = challenge();
    visitor.each(message, fields);
    let (message, fields) = evidence();
    visitor.each(message, fields);
    let (message, fields) = token();
    visitor.each(message, fields);
    enrolment(visitor);
    let request = ChallengeRequest { v: 1, last_seq: 41, last_record: hash(2) };
    visitor.each(request, vec![(0, uint(1)), (1, uint(41)), (2, h(2))]);
    let lost = KeyLost { v: 1, seq: 42, challenge: hash(2), tpm_rc: 0x1DF };
    visitor.each(lost, vec![(0, uint(1)), (1, uint(42)), (2, h(2)), (3, uint(0x1DF))]);
    let record = RecordHeader {
        v: 1,
        node_tag: NodeTag([1; 32]),
        seq: 42,
        prev: hash(3),
        challenge: vec![0xAD].into(),
        evidence: hash(5),
        time: 1_700_000_000,
    };
    let fields = vec![
        (0, uint(1)),
        (1, h(1)),
        (2, uint(42)),
        (3, h(3)),
        (4, bytes(&[0xAD])),
        (5, h(5)),
        (6, uint(1_700_000_000)),
    ];
    visitor.each(record, fields);
    receipts(visitor);
    let refusal = Refusal { retry_in: Some(30), ..Refusal::new("CHALLENGE_SPENT", "what", "remedy") };
    let words = [text("CHALLENGE_SPENT"), text("what"), text("remedy")];
    let [code, what, remedy] = words;
    visitor.each(refusal, vec![(0, uint(1)), (1, code), (2, what), (3, remedy), (4, uint(30))]);
}

/// First contact as a TPM with one endorsement key has it, and as earlier releases had it.
pub(crate) fn bare_enrolment(visitor: &mut impl Each) {
    let (message, fields) = enrol_request();
    let message = EnrolRequest { further_eks: vec![], cloud_key: None, ek_chain: None, ..message };
    visitor.each(message, fields.into_iter().filter(|(key, _)| *key < 9).collect());
    let (message, fields) = credential();
    let message = CredentialChallenge { further: vec![], ..message };
    visitor.each(message, fields.into_iter().filter(|(key, _)| *key < 4).collect());
    let (message, fields) = activate();
    let message = ActivateRequest { cloud_certify: None, report_key: None, ..message };
    visitor.each(message, fields.into_iter().filter(|(key, _)| *key < 5).collect());
}

fn enrol_request() -> (EnrolRequest, Fields) {
    let message = EnrolRequest {
        v: 1,
        token: vec![1].into(),
        client_spki: vec![2].into(),
        ek_public: vec![3].into(),
        ek_certificate: vec![4].into(),
        parent_public: vec![5].into(),
        ak_public: vec![6].into(),
        ak_private: vec![7].into(),
        label: Some("db-1".into()),
        further_eks: vec![ShownEk { public: vec![8].into(), certificate: vec![].into() }],
        cloud_key: Some(ShownCloudKey { public: vec![9].into(), certificate: vec![10].into() }),
        ek_chain: Some(vec![11].into()),
    };
    let mut fields: Fields = (1..=7).map(|key| (key, bytes(&[key as u8]))).collect();
    fields.insert(0, (0, uint(1)));
    fields.push((8, text("db-1")));
    fields.push((9, array(&[map(&[(0, bytes(&[8])), (1, bytes(&[]))])])));
    fields.push((10, map(&[(0, bytes(&[9])), (1, bytes(&[10]))])));
    fields.push((11, bytes(&[11])));
    (message, fields)
}

fn credential() -> (CredentialChallenge, Fields) {
    let message = CredentialChallenge {
        v: 1,
        attempt: hash(1),
        credential_blob: vec![2].into(),
        encrypted_secret: vec![3].into(),
        further: vec![WrappedSecret { credential_blob: vec![4].into(), encrypted_secret: vec![5].into() }],
    };
    let wrapped = array(&[map(&[(0, bytes(&[4])), (1, bytes(&[5]))])]);
    (message, vec![(0, uint(1)), (1, h(1)), (2, bytes(&[2])), (3, bytes(&[3])), (4, wrapped)])
}

fn activate() -> (ActivateRequest, Fields) {
    let message = ActivateRequest {
        v: 1,
        attempt: hash(1),
        proof: hash(2),
        parent_certify: vec![3].into(),
        parent_certify_signature: vec![4].into(),
        cloud_certify: Some(Certification { attest: vec![5].into(), signature: vec![6].into() }),
        report_key: Some(shown_report_key()),
    };
    let certification = map(&[(0, bytes(&[5])), (1, bytes(&[6]))]);
    let mut fields = vec![(0, uint(1)), (1, h(1)), (2, h(2)), (3, bytes(&[3])), (4, bytes(&[4]))];
    fields.extend([(5, certification), (6, report_key_item())]);
    (message, fields)
}

fn enrolment(visitor: &mut impl Each) {
    let (message, fields) = enrol_request();
    visitor.each(message, fields);
    let (message, fields) = credential();
    visitor.each(message, fields);
    let (message, fields) = activate();
    visitor.each(message, fields);
    let membership = Membership {
        node_tag: NodeTag([0xAA; 32]),
        client_certificate: vec![1].into(),
        node_ca: vec![2].into(),
        generation: 1,
        interval: 300,
    };
    let inner = map(&[(0, h(0xAA)), (1, bytes(&[1])), (2, bytes(&[2])), (3, uint(1)), (4, uint(300))]);
    let activated = ActivateResponse { v: 1, membership, next_in: 10 };
    visitor.each(activated, vec![(0, uint(1)), (1, inner), (2, uint(10))]);
}

fn receipts(visitor: &mut impl Each) {
    let receipt = Receipt {
        v: 1,
        node_tag: NodeTag([1; 32]),
        seq: 42,
        record_hash: hash(3),
        evidence: hash(4),
        round: 5_666_667,
        status: Status::Unverifiable,
        code: "LOG_MISMATCH".into(),
        time: 1_700_000_000,
        expires: 1_700_000_630,
    };
    let fields = vec![
        (0, uint(1)),
        (1, h(1)),
        (2, uint(42)),
        (3, h(3)),
        (4, h(4)),
        (5, uint(5_666_667)),
        (6, uint(2)),
        (7, text("LOG_MISMATCH")),
        (8, uint(1_700_000_000)),
        (9, uint(1_700_000_630)),
    ];
    visitor.each(receipt, fields);
    let signed = SignedReceipt { v: 1, receipt: vec![0xAA].into(), signature: vec![7; 64].into(), next_in: 271 };
    visitor.each(signed, vec![(0, uint(1)), (1, bytes(&[0xAA])), (2, bytes(&[7; 64])), (3, uint(271))]);
}
