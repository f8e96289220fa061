//! `observe --watch`: events as they come, and another look after each.

use std::collections::BTreeSet;
use std::time::Duration;

use avouch_collect::watch::Watch;
use avouch_pairs::Judged;
use avouch_systemd::How;

use super::terminal::{Detail, View, render};
use super::witnesses::event;
use super::{Look, Seen, Session};
use crate::clock::{rfc3339, wall_clock_ms};
use crate::error::AgentError;

/// Without an event the machine is looked at all the same: what cannot be watched must not stay unseen.
const WITHOUT_EVENT: Duration = Duration::from_secs(60);

/// Follows events until the process is ended or a look fails.
pub(super) fn follow(session: &mut Session<'_>, mut seen: Seen) -> Result<Seen, AgentError> {
    let mut watch = Watch::start(How::Auto);
    for blind in watch.blind() {
        eprintln!("avouch-agent: not watched: {blind}; seen every {} s", WITHOUT_EVENT.as_secs());
    }
    loop {
        let triggers = watch.next(WITHOUT_EVENT);
        let now = rfc3339(wall_clock_ms() / 1000 * 1000);
        for trigger in triggers {
            let (kind, subject) = event(trigger);
            eprintln!("{now} {} {}", kind.word(), super::text::plain(&subject));
        }
        let next = session.look()?;
        if session.args.json {
            session.print(&next);
        } else {
            tell_changes(session, &seen, &next, &now);
        }
        seen = next;
    }
}

/// Findings that came, in full, and those that went, by name.
fn tell_changes(session: &mut Session<'_>, before: &Seen, after: &Seen, now: &str) {
    let (known, still) = (keys(&before.judged), keys(&after.judged));
    for (code, subject) in known.difference(&still) {
        session.say(&format!("{now} gone: {code} {}\n", super::text::plain(subject)));
    }
    let came: BTreeSet<_> = still.difference(&known).cloned().collect();
    if came.is_empty() {
        return;
    }
    let mut judged = after.judged.clone();
    judged.findings.retain(|finding| came.contains(&(finding.code.clone(), finding.subject.clone())));
    judged
        .pairs
        .retain(|pair| judged.findings.iter().any(|f| (&f.subject, f.attribute) == (&pair.subject, pair.attribute)));
    let heading = [format!("{now} new findings")];
    let view = View {
        observation: &after.observation,
        judged: &judged,
        detail: Detail::Findings,
        heading: &heading,
        signature: None,
    };
    let text = render(&view, Look::of_stdout(session.args.no_color));
    session.say(&text);
}

fn keys(judged: &Judged) -> BTreeSet<(String, String)> {
    judged.findings.iter().map(|finding| (finding.code.clone(), finding.subject.clone())).collect()
}
