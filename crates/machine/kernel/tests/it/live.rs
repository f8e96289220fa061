//! This machine: children that are what they were made to be, sockets that are there, and files that something stands
//! over. What this machine does not allow is skipped with a line that says so.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use avouch_kernel::{HostAsk, Kernel, UnitAsk};
use avouch_pairs::{Attribute, Observation, Reading, Subject, attribute as a, subject};

/// A cgroup with one child in it.
struct Unit {
    directory: PathBuf,
    group: String,
    child: Child,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

// === impl Unit ===

impl Unit {
    /// Starts `script`, which ends in an `exec sleep 600`, in a cgroup of its own.
    fn start(script: &str) -> Option<Self> {
        let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
        let root = roots.into_iter().map(Path::new).find(|root| root.join("cgroup.procs").exists())?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let group = format!("/avouch-test-{}-{number}.service", std::process::id());
        let directory = root.join(group.trim_start_matches('/'));
        if let Err(error) = std::fs::create_dir(&directory) {
            println!("skipped: no cgroup may be made here: {error}");
            return None;
        }
        let enter = format!("echo $$ > {}/cgroup.procs && {script}", directory.display());
        let child = Command::new("sh").args(["-c", &enter]).stdin(Stdio::null()).spawn().ok()?;
        let unit = Self { directory, group, child };
        let exe = format!("/proc/{}/exe", unit.child.id());
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::fs::read_link(&exe).is_ok_and(|exe| !exe.ends_with("sleep")) {
            assert!(Instant::now() < deadline, "{script}: the child never slept");
            std::thread::yield_now();
        }
        Some(unit)
    }

    fn ask(&self) -> UnitAsk {
        UnitAsk {
            name: self.group.trim_start_matches('/').to_owned(),
            control_group: self.group.clone(),
            main_pid: self.child.id(),
            ..UnitAsk::default()
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir(&self.directory);
    }
}

fn kernel() -> Kernel {
    Kernel::open().unwrap()
}

fn reading(subject: &Subject, attribute: Attribute) -> &Reading {
    &subject.facts[&attribute].kernel
}

fn value(subject: &Subject, attribute: Attribute) -> &str {
    reading(subject, attribute).value().unwrap_or_else(|| panic!("{attribute:?}: {:?}", reading(subject, attribute)))
}

fn host(observation: &Observation, attribute: Attribute) -> &Reading {
    reading(&observation.subjects[subject::HOST], attribute)
}

#[test]
fn a_child_is_stated_as_it_made_itself() {
    let script = "ulimit -S -n 77 && ulimit -H -n 99 && echo 321 > /proc/self/oom_score_adj && umask 0027 && \
        exec nice -n 3 setpriv --no-new-privs --bounding-set -sys_module --inh-caps -all sleep 600";
    let Some(unit) = Unit::start(script) else { return };
    let subject = kernel().unit(&unit.ask());
    assert_eq!(value(&subject, a::RLIMIT_NOFILE), "77 99");
    assert_eq!(subject.facts[&a::RLIMIT_NOFILE].second, Reading::Value("77 99".to_owned()));
    assert_eq!(value(&subject, a::OOM_SCORE_ADJ), "321");
    assert_eq!(value(&subject, a::NICE), "3");
    assert_eq!(value(&subject, a::UMASK), "0027");
    assert_eq!(value(&subject, a::NO_NEW_PRIVS), "1");
    let bounding = u64::from_str_radix(value(&subject, a::CAP_BOUNDING), 16).unwrap();
    assert_eq!(bounding & 1 << 16, 0, "CAP_SYS_MODULE is 16");
    for set in [a::CAP_EFFECTIVE, a::CAP_PERMITTED, a::CAP_INHERITABLE] {
        assert_eq!(subject.facts[&set].kernel, subject.facts[&set].second);
        assert_eq!(value(&subject, set).len(), 16);
    }
    assert_eq!(value(&subject, a::PROCESSES), unit.child.id().to_string());
    assert_eq!(value(&subject, a::CGROUP_MAIN), unit.group);
    assert_eq!(value(&subject, a::EXEC_MAPPINGS), "none");
    let program = std::fs::canonicalize("/bin/sleep").unwrap();
    let digest: String =
        avouch_crypto::sha256(&[&std::fs::read(&program).unwrap()]).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(value(&subject, a::EXE), program.to_str().unwrap());
    assert_eq!(value(&subject, a::EXE_DIGESTS), format!("{}\t{digest}", program.display()));
}

#[test]
fn a_process_that_came_from_elsewhere_shows_by_its_own_values() {
    let Some(unit) = Unit::start("exec setpriv --no-new-privs sleep 600") else { return };
    let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
    std::fs::write(unit.directory.join("cgroup.procs"), stranger.id().to_string()).unwrap();
    let subject = kernel().unit(&unit.ask());
    let expected = format!("1\t{}\n0\t{}", unit.child.id(), stranger.id());
    let shown = value(&subject, a::NO_NEW_PRIVS).to_owned();
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert_eq!(shown, expected);
}

#[test]
fn a_descendant_cgroup_belongs_to_its_unit_and_an_ended_process_to_none() {
    let Some(unit) = Unit::start("exec sleep 600") else { return };
    let below = unit.directory.join("below");
    std::fs::create_dir(&below).unwrap();
    std::fs::write(below.join("cgroup.procs"), unit.child.id().to_string()).unwrap();
    let subject = kernel().unit(&unit.ask());
    let processes = value(&subject, a::PROCESSES).to_owned();
    let group = value(&subject, a::CGROUP_MAIN).to_owned();
    std::fs::write(unit.directory.join("cgroup.procs"), unit.child.id().to_string()).unwrap();
    std::fs::remove_dir(&below).unwrap();
    assert_eq!(processes, unit.child.id().to_string());
    assert_eq!(group, format!("{}/below", unit.group));

    let (pid, ask) = (unit.child.id(), unit.ask());
    assert!(kernel().process_start(pid).is_some_and(|start| start > 0));
    drop(unit);
    assert_eq!(kernel().process_start(pid), None);
    let subject = kernel().unit(&ask);
    assert_eq!(reading(&subject, a::PROCESSES), &Reading::Absent);
    assert_eq!(reading(&subject, a::NO_NEW_PRIVS), &Reading::Absent);
}

/// Of a name that is no text nobody could say what is inside, and a process would be hidden there.
#[test]
fn a_cgroup_with_an_unspeakable_name_makes_its_unit_unreadable() {
    use std::os::unix::ffi::OsStrExt;
    let Some(unit) = Unit::start("exec sleep 600") else { return };
    let below = unit.directory.join(std::ffi::OsStr::from_bytes(b"a\xff\\x2d"));
    std::fs::create_dir(&below).unwrap();
    std::fs::write(below.join("cgroup.procs"), unit.child.id().to_string()).unwrap();
    let subject = kernel().unit(&unit.ask());
    std::fs::write(unit.directory.join("cgroup.procs"), unit.child.id().to_string()).unwrap();
    std::fs::remove_dir(&below).unwrap();
    for attribute in [a::PROCESSES, a::NO_NEW_PRIVS] {
        let reading = reading(&subject, attribute);
        assert!(matches!(reading, Reading::Unreadable(why) if why.contains("UTF-8")), "{reading:?}");
    }
}

/// Names of 255 bytes, with escapes and a newline in the name of a program.
#[test]
fn odd_names_of_cgroups_and_programs_are_read() {
    let Some(unit) = Unit::start("exec sleep 600") else { return };
    for name in [format!("{}.scope", "x".repeat(249)), "a\\x2db@:1.scope".to_owned(), "\u{1f980} %i.scope".to_owned()] {
        let below = unit.directory.join(&name);
        std::fs::create_dir(&below).unwrap();
        std::fs::write(below.join("cgroup.procs"), unit.child.id().to_string()).unwrap();
        let ask = UnitAsk { name: name.clone(), control_group: format!("{}/{name}", unit.group), ..unit.ask() };
        let subject = kernel().unit(&ask);
        std::fs::write(unit.directory.join("cgroup.procs"), unit.child.id().to_string()).unwrap();
        std::fs::remove_dir(&below).unwrap();
        assert_eq!(value(&subject, a::PROCESSES), unit.child.id().to_string(), "{name}");
        assert_eq!(value(&subject, a::CGROUP_MAIN), ask.control_group);
    }
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("sl\nee) p");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let mut odd = Command::new(&program).arg("600").spawn().unwrap();
    std::fs::write(unit.directory.join("cgroup.procs"), odd.id().to_string()).unwrap();
    let subject = kernel().unit(&unit.ask());
    odd.kill().unwrap();
    odd.wait().unwrap();
    let exe = value(&subject, a::EXE).to_owned();
    assert!(exe.lines().count() == 2 && exe.contains("sl\\x0aee) p\t"), "{exe}");
    assert_eq!(value(&subject, a::NICE), "0");
}

#[test]
fn a_listener_is_found_with_its_owner_in_both_views() {
    let Some(unit) = Unit::start("exec sleep 600") else { return };
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a b.sock");
    let _unix = UnixListener::bind(&path).unwrap();
    let missing = "listener:tcp:127.0.0.1:1".to_owned();
    let names = [
        subject::inet_listener("tcp", tcp.local_addr().unwrap(), None),
        subject::unix_listener(path.to_str().unwrap(), None),
    ];
    let ask = HostAsk { listeners: vec![missing.clone()], ..HostAsk::default() };
    let observation = kernel().host(&ask);
    for name in names {
        let fact = &observation.subjects[&name].facts[&a::LISTENER];
        let owner = fact.kernel.value().unwrap_or_else(|| panic!("{name}: {fact:?}"));
        assert!(owner.starts_with('/') && !owner.contains('\n'), "{owner}");
        assert_eq!(fact.kernel, fact.second);
    }
    assert_eq!(observation.subjects[&missing].facts[&a::LISTENER].kernel, Reading::Absent);

    let address = tcp.local_addr().unwrap().to_string();
    let sockets = vec![
        ("Stream".to_owned(), address.clone()),
        ("Stream".to_owned(), "127.0.0.1:1".to_owned()),
        ("Stream".to_owned(), path.to_str().unwrap().to_owned()),
    ];
    let ask = UnitAsk { sockets, socket_paths: vec![path.to_str().unwrap().to_owned()], ..unit.ask() };
    let subject = kernel().unit(&ask);
    assert_eq!(value(&subject, a::LISTEN), format!("Stream\t{address}\nStream\t{}", path.display()));
    let mode = value(&subject, a::SOCKET_MODE);
    assert!(mode.starts_with(&format!("{}\t0", path.display())), "{mode}");
}

#[test]
fn a_socket_in_another_network_namespace_is_found_under_its_inode() {
    let script = "exec unshare --net sleep 600";
    let Some(unit) = Unit::start(script) else { return };
    let Ok(own) = std::fs::read_link(format!("/proc/{}/ns/net", unit.child.id())) else {
        println!("skipped: network namespaces cannot be read here");
        return;
    };
    if own == std::fs::read_link("/proc/self/ns/net").unwrap() {
        println!("skipped: no network namespace may be made here");
        return;
    }
    let inode = own.to_str().unwrap().trim_start_matches("net:[").trim_end_matches(']').to_owned();
    let target = unit.child.id().to_string();
    // A shell of the machine that listens: none is certain to be there, so a unix socket of this test does.
    let script = "import socket,time;s=socket.socket();s.bind(('127.0.0.1',31337));s.listen();print('up',flush=True);time.sleep(600)";
    let inside = ["--target", &target, "--net", "python3", "-c", script];
    let started = Command::new("nsenter").args(inside).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut listening) = started else {
        println!("skipped: no nsenter here");
        return;
    };
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(listening.stdout.take().unwrap()), &mut line).unwrap();
    let observation = kernel().host(&HostAsk::default());
    listening.kill().unwrap();
    listening.wait().unwrap();
    if line.trim() != "up" {
        println!("skipped: nothing can be made to listen in another network namespace here");
        return;
    }
    let name = format!("listener:tcp:127.0.0.1:31337@{inode}");
    let fact = &observation.subjects[&name].facts[&a::LISTENER];
    assert!(fact.kernel.value().is_some(), "{fact:?}");
    let alone = matches!(fact.second, Reading::NotSupported(_));
    assert!(alone || fact.second == fact.kernel, "{fact:?}");
}

/// A bind mount that goes away with the test.
struct Over(PathBuf);

impl Drop for Over {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_file_that_something_is_mounted_over_is_not_believed() {
    let Some(unit) = Unit::start("exec sleep 600") else { return };
    let directory = tempfile::tempdir().unwrap();
    let fake = directory.path().join("fake");
    std::fs::write(&fake, "1\n").unwrap();
    let wanted = unit.directory.join("cgroup.procs");
    let mounted = Command::new("mount").arg("--bind").args([&fake, &wanted]).stderr(Stdio::null()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: nothing may be mounted here");
        return;
    }
    let over = Over(wanted.clone());
    let kernel = kernel();
    let pass = kernel.begin();
    let subject = pass.unit(&unit.ask());
    let observation = pass.host(&HostAsk::default());
    drop(over);
    for attribute in [a::PROCESSES, a::NO_NEW_PRIVS, a::EXE] {
        match reading(&subject, attribute) {
            Reading::Unreadable(why) => assert!(why.contains("stands over"), "{why}"),
            other => panic!("{attribute:?}: {other:?}"),
        }
    }
    let view = host(&observation, a::VIEW).value().unwrap();
    assert!(view.lines().any(|line| line.contains("cgroup.procs\t")), "{view}");

    // The same over a file of procfs.
    let status = PathBuf::from(format!("/proc/{0}/task/{0}/status", unit.child.id()));
    let mounted = Command::new("mount").arg("--bind").args([&fake, &status]).stderr(Stdio::null()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: nothing may be mounted over files of procfs here");
        return;
    }
    let over = Over(status);
    let subject = kernel.unit(&unit.ask());
    drop(over);
    assert!(matches!(reading(&subject, a::NO_NEW_PRIVS), Reading::Unreadable(_)));
    assert_eq!(value(&kernel.unit(&unit.ask()), a::NO_NEW_PRIVS), "0");
}

#[test]
fn the_machine_is_stated_and_hides_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "content").unwrap();
    let file = file.to_str().unwrap().to_owned();
    let sysctl = "kernel.pid_max".to_owned();
    let gone = "kernel.no_such_key".to_owned();
    let ask = HostAsk {
        paths: vec![file.clone(), "/no/such/file".to_owned(), "/dev/null".to_owned()],
        sysctls: vec![sysctl, gone],
        ..HostAsk::default()
    };
    let kernel = kernel();
    let observation = kernel.host(&ask);
    assert_eq!(host(&observation, a::HIDDEN_PROCESSES).value(), Some("none"));
    assert_eq!(host(&observation, a::COMMAND_LINE).value().unwrap().len(), 64);
    assert_eq!(host(&observation, a::AGENT_EXE).value().unwrap().len(), 64);
    let of = |name: &str, attribute| observation.subjects[name].facts[&attribute].kernel.clone();
    let pid_max = std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap();
    assert_eq!(of("sysctl:kernel.pid_max", a::SYSCTL).value(), Some(pid_max.trim()));
    assert_eq!(of("sysctl:kernel.no_such_key", a::SYSCTL), Reading::Absent);
    let stated = of(&format!("path:{file}"), a::PATH);
    let digest = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";
    assert!(stated.value().unwrap().ends_with(digest), "{stated:?}");
    assert_eq!(of("path:/no/such/file", a::PATH), Reading::Absent);
    assert!(of("path:/dev/null", a::PATH).value().unwrap().ends_with(" -"));
    // Nobody said which units there are: that is no reason to call anybody a stray, or to say that there is none.
    assert!(matches!(host(&observation, a::STRAY_PROCESSES), Reading::Unreadable(_)));
    let changed = std::fs::write(&file, "other").map(|()| kernel.host(&ask)).unwrap();
    assert_ne!(changed.subjects[&format!("path:{file}")].facts[&a::PATH].kernel, stated);
}

#[test]
fn programs_that_give_privileges_are_found_by_bits_and_attributes() {
    use std::os::unix::fs::PermissionsExt;
    let directory = match tempfile::Builder::new().prefix("avouch-").tempdir_in("/opt") {
        Ok(directory) => directory,
        Err(error) => return println!("skipped: nothing may be made in /opt: {error}"),
    };
    let make = |name: &str, mode: u32| {
        let path = directory.path().join(name);
        std::fs::write(&path, name).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    make("plain", 0o755);
    make("suid", 0o4755);
    make("open", 0o646);
    let able = make("able", 0o755);
    // struct vfs_ns_cap_data of revision 2: CAP_NET_RAW (13), permitted and effective.
    let mut capability = [0; 20];
    capability[..4].copy_from_slice(&0x0200_0001_u32.to_le_bytes());
    capability[4..8].copy_from_slice(&(1_u32 << 13).to_le_bytes());
    let set = rustix::fs::setxattr(&able, c"security.capability", &capability, rustix::fs::XattrFlags::empty());
    if let Err(error) = set {
        return println!("skipped: no capability may be given to a file here: {error}");
    }
    let observation = kernel().host(&HostAsk::default());
    let shown = host(&observation, a::PRIVILEGED_FILES).value().unwrap().to_owned();
    let here = directory.path().to_str().unwrap();
    let found: Vec<&str> = shown.lines().filter_map(|line| line.strip_prefix(here)).collect();
    let expected =
        ["/able\t0755 0 0 0100000200200000000000000000000000000000", "/open\t0646 0 0 -", "/suid\t4755 0 0 -"];
    assert_eq!(found, expected);
}

#[test]
fn strays_are_those_of_no_unit() {
    let (Some(known), Some(stray)) = (Unit::start("exec sleep 600"), Unit::start("exec sleep 600")) else { return };
    let ask = HostAsk { unit_groups: vec![(known.group.clone(), known.ask().name)], ..HostAsk::default() };
    let observation = kernel().host(&ask);
    let strays = host(&observation, a::STRAY_PROCESSES).value().unwrap();
    assert!(strays.lines().any(|line| line.starts_with(&format!("{}\t1\t", stray.group))), "{strays}");
    assert!(!strays.contains(&known.group), "{strays}");
}

#[test]
fn a_unit_that_never_was_is_absent_everywhere() {
    let nothing = UnitAsk { name: "never.service".to_owned(), ..UnitAsk::default() };
    for ask in [nothing.clone(), UnitAsk { control_group: "/no/such/group".to_owned(), ..nothing }] {
        let subject = kernel().unit(&ask);
        for (attribute, fact) in &subject.facts {
            let known = matches!(fact.kernel, Reading::Absent | Reading::NotSupported(_));
            assert!(known, "{attribute:?}: {fact:?}");
        }
    }
    let outside =
        UnitAsk { name: "x.service".to_owned(), control_group: "/../../etc".to_owned(), ..UnitAsk::default() };
    let subject = kernel().unit(&outside);
    assert!(subject.facts.values().all(|fact| fact.kernel.value().is_none()));
}
