//! V4, V5, V6 and V9: what every process of a unit shows outside its status.

use avouch_pairs::{Attribute, Reading, attribute as a};

use super::members::{Member, Members};
use crate::Pass;
use crate::parse::limits::limits;
use crate::parse::stat::Stat;
use crate::pass::SMALL;
use crate::reading::{Facts, Values, agreed, clean, path, put, put_both};
use crate::source::Refusal;

/// By `RLIMIT_*` number.
pub(super) const RLIMITS: [Attribute; 16] = [
    a::RLIMIT_CPU,
    a::RLIMIT_FSIZE,
    a::RLIMIT_DATA,
    a::RLIMIT_STACK,
    a::RLIMIT_CORE,
    a::RLIMIT_RSS,
    a::RLIMIT_NPROC,
    a::RLIMIT_NOFILE,
    a::RLIMIT_MEMLOCK,
    a::RLIMIT_AS,
    a::RLIMIT_LOCKS,
    a::RLIMIT_SIGPENDING,
    a::RLIMIT_MSGQUEUE,
    a::RLIMIT_NICE,
    a::RLIMIT_RTPRIO,
    a::RLIMIT_RTTIME,
];

type Take = fn(&Pass<'_>, &Member) -> Result<String, Refusal>;

/// What is read of each process by one file.
const OF_FILES: [(Attribute, Take); 4] = [
    (a::OOM_SCORE_ADJ, |pass, member| text(pass, member, "oom_score_adj")),
    (a::PERSONALITY, |pass, member| text(pass, member, "personality")),
    (a::NICE, |pass, member| {
        let stat = pass.read(member.directory.as_ref(), "stat", SMALL)?;
        Ok(Stat::parse(&stat)?.nice.to_string())
    }),
    (a::ROOT_DIRECTORY, |pass, member| Ok(path(&pass.noted(member.directory.link("root"))?))),
];

pub(super) fn read(pass: &Pass<'_>, members: &Members, facts: &mut Facts) {
    let each = |take: Take| {
        let mut values = Values::default();
        for member in &members.processes {
            values.add(member.pid, member.pid == members.main, take(pass, member));
        }
        values.reading()
    };
    for (attribute, take) in OF_FILES {
        put(facts, attribute, each(take));
    }
    for (attribute, module, take) in LABELS {
        let reading = match pass.security_modules() {
            Some(active) if !active.iter().any(|name| name == module) => {
                Reading::NotSupported(format!("{module} is not active in this kernel"))
            }
            None if module != "apparmor" => {
                Reading::NotSupported("the kernel does not list its security modules".to_owned())
            }
            _ => each(take),
        };
        put(facts, attribute, reading);
    }
    read_limits(pass, members, facts);
}

fn text(pass: &Pass<'_>, member: &Member, file: &str) -> Result<String, Refusal> {
    let bytes = pass.read(member.directory.as_ref(), file, SMALL)?;
    Ok(clean(bytes.trim_ascii_end()))
}

/// Labels by the security module that gives them, as `lsm` names it.
const LABELS: [(Attribute, &str, Take); 3] = [
    (a::APPARMOR_PROFILE, "apparmor", |pass, member| label(pass, member, "attr/apparmor/current")),
    (a::SELINUX_CONTEXT, "selinux", |pass, member| label(pass, member, "attr/current")),
    (a::SMACK_LABEL, "smack", |pass, member| label(pass, member, "attr/smack/current")),
];

/// A label; of a kernel before 5.8 in the file that all modules shared.
fn label(pass: &Pass<'_>, member: &Member, file: &str) -> Result<String, Refusal> {
    let mut bytes = pass.read(member.directory.as_ref(), file, SMALL);
    if matches!(bytes, Err(Refusal::Absent)) {
        bytes = pass.read(member.directory.as_ref(), "attr/current", SMALL);
    }
    match bytes {
        Ok(bytes) => Ok(clean(bytes.strip_suffix(b"\0").unwrap_or(&bytes).trim_ascii_end())),
        // EINVAL: no module that is active answers there.
        Err(Refusal::Failed(_)) => Err(Refusal::NotSupported("no active security module labels processes".to_owned())),
        Err(refusal) => Err(refusal),
    }
}

fn read_limits(pass: &Pass<'_>, members: &Members, facts: &mut Facts) {
    let mut first = RLIMITS.map(|_| Values::default());
    let mut second = RLIMITS.map(|_| Values::default());
    for member in &members.processes {
        let main = member.pid == members.main;
        let (shown, asked) = both_limits(pass, member);
        for (number, (values, seconds)) in first.iter_mut().zip(&mut second).enumerate() {
            values.add(member.pid, main, row(&shown, number));
            seconds.add(member.pid, main, row(&asked, number));
        }
    }
    for (attribute, (values, seconds)) in RLIMITS.into_iter().zip(first.into_iter().zip(second)) {
        put_both(facts, attribute, values.reading(), seconds.reading());
    }
}

type Limits = Result<[String; 16], Refusal>;

fn row(limits: &Limits, number: usize) -> Result<String, Refusal> {
    match limits {
        Ok(limits) => limits.get(number).cloned().ok_or(Refusal::Absent),
        Err(refusal) => Err(refusal.clone()),
    }
}

/// `/proc/PID/limits` and prlimit(2) of a process, taken until they agree.
fn both_limits(pass: &Pass<'_>, member: &Member) -> (Limits, Limits) {
    let views = agreed(|| {
        let bytes = pass.read(member.directory.as_ref(), "limits", SMALL);
        (bytes.and_then(|bytes| Ok(limits(&bytes)?)), asked(pass, member.pid))
    });
    // One that ended between the two views is left out of both.
    let ended = |view: &Limits| matches!(view, Err(Refusal::Gone | Refusal::Absent));
    let there = || pass.read(member.directory.as_ref(), "stat", SMALL).is_ok();
    if ended(&views.0) || (ended(&views.1) && !there()) {
        return (Err(Refusal::Gone), Err(Refusal::Gone));
    }
    views
}

fn asked(pass: &Pass<'_>, pid: u32) -> Limits {
    let spelled = |value: u64| if value == u64::MAX { "unlimited".to_owned() } else { value.to_string() };
    let mut limits: [String; 16] = Default::default();
    for (number, slot) in (0..).zip(&mut limits) {
        let (soft, hard) = pass.kernel.source.rlimit(pid, number)?;
        *slot = format!("{} {}", spelled(soft), spelled(hard));
    }
    Ok(limits)
}
