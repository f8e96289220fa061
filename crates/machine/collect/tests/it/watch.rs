//! Writes into cgroup files are seen.

use std::path::{Path, PathBuf};
use std::time::Duration;

use avouch_collect::watch::{Trigger, Watch};
use avouch_systemd::How;

fn nobody() -> How {
    How::Private(PathBuf::from("/nonexistent/systemd"))
}

#[test]
fn a_write_into_a_units_directory_is_seen_once_and_the_kernels_own_files_are_not() {
    let root = tempfile::tempdir().expect("a directory");
    let group = root.path().join("system.slice/one.service");
    std::fs::create_dir_all(&group).expect("directories");
    for file in ["memory.max", "memory.events"] {
        std::fs::write(group.join(file), "max\n").expect("a file");
    }
    let mut watch = Watch::over(nobody(), root.path());
    assert!(watch.blind().iter().any(|line| line.starts_with("changes of units")), "{:?}", watch.blind());
    std::fs::write(group.join("memory.events"), "max 1\n").expect("it is written");
    let events = |watch: &mut Watch| {
        let seen = watch.next(Duration::from_millis(300));
        // Other tests of this machine may open sockets.
        seen.into_iter().filter(|trigger| *trigger != Trigger::Listener).collect::<Vec<_>>()
    };
    assert_eq!(events(&mut watch), []);
    for value in ["1", "2", "max"] {
        std::fs::write(group.join("memory.max"), value).expect("it is written");
    }
    assert_eq!(events(&mut watch), [Trigger::CgroupWritten("one.service".into())]);
}

#[test]
fn a_write_into_a_real_cgroup_is_seen() {
    let unified = Path::new("/sys/fs/cgroup/unified");
    let root = if unified.is_dir() { unified } else { Path::new("/sys/fs/cgroup") };
    let group = root.join(format!("avouch-test-{}.service", std::process::id()));
    if !root.join("cgroup.procs").exists() || std::fs::create_dir(&group).is_err() {
        println!("skipped: no cgroup may be made below {}", root.display());
        return;
    }
    let mut watch = Watch::over(nobody(), root);
    let written = std::fs::write(group.join("cgroup.max.depth"), "5");
    let seen = watch.next(Duration::from_secs(2));
    std::fs::remove_dir(&group).expect("the cgroup is removed");
    written.expect("the file is written");
    let name = group.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(seen.contains(&Trigger::CgroupWritten(name)), "{seen:?}");
}
