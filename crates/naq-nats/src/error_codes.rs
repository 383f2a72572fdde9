//! The error codes of the JetStream API, and which of them pass by themselves.
//!
//! The codes are those of nats-server 2.15 (`server/errors.json`). Every part of this crate that
//! judges a refusal asks [`is_transient`].

/// A message could not be deleted. Usually it does not exist any more.
pub(crate) const DELETE_FAILED: u64 = 10057;
/// The message to delete does not exist any more, and others before and after it do.
pub(crate) const SEQUENCE_NOT_FOUND: u64 = 10043;
/// The stream has no message of this sequence or subject.
pub(crate) const NO_MESSAGE: u64 = 10037;
/// The consumer does not exist.
pub(crate) const CONSUMER_NOT_FOUND: u64 = 10014;
pub(crate) const CONSUMER_TO_CHANGE_NOT_FOUND: u64 = 10149;
/// Another process has just created a stream of this name with other settings.
pub(crate) const STREAM_NAME_IN_USE: u64 = 10058;
/// The stream does not exist.
pub(crate) const STREAM_NOT_FOUND: u64 = 10059;
/// The condition of a publish failed: the last sequence on the subject is another one.
pub(crate) const WRONG_LAST_SEQUENCE: u64 = 10071;
/// Another process has just created the consumer with other settings.
pub(crate) const CONSUMER_EXISTS: [u64; 3] = [10013, 10105, 10148];
/// A message with the same id waits for its quorum. This message was not stored.
pub(crate) const DUPLICATE_IN_PROCESS: u64 = 10158;
/// Another message on the same subject waits for its quorum. This message was not stored.
pub(crate) const SUBJECT_IN_PROCESS: u64 = 10164;

/// A store is full: the account's, the file store, or the memory store.
pub(crate) const STORE_FULL: [u64; 4] = [10002, 10023, 10028, 10047];

/// Whether a refusal passes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The same request may succeed a moment later, or when an operator has made room.
    Transient,
    /// The same request is refused again.
    Final,
}

use Verdict::{Final, Transient};

/// Every code that a request of NAQ can get, with the reason for its verdict, in the order of the
/// codes.
const VERDICTS: &[(u64, Verdict, &str)] = &[
    (10002, Transient, "the account's limits are reached; passes when there is room"),
    (10003, Final, "the request is malformed"),
    (10004, Transient, "a server of the cluster did not answer"),
    (10005, Transient, "no server can take the stream now: the cluster forms, or has no quorum"),
    (10006, Final, "the server is not in a cluster"),
    (10007, Transient, "the stream has just moved to another server"),
    (10008, Transient, "no leader at the moment"),
    (10009, Transient, "this server is not the leader at the moment"),
    (10010, Final, "the server is not in a cluster"),
    (10011, Final, "placement by tags is not supported"),
    (10012, Transient, "an internal failure while the consumer was made"),
    (10013, Final, "the consumer exists with other settings; the caller reads them"),
    (CONSUMER_NOT_FOUND, Final, "the caller creates it"),
    (10017, Final, "the request contradicts itself"),
    (10023, Transient, "a store is full; passes when there is room or the limit is raised"),
    (10025, Final, "the server does not know a field of the request"),
    (10026, Final, "the operator's limit of consumers"),
    (10027, Final, "the operator's limit of streams"),
    (10028, Transient, "the memory store is full; passes when there is room"),
    (10035, Transient, "the server has not loaded the account yet"),
    (10036, Final, "not supported in a cluster"),
    (NO_MESSAGE, Final, "there is no such message"),
    (10038, Final, "the request must be empty"),
    (10039, Transient, "the server starts, or the cluster has no meta leader yet"),
    (10040, Final, "no such server in the cluster"),
    (10041, Transient, "the consensus group failed at this request"),
    (SEQUENCE_NOT_FOUND, Final, "there is no such message"),
    (10044, Final, "the server is not a member of the cluster"),
    (10047, Transient, "the file store is full; passes when there is room"),
    (10048, Transient, "the cluster could not assign the stream now"),
    (10049, Transient, "an internal failure while the stream was made, such as a full disk"),
    (10050, Transient, "an internal failure while the stream was removed"),
    (10051, Transient, "an internal failure of the stream"),
    (10052, Final, "the settings of the stream are not valid"),
    (10053, Final, "the settings of the stream are beyond the operator's limits"),
    (10054, Final, "the message is larger than the stream's max_msg_size"),
    (10056, Final, "the request contradicts itself"),
    (DELETE_FAILED, Final, "usually the message does not exist any more; the caller decides"),
    (STREAM_NAME_IN_USE, Final, "the caller reads the stream that exists"),
    (STREAM_NOT_FOUND, Final, "the caller creates it"),
    (10060, Final, "the message is for another stream"),
    (10065, Final, "another stream has these subjects"),
    (10069, Transient, "an internal failure while the stream was changed"),
    (10070, Final, "the condition of the publish failed"),
    (WRONG_LAST_SEQUENCE, Final, "the condition of the publish failed; the caller resolves it"),
    (10074, Final, "copies need a cluster"),
    (10075, Transient, "the cluster could not move the stream now"),
    (10076, Transient, "the server starts, or JetStream restarts"),
    (10077, Transient, "the store failed, such as a full disk; passes when there is room"),
    (10078, Final, "the request is malformed"),
    (10093, Final, "the consumer's filter is outside of the stream"),
    (10096, Final, "the stream is not valid"),
    (10097, Final, "the headers are larger than 64 KiB"),
    (10098, Final, "the settings of the consumer do not fit a work queue"),
    (10099, Final, "another consumer reads the whole work queue"),
    (10100, Final, "another consumer reads the same jobs"),
    (10101, Final, "the settings of the consumer do not fit a work queue"),
    (10104, Transient, "the consumer's store failed, such as a full disk"),
    (10105, Final, "the consumer exists with other settings; the caller reads them"),
    (10109, Final, "the stream is sealed"),
    (10110, Transient, "an internal failure of the purge"),
    (10111, Transient, "an internal failure of the rollup"),
    (10113, Final, "the account wants max_bytes on every stream"),
    (10117, Final, "too many subjects for one answer"),
    (10118, Transient, "the servers of the stream are away"),
    (10119, Transient, "the servers of the consumer are away"),
    (10120, Final, "the account has no JetStream limits for this number of copies"),
    (10121, Final, "the limit is beyond the operator's"),
    (10122, Final, "max_bytes is beyond the account's limit"),
    (10124, Transient, "the stream moves"),
    (10125, Final, "the pull is beyond the consumer's limit"),
    (10148, Final, "the consumer exists with other settings; the caller reads them"),
    (CONSUMER_TO_CHANGE_NOT_FOUND, Final, "the consumer to change does not exist"),
    (DUPLICATE_IN_PROCESS, Transient, "the first copy waits for its quorum"),
    (10163, Transient, "the leader does not know the subject's last message yet"),
    (SUBJECT_IN_PROCESS, Transient, "another message of the subject waits for its quorum"),
    (10165, Final, "the TTL is not valid"),
    (10166, Final, "the stream does not allow TTLs"),
    (10167, Transient, "the server is busy"),
    (10185, Final, "the server is too old"),
    (10188, Final, "the stream does not allow schedules"),
    (10189, Final, "the schedule is not valid"),
    (10190, Final, "the target of the schedule is not valid"),
    (10191, Final, "the TTL of the schedule is not valid"),
    (10192, Final, "a schedule must not roll up"),
    (10193, Final, "the condition of the publish is incomplete"),
    (10194, Transient, "the stream's servers are away, or an upgrade is under way"),
    (10195, Transient, "the consumer's servers are away, or an upgrade is under way"),
    (10202, Transient, "the members of the cluster change"),
    (10212, Final, "the schedule that the message replaces is not valid"),
    (10223, Final, "the time zone is not valid"),
    (10225, Transient, "the stream was just made again, and the consumer is of the old one"),
    (10226, Transient, "the stream's settings change"),
];

/// Statuses, as of HTTP, that pass by themselves: too many requests, and unavailable.
const TRANSIENT_STATUSES: [u16; 2] = [429, 503];

/// Whether the request may succeed if it is repeated. For a code of a newer server the status of
/// the answer decides.
pub(crate) fn is_transient(err_code: u64, status: u16) -> bool {
    match VERDICTS.binary_search_by_key(&err_code, |(code, ..)| *code) {
        Ok(found) => VERDICTS[found].1 == Transient,
        Err(_) => is_transient_status(status),
    }
}

/// Like [`is_transient`], for an answer that has only a status.
pub(crate) fn is_transient_status(status: u16) -> bool {
    TRANSIENT_STATUSES.contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_once_and_in_order() {
        for pair in VERDICTS.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} {}", pair[0].0, pair[1].0);
        }
        assert!(VERDICTS.iter().all(|(_, _, why)| !why.is_empty()));
    }

    #[test]
    fn a_broker_without_quorum_or_at_its_start_is_asked_again() {
        for code in [10004, 10005, 10007, 10008, 10009, 10035, 10039, 10041, 10076, 10118, 10119] {
            assert!(is_transient(code, 400), "{code}");
        }
    }

    #[test]
    fn a_message_that_waits_for_its_quorum_is_asked_for_again() {
        for code in [DUPLICATE_IN_PROCESS, SUBJECT_IN_PROCESS, 10163] {
            assert!(is_transient(code, 400), "{code}");
        }
    }

    #[test]
    fn a_full_store_is_asked_again() {
        for code in [10002, 10023, 10028, 10047, 10077] {
            assert!(is_transient(code, 500), "{code}");
        }
    }

    #[test]
    fn what_the_caller_or_the_operator_must_change_is_final() {
        let final_codes = [
            10003, 10025, 10026, 10027, 10052, 10054, 10065, 10074, 10097, 10109, 10165, 10166,
            10188, 10189,
        ];
        for code in final_codes {
            assert!(!is_transient(code, 503), "{code}");
        }
        for code in [WRONG_LAST_SEQUENCE, STREAM_NOT_FOUND, CONSUMER_NOT_FOUND, STREAM_NAME_IN_USE]
        {
            assert!(!is_transient(code, 400), "{code}");
        }
        assert!(CONSUMER_EXISTS.iter().all(|code| !is_transient(*code, 500)));
    }

    #[test]
    fn the_status_decides_for_a_code_of_a_newer_server() {
        assert!(is_transient(99_999, 503));
        assert!(is_transient(99_999, 429));
        assert!(!is_transient(99_999, 400));
        assert!(!is_transient(99_999, 500));
        assert!(!is_transient(0, 0));
    }
}
