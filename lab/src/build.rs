//! The steps that make the machine's software: kernel and firmware, root tree and image, initrd, signed UKI, TPMs.
//!
//! Everything comes from Debian 12, whatever the host runs, so the measured values are the same on every host.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cache::{Cache, Step, tree_bytes};
use crate::tool;

/// The guest's Debian release.
const SUITE: &str = "bookworm";

/// Packages whose files alone are wanted: kernel, EFI stub, firmware with its evaluation keys.
const BOOT_PACKAGES: &str = "linux-image-cloud-amd64,systemd-boot-efi,ovmf";

/// Packages of boot programs that others signed; together with those of [`BOOT_PACKAGES`] they are what the tests of PE
/// images and of firmware read. Apart from them, because nothing that a machine boots depends on these.
const SIGNED_PACKAGES: &str = "shim-signed,grub-efi-amd64-signed";

/// Longest time for fetching packages.
const FETCH: Duration = Duration::from_secs(600);

/// Longest time for work on local files.
const LOCAL: Duration = Duration::from_secs(180);

/// The kernel command line of every machine, signed as part of its UKI. The first half makes the kernel quick and
/// quiet under emulation; the second says what is measured until `/etc/ima/ima-policy` is loaded.
pub(crate) const COMMAND_LINE: &str = "console=ttyS0 root=/dev/nvme0n1 rw rootfstype=ext4 quiet loglevel=3 \
    systemd.show_status=0 net.ifnames=0 random.trust_cpu=on mitigations=off nokaslr no_timer_check tsc=reliable \
    cryptomgr.notests systemd.condition-needs-update=no systemd.firstboot=no audit=0 panic=-1 \
    ima_policy=tcb|critical_data";

/// Kernel, EFI stub, firmware and its keys, as files of one directory.
#[derive(Debug, Clone)]
pub(crate) struct Boot {
    pub(crate) dir: PathBuf,
}

impl Boot {
    /// A file of the boot directory: `vmlinuz`, `stub`, `code.fd`, `code-secure.fd`, `vars.fd`, `vars-secure.fd`,
    /// `db.key`, `db.crt`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Fetches and unpacks the boot packages.
pub(crate) fn boot(cache: &Cache, progress: &mut dyn FnMut(Step)) -> Result<Boot> {
    let dir = cache.step("boot", &[SUITE.as_bytes(), BOOT_PACKAGES.as_bytes()], progress, |out| {
        let tar = out.join("boot.tar");
        let mut fetch = tool::command("mmdebstrap");
        fetch.args(["--variant=extract", &format!("--include={BOOT_PACKAGES}"), SUITE]).arg(&tar);
        tool::run(&mut fetch, FETCH)?;
        let unpacked = out.join("unpacked");
        fs::create_dir(&unpacked)?;
        let mut unpack = tool::command("tar");
        unpack.arg("-C").arg(&unpacked).arg("-xf").arg(&tar);
        unpack.args(["./boot", "./usr/lib/systemd/boot/efi", "./usr/share/OVMF", "./usr/share/ovmf"]);
        tool::run(&mut unpack, LOCAL)?;
        fs::copy(kernel(&unpacked.join("boot"))?, out.join("vmlinuz"))?;
        for (from, to) in [
            ("usr/lib/systemd/boot/efi/linuxx64.efi.stub", "stub"),
            ("usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "code-secure.fd"),
            ("usr/share/OVMF/OVMF_CODE_4M.fd", "code.fd"),
            ("usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd", "vars-secure.fd"),
            ("usr/share/OVMF/OVMF_VARS_4M.fd", "vars.fd"),
            ("usr/share/ovmf/PkKek-1-snakeoil.pem", "db.crt"),
        ] {
            fs::copy(unpacked.join(from), out.join(to)).with_context(|| format!("copying {from}"))?;
        }
        let mut key = tool::command("openssl");
        key.args(["rsa", "-passin", "pass:snakeoil", "-in"]).arg(unpacked.join("usr/share/ovmf/PkKek-1-snakeoil.key"));
        tool::run(key.arg("-out").arg(out.join("db.key")), LOCAL)?;
        Ok(fs::remove_dir_all(&unpacked)?)
    })?;
    Ok(Boot { dir })
}

/// A tree with kernel, firmware and boot programs at the places where their packages put them. Nothing is installed:
/// no maintainer script runs, and the host's own boot stays as it is.
pub(crate) fn boot_programs(cache: &Cache, progress: &mut dyn FnMut(Step)) -> Result<PathBuf> {
    let boot = boot(cache, progress)?;
    let plain = ["./boot", "./usr/lib/systemd/boot/efi", "./usr/share/OVMF"];
    let signed = ["./usr/lib/shim", "./usr/lib/grub/x86_64-efi-signed", "./usr/lib/grub/x86_64-efi/monolithic"];
    cache.step("efi", &[path_bytes(&boot.dir), SIGNED_PACKAGES.as_bytes()], progress, |out| {
        let tar = out.join("signed.tar");
        let mut fetch = tool::command("mmdebstrap");
        fetch.args(["--variant=extract", &format!("--include={SIGNED_PACKAGES}")]);
        fetch.arg("--aptopt=APT::Install-Recommends \"false\"");
        tool::run(fetch.arg(SUITE).arg(&tar), FETCH)?;
        for (tar, folders) in [(&boot.file("boot.tar"), plain), (&tar, signed)] {
            let mut unpack = tool::command("tar");
            unpack.arg("-C").arg(out).arg("--no-same-owner").arg("-xf").arg(tar).args(folders);
            tool::run(&mut unpack, LOCAL)?;
        }
        Ok(fs::remove_file(tar)?)
    })
}

fn kernel(dir: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("vmlinuz-") {
            return Ok(entry.path());
        }
    }
    bail!("the kernel package brought no vmlinuz")
}

/// The directory with `tree/` (the root tree without the agent) and `root.img` (the same as ext4).
pub(crate) fn root(cache: &Cache, boot: &Boot, source: &Path, progress: &mut dyn FnMut(Step)) -> Result<PathBuf> {
    let guest = source.join("lab/guest");
    let rootfs = rootfs(cache, &guest, progress)?;
    let dist = source.join("dist");
    let (guest_bytes, policy) = (tree_bytes(&guest)?, fs::read(dist.join("ima-policy")).context("dist/ima-policy")?);
    let units = units(&dist)?;
    let inputs = [path_bytes(&rootfs), path_bytes(&boot.dir), &guest_bytes, &policy, &units];
    cache.step("root", &inputs, progress, |out| {
        let mut make = as_root("bash");
        make.arg(guest.join("make-root.sh")).arg(&guest).arg(rootfs.join("rootfs.tar"));
        make.arg(boot.file("boot.tar")).arg(&dist).arg(out);
        tool::run(&mut make, LOCAL).map(drop)
    })
}

/// Names and content of the units that Avouch ships, in the order of their names.
fn units(dist: &Path) -> Result<Vec<u8>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dist).with_context(|| format!("reading {}", dist.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "service" || end == "socket" || end == "timer") {
            files.push(path);
        }
    }
    files.sort();
    let mut bytes = Vec::new();
    for path in files {
        let content = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        bytes.extend(path_bytes(&path));
        bytes.extend(content.len().to_be_bytes());
        bytes.extend(content);
    }
    Ok(bytes)
}

fn rootfs(cache: &Cache, guest: &Path, progress: &mut dyn FnMut(Step)) -> Result<PathBuf> {
    let list = fs::read_to_string(guest.join("packages")).context("lab/guest/packages")?;
    let packages: Vec<_> = list.lines().filter(|line| !line.starts_with('#')).collect();
    let packages = packages.join(",");
    cache.step("rootfs", &[SUITE.as_bytes(), packages.as_bytes()], progress, |out| {
        let mut fetch = tool::command("mmdebstrap");
        fetch.args(["--variant=essential", &format!("--include={packages}")]);
        fetch.args(["--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Languages \"none\""]);
        for dir in ["man", "doc", "locale", "info", "bash-completion", "zsh"] {
            fetch.arg(format!("--dpkgopt=path-exclude=/usr/share/{dir}/*"));
        }
        fetch.arg("--customize-hook=rm -rf \"$1\"/var/cache/apt/* \"$1\"/var/lib/apt/lists/*");
        tool::run(fetch.arg(SUITE).arg(out.join("rootfs.tar")), FETCH).map(drop)
    })
}

/// A command that believes itself root, so that owners survive from a tree into an image.
fn as_root(program: &str) -> std::process::Command {
    if rustix::process::geteuid().is_root() {
        return tool::command(program);
    }
    let mut command = tool::command("fakeroot");
    command.arg("--").arg(program);
    command
}

/// The initrd: busybox of the root tree and one script.
pub(crate) fn initrd(cache: &Cache, root: &Path, source: &Path, progress: &mut dyn FnMut(Step)) -> Result<PathBuf> {
    let init = fs::read(source.join("lab/guest/init")).context("lab/guest/init")?;
    let busybox = fs::read(root.join("tree/usr/bin/busybox")).context("busybox of the root tree")?;
    let dir = cache.step("initrd", &[&init, &busybox], progress, |out| {
        let tree = out.join("tree");
        for dir in ["bin", "dev", "root"] {
            fs::create_dir_all(tree.join(dir))?;
        }
        for (name, bytes) in [("init", &init), ("bin/busybox", &busybox)] {
            fs::write(tree.join(name), bytes)?;
            fs::set_permissions(tree.join(name), fs::Permissions::from_mode(0o755))?;
        }
        let mut pack = tool::command("sh");
        pack.arg("-c").arg(
            "cd \"$1\" && find . -exec touch -h -d @0 {} + && find . | LC_ALL=C sort | \
             cpio -o -H newc --quiet -R 0:0 --reproducible >\"$2\"",
        );
        tool::run(pack.arg("sh").arg(&tree).arg(out.join("initrd.img")), LOCAL).map(drop)
    })?;
    Ok(dir)
}

/// A root image with `agent` installed as `/usr/bin/avouch-agent`. The only step that depends on the agent.
pub(crate) fn image(cache: &Cache, root: &Path, agent: &Path, progress: &mut dyn FnMut(Step)) -> Result<PathBuf> {
    let bytes = fs::read(agent).with_context(|| format!("reading the agent {}", agent.display()))?;
    let dir = cache.step("image", &[path_bytes(root), &bytes], progress, |out| {
        let image = out.join("root.img");
        copy_sparse(&root.join("root.img"), &image)?;
        let host = out.join("avouch-agent");
        fs::write(&host, &bytes)?;
        let script = out.join("debugfs");
        let guest = "/usr/bin/avouch-agent";
        let lines = [
            format!("write \"{}\" {guest}", host.display()),
            format!("set_inode_field {guest} mode 0100755"),
            format!("set_inode_field {guest} uid 0"),
            format!("set_inode_field {guest} gid 0"),
            format!("dump {guest} \"{}\"", out.join("written").display()),
        ];
        fs::write(&script, lines.join("\n") + "\n")?;
        tool::run(tool::command("debugfs").arg("-w").arg("-f").arg(&script).arg(&image), LOCAL)?;
        // debugfs ends with success even when a request in its script fails.
        if fs::read(out.join("written")).unwrap_or_default() != bytes {
            bail!("debugfs did not write the agent into the image");
        }
        Ok(fs::remove_file(out.join("written"))?)
    })?;
    Ok(dir.join("root.img"))
}

/// What a UKI is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UkiParts<'a> {
    pub(crate) boot: &'a Boot,
    pub(crate) initrd: &'a Path,
    pub(crate) command_line: &'a str,
    pub(crate) signed: bool,
}

/// The directory with `uki.efi` and `esp.img`, a FAT image that holds it where firmware looks on removable media.
pub(crate) fn uki(cache: &Cache, parts: UkiParts<'_>, progress: &mut dyn FnMut(Step)) -> Result<PathBuf> {
    let UkiParts { boot, initrd, command_line, signed } = parts;
    let inputs = [path_bytes(&boot.dir), path_bytes(initrd), command_line.as_bytes(), &[u8::from(signed)]];
    cache.step("uki", &inputs, progress, |out| {
        let (line, release, unsigned) = (out.join("cmdline"), out.join("os-release"), out.join("unsigned.efi"));
        fs::write(&line, command_line)?;
        fs::write(&release, "ID=debian\nVERSION_ID=12\nPRETTY_NAME=\"Avouch lab\"\n")?;
        let mut join = tool::command("objcopy");
        for (section, file, address) in [
            (".osrel", release.as_path(), "0x20000"),
            (".cmdline", &line, "0x30000"),
            (".linux", &boot.file("vmlinuz"), "0x2000000"),
            (".initrd", initrd, "0x8000000"),
        ] {
            join.arg("--add-section").arg(format!("{section}={}", file.display()));
            join.arg("--change-section-vma").arg(format!("{section}={address}"));
        }
        tool::run(join.arg(boot.file("stub")).arg(&unsigned), LOCAL)?;
        let uki = out.join("uki.efi");
        if signed {
            let mut sign = tool::command("sbsign");
            sign.arg("--key").arg(boot.file("db.key")).arg("--cert").arg(boot.file("db.crt"));
            tool::run(sign.arg("--output").arg(&uki).arg(&unsigned), LOCAL)?;
        } else {
            fs::copy(&unsigned, &uki)?;
        }
        esp(&uki, &out.join("esp.img"))
    })
}

fn esp(uki: &Path, image: &Path) -> Result<()> {
    const MIB: u64 = 1 << 20;
    let size = (fs::metadata(uki)?.len() / MIB + 6) * MIB;
    fs::File::create(image)?.set_len(size)?;
    let mtool = |program: &str, arguments: &[&str], file: Option<&Path>| {
        let mut command = tool::command(program);
        command.arg("-i").arg(image);
        command.args(arguments.iter().filter(|argument| !argument.starts_with("::")));
        command.args(file).args(arguments.iter().filter(|argument| argument.starts_with("::")));
        tool::run(&mut command, LOCAL)
    };
    // A fixed serial number: the volume is then the same bytes for the same UKI.
    mtool("mformat", &["-N", "a0a0a0a0", "-v", "ESP", "::"], None)?;
    mtool("mmd", &["::/EFI", "::/EFI/BOOT"], None)?;
    mtool("mcopy", &["::/EFI/BOOT/BOOTX64.EFI"], Some(uki)).map(drop)
}

/// Copies a file without writing its holes.
pub(crate) fn copy_sparse(from: &Path, to: &Path) -> Result<()> {
    let mut copy = tool::command("cp");
    tool::run(copy.args(["--sparse=always", "--reflink=auto"]).arg(from).arg(to), LOCAL).map(drop)
}

pub(crate) fn path_bytes(path: &Path) -> &[u8] {
    // A cached directory's name holds the hash of its inputs, so it stands for its content.
    path.file_name().unwrap_or_default().as_encoded_bytes()
}
