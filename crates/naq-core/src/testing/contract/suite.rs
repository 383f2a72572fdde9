//! The list of all behaviours.

/// One `#[tokio::test]` for each behaviour of the contract, over what `$make` makes: an
/// `async fn() -> impl Subject`. The crate that uses it needs `tokio` with `macros` and `rt`.
#[macro_export]
macro_rules! contract_suite {
    ($make:path) => {
        $crate::__contract_tests! { $make;
            queue:
                a_job_arrives_once_with_its_headers_and_body
                the_same_id_twice_is_one_job_while_it_waits_runs_and_is_done
                a_chosen_id_is_refused_while_a_job_of_it_is_in_the_queue
                the_same_id_in_two_queues_is_two_jobs
                many_at_once_are_all_stored_and_answered_in_their_order
                a_fetch_takes_no_more_than_it_was_asked_for
                a_fetch_that_is_dropped_loses_nothing
                what_was_asked_for_is_handed_over_although_no_more_is_wanted
                a_fetch_of_none_asks_for_nothing_and_waits
                a_closed_subscription_leaves_nothing_behind
                an_oversize_message_is_refused_with_its_size;
            lease:
                an_unsettled_delivery_comes_back_after_its_lease_as_a_crash
                a_renewed_delivery_does_not_come_back
                what_was_stored_before_the_subscription_is_suspect
                the_lease_in_force_is_told
                an_ack_by_an_earlier_holder_still_drops_the_job
                what_is_held_comes_to_another_subscriber_when_its_holder_is_gone;
            schedule:
                a_scheduled_job_is_never_early_and_arrives_unchanged
                a_waiting_job_holds_nothing_and_fresh_ones_pass_it
                a_time_that_is_past_means_at_once
                a_new_schedule_of_a_job_replaces_the_old_one
                a_time_that_no_broker_can_count_to_is_not_now
                jobs_that_are_due_together_all_start_once
                a_released_job_starts_at_once_and_once
                a_release_that_races_the_due_time_starts_the_job_once
                retry_now_makes_a_waiting_retry_due
                what_is_stored_survives_a_restart_of_the_broker;
            settle:
                a_fact_is_there_before_the_ack
                a_retry_waits_for_its_time_and_carries_the_rewritten_job
                a_retry_that_is_written_again_is_stored_once
                records_and_letters_that_are_written_again_are_stored_once
                a_job_given_back_was_not_handed_out
                a_job_given_back_keeps_the_crashes_before
                a_give_back_that_is_written_again_is_stored_once
                a_job_written_by_hand_keeps_its_life_when_it_moves
                the_same_id_in_two_queues_ends_in_both;
            fence:
                a_late_worker_cannot_bring_back_a_job_that_is_done
                a_late_worker_cannot_bring_back_a_job_that_was_purged
                a_late_worker_cannot_bring_back_a_job_that_was_cancelled
                a_late_worker_cannot_disturb_a_retry_that_has_begun
                a_late_worker_cannot_go_on_with_a_job_that_was_given_back
                another_job_under_the_same_id_swallows_nothing
                evidence_of_an_earlier_life_swallows_nothing;
            crash:
                a_crash_before_anything_was_written_runs_the_job_again
                a_crash_between_record_and_ack_ends_the_job_once
                a_crash_between_retry_and_ack_waits_once
                a_crash_between_retry_and_ack_runs_a_retry_that_is_due_once
                a_crash_between_retry_and_ack_is_known_when_the_retry_is_done
                a_crash_between_letter_and_ack_leaves_one_letter
                a_crash_between_give_back_and_ack_gives_back_once
                a_crash_between_give_back_and_ack_is_known_while_the_job_waits
                a_crash_of_the_worker_that_cleans_up_changes_nothing
                a_crash_between_the_record_of_a_cancel_and_its_end_leaves_it_cancelled;
            record:
                a_record_keeps_the_result_and_the_history
                a_record_vanishes_after_its_time
                a_record_may_be_kept_longer_than_a_broker_can_count
                a_record_of_another_life_replaces_the_one_before;
            cancel:
                a_pending_job_that_is_cancelled_never_starts
                a_waiting_job_that_is_cancelled_never_starts
                a_running_job_that_is_cancelled_is_told_and_does_not_come_back
                what_has_ended_or_never_was_cannot_be_cancelled;
            dead:
                dead_letters_come_in_pages_oldest_first
                an_empty_dead_letter_queue_is_an_empty_page
                dead_letters_are_picked_by_kind_task_and_id
                a_letter_says_why_and_keeps_the_body
                a_purged_letter_is_gone
                a_removed_letter_leaves_those_of_earlier_lives;
            requeue:
                a_requeued_job_begins_another_life_with_its_history
                what_cannot_be_decoded_is_requeued_byte_for_byte
                a_requeue_repeated_after_a_crash_begins_one_life
                a_letter_that_a_crashed_requeue_left_swallows_nothing
                a_requeue_can_wait
                a_requeue_pushes_no_other_job_of_its_id_out;
            lookup:
                evidence_of_every_kind_is_found
                evidence_of_many_jobs_comes_in_their_order
                a_job_is_found_by_its_id_wherever_it_is
                a_queue_is_counted_by_what_its_jobs_do
                all_queues_are_listed_by_name
                the_broker_says_what_it_is;
            operate:
                a_paused_queue_hands_out_nothing_until_it_is_resumed
                a_pause_ends_by_itself
                a_purge_removes_what_is_pending_running_and_waiting
                exactly_the_message_that_was_meant_is_removed
                a_signal_reaches_everybody_who_listens;
            workers:
                a_worker_is_listed_as_it_last_described_itself
                a_worker_that_falls_silent_vanishes;
            input:
                a_job_written_by_hand_needs_only_a_task_in_json
                a_job_written_by_hand_needs_only_a_task_in_messagepack
                the_subject_says_which_job_it_is_not_the_body
                what_is_no_job_arrives_with_a_typed_error_and_its_bytes
                names_with_wildcards_cannot_get_in;
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
            $crate::testing::contract::$part::$name(&subject).await;
        }
    )+)+};
}
