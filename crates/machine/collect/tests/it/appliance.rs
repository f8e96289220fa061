//! What an appliance's own attestation reads.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use avouch_collect::appliance::{
    Appliance, Asked, DeploymentKind, FileSeen, Found, MAX_FILE_BYTES, MAX_ITEMS, Running, Seen,
};
use avouch_crypto::sha256;
use avouch_protocol::Hash;

use crate::tree::Tree;

const BOOT_LOG: &[u8] = include_bytes!("../../../../../testkit/fixtures/node/binary_bios_measurements");

fn files(appliance: &Appliance, paths: &[&str]) -> Seen {
    appliance.read(&Asked { files: paths.iter().map(|&path| path.into()).collect(), ..Asked::default() })
}

fn file(appliance: &Appliance, path: &str) -> Found<FileSeen> {
    files(appliance, &[path]).files.remove(path).expect("an answer to each question")
}

fn hash(content: &[u8]) -> Hash {
    Hash(sha256(&[content]))
}

fn why<T: std::fmt::Debug>(found: Found<T>) -> String {
    match found {
        Found::Failed(why) => why,
        other => panic!("a failure with its reason: {other:?}"),
    }
}

#[test]
fn a_file_is_told_by_digest_length_and_where_its_path_leads() {
    let tree = Tree::new();
    tree.write("usr/libexec/one", "content").link("usr/bin/one", "/usr/libexec/one").link("bin", "usr/bin");
    let appliance = tree.appliance();
    for path in ["/usr/libexec/one", "/usr/bin/one", "/bin/one"] {
        let expected = FileSeen { sha256: hash(b"content"), size: 7, path: "/usr/libexec/one".into() };
        assert_eq!(file(&appliance, path), Found::Value(expected), "{path}");
    }
    let long = vec![7; 300_000];
    tree.write("long", &long);
    assert_eq!(file(&appliance, "/long").value().map(|file| (file.sha256, file.size)), Some((hash(&long), 300_000)));
}

#[test]
fn links_do_not_lead_out_of_another_root() {
    let tree = Tree::new();
    tree.link("out", "/etc/passwd").link("up", "../../../../../../etc/passwd");
    for path in ["/out", "/up"] {
        assert_eq!(file(&tree.appliance(), path), Found::Absent, "{path}");
    }
}

#[test]
fn what_is_no_file_is_refused_without_waiting_for_it() {
    let tree = Tree::new();
    let made = Command::new("mkfifo").arg(tree.path().join("pipe")).status().expect("mkfifo runs");
    assert!(made.success());
    fs::create_dir(tree.path().join("directory")).unwrap();
    let appliance = tree.appliance();
    for path in ["/pipe", "/directory"] {
        assert!(why(file(&appliance, path)).contains("no regular file"), "{path}");
    }
    assert_eq!(file(&appliance, "/nothing"), Found::Absent);
    assert_eq!(file(&appliance, "/pipe/below"), Found::Absent);
    assert!(why(file(&appliance, "relative")).contains("absolute"));
}

#[test]
fn files_beyond_the_bounds_are_refused_unread() {
    let tree = Tree::new();
    File::create(tree.path().join("huge")).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
    assert!(why(file(&tree.appliance(), "/huge")).contains("512 MiB"));
    tree.write("x", "");
    let policy: Vec<String> = (0..=MAX_ITEMS).map(|at| format!("{}/x", "/.".repeat(at))).collect();
    let seen = tree.appliance().read(&Asked { policy, ..Asked::default() }).policy.expect("an answer");
    assert_eq!(seen.files.iter().filter(|(_, found)| found.is_value()).count(), MAX_ITEMS);
    assert!(why(seen.files[MAX_ITEMS].1.clone()).contains("more than 1024 policy files"));
}

#[test]
fn the_policy_digest_covers_names_contents_and_order() {
    let tree = Tree::new();
    tree.write("p/a", "one").write("p/b", "two");
    let policy = |paths: &[&str]| {
        let policy = paths.iter().map(|&path| path.into()).collect();
        tree.appliance().read(&Asked { policy, ..Asked::default() }).policy.expect("an answer")
    };
    let both = policy(&["/p/a", "/p/b"]);
    assert!(both.all_read());
    assert_eq!(both.digest, hash(b"/p/a\0one\0/p/b\0two\0"));
    assert_eq!(both.files[1].1.value().map(|file| file.sha256), Some(hash(b"two")));
    assert_eq!(policy(&["/p/b", "/p/a"]).digest, hash(b"/p/b\0two\0/p/a\0one\0"));
    let gap = policy(&["/p/a", "/p/c", "/p/b"]);
    assert!(!gap.all_read());
    assert_eq!((gap.files[1].1.clone(), gap.digest), (Found::Absent, both.digest));
    assert_eq!(tree.appliance().read(&Asked::default()), Seen::default());
}

/// A program of ours that runs until it is dropped.
struct Program(Child);

impl Program {
    fn start(path: PathBuf) -> Self {
        fs::copy("/bin/sleep", &path).expect("sleep is a program");
        // Another process that forks while the copy is open for writing keeps the kernel from starting it.
        for _ in 0..200 {
            match Command::new(&path).arg("600").stdin(Stdio::null()).spawn() {
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
                started => return Self(started.expect("it starts")),
            }
        }
        panic!("{} stays busy", path.display());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn running(tree: &Tree, unit: &str) -> Found<Vec<Running>> {
    let asked = Asked { units: vec![unit.into()], ..Asked::default() };
    tree.appliance().read(&asked).units.remove(unit).expect("an answer")
}

#[test]
fn a_program_is_hashed_as_it_runs_whatever_is_at_its_path() {
    let tree = Tree::new();
    let path = tree.path().join("one");
    let program = Program::start(path.clone());
    tree.unit("system.slice/one.service/below", &[program.0.id()]).procfs();
    let expected = hash(&fs::read("/bin/sleep").unwrap());
    let look = || match running(&tree, "one.service") {
        Found::Value(running) if running.len() == 1 => running[0].clone(),
        other => panic!("one process: {other:?}"),
    };
    let seen = look();
    assert_eq!((seen.pid, seen.deleted, seen.main), (program.0.id(), false, false));
    assert_eq!(
        seen.program.value().map(|file| (file.sha256, file.path.as_str())),
        Some((expected, path.to_str().unwrap()))
    );
    // An update puts a new file in its place: what runs is what was there.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "another program").unwrap();
    let seen = look();
    assert!(seen.deleted);
    assert_eq!(
        seen.program.value().map(|file| (file.sha256, file.path.as_str())),
        Some((expected, path.to_str().unwrap()))
    );
}

#[test]
fn a_unit_without_processes_runs_nothing_and_a_process_that_ended_is_left_out() {
    let tree = Tree::new();
    let mut ended = Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    tree.unit("system.slice/one.service", &[ended.id()]).unit("a.slice/a-b.slice/two.service", &[]).procfs();
    assert_eq!(running(&tree, "two.service"), Found::Value(vec![]));
    assert_eq!(running(&tree, "three.service"), Found::Value(vec![]));
    // The cgroup lists it still, so it is there and out of sight.
    let hidden = running(&tree, "one.service");
    assert!(matches!(&hidden, Found::Value(seen) if matches!(seen[0].program, Found::Denied(_))), "{hidden:?}");
}

#[test]
fn processes_of_another_pid_namespace_and_too_many_are_told() {
    let tree = Tree::new();
    tree.unit("system.slice/one.service", &[0]).procfs();
    assert!(why(running(&tree, "one.service")).contains("PID namespace"));
    let many: Vec<u32> = (1..3000).collect();
    tree.unit("system.slice/one.service", &many);
    assert!(why(running(&tree, "one.service")).contains("processes"));
    tree.write("sys/fs/cgroup/system.slice/one.service/cgroup.procs", "no number\n");
    assert!(why(running(&tree, "one.service")).contains("cgroup.procs"));
    let none = Tree::new();
    assert!(why(running(&none, "one.service")).contains("mount cgroup2"));
}

#[test]
fn kernel_threads_run_no_program() {
    if !PathBuf::from("/proc/2/status").exists() {
        return;
    }
    let tree = Tree::new();
    tree.unit("system.slice/one.service", &[2]).procfs();
    let seen = running(&tree, "one.service");
    assert!(matches!(&seen, Found::Value(seen) if seen.iter().all(|process| !process.program.is_value())), "{seen:?}");
}

/// An entry of template ima-ng.
fn entry(alg: &str, digest: &[u8], path: &str) -> Vec<u8> {
    let counted = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], bytes].concat();
    let digest = [alg.as_bytes(), b":\0", digest].concat();
    let data = [counted(&digest), counted(format!("{path}\0").as_bytes())].concat();
    [&10_u32.to_le_bytes()[..], &[1; 20], &counted(b"ima-ng"), &counted(&data)].concat()
}

fn measured(tree: &Tree, path: &str) -> Found<Vec<Hash>> {
    let asked = Asked { measured: vec![path.into()], ..Asked::default() };
    tree.appliance().read(&asked).measured.remove(path).expect("an answer")
}

const IMA: &str = "sys/kernel/security/ima/binary_runtime_measurements";

#[test]
fn the_ima_list_is_searched_for_every_digest_of_a_path() {
    let tree = Tree::new();
    assert_eq!(measured(&tree, "/bin/a"), Found::Absent);
    let mut list = entry("sha1", &[0; 20], "boot_aggregate");
    for (digest, path) in [([1; 32], "/bin/a"), ([2; 32], "/bin/b"), ([3; 32], "/bin/a"), ([1; 32], "/bin/a")] {
        list.extend(entry("sha256", &digest, path));
    }
    // Longer than what is read at once.
    for at in 0..2000 {
        list.extend(entry("sha256", &[9; 32], &format!("/usr/lib/library-with-a-long-name-{at}.so")));
    }
    list.extend(entry("sha256", &[4; 32], "/bin/a"));
    list.extend(entry("sha1", &[5; 20], "/bin/old"));
    tree.write(IMA, &list);
    assert_eq!(measured(&tree, "/bin/a"), Found::Value([1, 3, 4].map(|byte| Hash([byte; 32])).to_vec()));
    assert_eq!(measured(&tree, "/bin/c"), Found::Absent);
    assert!(why(measured(&tree, "/bin/old")).contains("ima_hash=sha256"));
    tree.write(IMA, &list[..list.len() - 1]);
    assert!(why(measured(&tree, "/bin/a")).contains("the IMA list"));
}

#[test]
fn a_boot_log_says_whether_secure_boot_was_on_and_what_pcr_7_must_be() {
    let tree = Tree::new();
    let asked = Asked { boot_log: true, ..Asked::default() };
    let seen = || tree.appliance().read(&asked).boot_log.expect("an answer");
    assert_eq!(seen(), Found::Absent);
    tree.write("sys/kernel/security/tpm0/binary_bios_measurements", BOOT_LOG);
    let Found::Value(log) = seen() else { panic!("a log: {:?}", seen()) };
    assert!(log.secure_boot && log.pcr7 != Hash::ZERO);
    tree.write("sys/kernel/security/tpm0/binary_bios_measurements", &BOOT_LOG[..BOOT_LOG.len() / 2]);
    assert!(why(seen()).contains("the boot log"));
}

#[test]
fn the_secure_boot_variable_is_read_strictly() {
    const VARIABLE: &str = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let tree = Tree::new();
    assert_eq!(tree.appliance().secure_boot(), Found::Absent);
    for (value, expected) in [(1, true), (0, false)] {
        tree.write(VARIABLE, [6, 0, 0, 0, value]);
        assert_eq!(tree.appliance().secure_boot(), Found::Value(expected));
    }
    let whole = [6, 0, 0, 0, 1];
    for cut in 0..whole.len() {
        tree.write(VARIABLE, &whole[..cut]);
        assert!(why(tree.appliance().secure_boot()).contains("SecureBoot"), "{cut} bytes");
    }
    for wrong in [&[6, 0, 0, 0, 2][..], &[6, 0, 0, 0, 1, 1], &[0xff; 5], &[6; 200]] {
        tree.write(VARIABLE, wrong);
        assert!(why(tree.appliance().secure_boot()).contains("SecureBoot"), "{wrong:?}");
    }
}

#[test]
fn variables_that_are_not_mounted_are_no_absence() {
    let tree = Tree::new();
    fs::create_dir_all(tree.path().join("sys/firmware/efi/efivars")).unwrap();
    assert!(why(tree.appliance().secure_boot()).contains("mount efivarfs"));
    tree.write("sys/firmware/efi/efivars/Boot0000-8be4df61-93ca-11d2-aa0d-00e098032b8c", "x");
    assert_eq!(tree.appliance().secure_boot(), Found::Absent);
}

#[test]
fn command_line_and_lockdown_are_told_without_their_newlines() {
    let tree = Tree::new();
    assert_eq!((tree.appliance().command_line(), tree.appliance().lockdown()), (Found::Absent, Found::Absent));
    tree.write("proc/cmdline", "ro quiet \u{e4}&<\n").write("sys/kernel/security/lockdown", "none [integrity] c\n");
    assert_eq!(tree.appliance().command_line(), Found::Value("ro quiet \u{e4}&<".into()));
    assert_eq!(tree.appliance().lockdown(), Found::Value("none [integrity] c".into()));
    tree.write("proc/cmdline", vec![b'a'; 20_000]);
    assert!(why(tree.appliance().command_line()).contains("16384"));
}

/// What a collector in a mount namespace of its own reads; in some containers PID 1 may not be looked through even by
/// root, and then nothing is absent there, only refused.
#[test]
fn the_files_of_pid_1_are_read_through_its_root_or_refused() {
    let path = fs::canonicalize("/proc/self/exe").unwrap().display().to_string();
    let (ours, theirs) = (file(&Appliance::running(), &path), file(&Appliance::of_pid_1(), &path));
    assert!(ours.is_value(), "{ours:?}");
    match fs::read_dir("/proc/1/root") {
        Ok(_) => assert_eq!(theirs, ours),
        Err(_) => assert!(matches!(&theirs, Found::Denied(why) if why.contains(&path)), "{theirs:?}"),
    }
    assert_eq!(Appliance::of_pid_1().command_line(), Appliance::running().command_line());
}

#[test]
fn the_command_line_of_this_machine_is_the_kernels() {
    let expected = fs::read_to_string("/proc/cmdline").unwrap();
    assert_eq!(Appliance::running().command_line(), Found::Value(expected.trim_end().to_owned()));
}

const COMMIT: &str = "9a3fdb0ac1dd7a1ac8f3a05ae0f4dcb52a3e0a4a5f9c1c0a9c0c4f1f6a7b8c9d";

fn deployment(tree: &Tree) -> Found<avouch_collect::appliance::Deployment> {
    tree.appliance().read(&Asked { deployment: true, ..Asked::default() }).deployment.expect("an answer")
}

fn ostree() -> Tree {
    let tree = Tree::new();
    let boot = "ostree/boot.1.1/os/0f0f";
    tree.write("proc/cmdline", "ostree=/ostree/boot.1/os/0f0f/0 ro\n")
        .link("ostree/boot.1", "boot.1.1")
        .link(&format!("{boot}/0"), &format!("../../../deploy/os/deploy/{COMMIT}.0"))
        .write(&format!("ostree/deploy/os/deploy/{COMMIT}.0.origin"), "[origin]\nrefspec=os:x\n");
    tree
}

#[test]
fn an_ostree_deployment_is_its_stateroot_and_commit() {
    let tree = ostree();
    let Found::Value(seen) = deployment(&tree) else { panic!("a deployment: {:?}", deployment(&tree)) };
    assert_eq!((seen.kind, seen.id.as_str()), (DeploymentKind::Ostree, COMMIT));
    assert_eq!(seen.digest, hash(format!("avouch/deployment/v1\0ostree\0os\0{COMMIT}\0").as_bytes()));
    // A second deployment beside it, a pin, another boot of the same: nothing changes.
    tree.write(&format!("ostree/deploy/os/deploy/{}.0.origin", COMMIT.replace('9', "8")), "[origin]\n");
    tree.write("proc/cmdline", "quiet ostree=/ostree/boot.1/os/0f0f/0 systemd.unit=x\n");
    assert_eq!(deployment(&tree), Found::Value(seen));
    tree.write("usr/share/rpm-ostree/treefile.json", "{}");
    assert_eq!(deployment(&tree).value().map(|seen| seen.kind), Some(DeploymentKind::RpmOstree));
    let origin = format!("ostree/deploy/os/deploy/{COMMIT}.0.origin");
    tree.write(&origin, "[origin]\ncontainer-image-reference=ostree-unverified-registry:q/x\n");
    assert_eq!(deployment(&tree).value().map(|seen| seen.kind), Some(DeploymentKind::Bootc));
}

#[test]
fn a_deployment_that_the_command_line_names_and_nobody_has_is_no_absence() {
    let tree = ostree();
    tree.write("proc/cmdline", "ostree=/ostree/boot.0/os/0f0f/0\n");
    assert!(why(deployment(&tree)).contains("is not there"));
    tree.link("ostree/boot.0/os/0f0f/0", "../../../elsewhere");
    assert!(why(deployment(&tree)).contains("names no deployment"));
}

#[test]
fn images_are_told_by_name_version_and_root_hash() {
    let tree = Tree::new();
    assert_eq!(deployment(&tree), Found::Absent);
    tree.write("proc/cmdline", "ro\n").write("usr/lib/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
    assert_eq!(deployment(&tree), Found::Absent);
    tree.write("etc/os-release", "IMAGE_ID=box\nIMAGE_VERSION=\"7.1\"\n");
    let Found::Value(named) = deployment(&tree) else { panic!("an image") };
    assert_eq!((named.kind, named.id.as_str()), (DeploymentKind::Image, "box 7.1"));
    tree.write("proc/cmdline", "usrhash=00ff ro\n");
    let Found::Value(sealed) = deployment(&tree) else { panic!("an image") };
    assert_eq!(sealed.id, "box 7.1 00ff");
    assert_ne!(sealed.digest, named.digest);
    tree.write("proc/cmdline", "composefs=?00ff\n");
    assert_eq!(
        deployment(&tree).value().map(|seen| (seen.kind, seen.id.clone())),
        Some((DeploymentKind::Bootc, "00ff".into()))
    );
}

#[test]
fn another_process_fills_in_what_this_one_lacks_and_nothing_else() {
    let ours = Tree::new();
    ours.write("a", "ours").write("p", "policy");
    let theirs = Tree::new();
    theirs.write("a", "theirs").write("b", "theirs").write("p", "other").write("q", "policy").write("proc/cmdline", "");
    theirs.write("etc/os-release", "IMAGE_ID=box\n").unit("system.slice/one.service", &[]);
    let asked = Asked {
        files: vec!["/a".into(), "/b".into(), "/c".into()],
        policy: vec!["/p".into(), "/q".into()],
        units: vec!["one.service".into()],
        measured: vec!["/a".into()],
        boot_log: true,
        deployment: true,
    };
    let mut seen = ours.appliance().read(&asked);
    let lacking = seen.lacking(&asked);
    assert_eq!(lacking, Asked { files: vec!["/b".into(), "/c".into()], ..asked.clone() });
    // It answers more than it was asked.
    let other = theirs.appliance().read(&asked);
    seen.fill(&lacking, other.clone());
    assert_eq!(seen.files["/a"].value().map(|file| file.sha256), Some(hash(b"ours")));
    assert_eq!((&seen.files["/b"], &seen.files["/c"]), (&other.files["/b"], &Found::Absent));
    assert_eq!((&seen.policy, &seen.units, &seen.deployment), (&other.policy, &other.units, &other.deployment));
    assert!(seen.lacking(&Asked { files: vec!["/a".into()], ..Asked::default() }).is_empty());
    // An answer to another question is not taken for one to this.
    let mut again = ours.appliance().read(&asked);
    let mut wrong = other;
    wrong.policy.as_mut().unwrap().files.pop();
    again.fill(&lacking, wrong);
    assert!(!again.policy.unwrap().all_read());
}
