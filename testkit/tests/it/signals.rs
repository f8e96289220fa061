//! What systemd announces, and what happens between two observations.

use std::fs;
use std::path::Path;
use std::time::Duration;

use avouch_collect::observe::{Observer, Scope};
use avouch_collect::watch::{Trigger, Watch};
use avouch_pairs::judge;
use avouch_systemd::{Change, Changes, How};
use avouch_testkit::{Config, FakeSystemd};

use crate::scene::{DEADLINE, observer};

const HARD: &str = "hard.service";

fn hardened() -> FakeSystemd {
    let systemd = FakeSystemd::new();
    systemd.add_service(HARD, Config::hardened());
    systemd
}

/// An ear at a systemd, and how often it listened.
struct Ear<'s> {
    systemd: &'s FakeSystemd,
    changes: Changes,
    times: u32,
}

impl<'s> Ear<'s> {
    fn at(systemd: &'s FakeSystemd) -> Self {
        let stream = systemd.connect().expect("a pair of sockets");
        let changes = Changes::subscribe(&How::Stream(stream)).expect("it subscribes");
        Self { systemd, changes, times: 0 }
    }

    /// Everything that was announced since the last time.
    fn heard(&mut self) -> Vec<Change> {
        self.times += 1;
        let mark = format!("mark{}.socket", self.times);
        self.systemd.add_socket(&mark, &[]);
        let mark = Change::Unit(mark);
        let mut all = Vec::new();
        while !all.contains(&mark) {
            let came = self.changes.next(DEADLINE).expect("it stays open");
            assert!(!came.is_empty(), "the mark is announced");
            all.extend(came);
        }
        all.retain(|change| *change != mark);
        all.dedup();
        all
    }
}

fn unit(name: &str) -> Change {
    Change::Unit(name.to_owned())
}

#[test]
fn units_that_come_go_and_change_are_announced_by_name() {
    let systemd = hardened();
    let mut ear = Ear::at(&systemd);
    assert_eq!(ear.heard(), []);
    for what in ["stop", "start", "restart", "reload", "crash"] {
        match what {
            "stop" => systemd.stop(HARD),
            "start" => systemd.start(HARD),
            "restart" => systemd.restart(HARD),
            "reload" => systemd.reload(HARD),
            _ => systemd.crash(HARD),
        }
        assert_eq!(ear.heard(), [unit(HARD)], "{what}");
    }
    systemd.add_service("new@1.service", Config::default());
    systemd.unload("new@1.service");
    assert_eq!(ear.heard(), [unit("new@1.service")], "it came and went");
    systemd.daemon_reload();
    assert_eq!(ear.heard(), [Change::Reloading]);
}

#[test]
fn names_with_odd_characters_come_out_of_their_paths() {
    let systemd = FakeSystemd::new();
    let names = ["getty@tty1.service", "a\\x2db.service", "\u{e4}-\u{f6}@\\xff:1.service", "0.service", "_.service"];
    names.iter().for_each(|name| systemd.add_service(name, Config::default()));
    let mut ear = Ear::at(&systemd);
    for name in names {
        systemd.reload(name);
        assert_eq!(ear.heard(), [unit(name)]);
    }
}

#[test]
fn everybody_who_subscribed_hears_it_and_who_went_away_is_no_hindrance() {
    let systemd = hardened();
    let (mut one, two) = (Ear::at(&systemd), Ear::at(&systemd));
    drop(two);
    let mut three = Ear { times: 100, ..Ear::at(&systemd) };
    systemd.reload(HARD);
    assert_eq!(one.heard(), [unit(HARD)]);
    assert!(three.heard().contains(&unit(HARD)));
}

/// A watch over a systemd and a tree of files in the place of its cgroups.
fn watch(systemd: &FakeSystemd, tree: &Path) -> Watch {
    let group = tree.join("system.slice").join(HARD);
    fs::create_dir_all(&group).expect("directories");
    fs::write(group.join("memory.max"), "67108864\n").expect("a file");
    Watch::over(How::Stream(systemd.connect().expect("a pair of sockets")), tree)
}

/// What a test caused; sockets and modules of this machine come and go by themselves.
fn caused(watch: &mut Watch) -> Vec<Trigger> {
    let by_itself = |trigger: &Trigger| matches!(trigger, Trigger::Listener | Trigger::Module);
    loop {
        let triggers = watch.next(DEADLINE);
        if triggers.is_empty() || !triggers.iter().all(by_itself) {
            return triggers.into_iter().filter(|trigger| !by_itself(trigger)).collect();
        }
    }
}

#[test]
fn announcements_are_triggers_and_very_many_are_one() {
    let systemd = hardened();
    let tree = tempfile::tempdir().expect("a directory");
    let mut watch = watch(&systemd, tree.path());
    assert!(!watch.blind().iter().any(|line| line.starts_with("changes of units")), "{:?}", watch.blind());
    systemd.add_service("brief.service", Config::default());
    systemd.unload("brief.service");
    assert_eq!(caused(&mut watch), [Trigger::UnitChanged("brief.service".into())], "gone before anybody could look");
    systemd.daemon_reload();
    assert_eq!(caused(&mut watch), [Trigger::Everything]);
    // The next answer is a second away, and until then more happens than is kept apart.
    (0..1_000).for_each(|number| systemd.add_socket(&format!("many{number}.socket"), &[]));
    let mut answers = (0..10).map(|_| caused(&mut watch));
    assert!(answers.any(|triggers| triggers == [Trigger::Everything]));
}

fn findings(observer: &mut Observer) -> Vec<String> {
    let judged = judge(&observer.observe(&Scope::default()), None);
    let of_units = judged.findings.into_iter().filter(|finding| finding.subject.starts_with("unit:"));
    of_units.map(|finding| format!("{} {}", finding.subject, finding.code)).collect()
}

#[test]
fn a_divergence_that_is_gone_before_the_next_slot_is_found_by_its_event() {
    let systemd = hardened();
    let tree = tempfile::tempdir().expect("a directory");
    let file = tree.path().join("system.slice").join(HARD).join("memory.max");
    let mut watch = watch(&systemd, tree.path());
    let mut observer = observer(&systemd);
    assert_eq!(findings(&mut observer), Vec::<String>::new(), "in the slot before");
    let write = |limit: &str| {
        systemd.write(HARD, "memory.max", limit);
        fs::write(&file, format!("{limit}\n")).expect("it is written");
    };
    write("max");
    assert_eq!(caused(&mut watch), [Trigger::CgroupWritten(HARD.into())]);
    assert_eq!(findings(&mut observer), ["unit:hard.service V4.memory.max.kernel_weaker"]);
    write("67108864");
    assert_eq!(findings(&mut observer), Vec::<String>::new(), "in the slot after");
}

#[test]
fn a_systemd_that_goes_away_is_a_reason_to_look_at_everything() {
    let systemd = hardened();
    let tree = tempfile::tempdir().expect("a directory");
    let stream = systemd.connect().expect("a pair of sockets");
    let closing = stream.try_clone().expect("a second descriptor");
    let mut watch = Watch::over(How::Stream(stream), tree.path());
    closing.shutdown(std::net::Shutdown::Both).expect("it is closed");
    assert_eq!(watch.next(Duration::from_secs(5)), [Trigger::Everything]);
}
