//! Files that cannot be read, vanish or hold what nobody foresaw, names that nobody would choose, and a D-Bus that hangs:
//! the pair that needs it says so, every other one stands, and nothing is a finding.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use avouch_collect::observe::{Observer, Scope};
use avouch_kernel::source::Refusal;
use avouch_pairs::{Attribute, Observation, PairVerdict, Reading, Subject, attribute as a, judge};
use avouch_systemd::{How, Manager};
use avouch_testkit::recorded_tree::Snapshot;

use crate::scene::{codes, fact, observed, pair, snapshot};

const HARD: &str = "t-hard.service";
const NAME: &str = "unit:t-hard.service";

/// What systemd says of a unit, alone.
fn stated(unit: &str) -> Observation {
    let mut observation = observed(unit, &snapshot("before", unit));
    for subject in observation.subjects.values_mut() {
        for fact in subject.facts.values_mut() {
            (fact.kernel, fact.second) = (Reading::NotRead, Reading::NotRead);
        }
    }
    observation
}

/// What systemd says of a unit beside what the kernel of `snapshot` shows.
fn beside(stated: &Observation, unit: &str, snapshot: &Snapshot) -> Observation {
    let mut theirs = Observation::default();
    let subject: Subject = snapshot.kernel().unit(&snapshot.ask(unit));
    theirs.subjects.insert(format!("unit:{unit}"), subject);
    let mut joined = stated.clone();
    joined.join(theirs);
    joined
}

/// What is read where a filter or a namespace is: one that cannot be read says so in the pair of its own.
const LOOKED_INTO: [Attribute; 3] = [a::MEMORY_DENY_WRITE_EXECUTE, a::NET_DEVICES, a::ID_MAPS];

#[test]
fn any_file_that_cannot_be_read_makes_no_finding_and_no_other_pair_worse() {
    let stated = stated(HARD);
    let whole = snapshot("before", HARD);
    let good = judge(&beside(&stated, HARD, &whole), None);
    let own = |path: &&String| path.starts_with("proc/219/") || path.contains("t-hard.service/");
    let mut refused = 0;
    for path in whole.paths().iter().filter(own) {
        for refusal in [
            Refusal::Denied("CAP_SYS_PTRACE"),
            Refusal::Failed("Input/output error (os error 5)".to_owned()),
            Refusal::TooLong(4096),
        ] {
            let mut snapshot = whole.clone();
            snapshot.refuse(path, refusal.clone());
            let judged = judge(&beside(&stated, HARD, &snapshot), None);
            assert_eq!(codes(&judged), Vec::<String>::new(), "{path} {refusal:?}");
            for before in good.pairs.iter().filter(|pair| pair.subject == NAME) {
                let Some(after) = pair(&judged, HARD, before.attribute) else {
                    assert!(LOOKED_INTO.contains(&before.attribute), "{path} {refusal:?}: no {:?}", before.attribute);
                    continue;
                };
                let same = before.verdict == after.verdict;
                let open = matches!(after.verdict, PairVerdict::Unreadable | PairVerdict::NotSupported);
                assert!(same || open, "{path} {refusal:?}: {before:?} became {after:?}");
                assert!(!open || after.note.as_deref().is_some_and(|note| !note.is_empty()), "{after:?}");
            }
            refused += usize::from(judged != good);
        }
    }
    assert!(refused > 60, "{refused} refusals showed in some pair");
}

#[test]
fn a_process_that_ends_between_the_list_and_the_reading_is_left_out() {
    let unit = "t-forking.service";
    let stated = stated(unit);
    for gone in ["proc/247", "proc/247/status", "proc/247/limits", "proc/247/ns/net", "proc/247/attr/apparmor/current"]
    {
        for refusal in [Refusal::Gone, Refusal::Absent] {
            let mut snapshot = snapshot("before", unit);
            snapshot.refuse(gone, refusal);
            let judged = judge(&beside(&stated, unit, &snapshot), None);
            assert_eq!(codes(&judged), Vec::<String>::new(), "{gone}");
            assert_eq!(pair(&judged, unit, a::NO_NEW_PRIVS).unwrap().verdict, PairVerdict::Match, "{gone}");
        }
    }
}

#[test]
fn a_cgroup_that_goes_while_it_is_read_is_racing_and_no_finding() {
    let mut going = snapshot("before", HARD);
    going.remove("sys/fs/cgroup/system.slice/t-hard.service");
    going.remove("proc/219");
    let observation = observed(HARD, &going);
    let identity = observation.subjects[NAME].identity.clone().unwrap();
    assert_eq!((identity.steady, identity.attempts), (false, 3));
    let judged = judge(&observation, None);
    assert_eq!(codes(&judged), Vec::<String>::new());
    let of_processes = judged.pairs.iter().filter(|pair| (500..1_000).contains(&pair.attribute.0));
    let matched: Vec<_> = of_processes.filter(|pair| pair.verdict == PairVerdict::Match).collect();
    assert!(matched.is_empty(), "{matched:?}");
}

#[test]
fn files_that_are_not_what_the_kernel_writes_are_unreadable_with_the_place() {
    let stated = stated(HARD);
    for (path, content, attribute) in [
        ("proc/219/status", &b"NoNewPrivs:\t1\n"[..], a::NO_NEW_PRIVS),
        ("proc/219/status", b"", a::CAP_BOUNDING),
        ("proc/219/limits", b"Limit\n", a::RLIMIT_NOFILE),
        ("proc/219/mountinfo", b"1 2 3\n", a::PROTECT_SYSTEM),
        ("proc/219/net/dev", b"\xff\xfe\n", a::NET_DEVICES),
        ("proc/219/cgroup", b"0:\n", a::CGROUP_MAIN),
        ("sys/fs/cgroup/system.slice/t-hard.service/cgroup.events", b"populated 1\n", a::CGROUP_FREEZE),
        ("sys/fs/cgroup/system.slice/t-hard.service/cgroup.procs", b"219 220\n", a::NO_NEW_PRIVS),
    ] {
        let mut snapshot = snapshot("before", HARD);
        snapshot.write(path, content);
        let judged = judge(&beside(&stated, HARD, &snapshot), None);
        assert_eq!(codes(&judged), Vec::<String>::new(), "{path}");
        let found = pair(&judged, HARD, attribute).unwrap();
        assert_eq!(found.verdict, PairVerdict::Unreadable, "{path}: {found:?}");
    }
}

/// The recorded unit under another name.
fn renamed(name: &str) -> (Snapshot, Observation) {
    let mut snapshot = snapshot("before", HARD);
    snapshot.rename_group("/system.slice/t-hard.service", &format!("/system.slice/{name}"));
    let observation = observed(name, &snapshot);
    (snapshot, observation)
}

#[test]
fn names_that_nobody_would_choose_are_read_like_others() {
    // 255 bytes, escapes that look like others, and a character of four bytes.
    let longest = format!("{}.service", "x".repeat(247));
    for name in [longest.as_str(), "a\\x2db@\\xff.service", "dev-disk-by\\x2dlabel-\u{1f980}.service", "%i:[x].service"]
    {
        let (_, observation) = renamed(name);
        let subject = format!("unit:{name}");
        assert_eq!(fact(&observation, &subject, a::PROCESSES).kernel.value(), Some("219"), "{name}");
        let judged = judge(&observation, None);
        // Only the private /tmp, whose directory names the unit, is another unit's now.
        assert_eq!(codes(&judged), [format!("{name} V6.private_tmp.kernel_missing")]);
        assert_eq!(pair(&judged, name, a::CGROUP_MAIN).unwrap().verdict, PairVerdict::Match);
    }
}

#[test]
fn programs_and_processes_with_odd_names_are_spelled_without_breaking_lines() {
    let mut odd = snapshot("before", HARD);
    odd.link("proc/219/exe", b"/usr/bin/sl\n\xff\tp");
    let status = odd.content("proc/219/status").to_vec();
    let status: Vec<u8> = [&b"Name:\tsl\\n\xff) (e\xfep"[..], status.strip_prefix(b"Name:\tsleep").unwrap()].concat();
    odd.write("proc/219/status", &status);
    let stat = odd.content("proc/219/stat").to_vec();
    let behind = stat.strip_prefix(b"219 (sleep)").unwrap().to_vec();
    odd.write("proc/219/stat", &[b"219 (sl\n) S 1 (\xff)".to_vec(), behind].concat());
    let observation = observed(HARD, &odd);
    assert_eq!(fact(&observation, NAME, a::EXE).kernel.value(), Some("/usr/bin/sl\\x0a\\xff\\x09p"));
    assert_eq!(fact(&observation, NAME, a::NO_NEW_PRIVS).kernel.value(), Some("1"));
    assert_eq!(fact(&observation, NAME, a::NICE).kernel.value(), Some("0"));
    let judged = judge(&observation, None);
    // What a unit's process runs may be another program than it was started with.
    assert_eq!(codes(&judged), Vec::<String>::new());
}

#[test]
fn a_d_bus_that_accepts_and_never_answers_leaves_the_kernels_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("private");
    let listener = UnixListener::bind(&path).unwrap();
    let holding = std::thread::spawn(move || {
        // Every connection is accepted and kept, and nothing is ever said.
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            held.push(stream);
            if held.len() == 2 {
                return held;
            }
        }
        held
    });
    let manager = Manager::at(How::Private(path.clone()), Duration::from_millis(200));
    let whole = snapshot("before", HARD);
    let mut observer = Observer::new(Some(manager), whole.kernel()).rooted(folder.path());
    let observation = observer.observe(&Scope::default());
    let limit = fact(&observation, NAME, a::PIDS_MAX);
    assert_eq!(limit.kernel.value(), Some("1089"));
    let says_why = |reading: &Reading| matches!(reading, Reading::Unreadable(why) if why.contains("did not answer"));
    assert!(says_why(&limit.orchestrator), "{limit:?}");
    assert!(says_why(&fact(&observation, "host", a::MANAGER).orchestrator));
    let judged = judge(&observation, None);
    assert_eq!(codes(&judged), Vec::<String>::new());
    assert_eq!(pair(&judged, HARD, a::PIDS_MAX).unwrap().verdict, PairVerdict::Unreadable);
    // One connection was enough to know; the second lets the thread end.
    let _ = std::os::unix::net::UnixStream::connect(&path);
    drop(observer);
    drop(holding);
}
