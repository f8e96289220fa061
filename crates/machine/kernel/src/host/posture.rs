//! V12: lockdown, taint, kexec, modules, command line, configuration, CPU vulnerabilities and sysctls.

use avouch_pairs::{Attribute, Fact, Observation, attribute as a, subject};

use super::alone;
use crate::Pass;
use crate::pass::{LARGE, SMALL};
use crate::reading::{Facts, agreed, clean, hex, listed, put, put_both, reading};
use crate::source::{Refusal, Root};

/// Most names of a directory of sysfs.
const MOST: usize = 65_536;

/// Files that are stated as they stand.
const FILES: [(Attribute, Root, &str); 3] = [
    (a::TAINTED, Root::Proc, "sys/kernel/tainted"),
    (a::MODULE_SIG_ENFORCE, Root::Sys, "module/module/parameters/sig_enforce"),
    (a::CAP_LAST_CAP, Root::Proc, "sys/kernel/cap_last_cap"),
];

pub(super) fn read(pass: &Pass<'_>, facts: &mut Facts) {
    for (attribute, root, file) in FILES {
        put(facts, attribute, pass.file(root, file));
    }
    put(facts, a::LOCKDOWN, reading(lockdown(pass)));
    put(facts, a::KEXEC, reading(kexec(pass)));
    put(facts, a::COMMAND_LINE, reading(command_line(pass)));
    put(facts, a::KERNEL_CONFIG, reading(configuration(pass)));
    put(facts, a::CPU_VULNERABILITIES, reading(vulnerabilities(pass)));
    put(facts, a::KPROBES, reading(hooks(pass, Root::Debug, "kprobes/list", 2)));
    put(facts, a::FTRACE, reading(hooks(pass, Root::Tracing, "enabled_functions", 0)));
    let (listed, live) = agreed(|| (by_list(pass), by_directory(pass)));
    // Without modules the directories are those of what is built in, and no second view.
    let live = if matches!(listed, Err(Refusal::NotSupported(_))) { listed.clone() } else { live };
    put_both(facts, a::MODULES, reading(listed), reading(live));
}

fn lockdown(pass: &Pass<'_>) -> Result<String, Refusal> {
    let text = pass.content(Root::Security, "lockdown")?;
    let chosen = text.split(' ').find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    chosen.map(str::to_owned).ok_or_else(|| Refusal::Failed(format!("lockdown has no chosen word: {text}")))
}

fn kexec(pass: &Pass<'_>) -> Result<String, Refusal> {
    let flag = |file: &str| pass.content(Root::Sys, file);
    match (flag("kernel/kexec_loaded"), flag("kernel/kexec_crash_loaded")) {
        (Ok(loaded), Ok(crash)) => Ok(format!("{loaded} {crash}")),
        (Err(Refusal::Absent), _) | (_, Err(Refusal::Absent)) => {
            Err(Refusal::NotSupported("this kernel is built without kexec".to_owned()))
        }
        (Err(refusal), _) | (_, Err(refusal)) => Err(refusal),
    }
}

fn command_line(pass: &Pass<'_>) -> Result<String, Refusal> {
    let bytes = pass.read(pass.root(Root::Proc)?, "cmdline", SMALL)?;
    Ok(hex(&avouch_crypto::sha256(&[bytes.strip_suffix(b"\n").unwrap_or(&bytes)])))
}

/// The digest of the file as the kernel shows it, compressed: it is part of the kernel's image and never changes.
fn configuration(pass: &Pass<'_>) -> Result<String, Refusal> {
    let bytes = pass.read(pass.root(Root::Proc)?, "config.gz", LARGE)?;
    Ok(hex(&avouch_crypto::sha256(&[&bytes])))
}

fn vulnerabilities(pass: &Pass<'_>) -> Result<String, Refusal> {
    const DIRECTORY: &str = "devices/system/cpu/vulnerabilities";
    let mut lines = Vec::new();
    for entry in pass.noted(pass.root(Root::Sys)?.list(DIRECTORY, MOST))? {
        lines.push(format!(
            "{}\t{}",
            clean(entry.name.as_bytes()),
            pass.content(Root::Sys, &format!("{DIRECTORY}/{}", entry.name))?
        ));
    }
    Ok(listed(lines))
}

/// Column `column` of a list of hooks, sorted, each once.
fn hooks(pass: &Pass<'_>, root: Root, file: &str, column: usize) -> Result<String, Refusal> {
    let missing = |why: &str| Refusal::NotSupported(why.to_owned());
    let bytes = match pass.root(root).and_then(|directory| pass.read(directory, file, LARGE)) {
        Err(Refusal::Absent) => return Err(missing("the kernel has no such file, or its file system is not mounted")),
        Err(Refusal::Denied(_)) => return Err(missing("lockdown forbids it, or CAP_DAC_READ_SEARCH is missing")),
        bytes => bytes?,
    };
    let text = String::from_utf8_lossy(&bytes);
    let words = text.lines().filter_map(|line| line.split_ascii_whitespace().nth(column));
    let mut names: Vec<String> = words.map(|word| clean(word.as_bytes())).collect();
    names.sort();
    names.dedup();
    Ok(listed(names))
}

/// Modules that are live, by /proc/modules.
fn by_list(pass: &Pass<'_>) -> Result<String, Refusal> {
    let bytes = match pass.read(pass.root(Root::Proc)?, "modules", LARGE) {
        Err(Refusal::Absent) => return Err(Refusal::NotSupported("this kernel has no loadable modules".to_owned())),
        bytes => bytes?,
    };
    let text = String::from_utf8_lossy(&bytes);
    let live = |line: &str| -> Option<String> {
        let words: Vec<&str> = line.split(' ').collect();
        matches!(words.as_slice(), [_, _, _, _, "Live", ..])
            .then(|| words.first().map(|name| clean(name.as_bytes())))?
    };
    let mut names: Vec<String> = text.lines().filter_map(live).collect();
    names.sort();
    Ok(names.join("\n"))
}

/// Modules that are live, by their directories in sysfs.
fn by_directory(pass: &Pass<'_>) -> Result<String, Refusal> {
    let sys = pass.root(Root::Sys)?;
    let mut names = Vec::new();
    for entry in pass.noted(sys.list("module", MOST))? {
        match pass.content(Root::Sys, &format!("module/{}/initstate", entry.name)) {
            Ok(state) if state == "live" => names.push(clean(entry.name.as_bytes())),
            // Built in, or on its way in or out.
            Ok(_) | Err(Refusal::Absent) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    names.sort();
    Ok(names.join("\n"))
}

pub(super) fn read_sysctls(pass: &Pass<'_>, keys: &[String], observation: &mut Observation) {
    for key in keys {
        let value = pass.content(Root::Proc, &format!("sys/{}", path_of(key)));
        // Fields are separated by tabs in some files and by spaces in others; systemd writes either.
        let value = value.map(|text| text.replace("\\x09", " "));
        alone(observation, format!("{}{key}", subject::SYSCTL), a::SYSCTL, Fact::kernel(reading(value)));
    }
}

/// The file of a key: its first separator tells which of `.` and `/` separates components (sysctl.d(5)).
fn path_of(key: &str) -> String {
    match key.find(['.', '/']).and_then(|at| key.as_bytes().get(at)) {
        Some(b'.') => key
            .chars()
            .map(|character| match character {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lead_to_files_as_systemd_reads_them() {
        assert_eq!(path_of("kernel.kptr_restrict"), "kernel/kptr_restrict");
        assert_eq!(path_of("net.ipv4.conf.enp3s0/200.forwarding"), "net/ipv4/conf/enp3s0.200/forwarding");
        assert_eq!(path_of("net/ipv4/conf/enp3s0.200/forwarding"), "net/ipv4/conf/enp3s0.200/forwarding");
    }
}
