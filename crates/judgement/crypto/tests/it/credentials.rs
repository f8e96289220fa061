use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use avouch_crypto::{Credential, CryptoError, hmac_sha256, make_credential, random};
use avouch_tpm_wire::{Attributes, Curve, HashAlg, Kdf, Key, PublicArea, Scheme, Symmetric, templates};
use aws_lc_rs::cipher::{AES_128, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::KeyPair as _;

use crate::data;

const EK: Attributes = Attributes::RESTRICTED.with(Attributes::DECRYPT);

fn ek_area(modulus: &[u8]) -> PublicArea<'_> {
    let key = Key::Rsa { symmetric: Symmetric::AES_128_CFB, scheme: Scheme::Null, bits: 2048, exponent: 0, modulus };
    let template = templates::EK_RSA2048_L1;
    PublicArea::new(HashAlg::Sha256, template.attributes(), template.auth_policy(), key).unwrap()
}

/// TPM2_ActivateCredential as Part 3 describes it, for an EK whose private half the test holds.
fn open(key: &OaepPrivateDecryptingKey, credential: &Credential, name: &[u8]) -> Option<Vec<u8>> {
    let mut seed = vec![0; key.min_output_size()];
    let encrypted = credential.encrypted_secret.strip_prefix(&[0x01, 0x00])?;
    let seed = key.decrypt(&OAEP_SHA256_MGF1SHA256, encrypted, &mut seed, Some(b"IDENTITY\0")).ok()?.to_vec();
    let body = credential.id_object.strip_prefix(&[0x00, 32 + 2 + 34])?;
    let (mac, identity) = body.strip_prefix(&[0x00, 32])?.split_at(32);
    let mac_key = hmac_sha256(&seed, &[&1_u32.to_be_bytes(), b"INTEGRITY\0", &256_u32.to_be_bytes()]);
    if hmac_sha256(&mac_key, &[identity, name]) != mac {
        return None;
    }
    let cipher_key = hmac_sha256(&seed, &[&1_u32.to_be_bytes(), b"STORAGE\0", name, &128_u32.to_be_bytes()]);
    let cipher_key = UnboundCipherKey::new(&AES_128, &cipher_key[..16]).ok()?;
    let mut identity = identity.to_vec();
    let iv = DecryptionContext::Iv128(FixedLength::from([0; 16]));
    DecryptingKey::cfb128(cipher_key).ok()?.decrypt(&mut identity, iv).ok()?;
    identity.strip_prefix(&[0x00, 32]).map(<[u8]>::to_vec)
}

#[test]
fn credential_opens_for_its_key_and_name_only() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let private = OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(pkcs8.as_ref()).unwrap()).unwrap();
    let modulus = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
    let (secret, name) = (random::<32>(), data!("ak.name"));
    let credential = make_credential(&ek_area(&modulus), name, &secret).unwrap();
    assert_eq!(open(&private, &credential, name).as_deref(), Some(secret.as_slice()));

    let mut other = name.to_vec();
    other[33] ^= 1;
    assert_eq!(open(&private, &credential, &other), None);
    for at in 0..credential.id_object.len() {
        let mut changed = credential.clone();
        changed.id_object[at] ^= 1;
        assert_eq!(open(&private, &changed, name), None, "byte {at}");
    }
    let again = make_credential(&ek_area(&modulus), name, &secret).unwrap();
    assert_ne!(again, credential, "seed and padding are fresh for each credential");
}

#[test]
fn keys_and_names_that_cannot_take_a_credential_are_refused() {
    let ek = PublicArea::parse_sized(data!("ek_rsa.pub.tpm2b")).unwrap();
    assert!(make_credential(&ek, data!("ak.name"), &[7; 32]).is_ok());
    for end in 0..data!("ak.name").len() {
        assert_eq!(make_credential(&ek, &data!("ak.name")[..end], &[7; 32]), Err(CryptoError::Name));
    }
    let ak = PublicArea::parse_sized(data!("ak.pub.tpm2b")).unwrap();
    let refused = CryptoError::Attributes { got: ak.attributes().0 };
    assert_eq!(make_credential(&ak, data!("ak.name"), &[7; 32]), Err(refused));

    let off_the_curve = [1; 32];
    let key = Key::Ecc {
        symmetric: Symmetric::AES_128_CFB,
        scheme: Scheme::Null,
        curve: Curve::P256,
        kdf: Kdf::Null,
        x: &off_the_curve,
        y: &off_the_curve,
    };
    let ecc = PublicArea::new(HashAlg::Sha256, EK, &[], key).unwrap();
    assert_eq!(make_credential(&ecc, data!("ak.name"), &[7; 32]), Err(CryptoError::MalformedKey));

    let Key::Rsa { modulus, .. } = *ek.key() else { panic!("the recorded EK is RSA") };
    let key = Key::Rsa { symmetric: Symmetric::Null, scheme: Scheme::Null, bits: 2048, exponent: 0, modulus };
    let plain = PublicArea::new(HashAlg::Sha256, EK, &[], key).unwrap();
    let refused = CryptoError::Unsupported { property: "symmetric cipher", got: 0x10 };
    assert_eq!(make_credential(&plain, data!("ak.name"), &[7; 32]), Err(refused));
}

/// A software TPM of its own for one test; ends with it.
struct Swtpm(Child);

impl Drop for Swtpm {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Swtpm {
    fn start(dir: &Path) -> Option<Self> {
        let child = Command::new("swtpm")
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
            .args(["--tpmstate", &format!("dir={}", dir.display())])
            .args(["--server", &format!("type=unixio,path={}", dir.join("tpm").display())])
            .args(["--ctrl", &format!("type=unixio,path={}", dir.join("tpm.ctrl").display())])
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let swtpm = Self(child);
        let deadline = Instant::now() + Duration::from_secs(20);
        while !(dir.join("tpm").exists() && dir.join("tpm.ctrl").exists()) {
            assert!(Instant::now() < deadline, "swtpm opened no sockets");
            std::thread::yield_now();
        }
        Some(swtpm)
    }
}

fn try_tool(dir: &Path, name: &str, args: &[&str]) -> bool {
    run_tool(dir, name, args).status.success()
}

fn tool(dir: &Path, name: &str, args: &[&str]) {
    let out = run_tool(dir, name, args);
    assert!(out.status.success(), "{name} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

fn run_tool(dir: &Path, name: &str, args: &[&str]) -> Output {
    Command::new(name)
        .current_dir(dir)
        .env("TPM2TOOLS_TCTI", format!("swtpm:path={}", dir.join("tpm").display()))
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn swtpm_opens_the_credential() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let has_tools = Command::new("tpm2_activatecredential").arg("--version").output().is_ok();
    let Some(_swtpm) = has_tools.then(|| Swtpm::start(dir)).flatten() else {
        println!("skipped: install swtpm and tpm2-tools to run this test");
        return;
    };
    tool(dir, "tpm2_createek", &["-G", "rsa", "-c", "ek.ctx", "-u", "ek.pub"]);
    tool(dir, "tpm2_flushcontext", &["-t"]);
    let ak = ["-C", "ek.ctx", "-c", "ak.ctx", "-G", "ecc", "-g", "sha256", "-s", "ecdsa", "-n", "ak.name"];
    tool(dir, "tpm2_createak", &ak);
    tool(dir, "tpm2_flushcontext", &["-t"]);

    let (ek, name) = (fs::read(dir.join("ek.pub")).unwrap(), fs::read(dir.join("ak.name")).unwrap());
    let secret = random::<32>();
    let credential = make_credential(&PublicArea::parse_sized(&ek).unwrap(), &name, &secret).unwrap();
    // The tools' file: magic, version, the two TPM2B.
    let header = [0xBA, 0xDC, 0xC0, 0xDE, 0, 0, 0, 1];
    let file = [header.as_slice(), &credential.id_object, &credential.encrypted_secret].concat();
    fs::write(dir.join("credential"), file).unwrap();

    tool(dir, "tpm2_startauthsession", &["--policy-session", "-S", "session.ctx"]);
    tool(dir, "tpm2_policysecret", &["-S", "session.ctx", "-c", "e"]);
    let activate = ["-c", "ak.ctx", "-C", "ek.ctx", "-i", "credential", "-o", "secret", "-P", "session:session.ctx"];
    tool(dir, "tpm2_activatecredential", &activate);
    assert_eq!(fs::read(dir.join("secret")).unwrap(), secret);
}

/// What `tpm2_createprimary` needs to make an endorsement key like one of the TCG's templates.
struct Template {
    name: &'static str,
    key: &'static str,
    name_alg: &'static str,
    /// A key size that not every libtpms has.
    optional: bool,
}

const TEMPLATES: [Template; 7] = [
    Template { name: "L-1", key: "rsa2048:aes128cfb", name_alg: "sha256", optional: false },
    Template { name: "L-2", key: "ecc256:aes128cfb", name_alg: "sha256", optional: false },
    Template { name: "H-2", key: "ecc256:aes128cfb", name_alg: "sha256", optional: false },
    Template { name: "H-3", key: "ecc384:aes256cfb", name_alg: "sha384", optional: false },
    Template { name: "H-4", key: "ecc521:aes256cfb", name_alg: "sha512", optional: false },
    Template { name: "H-6", key: "rsa3072:aes256cfb", name_alg: "sha384", optional: false },
    Template { name: "H-7", key: "rsa4096:aes256cfb", name_alg: "sha384", optional: true },
];

/// TPM_RC_VALUE about the second parameter, which is the template: the TPM does not know the size.
const NO_SUCH_SIZE: &str = "(0x2C4)";

impl Template {
    /// Makes the key and leaves its public area in `ek.pub`; false when the TPM has no keys of this size.
    fn make(&self, dir: &Path) -> bool {
        let ek = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|adminwithpolicy|restricted|decrypt";
        let create = ["-C", "e", "-G", self.key, "-g", self.name_alg, "-a", ek, "-c", "ek.ctx"];
        let out = run_tool(dir, "tpm2_createprimary", &create);
        let errors = String::from_utf8_lossy(&out.stderr);
        if !out.status.success() {
            assert!(self.optional && errors.contains(NO_SUCH_SIZE), "{}: {errors}", self.name);
            return false;
        }
        tool(dir, "tpm2_flushcontext", &["-t"]);
        tool(dir, "tpm2_readpublic", &["-c", "ek.ctx", "-f", "tss", "-o", "ek.pub"]);
        tool(dir, "tpm2_flushcontext", &["-t"]);
        true
    }

    /// A credential for the key in `ek.ctx` and the name of `ak.ctx` opens, and a changed one does not.
    fn opens_its_credential(&self, dir: &Path, name: &[u8]) {
        let public = fs::read(dir.join("ek.pub")).unwrap();
        let secret = random::<32>();
        let credential = make_credential(&PublicArea::parse_sized(&public).unwrap(), name, &secret).unwrap();
        let header = [0xBA, 0xDC, 0xC0, 0xDE, 0, 0, 0, 1];
        let mut file = [header.as_slice(), &credential.id_object, &credential.encrypted_secret].concat();
        fs::write(dir.join("credential"), &file).unwrap();
        let activate = ["-c", "ak.ctx", "-C", "ek.ctx", "-i", "credential", "-o", "secret"];
        tool(dir, "tpm2_activatecredential", &activate);
        tool(dir, "tpm2_flushcontext", &["-t"]);
        assert_eq!(fs::read(dir.join("secret")).unwrap(), secret, "{}", self.name);

        *file.last_mut().unwrap() ^= 1;
        fs::write(dir.join("credential"), file).unwrap();
        assert!(!try_tool(dir, "tpm2_activatecredential", &activate), "{}: a changed credential opens", self.name);
        tool(dir, "tpm2_flushcontext", &["-t"]);
    }
}

#[test]
fn swtpm_opens_credentials_for_endorsement_keys_of_every_template() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let has_tools = Command::new("tpm2_activatecredential").arg("--version").output().is_ok();
    let Some(_swtpm) = has_tools.then(|| Swtpm::start(dir)).flatten() else {
        println!("skipped: install swtpm and tpm2-tools to run this test");
        return;
    };
    let ak = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign";
    tool(dir, "tpm2_createprimary", &["-C", "e", "-G", "ecc256:ecdsa-sha256:null", "-a", ak, "-c", "ak.ctx"]);
    tool(dir, "tpm2_flushcontext", &["-t"]);
    tool(dir, "tpm2_readpublic", &["-c", "ak.ctx", "-n", "ak.name"]);
    tool(dir, "tpm2_flushcontext", &["-t"]);
    let name = fs::read(dir.join("ak.name")).unwrap();

    let mut opened = Vec::new();
    for template in TEMPLATES {
        if template.make(dir) {
            template.opens_its_credential(dir, &name);
            println!("{}: opened by the software TPM", template.name);
            opened.push(template.name);
        } else {
            println!("{}: this software TPM has no keys {}", template.name, template.key);
        }
    }
    assert!(TEMPLATES.iter().all(|template| template.optional || opened.contains(&template.name)), "{opened:?}");
}

#[test]
fn ecc_credentials_are_fresh_each_time() {
    let pair =
        aws_lc_rs::signature::EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let key = Key::Ecc {
        symmetric: Symmetric::AES_128_CFB,
        scheme: Scheme::Null,
        curve: Curve::P256,
        kdf: Kdf::Null,
        x: &point[1..33],
        y: &point[33..],
    };
    let ek = PublicArea::new(HashAlg::Sha256, EK, &[], key).unwrap();
    let made: Vec<_> = (0..2).map(|_| make_credential(&ek, data!("ak.name"), &[7; 32]).unwrap()).collect();
    assert_ne!(made[0].encrypted_secret, made[1].encrypted_secret);
    assert_ne!(made[0].id_object, made[1].id_object);
    assert_eq!(made[0].encrypted_secret.len(), 2 + 2 + 32 + 2 + 32);
}
