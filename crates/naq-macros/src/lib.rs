//! `#[derive(Job)]` for the crate `naq`, which re-exports it. Use it from there.

mod job;
mod options;

use proc_macro::TokenStream;

/// Implements the trait `Job`: the type is the arguments of a task.
///
/// ```text
/// use naq::prelude::*;
///
/// #[derive(Serialize, Deserialize, Job)]
/// #[job(name = "email.send", queue = "mail", retry = "exponential:2s,max_retries=4", timeout = "30s")]
/// struct SendEmail {
///     to: String,
/// }
/// ```
///
/// | option | meaning | default |
/// |---|---|---|
/// | `name = "email.send"` | the task's name. Stored jobs have it, so it does not follow the type's name | none: it must be given |
/// | `output = String` | what the handler returns on success | `()` |
/// | `queue = "mail"` | the queue | the client's default queue |
/// | `retry = "exponential:2s"` | the retry policy, as text | the preset `conservative` |
/// | `timeout = "30s"` | the longest time that one attempt may run | no limit |
/// | `record_ttl = "1d"` | how long the broker keeps the record of the ended job; `"0s"` for no record | the client's, 1 hour |
/// | `expires_in = "10m"` | how long after its due time the job may still start | no limit |
/// | `tag = "nightly"` | a label; may be repeated | none |
/// | `crate = naq` | the path of the crate `naq`, if it has another name | `::naq` |
///
/// A name, a policy or a duration that is not valid does not compile, and the error points at its text.
/// For all other options write `impl Job` by hand.
#[proc_macro_derive(Job, attributes(job))]
pub fn derive_job(input: TokenStream) -> TokenStream {
    job::derive(input.into()).unwrap_or_else(|error| error.to_compile_error()).into()
}
