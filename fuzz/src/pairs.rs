//! Observations out of bytes: records of five fields, judged beside what another part of them teaches.

use avouch_pairs::{Attribute, Fact, Observation, PairVerdict, Reading, UnitIdentity, judge, learn};

/// Between records, and between fields of a record.
const RECORD: char = '\u{1e}';
const FIELD: char = '\u{1f}';

/// Raw strings of both witnesses: whatever they are, the judgement is the same each time and counts what it lists.
pub fn pairs(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let observation = observation(&text);
    let judged = judge(&observation, None);
    assert_eq!(judged, judge(&observation, None), "a judgement is a function of what was observed");
    let discrepant = judged.pairs.iter().filter(|pair| pair.verdict.is_discrepant()).count();
    assert_eq!(discrepant, judged.findings.len(), "every discrepancy is a finding");
    let taught = judge(&observation, Some(&learn(&observation)));
    let drift = taught.findings.iter().find(|finding| finding.verdict == PairVerdict::IntentDrift);
    assert!(drift.is_none(), "what was learned from a machine drifts on it: {drift:?}");
    judged.pairs.iter().any(|pair| pair.verdict.is_green())
}

/// `SUBJECT, NUMBER, ORCHESTRATOR, KERNEL, SECOND`; number 0 makes an identity of the three readings.
fn observation(text: &str) -> Observation {
    let mut observation = Observation::default();
    for record in text.split(RECORD) {
        let mut fields = record.split(FIELD);
        let (Some(name), Some(number)) = (fields.next(), fields.next()) else { continue };
        let Ok(number) = number.parse() else { continue };
        let mut raw = || fields.next().unwrap_or("");
        let (orchestrator, kernel, second) = (raw(), raw(), raw());
        let subject = observation.subjects.entry(name.to_owned()).or_default();
        if number == 0 {
            subject.identity = Some(UnitIdentity {
                active_state: orchestrator.to_owned(),
                main_pid: kernel.parse().unwrap_or(0),
                steady: second != "racing",
                started_usec: 1_000_000,
                ..UnitIdentity::default()
            });
            continue;
        }
        let fact = Fact { orchestrator: reading(orchestrator), kernel: reading(kernel), second: reading(second) };
        subject.facts.insert(Attribute(number), fact);
    }
    observation
}

fn reading(field: &str) -> Reading {
    let rest = field.get(1..).unwrap_or("").to_owned();
    match field.as_bytes().first() {
        Some(b'=') => Reading::Value(rest),
        Some(b'-') => Reading::Absent,
        Some(b'!') => Reading::Unreadable(rest),
        Some(b'?') => Reading::NotSupported(rest),
        _ => Reading::NotRead,
    }
}

/// A healthy unit and host, and a tampered one.
pub(crate) fn seed(rows: &[(&str, u16, &str, &str, &str)]) -> Vec<u8> {
    let record = |(name, number, orchestrator, kernel, second): &(&str, u16, &str, &str, &str)| {
        let number = number.to_string();
        [*name, number.as_str(), *orchestrator, *kernel, *second].join(&FIELD.to_string())
    };
    rows.iter().map(record).collect::<Vec<_>>().join(&RECORD.to_string()).into_bytes()
}

const UNIT: &str = "unit:t-hard.service";
const LISTENER: &str = "listener:tcp:127.0.0.1:7777";

/// Raw strings as a Debian 12 machine gave them.
#[rustfmt::skip]
pub(crate) const HEALTHY: &[(&str, u16, &str, &str, &str)] = &[
    (UNIT, 0, "active", "221", ""),
    (UNIT, 401, "=100000001", "=99999744", ""),
    (UNIT, 407, "=5000\t10000", "=1000 200000", ""),
    (UNIT, 408, "=18446744073709551615", "=100\t0", ""),
    (UNIT, 409, "=01", "=0", "=0"),
    (UNIT, 413, "=wbps\t/dev/vda\t1048576\t254:0", "=254:0 rbps=max wbps=1048576 riops=max wiops=max", ""),
    (UNIT, 447, "=1000 2000", "=1000 2000", "=1000 2000"),
    (UNIT, 458, "=/system.slice/t-hard.service", "=0::/system.slice/t-hard.service", ""),
    (UNIT, 501, "=yes", "=1\t221\n0\t1060", ""),
    (UNIT, 502, "", "=2 34", ""),
    (UNIT, 503, "=allow\nread\nwrite", "", ""),
    (UNIT, 601, "", "=/\tro,nosuid\text4\t/\n/tmp\trw\text4\t/tmp/systemd-private-1-t-hard.service-2/tmp\n/opt\trw\text4\t/opt", ""),
    (UNIT, 602, "=strict", "", ""),
    (UNIT, 605, "=/opt", "", ""),
    (UNIT, 612, "=yes", "", ""),
    (UNIT, 701, "=yes", "=private 4026532241", ""),
    (UNIT, 801, "=0000000000000400", "=0000000000000400", ""),
    (UNIT, 901, "=required\tt-profile", "=t-profile (enforce)", ""),
    (UNIT, 1005, "=deny\t0.0.0.0/0", "=ingress\t01\negress\t02", ""),
    (UNIT, 1103, "=/etc/systemd/system/t-hard.service", "=/etc/systemd/system/t-hard.service\t0644 0 0 aa", ""),
    (UNIT, 1302, "=/usr/bin/sleep", "=/usr/bin/sleep", ""),
    (UNIT, 1401, "=no", "=999\t/etc/systemd/system/t-hard.service", ""),
    (LISTENER, 1001, "=t-sock.socket\tStream\t127.0.0.1:7777", "=init.scope\t0", "=init.scope\t0"),
    ("sysctl:kernel.kptr_restrict", 1201, "=1\t/etc/sysctl.d/x.conf", "=2", ""),
    ("host", 850, "", "=40", ""),
    ("host", 1202, "", "=integrity", ""),
    ("dm:usr", 201, "=abcd", "=V\t1\t0 8 verity 1 8:1 8:2 4096 4096 1 1 sha256 abcd salt", ""),
    ("path:/etc/shadow", 1110, "=0640 0 42", "=0640 0 42 - aa", ""),
];
