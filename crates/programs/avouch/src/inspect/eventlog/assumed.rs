//! What registers hold if something is so that the log does not say.

use std::collections::BTreeMap;

use avouch_bootlog::{Assumption, BootLog, ExitActions, PCR_COUNT};
use avouch_crypto::Hash;
use serde::Serialize;

use super::super::Options;

/// Values under an assumption. Whether it is good enough is policy.
#[derive(Debug, Serialize)]
pub struct Assumed {
    /// What is taken as given.
    pub assumption: &'static str,
    /// The registers that differ from the plain replay, by bank.
    pub pcrs: BTreeMap<&'static str, BTreeMap<u32, Option<String>>>,
}

pub(super) fn of(log: &BootLog<'_>, options: &Options) -> Vec<Assumed> {
    // A log that is cut, or of a part of the boot, has no end of boot services to speak of.
    let whole = log.events().iter().any(|event| event.pcr == 4 && event.extends());
    let assumptions = log.assumptions().into_iter();
    let told = assumptions.filter(|assumption| whole || *assumption == Assumption::HcrtmLocality4);
    told.map(|assumption| Assumed { assumption: words(assumption), pcrs: pcrs(log, assumption, options) }).collect()
}

fn words(assumption: Assumption) -> &'static str {
    match assumption {
        Assumption::HcrtmLocality4 => "a hardware core root of trust measured first, so PCR 0 starts at 4",
        Assumption::UnloggedExit { missing: ExitActions::Both } => {
            "the firmware extended PCR 5 with both exit actions and logged neither"
        }
        Assumption::UnloggedExit { missing: ExitActions::Success } => {
            "the firmware extended PCR 5 with the success of the exit and did not log it"
        }
        _ => "of a kind that has no words here",
    }
}

fn pcrs(
    log: &BootLog<'_>,
    assumption: Assumption,
    options: &Options,
) -> BTreeMap<&'static str, BTreeMap<u32, Option<String>>> {
    let mut banks = BTreeMap::new();
    for &bank in log.banks().iter().filter(|bank| options.bank.is_none_or(|only| only == **bank)) {
        let (Ok(plain), Ok(assumed)) = (log.replay(bank, &Hash), log.replay_assuming(bank, &Hash, assumption)) else {
            continue;
        };
        let differ = (0..PCR_COUNT).filter(|pcr| plain.value(*pcr) != assumed.bank.value(*pcr));
        let values = differ.map(|pcr| (pcr, assumed.bank.value(pcr).map(|value| value.to_string())));
        banks.insert(bank.name(), values.collect());
    }
    banks
}
