//! Which pairs a command line asks for, on whatever command.

use avouch_appraise::PairFilter;
use avouch_pairs::Level;
use clap::Args;

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct WantedPairs {
    /// Only this level, V1 to V14; may be repeated
    #[arg(long = "level", value_name = "LEVEL", value_parser = level)]
    pub(crate) levels: Vec<Level>,
    /// Only this unit, or another subject as the list names it, e.g. listener:tcp:0.0.0.0:22
    #[arg(long, value_name = "UNIT")]
    pub(crate) unit: Option<String>,
    /// Only what somebody should look at
    #[arg(long)]
    pub(crate) findings: bool,
}

impl WantedPairs {
    /// The same for whoever compares: at most so many.
    pub(crate) fn filter(&self, most: usize) -> PairFilter {
        let Self { levels, unit, findings } = self.clone();
        PairFilter { levels, subject: unit, findings, most }
    }
}

/// A level as it is written on a command line.
pub(crate) fn level(text: &str) -> Result<Level, String> {
    let known = Level::ALL.into_iter().find(|level| level.to_string().eq_ignore_ascii_case(text));
    known.ok_or_else(|| "write a level, V1 to V14".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_one_of_fourteen() {
        assert_eq!((level("v12"), level("V4")), (Ok(Level::V12), Ok(Level::V4)));
        assert!(level("V15").is_err() && level("").is_err());
    }
}
