//! [`BatchForm`]: a form to act on many dead letters or waiting jobs. The button that starts the batch
//! comes with the preview, so that the visitor sees the preview first.

use askama::Template;

use crate::page_request::PageRequest;

/// An action that a form offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BatchVerb {
    Requeue,
    Purge,
    Release,
    Cancel,
    Spread,
    Drip,
}

/// The form; its `Display` is HTML.
#[derive(Debug, Template)]
#[template(path = "batch_form.html")]
pub(super) struct BatchForm {
    prefix: String,
    /// The id of the form, unique on the page.
    id: &'static str,
    back: String,
    scope: Vec<(&'static str, String)>,
    verbs: Vec<BatchVerb>,
}

impl BatchVerb {
    fn name(self) -> &'static str {
        match self {
            Self::Requeue => "requeue",
            Self::Purge => "purge",
            Self::Release => "release",
            Self::Cancel => "cancel",
            Self::Spread => "spread",
            Self::Drip => "drip",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Requeue => "Requeue: each gets a new life with all its attempts",
            Self::Purge => "Purge: remove permanently",
            Self::Release => "Release: make due now",
            Self::Cancel => "Cancel: end them, they never run",
            Self::Spread => "Spread: move each to a later time, evenly over a span",
            Self::Drip => "Drip: let only so many a second come due",
        }
    }
}

impl BatchForm {
    /// A form on the jobs that `scope` names, which become hidden fields. It offers no purge to a visitor
    /// who may purge nothing.
    pub(super) fn new(
        request: &PageRequest<'_>,
        id: &'static str,
        scope: Vec<(&'static str, String)>,
        verbs: &[BatchVerb],
    ) -> Self {
        let prefix = request.app.options.prefix.clone();
        let may = |verb: &BatchVerb| *verb != BatchVerb::Purge || request.access.may_purge();
        let verbs = verbs.iter().copied().filter(may).collect();
        Self { prefix, id, back: request.with("", None), scope, verbs }
    }

    fn has(&self, verb: BatchVerb) -> bool {
        self.verbs.contains(&verb)
    }
}
