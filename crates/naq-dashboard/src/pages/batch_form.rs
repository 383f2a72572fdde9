//! [`BatchForm`]: what is to be done with many dead letters or waiting jobs, as a form. Nothing can
//! be sent before its preview has been looked at, which brings the button.

use askama::Template;

use crate::scene::Scene;

/// What a form offers to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Requeue,
    Purge,
    Release,
    Cancel,
    Spread,
    Drip,
}

/// HTML, as it is displayed.
#[derive(Debug, Template)]
#[template(path = "batch_form.html")]
pub(super) struct BatchForm {
    prefix: String,
    /// Of the form, unique on the page.
    id: &'static str,
    back: String,
    scope: Vec<(&'static str, String)>,
    verbs: Vec<Verb>,
}

impl Verb {
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

    fn words(self) -> &'static str {
        match self {
            Self::Requeue => "Requeue: another life for each, with all its attempts",
            Self::Purge => "Purge: gone for good",
            Self::Release => "Release: due now",
            Self::Cancel => "Cancel: ended, they never run",
            Self::Spread => "Spread: each moved to a later time within a span, evenly",
            Self::Drip => "Drip: no more than so many a second come due",
        }
    }
}

impl BatchForm {
    /// On what `scope` says, as fields of the form.
    pub(super) fn new(
        scene: &Scene<'_>,
        id: &'static str,
        scope: Vec<(&'static str, String)>,
        verbs: &[Verb],
    ) -> Self {
        let prefix = scene.app.options.prefix.clone();
        Self { prefix, id, back: scene.with("", None), scope, verbs: verbs.to_vec() }
    }

    fn has(&self, verb: Verb) -> bool {
        self.verbs.contains(&verb)
    }
}
