//! [`JobBatch`]: the jobs of one call of a batch handler.

use std::fmt;
use std::sync::Arc;

use naq_core::{IntoFailure, Job};

use super::super::Context;
use super::super::handler_fn::encode_result;
use super::answer::{Answer, AnswerSlot};

/// The jobs of one call of a batch handler, in the order in which they came. The handler answers each
/// of them by itself, as soon as its work is done.
///
/// A job that has no answer when the handler returns an error fails with that error. A job that has
/// no answer when the handler returns `Ok` fails with the kind `Error`: its work may not be done.
pub struct JobBatch<J, S = ()> {
    pub(super) state: S,
    pub(super) jobs: Vec<BatchedJob<J, S>>,
}

/// One job of a [`JobBatch`].
pub struct BatchedJob<J, S = ()> {
    pub(super) args: J,
    pub(super) context: Context<S>,
    pub(super) answer: Arc<AnswerSlot>,
}

impl<J, S> JobBatch<J, S> {
    /// The state of the registry.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// How many jobs the batch has: at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// The jobs, in the order in which they came.
    pub fn iter(&self) -> std::slice::Iter<'_, BatchedJob<J, S>> {
        self.jobs.iter()
    }
}

impl<J: Job<Output = ()>, S> JobBatch<J, S> {
    /// Completes all jobs.
    pub fn complete_all(self) {
        self.into_iter().for_each(|job| job.complete(()));
    }
}

impl<J, S> IntoIterator for JobBatch<J, S> {
    type Item = BatchedJob<J, S>;
    type IntoIter = std::vec::IntoIter<BatchedJob<J, S>>;

    fn into_iter(self) -> Self::IntoIter {
        self.jobs.into_iter()
    }
}

impl<'a, J, S> IntoIterator for &'a JobBatch<J, S> {
    type Item = &'a BatchedJob<J, S>;
    type IntoIter = std::slice::Iter<'a, BatchedJob<J, S>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<J, S> BatchedJob<J, S> {
    /// The arguments of the job.
    pub fn args(&self) -> &J {
        &self.args
    }

    /// What is known about this attempt of the job: its id, its attempt, whether it was cancelled.
    pub fn context(&self) -> &Context<S> {
        &self.context
    }

    /// Whether an answer would not be used: the job was cancelled, its time is over, or its lease is
    /// lost.
    pub fn is_gone(&self) -> bool {
        self.answer.is_idle()
    }
}

impl<J: Job, S> BatchedJob<J, S> {
    /// Completes the job. It is settled at once, while the handler goes on with the others.
    pub fn complete(self, output: J::Output) {
        self.answer(Ok::<_, naq_core::Failure>(output));
    }

    /// Fails the attempt of this job, with a kind and advice of its own. Its policy decides.
    pub fn fail(self, error: impl IntoFailure) {
        self.answer(Err(error));
    }

    /// [`complete`](Self::complete) or [`fail`](Self::fail).
    pub fn answer<E: IntoFailure>(self, result: Result<J::Output, E>) {
        let codec = self.context.attempt_context().args.codec();
        self.answer.send(Answer::Result(encode_result(codec, result)));
    }
}

impl<J, S> fmt::Debug for JobBatch<J, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobBatch").field("jobs", &self.jobs).finish_non_exhaustive()
    }
}

impl<J, S> fmt::Debug for BatchedJob<J, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchedJob").field("context", &self.context).finish_non_exhaustive()
    }
}
