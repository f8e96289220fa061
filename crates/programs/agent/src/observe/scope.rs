//! Which part of the machine a person asked for.

use std::collections::BTreeSet;

use avouch_pairs::{Attribute, Intent, Judged, Level, LevelResult, LevelVerdict, subject};

use crate::cli::ObserveArgs;
use crate::collector::ScopeAsked;
use crate::intent::Declared;

/// The part that is wanted, and what the witnesses are asked for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What the witnesses are asked.
    pub scope: ScopeAsked,
    units: Option<BTreeSet<String>>,
    levels: Option<BTreeSet<Level>>,
}

// === impl Wanted ===

impl Wanted {
    /// From the command line; paths and kernel parameters that the intent names are asked for too.
    pub fn of(args: &ObserveArgs, intent: Option<&Declared>) -> Self {
        let units: BTreeSet<String> = args.units.iter().map(|unit| whole_name(unit)).collect();
        let levels: BTreeSet<Level> = args.levels.iter().copied().collect();
        let intent = intent.map(|declared| &declared.intent);
        let scope = ScopeAsked {
            units: (!units.is_empty()).then(|| units.iter().cloned().collect()),
            levels: (!levels.is_empty()).then(|| levels.iter().map(|level| level.number()).collect()),
            paths: intent.map(|intent| named(intent, subject::PATH)).unwrap_or_default(),
            sysctls: intent.map(|intent| named(intent, subject::SYSCTL)).unwrap_or_default(),
        };
        Self { scope, units: Some(units).filter(|u| !u.is_empty()), levels: Some(levels).filter(|l| !l.is_empty()) }
    }

    /// What the talker asks for: everything, and what the intent names.
    pub fn everything(intent: Option<&Intent>) -> ScopeAsked {
        let names = |kind| intent.map(|intent| named(intent, kind)).unwrap_or_default();
        ScopeAsked { units: None, levels: None, paths: names(subject::PATH), sysctls: names(subject::SYSCTL) }
    }

    /// The part of the intent that was looked at: the rest is neither kept nor broken.
    pub fn part_of(&self, intent: &Intent) -> Intent {
        let mut part = intent.clone();
        part.subjects.retain(|name, _| self.wants_subject(name));
        part.subjects.values_mut().for_each(|values| values.retain(|attribute, _| self.wants_attribute(*attribute)));
        part.units.retain(|unit| self.wants_subject(&format!("{}{unit}", subject::UNIT)));
        part
    }

    /// The judgement of what was asked for.
    pub fn shown(&self, mut judged: Judged) -> Judged {
        let Some(levels) = &self.levels else { return judged };
        judged.pairs.retain(|pair| self.wants_attribute(pair.attribute));
        judged.findings.retain(|finding| levels.contains(&finding.level));
        for verdict in judged.levels.iter_mut().filter(|verdict| !levels.contains(&verdict.level)) {
            let (level, result) = (verdict.level, LevelResult::NotEvaluated);
            *verdict = LevelVerdict { level, result, pairs: 0, discrepant: 0, inconclusive: 0 };
        }
        judged
    }

    fn wants_subject(&self, name: &str) -> bool {
        let Some(units) = &self.units else { return true };
        name.strip_prefix(subject::UNIT).is_some_and(|unit| units.contains(unit))
    }

    fn wants_attribute(&self, attribute: Attribute) -> bool {
        let Some(levels) = &self.levels else { return true };
        attribute.spec().is_some_and(|spec| levels.contains(&spec.level))
    }
}

/// As systemctl completes names: without a type it is a service.
fn whole_name(unit: &str) -> String {
    if unit.contains('.') { unit.to_owned() } else { format!("{unit}.service") }
}

fn named(intent: &Intent, kind: &str) -> Vec<String> {
    intent.subjects.keys().filter_map(|name| name.strip_prefix(kind)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn intent() -> Declared {
        let limits = Attribute::named("memory.max").unwrap().attribute;
        let process = Attribute::named("no_new_privs").unwrap().attribute;
        let values = BTreeMap::from([(limits, "1".to_owned()), (process, "yes".to_owned())]);
        let subjects = ["unit:a.service", "unit:b.service", "path:/etc/x", "sysctl:kernel.y"];
        let intent = Intent {
            subjects: subjects.into_iter().map(|name| (name.to_owned(), values.clone())).collect(),
            units: ["a.service", "b.service"].into_iter().map(str::to_owned).collect(),
            ..Intent::default()
        };
        let file = avouch_protocol::intent::IntentFile::of("x", "", &intent);
        Declared { file, intent, source: String::new() }
    }

    #[test]
    fn units_without_a_type_are_services_and_the_intent_names_what_else_is_read() {
        let args = ObserveArgs { units: vec!["a".into(), "b.socket".into()], ..ObserveArgs::default() };
        let wanted = Wanted::of(&args, Some(&intent()));
        assert_eq!(wanted.scope.units.unwrap(), ["a.service", "b.socket"]);
        assert_eq!((wanted.scope.paths, wanted.scope.sysctls), (vec!["/etc/x".into()], vec!["kernel.y".into()]));
    }

    #[test]
    fn what_was_not_looked_at_is_not_demanded() {
        let args = ObserveArgs { units: vec!["a".into()], levels: vec![Level::V4], ..ObserveArgs::default() };
        let declared = intent();
        let part = Wanted::of(&args, Some(&declared)).part_of(&declared.intent);
        assert_eq!(part.subjects.keys().collect::<Vec<_>>(), ["unit:a.service"]);
        assert_eq!(part.subjects["unit:a.service"].len(), 1);
        assert_eq!(part.units.into_iter().collect::<Vec<_>>(), ["a.service"]);
        let all = Wanted::of(&ObserveArgs::default(), Some(&declared));
        assert_eq!(all.part_of(&declared.intent), declared.intent);
    }
}
