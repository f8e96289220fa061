//! The rules of [`crate::Store`] as checks that every engine must pass.
//!
//! Each check takes a function that opens an empty store (for [`durability`]: the same store each time) and panics
//! when the engine breaks the rule. [`crate::contract_tests`] makes one test of each; an engine's own test suite calls
//! it once.

pub mod chain;
pub mod durability;
pub mod enrolment;
pub mod late;
pub mod separation;
pub mod specimen;
pub mod upkeep;

use crate::{Cluster, Outcome, Refused, Store, StoreError};

/// Makes a `#[test]` of every rule. `$fresh` is an expression that makes a function from nothing to an empty
/// `Box<dyn Store>`; `$same` makes one that opens the same store whenever it is called.
#[macro_export]
macro_rules! contract_tests {
    (fresh: $fresh:expr, same: $same:expr) => {
        $crate::contract_tests!(@ $fresh, enrolment:
            grant_that_is_unknown_expired_or_used_up_is_refused,
            terms_of_a_grant_do_not_change,
            attempt_is_consumed_once,
            attempts_are_bounded_and_expired_ones_swept,
            new_generation_keeps_the_chain_and_drops_what_the_old_key_proved,
            key_of_another_node_is_refused,
            weaker_profile_is_refused_for_ever,
            refused_enrolment_leaves_nothing,
        );
        $crate::contract_tests!(@ $fresh, chain:
            challenge_must_continue_the_chain,
            second_challenge_gets_the_first_ones_bytes,
            racing_challenges_have_one_winner,
            record_advances_head_session_and_verdict,
            standing_is_what_the_single_reads_say,
            record_without_its_challenge_is_refused,
            repeated_evidence_is_stored_once_and_other_bytes_are_spent,
            racing_evidence_has_one_winner,
            rejected_record_leaves_the_verdict,
            evidence_shares_its_pieces,
            observation_is_kept_once_with_the_one_before_it,
            observation_does_not_outlive_its_keys_and_a_refusal_keeps_none,
        );
        $crate::contract_tests!(@ $fresh, late:
            challenge_expires_only_after_its_deadline_and_once,
            expiry_and_evidence_exclude_each_other,
            late_evidence_follows_an_unanswered_record_once,
            overdue_challenges_come_oldest_first,
        );
        $crate::contract_tests!(@ $fresh, separation:
            clusters_never_see_each_other,
        );
        $crate::contract_tests!(@ $fresh, upkeep:
            policy_is_named_by_its_bytes_and_assigned_when_stored,
            first_round_secret_wins,
            racing_round_secrets_have_one_winner,
            server_time_never_goes_back,
            gaps_and_events_are_kept_in_order,
            nodes_are_listed_in_pages_and_found_by_label_or_tag,
            numbers_beyond_a_row_are_refused,
        );
        $crate::contract_tests!(@ $same, durability:
            reopening_keeps_all_that_was_acknowledged,
            refused_changes_do_not_disturb_their_neighbours,
        );
    };
    (@ $open:expr, $module:ident: $($rule:ident,)+) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[test]
                fn $rule() {
                    let open = $open;
                    $crate::contract::$module::$rule(&open);
                }
            )+
        }
    };
}

/// Hands in a change that must be applied.
fn applied(store: &dyn Store, cluster: &Cluster, now: u64, change: crate::Change) -> Outcome {
    let shown = format!("{change:?}");
    match store.apply(cluster, now, change) {
        Ok(outcome) => outcome,
        Err(error) => panic!("{error} for {shown}"),
    }
}

/// Hands in a change that must be refused.
fn refused(store: &dyn Store, cluster: &Cluster, now: u64, change: crate::Change) -> Refused {
    let shown = format!("{change:?}");
    match store.apply(cluster, now, change) {
        Err(StoreError::Refused(refused)) => refused,
        other => panic!("{other:?} instead of a refusal for {shown}"),
    }
}

/// A read that must work.
fn read<T>(result: Result<T, StoreError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("reading failed: {error}"),
    }
}

/// A read that must find something.
fn found<T>(result: Result<Option<T>, StoreError>) -> T {
    match read(result) {
        Some(value) => value,
        None => panic!("nothing was found"),
    }
}
