//! Boot programs of a Debian system, where they are installed: what their signers hashed is what we compute.

#![allow(clippy::disallowed_types, reason = "an oracle is another program")]

use std::path::{Path, PathBuf};
use std::process::Command;

use avouch_crypto::Hash;
use avouch_pe::{Certificate, Image};
use avouch_tpm_wire::HashAlg;

/// Of the packages shim-signed, shim-unsigned, grub-efi-amd64-signed, systemd-boot-efi, fwupd-amd64-signed, and kernels.
const FOLDERS: [&str; 6] = [
    "usr/lib/shim",
    "usr/lib/grub/x86_64-efi-signed",
    "usr/lib/grub/x86_64-efi/monolithic",
    "usr/lib/systemd/boot/efi",
    "usr/libexec/fwupd/efi",
    "boot",
];

/// Images below `AVOUCH_EFI_ROOT`, or of this machine.
fn images() -> Vec<(PathBuf, Vec<u8>)> {
    let root = std::env::var_os("AVOUCH_EFI_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let entries = FOLDERS.iter().filter_map(|folder| std::fs::read_dir(root.join(folder)).ok()).flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| is_image(path)).collect();
    paths.sort();
    paths.into_iter().filter_map(|path| std::fs::read(&path).ok().map(|bytes| (path, bytes))).collect()
}

fn is_image(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.is_file() && (name.contains(".efi") || name.starts_with("vmlinuz-"))
}

#[test]
fn signed_boot_programs_carry_the_digest_that_is_computed() {
    let (mut signed, mut unsigned) = (0, 0);
    for (path, bytes) in images() {
        let image = Image::parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let digest = image.authenticode(HashAlg::Sha256, &Hash);
        for certificate in image.certificates() {
            assert_eq!(certificate.kind, Certificate::PKCS_SIGNED_DATA, "{}", path.display());
            let found = certificate.data.windows(32).any(|window| window == digest.as_bytes());
            assert!(found, "{}: the signature is about another digest than {digest}", path.display());
            signed += 1;
        }
        unsigned += usize::from(image.certificates().is_empty());
        if let Some(table) = image.sbat().unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
            assert_eq!(table.generation("sbat"), Some(1), "{}", path.display());
        }
    }
    if signed == 0 {
        println!(
            "skipped: install mmdebstrap for `cargo xtask test unit`, or unpack shim-signed below AVOUCH_EFI_ROOT"
        );
        return;
    }
    println!("boot programs: {signed} signatures about the computed digest, {unsigned} images without a signature");
}

#[test]
fn digest_equals_that_of_pesign() {
    let mut compared = 0;
    for (path, bytes) in images() {
        let Ok(output) = Command::new("pesign").args(["--hash", "--in"]).arg(&path).output() else { break };
        // It fills files up to a multiple of eight first, as a signer has to; firmware does not.
        if bytes.len() % 8 != 0 {
            continue;
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let image = Image::parse(&bytes).unwrap();
        let digest = image.authenticode(HashAlg::Sha256, &Hash).to_string();
        assert!(text.contains(&digest), "{}: pesign says {text}, computed {digest}", path.display());
        compared += 1;
    }
    if compared == 0 {
        println!("skipped: install pesign, and mmdebstrap for `cargo xtask test unit`, or set AVOUCH_EFI_ROOT");
        return;
    }
    println!("boot programs: {compared} digests equal those of pesign");
}
