//! Every type, trait, function and constant that programs may name through `naq`, by the path that
//! was public when the crates were split. A path that is gone does not compile.
#![cfg(all(feature = "memory", feature = "nats", feature = "testing", feature = "worker"))]
#![expect(unused_imports, reason = "naming a path is the whole check")]

mod root {
    use naq::{
        Advice, AttemptLayer, BatchTask, BatchedJob, Class, Client, ClientError, Clock, Codec,
        ConnectError, Context, Delay, Enqueue, EnqueueError, EnvError, ErrorKind, Exhausted, Exit,
        Failure, HandlerRuntime, Health, IntoFailure, Jitter, Job, JobBatch, JobError, JobHandle,
        JobId, JobOptions, JobReport, JobState, KindError, LargeArgs, LargeResults, LastError,
        NameError, NatsConfig, NatsTransport, Next, NotReady, Payload, PolicyError, QueueName,
        RawArgs, Recovered, Registry, ResultExt, RetryPolicy, Retrying, ScheduleName, StopSignal,
        Strategy, SystemClock, TaskName, TaskOptions, Timer, Timestamp, Worker, WorkerBuilder,
        WorkerError, WorkerId, Workflow, WorkflowHandle, WorkflowReport, config_from_env, connect,
        connect_from_env,
    };
}

mod blocking {
    use naq::blocking::{
        Client, Enqueue, JobHandle, ScheduleBuilder, Schedules, WorkflowHandle, connect,
        connect_from_env,
    };
}

mod client {
    use naq::client::{
        AUDIT_TTL, AuditCheck, AuditEntry, AuditPage, AuditQuery, BATCH_TTL, Batch, BatchAction,
        BatchError, BatchId, BatchItem, BatchOrder, BatchScope, BatchState, COUNT_CAP, Checkpoint,
        CheckpointError, CheckpointInfo, Client, ClientError, DeadFilter, DeadSummary, DeadView,
        Enqueue, EnqueueError, EnqueueLayer, Enqueued, FoundJob, FoundJobs, Hold, HoldCause,
        HoldFacts, JobHandle, JobRef, JobRefs, JobReport, JobView, LimitInfo, LimitedJob,
        LiveFilter, MAX_AUDIT_PAGE, MAX_SELECTED, MatchedBy, NamedJob, Need, NodeJob, OutgoingJob,
        ParentEnd, Parents, Prepare, Prepared, Preview, Progress, Registered, Run, Runs,
        STALE_AFTER, ScheduleBuilder, ScheduleChore, ScheduleError, ScheduleReport, ScheduleState,
        Schedules, SearchedPlace, UNDO_WINDOW, WaitError, WaitingFilter, Wake, Workflow,
        WorkflowError, WorkflowHandle, WorkflowJob, WorkflowNode, WorkflowReport, WorkflowSummary,
        find_holds, find_needs, hold_of, idle_breakers,
    };
}

mod flow {
    use naq::flow::{
        Dependencies, Ends, FollowUp, Gcra, Graph, GraphError, Holder, Limit, LimitKeys,
        MAX_CONCURRENCY, MAX_DEPENDENCIES, MAX_LIMIT_KEY, MAX_LIMITS, MAX_RATE_COUNT,
        MAX_RATE_PERIOD, MAX_UNIQUE_KEY, MIN_RATE_PERIOD, Rate, RateEntry, RetryBudget, RunWhen,
        Slot, Standing, TaskPause, Tokens, Unique, UniqueScope, UniqueWithin, Verdict, choose,
        look_again,
    };
}

mod flow_breaker {
    use naq::flow::breaker::{
        BreakerConfig, BreakerEntry, BreakerEvent, BreakerState, MayStart, Phase, Probe, Window,
        may_start, step,
    };
}

mod sign {
    use naq::client::OpenedArgs;
    use naq::compress::{CompressError, Compression, CompressionError};
    use naq::seal::{KeyRing, KeyRingError};
    use naq::sign::{SigningKey, TrustedKey, TrustedKeys};
}

mod memory {
    use naq::memory::{JournalEntry, MemoryTransport};
}

mod metrics {
    use naq::metrics::{
        ALL, ATTEMPT_DURATION, ATTEMPTS, BROKER_CONNECTED, BUILD_INFO, DECODE_ERRORS,
        DECODE_REASONS, DELAYS, DEPTH_STATES, HEARTBEAT_MISSED, HELD_BY, HELD_JOBS, JOBS_DEAD,
        JOBS_ENQUEUED, Kind, MAX_ERROR_KINDS, Metric, OLDEST_JOB_AGE, OTHER_ERROR_KIND, OUTCOMES,
        QUEUE_DEPTH, QUEUE_WAIT, REDELIVERIES, RETRY_DELAY, RETRY_LATENESS, SECONDS, SLOT_STATES,
        SUCCESS_ATTEMPT, WORKER_SLOTS, WORKERS, describe, of_series, set_connected, set_held,
        set_queues,
    };
}

mod nats {
    use naq::nats::{
        Auth, CLIENT_LOG_TARGET, Finding, Level, NatsConfig, NatsTransport, Secret, Storage, Tls,
    };
}

mod prelude {
    use naq::prelude::{
        Client, Context, EnqueueError, ErrorKind, Failure, Jitter, Job, JobError, JobOptions,
        Registry, ResultExt, RetryPolicy, Strategy, Worker,
    };
}

mod redact {
    use naq::redact::{REDACTED, Redactor};
}

mod retry {
    use naq::retry::{
        Action, AttemptFacts, Decision, Delay, Jitter, Outcome, PolicyBuilder, PolicyError,
        PreviewRow, RetryPolicy, Rule, Start, Strategy, decide, decide_start, preview,
        preview_from,
    };
}

mod schedule {
    use naq::schedule::{
        CatchUp, Cron, JobTemplate, LastRun, MAX_CATCH_UP, MIN_EVERY, ON_TIME, Overlap, Progress,
        Schedule, ScheduleEntry, ScheduleFault, Seen, Tick, Turn, When, Zone, turn,
    };
}

mod stats {
    use naq::stats::{
        Attempts, BOUNDS_MS, Counts, Ending, ErrorGroup, FewerRetries, GroupHistory, GroupId,
        Helped, Histogram, History, MAX_ERROR_GROUPS, Minute, Observation, ObservedError, Point,
        Pulse, Run, SAMPLE_JOBS, StatsReport, Storm, StormRules, Tally, TaskStats, Totals,
        UNKNOWN_TASK, UNSENT_MINUTES, Unwritten, grouped, pattern, storms,
    };
}

mod testing {
    use naq::testing::{
        DiePoint, DiePointError, Enqueued, Fault, FaultPlan, FaultyTransport, Harness, JobView,
        ManualClock, Op, Run, Selection, run,
    };
}

mod testing_contract {
    use naq::testing::contract::Subject;
}

mod transport {
    use naq::transport::{
        AWAITED_RECORD_TTL, AckHandle, Awaiting, BlobRef, BlobRefError, Blobs, BrokerInfo, Claim,
        Consumer, ConsumerReport, DeadPage, Delivery, Directory, Durability, EndWatch,
        EvictionLoss, Evidence, Expect, Fact, FactKind, JobKey, JobSummary, JobsCursor,
        JobsCursorError, JobsPage, JobsQuery, KeptBlob, Looked, Lookup, MAX_BLOB_BYTES, Mark,
        Operator, Order, Place, ProbeAnswer, Producer, QueueBound, QueueInfo, QueueSize, Receipt,
        SCAN, SHORTEST_RECORD_TTL, STATS_TTL, Saved, Scan, Settler, Signal, Signals, StaleReason,
        StateChange, StateEntry, StateKey, StateKeyError, StatePage, StateStore, StateWatch,
        StatsPage, StatsStore, StoreProbe, Stored, StreamReport, StreamRole, Submission,
        Subscription, Transport, TransportError, Unfinished, WaitingPage, WorkerInfo, WorkerStatus,
        Written, stale,
    };
}

mod wire {
    use naq::wire::{
        AttemptOutcome, AttemptRecord, Codec, CodecError, DEFAULT_RECORD_TTL, DeadLetter,
        DecodeError, EncodeError, Envelope, FinalRecord, MAX_ENVELOPE_BYTES, MAX_HISTORY,
        MAX_HISTORY_BYTES, MAX_MESSAGE_BYTES, MAX_REASON_BYTES, MAX_TAGS, Nonce, Payload, Step,
        StepError, WIRE_VERSION, WireMessage,
    };
}

mod wire_headers {
    use naq::wire::headers::{
        AWAITED, CONTENT_TYPE, DIED_AT, ERROR, ERROR_KIND, REASON, RESULT, RULE, STEP, TASK,
    };
}

// A file of tests holds a test; the compiler has done the work by now.
#[test]
fn every_path_that_was_public_is_public() {
    let job: naq::transport::JobKey = "mail/job-1".parse().expect("a key");
    assert_eq!(
        job,
        naq::transport::JobKey {
            queue: naq::QueueName::new("mail").expect("a name"),
            id: job.id.clone()
        }
    );
}
