//! [`AttemptLayer`]: the user's code around every call of a handler.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use naq_core::{Failure, Payload};

use super::Context;
use super::handler_fn::Handler;

/// Code around every attempt: it runs before the handler, calls it, and sees its result. Add one with
/// [`Registry::layer`](super::Registry::layer). An async function or closure of a [`Context`] and a
/// [`Next`] is a layer. Write the trait for a type of your own if the layer has a name or settings.
///
/// ```
/// use naq_core::{Failure, Payload};
/// use naq_worker::{AttemptLayer, Context, Next, Registry};
///
/// /// Counts attempts that fail.
/// struct CountFailures(std::sync::Arc<std::sync::atomic::AtomicU64>);
///
/// impl<S: Send + 'static> AttemptLayer<S> for CountFailures {
///     async fn around(&self, cx: Context<S>, next: Next) -> Result<Payload, Failure> {
///         let result = next.run().await;
///         if result.is_err() {
///             self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
///         }
///         result
///     }
/// }
///
/// let failures = std::sync::Arc::default();
/// let registry = Registry::new().layer(CountFailures(failures));
/// # let _ = registry.is_empty();
/// ```
pub trait AttemptLayer<S = ()>: Send + Sync + 'static {
    /// Runs around one call of a handler. The future that it returns is under the timeout of the job,
    /// and is dropped when the attempt has to stop, as the handler itself. An error that it returns
    /// instead of the handler's is the failure of the attempt: the policy decides on it.
    fn around(
        &self,
        cx: Context<S>,
        next: Next,
    ) -> impl Future<Output = Result<Payload, Failure>> + Send;
}

impl<S, F, Fut> AttemptLayer<S> for F
where
    F: Fn(Context<S>, Next) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Payload, Failure>> + Send,
{
    fn around(
        &self,
        cx: Context<S>,
        next: Next,
    ) -> impl Future<Output = Result<Payload, Failure>> + Send {
        self(cx, next)
    }
}

/// What a layer has around: the next layer, or the handler.
#[must_use = "the handler is not called until `run` is awaited"]
pub struct Next {
    handler: Handler,
    context: Context<()>,
}

impl Next {
    /// Calls the handler: decodes its arguments, awaits it, and encodes its result. A layer that does
    /// not call this skips the handler.
    ///
    /// # Errors
    /// The failure of the handler, or of a layer inside this one.
    pub async fn run(self) -> Result<Payload, Failure> {
        (self.handler)(self.context).await
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("context", &self.context).finish_non_exhaustive()
    }
}

/// The layers of a registry, the outermost first. Each one has its state already.
#[derive(Clone, Default)]
pub(crate) struct Layers(Vec<BoundLayer>);

type BoundLayer = Arc<dyn Fn(Context<()>, Next) -> LayerFuture + Send + Sync>;

type LayerFuture = BoxFuture<'static, Result<Payload, Failure>>;

impl Layers {
    pub(crate) fn add<S, L>(&mut self, state: S, layer: L)
    where
        S: Clone + Send + Sync + 'static,
        L: AttemptLayer<S>,
    {
        let layer = Arc::new(layer);
        self.0.push(Arc::new(move |cx, next| {
            let (layer, cx) = (layer.clone(), cx.with_state(state.clone()));
            Box::pin(async move { layer.around(cx, next).await })
        }));
    }

    /// The handler with all layers around it.
    pub(crate) fn around(&self, handler: Handler) -> Handler {
        self.0.iter().rev().fold(handler, |handler, layer| {
            let layer = layer.clone();
            Arc::new(move |cx: Context<()>| {
                let next = Next { handler: handler.clone(), context: cx.clone() };
                layer(cx, next)
            })
        })
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} layers", self.0.len())
    }
}
