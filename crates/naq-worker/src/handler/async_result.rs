//! [`AsyncResult`]: what an async handler returns.

use std::future::Future;

/// A future of a handler's result, which every `async fn` with a `Result<T, E>` returns. You do not
/// implement it: it exists so that the compiler can say what a handler should look like.
#[diagnostic::on_unimplemented(
    message = "the handler is not an async function that returns `Result<{T}, _>`",
    label = "the handler returns `{Self}`",
    note = "a function that is not async is registered with `.blocking(handler)`",
    note = "the job's `Output` is the type that its handler returns on success"
)]
pub trait AsyncResult<T, E>: Future<Output = Result<T, E>> {}

#[diagnostic::do_not_recommend]
impl<F, T, E> AsyncResult<T, E> for F where F: Future<Output = Result<T, E>> {}
