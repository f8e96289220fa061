//! The levels of "what systemd states, what the kernel does", for a machine that judges itself.

use avouch_pairs::{Intent, LevelVerdict, Observation};

/// What an observation comes to, level by level: V4 to V14 from its pairs.
///
/// V1 to V3 speak of what was built and booted and are not evaluated here: expected PCRs, Secure Boot, deployment and
/// baseline of the settings say that. V14 is told by the node alone, so it is worth what the node is worth.
pub fn levels_of(observation: &Observation, intent: Option<&Intent>) -> Vec<LevelVerdict> {
    avouch_pairs::judge(observation, intent).levels.to_vec()
}
