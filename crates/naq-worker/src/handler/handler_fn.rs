//! From a typed function to a [`Handler`], the one form that the worker calls.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use naq_core::redact::without_values;
use naq_core::wire::DecodeError;
use naq_core::{Codec, ErrorKind, Failure, IntoFailure, Payload};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Context;

pub(crate) type HandlerFuture = Pin<Box<dyn Future<Output = Result<Payload, Failure>> + Send>>;
pub(crate) type Handler = Arc<dyn Fn(Context<()>) -> HandlerFuture + Send + Sync>;

/// The arguments of a handler that is registered by name: an undecoded [`Payload`], or a
/// [`serde_json::Value`].
pub trait RawArgs: Sized + Send + 'static {
    /// Decodes the arguments.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not valid in their codec.
    fn from_payload(args: &Payload) -> Result<Self, DecodeError>;
}

impl RawArgs for Payload {
    fn from_payload(args: &Payload) -> Result<Self, DecodeError> {
        Ok(args.clone())
    }
}

impl RawArgs for serde_json::Value {
    fn from_payload(args: &Payload) -> Result<Self, DecodeError> {
        args.decode()
    }
}

/// Decodes the arguments with `read`, awaits the handler, encodes its result.
pub(crate) fn asynchronous<S, A, R, F, Fut, E>(
    state: S,
    read: fn(&Payload) -> Result<A, DecodeError>,
    handler: F,
) -> Handler
where
    S: Clone + Send + Sync + 'static,
    A: Send + 'static,
    R: Serialize,
    F: Fn(A, Context<S>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, E>> + Send + 'static,
    E: IntoFailure,
{
    let handler = Arc::new(handler);
    Arc::new(move |cx| {
        let (handler, state) = (handler.clone(), state.clone());
        Box::pin(async move {
            let args = read(cx.args()).map_err(args_failure)?;
            let codec = cx.args().codec();
            let result = handler(args, cx.with_state(state)).await;
            encode_result(codec, result)
        })
    })
}

/// The same for a function that blocks. It runs on a thread for blocking calls.
pub(crate) fn blocking<S, A, R, F, E>(
    state: S,
    read: fn(&Payload) -> Result<A, DecodeError>,
    handler: F,
) -> Handler
where
    S: Clone + Send + Sync + 'static,
    A: Send + 'static,
    R: Serialize,
    F: Fn(A, Context<S>) -> Result<R, E> + Send + Sync + 'static,
    E: IntoFailure,
{
    let handler = Arc::new(handler);
    Arc::new(move |cx| {
        let (handler, state) = (handler.clone(), state.clone());
        Box::pin(async move {
            let call = move || {
                let args = read(cx.args()).map_err(args_failure)?;
                let codec = cx.args().codec();
                encode_result(codec, handler(args, cx.with_state(state)))
            };
            match tokio::task::spawn_blocking(call).await {
                Ok(result) => result,
                Err(err) => match err.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => Err(Failure::new(ErrorKind::CANCELLED, "the worker is stopping")),
                },
            }
        })
    })
}

pub(crate) fn decode_args<A: DeserializeOwned>(args: &Payload) -> Result<A, DecodeError> {
    args.decode()
}

/// Another attempt would find the same arguments.
pub(super) fn args_failure(err: DecodeError) -> Failure {
    // The parser quotes the value that it did not expect. It may be a secret.
    let text = without_values(&err.to_string());
    Failure::new(ErrorKind::DECODE, format!("the arguments: {text}")).fatal()
}

pub(super) fn encode_result<R: Serialize, E: IntoFailure>(
    codec: Codec,
    result: Result<R, E>,
) -> Result<Payload, Failure> {
    let value = result.map_err(IntoFailure::into_failure)?;
    Payload::encode(codec, &value).map_err(|err| {
        let text = format!("the handler's result cannot be encoded: {err}");
        Failure::new(ErrorKind::VALUE, text).fatal()
    })
}
