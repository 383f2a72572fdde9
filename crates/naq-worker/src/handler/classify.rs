//! Classifiers: what the registry says about errors of other crates, and about the user's own
//! errors under a `?`.

use std::error::Error as StdError;
use std::sync::Arc;

use naq_core::{Advice, ErrorKind, Failure, JobError};

/// What a classifier says about an error: its kind, and what to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// The error kind.
    pub kind: ErrorKind,
    /// What to do. [`Advice::Policy`] lets the policy decide.
    pub advice: Advice,
}

impl From<ErrorKind> for Class {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, advice: Advice::Policy }
    }
}

/// # Panics
/// When the text is not a valid error kind.
impl From<&'static str> for Class {
    fn from(kind: &'static str) -> Self {
        ErrorKind::from(kind).into()
    }
}

impl From<(ErrorKind, Advice)> for Class {
    fn from((kind, advice): (ErrorKind, Advice)) -> Self {
        Self { kind, advice }
    }
}

type Classifier = Arc<dyn Fn(&Failure) -> Option<Class> + Send + Sync>;

/// The classifiers of a registry, asked in the order in which they were added.
#[derive(Clone, Default)]
pub(crate) struct Classifiers(Vec<Classifier>);

impl Classifiers {
    pub(crate) fn add<E: StdError + 'static, C: Into<Class>>(
        &mut self,
        class: impl Fn(&E) -> C + Send + Sync + 'static,
    ) {
        self.0.push(Arc::new(move |failure| failure.find::<E>().map(|err| class(err).into())));
    }

    pub(crate) fn add_type<E: JobError>(&mut self) {
        self.add(|err: &E| Class { kind: err.kind(), advice: err.advice() });
    }

    /// Gives the failure the kind and advice of its error's class. A kind that the handler named
    /// and advice that the handler gave stay.
    pub(crate) fn apply(&self, failure: Failure) -> Failure {
        let Some(class) = self.0.iter().find_map(|classify| classify(&failure)) else {
            return failure;
        };
        let advice = match failure.advice() {
            Advice::Policy => class.advice,
            given => given,
        };
        let failure = failure.with_advice(advice);
        if failure.is_named() { failure } else { failure.with_kind(class.kind) }
    }
}
