//! A machine with a TPM that signs, and an attestor on it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use avouch_attestor::audit::Tail;
use avouch_attestor::{
    Appraisal, Facts, FailureCode, FileDigest, Hash, HmacKey, Machine, Moment, PolicyDigest, Profile, RawQuote,
    Reading, References, Running, SecureBoot, Service, ServiceFacts, Settings, Standing, TpmFacts, appraise,
};
use avouch_crypto::{Hash as Sha, sha256};
use avouch_tpm_wire::{
    Attest, AttestBody, ClockInfo, Curve, HashAlg, Hasher, Kdf, Key, PcrSelection, PublicArea, Scheme, Signature,
    Symmetric, templates,
};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

/// 2026-03-13T12:00:00Z, an hour after boot.
pub(crate) const NOON: Moment = Moment { unix_ms: 1_773_403_200_000, boot_ms: 3_600_000 };
pub(crate) const REGISTRY: &str = "/usr/libexec/secure-ai/registry";
pub(crate) const POLICY: &str = "/etc/secure-ai/policy/policy.yaml";

pub(crate) fn later(seconds: u64) -> Moment {
    NOON.after(std::time::Duration::from_secs(seconds))
}

pub(crate) fn file(content: &str) -> FileDigest {
    FileDigest { sha256: Hash(sha256(&[content.as_bytes()])), size: content.len() as u64 }
}

/// One service and one policy file, and nothing demanded.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::defaults(Profile::SecureAi);
    let service = Service { path: REGISTRY.into(), unit: "secure-ai-registry.service".into() };
    settings.service_binaries = BTreeMap::from([("registry".to_owned(), service)]);
    settings.policy_files = vec![POLICY.into()];
    settings
}

/// A machine in order: the service runs what is on disk; no TPM, no Secure Boot, no deployment.
pub(crate) fn facts() -> Facts {
    let mut digest = PolicyDigest::new();
    digest.file(POLICY.as_ref(), b"mode: strict\n");
    Facts {
        taken_at: NOON,
        nonce: Hash([0x11; 32]),
        secure_boot: SecureBoot { variable: Reading::Absent, log: Reading::Absent },
        deployment: Reading::Absent,
        services: BTreeMap::from([("registry".to_owned(), service("registry 1.0"))]),
        policy_files: vec![(PathBuf::from(POLICY), Reading::Value(file("mode: strict\n")))],
        policy_digest: Reading::Value(digest.finish()),
        files: BTreeMap::new(),
        registry: Reading::Absent,
        cmdline: Reading::Value("quiet lockdown=integrity root=/dev/vda2 a<b&c".into()),
        lockdown: Reading::Value("none [integrity] confidentiality".into()),
        levels: Reading::Absent,
        server: None,
        tpm: TpmFacts::Absent { why: "there is no /dev/tpmrm0".into() },
    }
}

/// The service with this content on disk and in its process.
pub(crate) fn service(content: &str) -> ServiceFacts {
    ServiceFacts {
        path: REGISTRY.into(),
        on_disk: Reading::Value(file(content)),
        running: Reading::Value(vec![process(7, true, content)]),
        in_ima: Reading::Absent,
    }
}

pub(crate) fn process(pid: u32, main: bool, content: &str) -> Running {
    let sha256 = Reading::Value(file(content).sha256);
    Running { pid, main, program: REGISTRY.into(), sha256, deleted: false }
}

pub(crate) fn judged(facts: &Facts, settings: &Settings) -> Appraisal {
    appraise(facts, settings, &References::default())
}

pub(crate) fn codes(appraisal: &Appraisal) -> Vec<FailureCode> {
    appraisal.failures().iter().map(|failure| failure.code).collect()
}

pub(crate) fn key() -> HmacKey {
    let bytes: Vec<u8> = (0..32).collect();
    HmacKey::from_file(data_encoding::HEXLOWER.encode(&bytes).as_bytes()).unwrap()
}

/// An attestor with its log, driven as its runner does it.
pub(crate) struct Attestor {
    pub(crate) settings: Settings,
    pub(crate) machine: Machine,
    pub(crate) log: Vec<u8>,
    pub(crate) tail: Tail,
    pub(crate) key: Reading<HmacKey>,
}

impl Attestor {
    pub(crate) fn new(settings: Settings) -> Self {
        let machine = Machine::new(&settings, None);
        Self { settings, machine, log: Vec::new(), tail: Tail::EMPTY, key: Reading::Value(key()) }
    }

    pub(crate) fn run(&mut self, facts: &Facts) -> Arc<Standing> {
        let references = References { baseline: None, first_seen: self.machine.first_seen() };
        let prepared = self.machine.prepare(appraise(facts, &self.settings, &references), &self.key, &self.tail);
        self.log.extend(prepared.line());
        self.tail = prepared.tail();
        self.machine.publish(prepared)
    }
}

/// The TPM's part, played with a key in memory.
pub(crate) struct Tpm {
    pair: EcdsaKeyPair,
    pub(crate) pcrs: BTreeMap<u8, Hash>,
}

impl Tpm {
    pub(crate) fn new() -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).unwrap();
        let pcrs = [0, 2, 4, 7].into_iter().map(|pcr| (pcr, Hash([pcr; 32]))).collect();
        Self { pair, pcrs }
    }

    pub(crate) fn ak_public(&self) -> Vec<u8> {
        let point = self.pair.public_key().as_ref();
        let key = Key::Ecc {
            symmetric: Symmetric::Null,
            scheme: Scheme::Ecdsa(HashAlg::Sha256),
            curve: Curve::P256,
            kdf: Kdf::Null,
            x: &point[1..33],
            y: &point[33..],
        };
        PublicArea::new(HashAlg::Sha256, templates::AK.attributes(), &[], key).unwrap().encode()
    }

    /// A quote over these bytes.
    pub(crate) fn quote_over(&self, qualifying_data: &[u8]) -> RawQuote {
        let numbers: Vec<u32> = self.pcrs.keys().map(|pcr| u32::from(*pcr)).collect();
        let values: Vec<&[u8]> = self.pcrs.values().map(|value| value.0.as_slice()).collect();
        let digest = Sha.hash(HashAlg::Sha256, &values);
        let attest = Attest {
            qualified_signer: &[0, 0x0B, 1, 2, 3],
            extra_data: qualifying_data,
            clock: ClockInfo { clock: 90_000, reset_count: 7, restart_count: 0, safe: true },
            firmware_version: 1,
            body: AttestBody::Quote {
                selection: PcrSelection::of(HashAlg::Sha256, &numbers).into(),
                pcr_digest: digest.as_bytes(),
            },
        };
        let attest = attest.encode().unwrap();
        let signed = self.pair.sign(&SystemRandom::new(), &attest).unwrap();
        let (r, s) = signed.as_ref().split_at(32);
        let signature = Signature::Ecdsa { hash: HashAlg::Sha256, r, s }.encode().unwrap();
        RawQuote { attest, signature, ak_public: self.ak_public(), pcrs: self.pcrs.clone(), software: false }
    }

    /// The facts with this TPM's quote over them.
    pub(crate) fn quoted(&self, mut facts: Facts) -> Facts {
        facts.tpm = TpmFacts::Quoted(self.quote_over(&facts.qualifying_data()));
        facts
    }
}
