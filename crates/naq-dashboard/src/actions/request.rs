//! [`ActionRequest`]: one POST below `/act`, as its handler gets it.

use axum::Form;
use axum::extract::{Extension, FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use naq_client::{AuditEntry, Client};

use super::ActionError;
use super::audited::AuditedAction;
use super::form_fields::FormFields;
use crate::access::{Access, Touched};
use crate::app::App;
use crate::user::Role;

/// Who asks, for what, and the app that does it.
#[derive(Debug)]
pub(super) struct ActionRequest {
    pub(super) app: App,
    pub(super) access: Access,
    pub(super) form: FormFields,
}

impl ActionRequest {
    pub(super) fn client(&self) -> &Client {
        &self.app.client
    }

    /// Refuses what the visitor may not do: it needs a role, for the queues that it touches.
    pub(super) fn allow(
        &self,
        needed: Role,
        touched: impl Into<Touched>,
    ) -> Result<(), ActionError> {
        let touched = touched.into();
        match self.access.may(needed, &touched) {
            true => Ok(()),
            false => Err(ActionError::forbidden(&self.access, needed, &touched)),
        }
    }

    /// An action with its audit entry: what the visitor does, to what, and for which reason.
    pub(super) fn audited(&self, what: &str, scope: String) -> AuditedAction<'_> {
        let entry = AuditEntry::new(&self.access.who, what, scope).reason(self.form.reason());
        AuditedAction::new(&self.app, entry)
    }

    /// The link to a page of this dashboard, such as `/queues/mail`.
    pub(super) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.app.options.prefix)
    }

    /// The link to the page that the form was on, or to the page `other`.
    pub(super) fn return_path(&self, other: &str) -> String {
        self.form.return_path(&self.app.options.prefix, other)
    }
}

impl FromRequest<App> for ActionRequest {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Extension(access) = Extension::<Access>::from_request_parts(&mut parts, app)
            .await
            .map_err(IntoResponse::into_response)?;
        let request = Request::from_parts(parts, body);
        let Form(form) =
            Form::from_request(request, app).await.map_err(IntoResponse::into_response)?;
        Ok(Self { app: app.clone(), access, form })
    }
}
