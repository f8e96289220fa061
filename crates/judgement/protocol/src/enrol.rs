//! First contact: what a node shows of its TPM, the credential it must open, and what it becomes.

use minicbor::{Decode, Encode};

use crate::cbor::message;
use crate::challenge::Bytes;
use crate::limits::MAX_ENROL_BYTES;
use crate::{Hash, NodeTag, ShownReportKey};

/// An endorsement key as a TPM shows it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ShownEk {
    /// TPMT_PUBLIC.
    #[n(0)]
    pub public: Bytes,
    /// Certificate as found in NV, padding included; empty when there is none.
    #[n(1)]
    pub certificate: Bytes,
}

/// The attestation key that a cloud put into a virtual TPM. It certifies the node's own key once and signs no round.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ShownCloudKey {
    /// TPMT_PUBLIC.
    #[n(0)]
    pub public: Bytes,
    /// Certificate as found in NV, padding included.
    #[n(1)]
    pub certificate: Bytes,
}

/// A signed statement of a TPM.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Certification {
    /// TPMS_ATTEST of TPM2_Certify.
    #[n(0)]
    pub attest: Bytes,
    /// TPMT_SIGNATURE over it.
    #[n(1)]
    pub signature: Bytes,
}

/// A secret for one endorsement key, in the two fields that TPM2_ActivateCredential takes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct WrappedSecret {
    /// TPM2B_ID_OBJECT of TPM2_MakeCredential, its length included.
    #[n(0)]
    pub credential_blob: Bytes,
    /// TPM2B_ENCRYPTED_SECRET, its length included.
    #[n(1)]
    pub encrypted_secret: Bytes,
}

/// Step one; `POST /v1/enroll`, server-authenticated TLS, no client certificate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EnrolRequest {
    /// Version, [`crate::VERSION`].
    #[n(0)]
    pub v: u64,
    /// The enrolment token's bytes ([`crate::EnrolmentToken`]).
    #[n(1)]
    pub token: Bytes,
    /// DER SubjectPublicKeyInfo of the client key (ECDSA P-256) that will be certified for this node.
    #[n(2)]
    pub client_spki: Bytes,
    /// TPMT_PUBLIC of the endorsement key that names the node.
    #[n(3)]
    pub ek_public: Bytes,
    /// EK certificate as found in NV, padding included; empty when there is none.
    #[n(4)]
    pub ek_certificate: Bytes,
    /// TPMT_PUBLIC of the attestation key's parent; must equal the fixed template but for `unique`.
    #[n(5)]
    pub parent_public: Bytes,
    /// TPMT_PUBLIC of the attestation key.
    #[n(6)]
    pub ak_public: Bytes,
    /// TPM2B_PRIVATE of the attestation key, wrapped by its parent; useless outside this TPM.
    #[n(7)]
    pub ak_private: Bytes,
    /// A name that a person gave, for people.
    #[n(8)]
    pub label: Option<String>,
    /// Every other endorsement key that is present in the TPM, at most [`crate::MAX_FURTHER_EKS`]. Whoever opens all
    /// secrets has them in one TPM.
    #[cbor(n(9), skip_if = "Vec::is_empty")]
    pub further_eks: Vec<ShownEk>,
    /// Of the profiles `azure-ak-cert` and `gcp`: the key that the cloud vouches for.
    #[n(10)]
    pub cloud_key: Option<ShownCloudKey>,
    /// CA certificates that the TPM carries, in DER one behind the other: the contents of the NV indices 0x01C00100 to
    /// 0x01C001FF in ascending order. They help to build a path and are trusted for nothing.
    #[n(11)]
    pub ek_chain: Option<Bytes>,
}

/// Answer to step one: only the TPM that holds each EK beside a key of this exact Name can open it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CredentialChallenge {
    /// Version, [`crate::VERSION`].
    #[n(0)]
    pub v: u64,
    /// Names this attempt; one activation is taken for it, right or wrong.
    #[n(1)]
    pub attempt: Hash,
    /// TPM2B_ID_OBJECT of TPM2_MakeCredential, its length included.
    #[n(2)]
    pub credential_blob: Bytes,
    /// TPM2B_ENCRYPTED_SECRET, its length included.
    #[n(3)]
    pub encrypted_secret: Bytes,
    /// A secret for each of [`EnrolRequest::further_eks`], in their order.
    #[cbor(n(4), skip_if = "Vec::is_empty")]
    pub further: Vec<WrappedSecret>,
}

/// Step two; `POST /v1/enroll/activate`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ActivateRequest {
    /// Version, [`crate::VERSION`].
    #[n(0)]
    pub v: u64,
    /// The attempt.
    #[n(1)]
    pub attempt: Hash,
    /// HMAC-SHA-256(opened secrets, [`crate::enrolment_proof_input`]): the secrets of 32 bytes, the first one's first,
    /// are the key. They themselves are never sent.
    #[n(2)]
    pub proof: Hash,
    /// TPMS_ATTEST of TPM2_Certify: the AK certifies its parent, qualifyingData with [`crate::Purpose::Certify`] over
    /// the [`CredentialChallenge`] bytes. Its qualifiedSigner shows where the AK stands in the hierarchy.
    #[n(3)]
    pub parent_certify: Bytes,
    /// TPMT_SIGNATURE over it.
    #[n(4)]
    pub parent_certify_signature: Bytes,
    /// TPM2_Certify: the cloud's key certifies the AK, with the same qualifyingData; owed by the profiles
    /// `azure-ak-cert` and `gcp`.
    #[n(5)]
    pub cloud_certify: Option<Certification>,
    /// The report key, if the agent makes reports, certified with the same qualifyingData as the parent.
    #[n(6)]
    pub report_key: Option<ShownReportKey>,
}

/// Answer to step two.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ActivateResponse {
    /// Version, [`crate::VERSION`].
    #[n(0)]
    pub v: u64,
    /// What the node now is.
    #[n(1)]
    pub membership: Membership,
    /// Seconds until the agent should ask for its first challenge.
    #[n(2)]
    pub next_in: u64,
}

/// What a node keeps of its enrolment.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Membership {
    /// The node's name.
    #[n(0)]
    pub node_tag: NodeTag,
    /// DER client certificate for exactly this node.
    #[n(1)]
    pub client_certificate: Bytes,
    /// DER certificate of the node CA that issued it.
    #[n(2)]
    pub node_ca: Bytes,
    /// 1 at first enrolment, one more for each re-enrolment of the same TPM.
    #[n(3)]
    pub generation: u32,
    /// Seconds between rounds.
    #[n(4)]
    pub interval: u64,
}

message!(EnrolRequest, "enrolment request", MAX_ENROL_BYTES);
message!(CredentialChallenge, "credential challenge", MAX_ENROL_BYTES);
message!(ActivateRequest, "activation request", MAX_ENROL_BYTES);
message!(ActivateResponse, "activation response", MAX_ENROL_BYTES);
