//! Observations to report: a machine as systemd and the kernel would show it, made up from a number.

use avouch_pairs::attribute as at;
use avouch_pairs::{Attribute, Fact, Level, Observation, Reading, Subject, UnitIdentity};

/// Steps of a linear congruence, so that every run has the same machine.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 20
    }

    pub(crate) fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from_digit((self.next() % 16) as u32, 16).unwrap()).collect()
    }
}

pub(crate) fn value(text: impl Into<String>) -> Reading {
    Reading::Value(text.into())
}

fn both(orchestrator: impl Into<String>, kernel: impl Into<String>) -> Fact {
    Fact { orchestrator: value(orchestrator), kernel: value(kernel), second: Reading::NotRead }
}

const INFINITY: &str = "18446744073709551615";

/// `units` services, `hardened` of which have own mounts and a filter of 300 system calls.
pub(crate) fn machine(units: usize, hardened: usize) -> Observation {
    let mut numbers = Numbers(7);
    let mut observation = Observation::default();
    for number in 0..units {
        let name =
            format!("{}-{number}.service", ["app-worker", "data-store", "net-agent", "metrics", "queue"][number % 5]);
        let subject = service(&name, number, number < hardened, &mut numbers);
        observation.subjects.insert(format!("unit:{name}"), subject);
    }
    for number in 0..30 {
        let fact = Fact {
            orchestrator: Reading::Absent,
            kernel: value(format!("app-worker-{number}.service\t0")),
            second: value(format!("app-worker-{number}.service\t0")),
        };
        let subject = Subject { identity: None, facts: [(at::LISTENER, fact)].into() };
        observation.subjects.insert(format!("listener:tcp:0.0.0.0:{}", 8000 + number), subject);
    }
    for number in 0..60 {
        let subject = Subject { identity: None, facts: [(at::SYSCTL, both("1", "1"))].into() };
        observation.subjects.insert(format!("sysctl:net.ipv4.conf.eth{number}.rp_filter"), subject);
    }
    observation
}

fn service(name: &str, number: usize, hardened: bool, numbers: &mut Numbers) -> Subject {
    let pid = 400 + (number as u32) * 7;
    let group = format!("/system.slice/{name}");
    let exe = format!("/usr/bin/{}", name.trim_end_matches(".service"));
    let mut subject = Subject {
        identity: Some(UnitIdentity {
            invocation: numbers.hex(32),
            main_pid: pid,
            main_start: 900 + numbers.next() % 100_000,
            active_state: "active".into(),
            sub_state: "running".into(),
            started_usec: 1_790_000_000_000_000 + numbers.next() % 1_000_000_000,
            attempts: 1,
            steady: true,
        }),
        ..Subject::default()
    };
    // What systemd and the kernel say of a unit that says nothing: every attribute of V4 to V9 has a value.
    let of_units = Attribute::all().filter(|spec| (Level::V4..=Level::V9).contains(&spec.level));
    for spec in of_units.filter(|spec| spec.attribute.0 % 100 < 50 || spec.level == Level::V4) {
        let orchestrator = match spec.orchestrator {
            "" => Reading::NotRead,
            _ if spec.name.starts_with("rlimit") || spec.name.starts_with("memory") => value(INFINITY),
            _ => value("no"),
        };
        let kernel = match spec.kernel {
            "" => Reading::NotRead,
            _ if spec.name.starts_with("rlimit") => value("unlimited unlimited"),
            _ if spec.name == "memory.zswap.max" => Reading::NotSupported("the kernel has no such file".into()),
            _ if spec.name.starts_with("cap.") => value("000001ffffffffff"),
            _ => value("max"),
        };
        subject.facts.insert(spec.attribute, Fact { orchestrator, kernel, second: Reading::NotRead });
    }
    let own = [
        (at::CGROUP_MAIN, both(&group, &group)),
        (at::CGROUP_ID, both((4_000 + number).to_string(), (4_000 + number).to_string())),
        (at::MEMORY_EFFECTIVE, Fact::kernel(value(format!("max\t{group}")))),
        (at::PIDS_EFFECTIVE, Fact::kernel(value(format!("{}\t{group}", 4_000 + number % 3)))),
        (at::PROCESSES, both(pid.to_string(), pid.to_string())),
        (at::EXE, both(&exe, &exe)),
        (at::EXE_DIGESTS, Fact::kernel(value(format!("{exe}\t{}", numbers.hex(64))))),
        (at::EXEC_MAPPINGS, Fact::kernel(value("none"))),
        (
            at::UNIT_FILES,
            both(
                format!("/usr/lib/systemd/system/{name}"),
                format!("/usr/lib/systemd/system/{name}\t0644 0 0 {}", numbers.hex(64)),
            ),
        ),
    ];
    subject.facts.extend(own);
    if hardened {
        harden(&mut subject, name, number);
    }
    subject
}

fn harden(subject: &mut Subject, name: &str, number: usize) {
    let shared = (0..35).map(|at| format!("/usr/share/part-{at}\tro,nosuid,nodev\text4\t/usr/share/part-{at}"));
    let own = (0..5).map(|at| format!("/var/lib/{name}/{at}\trw,nosuid\text4\t/var/lib/{name}/{at}"));
    let mounts: Vec<String> = shared.chain(own).collect();
    let calls = (0..300).map(|at| format!("system_call_{}", at + number % 3));
    let filter: Vec<String> = std::iter::once("allow".to_owned()).chain(calls).collect();
    let facts = [
        (at::MOUNTS, Fact::kernel(value(mounts.join("\n")))),
        (at::SYSTEM_CALL_FILTER, Fact::orchestrator(value(filter.join("\n")))),
        (at::SECCOMP, Fact::kernel(value(format!("2 {}", 20 + number % 4)))),
        (at::NO_NEW_PRIVS, both("yes", "1")),
        (at::PROTECT_SYSTEM, Fact::orchestrator(value("strict"))),
        (at::PROTECT_HOME, Fact::orchestrator(value("yes"))),
        (at::PRIVATE_TMP, Fact::orchestrator(value("yes"))),
        (at::MEMORY_MAX, both((1u64 << (28 + number % 4)).to_string(), (1u64 << (28 + number % 4)).to_string())),
        (at::OWN_DIRECTORIES, Fact::orchestrator(value(format!("state\t{name}\nlogs\t{name}")))),
        (at::CAP_BOUNDING, both("0000000000000400", "0000000000000400")),
    ];
    subject.facts.extend(facts);
}
