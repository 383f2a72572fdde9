//! [`contract_suite!`](crate::contract_suite) and [`behaviours`]: the list of all behaviours.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::Subject;

/// Makes one `#[tokio::test]` per behaviour of the contract. `$make` is an
/// `async fn() -> impl Subject`. The crate that calls it needs `tokio` with `macros` and `rt`.
#[macro_export]
macro_rules! contract_suite {
    ($make:path) => {
        $crate::__each_behaviour! { __contract_tests $make }
    };
}

/// A check of a behaviour.
type Checking<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// One behaviour of the contract, for a caller that runs several against one broker.
#[derive(Clone, Copy)]
pub struct Behaviour {
    /// The name of its topic, such as `settle`.
    pub topic: &'static str,
    /// Its name: a sentence.
    pub name: &'static str,
    run: for<'a> fn(&'a dyn Subject) -> Checking<'a>,
}

impl Behaviour {
    /// Checks that this subject has the behaviour.
    ///
    /// # Panics
    ///
    /// It does not have it.
    pub async fn check(&self, subject: &dyn Subject) {
        (self.run)(subject).await;
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.topic, self.name)
    }
}

/// All behaviours of the contract, in the order of [`contract_suite!`](crate::contract_suite).
pub fn behaviours() -> Vec<Behaviour> {
    crate::__each_behaviour! { __behaviour_list }
}

/// Calls the macro `$then` with the list of all behaviours.
#[doc(hidden)]
#[macro_export]
macro_rules! __each_behaviour {
    ($then:ident $($make:path)?) => {
        $crate::$then! { $($make)?;
            queue:
                a_job_arrives_once_with_its_headers_and_body
                the_same_id_twice_is_one_job_while_it_waits_runs_and_is_done
                a_chosen_id_is_refused_while_a_job_of_it_is_in_the_queue
                a_chosen_id_is_refused_while_its_record_or_its_letter_is_kept
                a_job_of_a_chosen_id_that_has_ended_is_not_stored_again_after_a_restart
                the_same_id_in_two_queues_is_two_jobs
                many_at_once_are_all_stored_and_answered_in_their_order
                a_fetch_returns_no_more_than_its_maximum
                a_fetch_that_is_dropped_loses_nothing
                a_fetch_of_zero_returns_jobs_of_an_earlier_request
                a_fetch_of_zero_requests_nothing_and_waits
                a_closed_subscription_leaves_nothing_behind
                an_oversize_message_is_refused_with_its_size;
            lease:
                an_unsettled_delivery_comes_back_after_its_lease_and_is_no_crash_by_itself
                a_renewed_delivery_does_not_come_back
                a_job_stored_before_the_subscription_is_new_and_not_stale
                the_lease_in_force_is_reported
                an_ack_after_a_lost_lease_still_drops_the_job
                a_held_delivery_goes_to_another_subscriber_when_the_first_is_gone;
            schedule:
                a_scheduled_job_is_never_early_and_arrives_unchanged
                a_waiting_job_does_not_delay_newer_jobs
                a_job_with_a_due_time_in_the_past_starts_at_once
                a_new_schedule_of_a_job_replaces_the_old_one
                a_job_with_a_due_time_beyond_the_brokers_range_does_not_start_now
                jobs_that_are_due_together_all_start_once
                a_released_job_starts_now_and_one_time_only
                a_release_that_races_the_due_time_starts_the_job_once
                a_job_that_is_moved_starts_once_at_its_new_time
                a_move_that_races_the_due_time_starts_the_job_once
                a_job_written_by_hand_is_moved_byte_for_byte
                a_waiting_job_is_replaced_once_and_starts_with_its_new_body
                jobs_that_wait_come_in_pages
                retry_now_makes_a_waiting_retry_due
                stored_jobs_survive_a_restart_of_the_broker;
            settle:
                a_fact_is_visible_before_the_ack
                a_retry_waits_for_its_time_and_carries_the_rewritten_job
                a_retry_that_is_written_again_is_stored_once
                records_and_letters_that_are_written_again_are_stored_once
                a_job_given_back_counts_no_delivery
                a_job_given_back_keeps_its_earlier_crashes
                a_give_back_that_is_written_again_is_stored_once
                a_job_written_by_hand_keeps_its_life_when_it_moves
                the_same_id_in_two_queues_ends_in_both;
            fence:
                a_late_worker_cannot_bring_back_a_job_that_is_done
                a_late_worker_cannot_bring_back_a_job_that_was_purged
                a_late_worker_cannot_bring_back_a_job_that_was_cancelled
                a_late_worker_cannot_disturb_a_retry_that_has_started
                a_late_worker_cannot_continue_a_job_that_was_given_back
                another_job_of_the_same_id_is_not_dropped
                evidence_of_an_earlier_life_drops_no_job;
            crash:
                a_crash_before_anything_was_written_runs_the_job_again
                a_crash_between_record_and_ack_ends_the_job_once
                a_crash_between_retry_and_ack_waits_once
                a_crash_between_retry_and_ack_runs_a_due_retry_once
                a_crash_between_retry_and_ack_is_known_when_the_retry_is_done
                a_crash_between_letter_and_ack_leaves_one_letter
                a_crash_between_give_back_and_ack_gives_back_once
                a_crash_between_give_back_and_ack_is_known_while_the_job_waits
                a_crash_of_the_worker_that_cleans_up_changes_nothing
                a_crash_between_the_record_of_a_cancel_and_its_end_leaves_it_cancelled;
            end:
                of_two_ends_the_first_one_counts
                an_ended_job_cannot_be_cancelled_and_a_cancelled_job_cannot_end
                of_an_end_and_a_cancel_at_the_same_time_one_counts
                of_two_workers_that_end_a_job_the_first_one_counts
                a_job_is_dead_when_its_record_is_stored_and_its_letter_follows
                the_record_of_a_death_does_not_affect_the_next_life
                the_writer_of_an_awaited_end_learns_that_others_wait
                awaiting_an_end_that_has_happened_returns_its_record
                awaiting_another_life_is_not_answered_by_the_last_one
                a_marker_is_neither_a_record_nor_evidence_of_a_job
                of_an_end_and_a_marker_at_the_same_time_one_sees_the_other
                two_writers_of_the_same_awaited_end_both_learn_that_others_wait
                an_end_whose_record_is_gone_counts_as_stored_when_it_is_written_again
                a_job_that_ends_is_found_in_one_place_or_another
                an_awaited_record_is_kept_longer_than_its_own_ttl;
            record:
                a_record_keeps_the_result_and_the_history
                a_record_expires_after_its_ttl
                a_record_ttl_beyond_the_brokers_range_is_accepted
                a_record_of_another_life_replaces_the_one_before;
            cancel:
                a_pending_job_that_is_cancelled_never_starts
                a_waiting_job_that_is_cancelled_never_starts
                a_running_job_that_is_cancelled_is_signalled_and_not_redelivered
                an_ended_or_unknown_job_cannot_be_cancelled;
            dead:
                dead_letters_come_in_pages_oldest_first
                an_empty_dead_letter_queue_is_an_empty_page
                dead_letters_are_filtered_by_kind_task_and_id
                a_letter_says_why_and_keeps_the_body
                a_purged_letter_is_gone
                a_purged_letter_frees_its_id
                a_removed_letter_leaves_the_letters_of_earlier_lives;
            requeue:
                a_requeued_job_starts_a_new_life_with_its_history
                a_body_that_cannot_be_decoded_is_requeued_byte_for_byte
                a_requeue_repeated_after_a_crash_starts_one_life
                a_letter_that_is_gone_is_never_requeued
                a_letter_left_by_a_crashed_requeue_drops_no_job
                a_requeue_can_have_a_delay
                a_requeue_does_not_replace_another_job_of_its_id
                a_requeue_or_purge_removes_all_messages_of_the_dead_life;
            lookup:
                evidence_of_every_kind_is_found
                evidence_of_many_jobs_comes_in_their_order
                a_job_is_found_by_its_id_at_every_place
                the_jobs_of_a_queue_are_counted_by_their_state
                the_oldest_job_is_the_one_that_waits_longest_for_a_slot
                all_queues_are_listed_by_name
                the_broker_reports_its_server_and_limits
                the_streams_report_their_messages_and_consumers;
            browse:
                jobs_are_listed_by_their_state
                pages_are_complete_from_both_ends_despite_gaps
                a_list_is_filtered_by_all_its_conditions
                no_page_reads_all_jobs
                jobs_of_several_queues_are_listed_one_queue_after_the_other
                a_list_of_absent_jobs_is_empty;
            operate:
                a_paused_queue_delivers_nothing_until_it_is_resumed
                a_queue_has_a_job_while_one_is_pending_and_may_be_delivered
                a_pause_ends_by_itself
                a_purge_removes_pending_running_and_waiting_jobs
                a_purge_frees_the_ids_of_its_jobs
                the_purge_of_one_job_is_known_and_frees_its_id
                a_removal_removes_exactly_its_message
                a_limited_queue_delivers_no_more_at_once_and_the_limit_changes_at_once
                a_full_queue_refuses_new_jobs_and_stores_the_retries_of_its_jobs
                a_queue_is_full_by_its_bytes_too
                an_unknown_queue_cannot_be_limited
                a_signal_reaches_all_listeners
                a_worker_is_drained_by_its_id_and_no_other
                a_task_is_paused_in_one_queue_until_it_is_resumed
                the_audit_log_is_read_newest_first_in_pages
                operators_who_write_the_audit_log_at_once_write_one_chain;
            batch:
                a_preview_counts_the_scope_and_describes_it
                a_requeue_drips_after_its_window_and_each_job_runs_once
                jobs_that_are_not_due_are_undone_byte_for_byte
                an_undo_leaves_jobs_that_have_started
                a_cancelled_batch_leaves_the_remaining_letters
                letters_of_one_error_group_are_purged_and_no_others
                waiting_jobs_are_released_spread_and_cancelled
                live_jobs_are_cancelled_and_none_that_is_enqueued_later
                a_selection_includes_no_other_letters
                of_two_runs_of_a_batch_one_does_the_work;
            unique:
                of_many_jobs_that_want_a_key_at_once_one_gets_it
                of_a_list_the_first_job_that_wants_a_key_gets_it
                a_key_has_one_holder_at_a_time_over_many_rounds
                a_key_is_held_over_queues_until_the_job_has_ended
                a_job_that_is_cancelled_or_dead_holds_no_key
                a_requeued_job_needs_its_key_again
                a_key_for_a_fixed_time_is_held_even_after_the_job_has_ended
                a_key_until_the_start_is_free_while_the_job_runs
                enqueue_many_answers_each_job;
            once:
                a_job_enqueued_once_is_not_added_while_the_broker_knows_it
                a_follow_up_is_stored_once_and_describes_the_death;
            depends:
                a_dependent_waits_until_the_last_of_its_parents_has_ended
                a_dependent_of_ended_parents_starts_at_once
                a_retry_of_a_parent_is_not_its_end
                a_parent_that_does_not_complete_cancels_its_dependent_and_the_next_one
                a_job_that_runs_after_failure_or_partial_success_waits_for_all_parents
                an_unknown_or_recordless_job_cannot_be_waited_for
                a_blocked_job_can_be_cancelled_and_is_not_released_later
                a_released_dependent_is_not_made_due_by_a_second_notification
                a_dependent_in_another_queue_is_released_and_leaves_no_edges
                many_dependents_of_one_and_one_dependent_of_many_are_released_once
                a_stale_edge_does_not_affect_the_record_of_a_later_life
                an_edge_to_a_live_life_outlasts_the_end_of_another_life
                a_dependent_of_a_scheduled_job_written_by_hand_starts_when_that_job_ends
                a_blocked_job_that_is_cancelled_leaves_no_edges
                the_edge_of_a_later_life_of_the_dependent_is_not_removed
                a_check_of_linked_parents_writes_nothing;
            workflow:
                a_diamond_runs_layer_by_layer_and_reports_its_states
                a_workflow_that_is_started_twice_is_one
                a_cancelled_workflow_starts_no_more_jobs;
            recurring:
                of_many_registrations_of_a_schedule_one_creates_it
                a_turn_taken_by_many_at_once_makes_each_run_once
                a_change_replaces_a_chore_that_runs
                a_change_moves_a_chore_that_waits
                a_chore_that_is_lost_is_enqueued_again
                a_deleted_schedule_frees_its_name
                a_run_waits_for_the_one_before_it
                a_tick_makes_one_run_even_if_its_queue_is_changed_meanwhile;
            workers:
                a_worker_is_listed_as_it_last_described_itself
                a_worker_without_heartbeats_disappears
                the_age_of_a_heartbeat_is_by_the_brokers_clock;
            state:
                a_value_is_stored_read_replaced_and_removed
                a_value_is_stored_only_over_the_expected_revision
                of_many_writers_with_the_same_expectation_one_stores
                a_value_expires_after_its_ttl
                an_empty_value_and_one_too_large_are_refused
                many_keys_are_read_at_once_in_their_order
                a_list_has_all_keys_below_the_prefix_oldest_first_in_pages
                keys_of_any_text_stay_apart
                a_watch_reports_existing_entries_and_then_each_change
                a_watch_reports_expired_entries
                a_watch_that_is_dropped_and_opened_again_misses_nothing
                thousands_of_entries_are_stored_listed_and_watched;
            stats:
                without_reports_the_statistics_are_empty
                a_report_that_is_written_again_is_stored_once
                a_newer_report_replaces_the_older_one
                another_process_of_the_same_worker_replaces_nothing
                reports_come_in_pages_in_the_order_in_which_they_were_written;
            saved_data:
                a_checkpoint_is_not_overwritten_by_an_earlier_attempt
                a_report_shows_the_saved_data_of_a_running_job;
            wait:
                a_wait_is_notified_of_the_end_and_returns_the_result
                a_wait_continues_over_a_retry_and_a_lost_lease
                a_wait_reports_every_end_but_completed
                a_wait_that_times_out_reports_the_jobs_state
                a_wait_for_an_unknown_job_reports_no_record
                a_wait_ignores_the_end_of_an_earlier_job_of_its_id
                many_wait_at_once;
            blobs:
                a_blob_larger_than_a_message_comes_back_unchanged
                a_blob_over_the_limit_is_refused
                a_blob_expires_after_its_ttl
                a_blob_without_a_ttl_is_kept_until_it_is_removed
                a_kept_blob_is_listed_until_it_is_removed
                large_arguments_are_stored_with_their_job_and_count_in_its_queue
                a_large_result_is_found_by_all_readers;
            input:
                a_job_written_by_hand_needs_only_a_task_in_json
                a_job_written_by_hand_needs_only_a_task_in_messagepack
                the_subject_and_not_the_body_names_the_job
                a_body_that_is_not_a_job_arrives_with_a_typed_error_and_its_bytes
                names_with_wildcards_are_refused;
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __contract_tests {
    ($make:path; $($part:ident: $($name:ident)+;)+) => {$($(
        #[tokio::test]
        async fn $name() {
            let subject = $make().await;
            $crate::$part::$name(&subject).await;
        }
    )+)+};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __behaviour_list {
    (; $($part:ident: $($name:ident)+;)+) => {
        vec![$($(
            $crate::Behaviour {
                topic: stringify!($part),
                name: stringify!($name),
                run: |subject| Box::pin($crate::$part::$name(subject)),
            },
        )+)+]
    };
}
