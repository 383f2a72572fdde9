//! [`Dashboard`]: the dashboard of one client, as an axum router.

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use naq_client::{Client, Hold};
use naq_core::transport::{QueueInfo, WorkerInfo};

use crate::app::App;
use crate::options::{Options, OptionsError};
use crate::{actions, assets, live, pages, security};

/// A dashboard that shows, and acts on, the jobs of a client.
#[derive(Debug, Clone)]
pub struct Dashboard {
    app: App,
}

impl Dashboard {
    /// Starts the reader, which reads the broker about once a second. It ends when the dashboard and all
    /// its routers are dropped.
    ///
    /// # Errors
    /// [`OptionsError`] for an option with an invalid value.
    ///
    /// # Panics
    /// If it is called outside a tokio runtime.
    pub fn new(client: Client, options: Options) -> Result<Self, OptionsError> {
        Ok(Self { app: App::start(client, options)? })
    }

    /// The pages, the live streams and the actions, under [`Options::prefix`].
    ///
    /// ```no_run
    /// # async fn f(client: naq_client::Client, own: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
    /// use naq_dashboard::{Dashboard, Options};
    ///
    /// let mut options = Options::default();
    /// options.prefix = "/naq".into();
    /// let dashboard = Dashboard::new(client, options)?;
    /// let app = own.merge(dashboard.router());
    /// # Ok(())
    /// # }
    /// ```
    pub fn router(&self) -> Router {
        let prefix = self.app.options.prefix.clone();
        let inner = Router::new()
            .merge(assets::routes())
            .merge(live::routes())
            .nest("/act", actions::routes())
            .merge(pages::routes())
            .with_state(self.app.clone());
        let guarded = security::guard(inner, &self.app, &[]);
        match prefix.is_empty() {
            true => guarded,
            false => {
                // The router of the prefix has no route for the slash after it.
                let home = prefix.clone();
                let redirect = get(async move || Redirect::permanent(&home));
                let slash = Router::new().route(&format!("{prefix}/"), redirect);
                security::guard(slash, &self.app, &[]).nest(&prefix, guarded)
            }
        }
    }

    /// Whether the last read of the broker succeeded. The reader reads about once a second.
    ///
    /// # Errors
    /// Why it failed, in a few words.
    pub fn ready(&self) -> Result<(), String> {
        let snapshot = self.app.snapshot();
        match (&snapshot.problem, snapshot.read_at) {
            (Some(problem), _) => Err(problem.clone()),
            (None, None) => Err("the broker has not been read yet".to_owned()),
            (None, Some(_)) => Ok(()),
        }
    }

    /// How many logins were refused since the start: wrong ones, and those that were not checked because
    /// there were too many wrong ones.
    pub fn refused_logins(&self) -> u64 {
        self.app.logins.refused()
    }

    /// Whether this process can work, or will reconnect to the broker by itself.
    pub fn is_alive(&self) -> bool {
        self.app.client.transport().is_alive()
    }

    /// The queues at the last read of the broker.
    pub fn queues(&self) -> Vec<QueueInfo> {
        self.app.snapshot().queues.clone()
    }

    /// The live workers at the last read of the broker.
    pub fn workers(&self) -> Vec<WorkerInfo> {
        self.app.snapshot().workers.clone()
    }

    /// What held jobs at the last read of the broker, the most urgent first. It counts the newest
    /// waiting jobs of the queues that hold back most jobs.
    pub fn holds(&self) -> Vec<Hold> {
        self.app.snapshot().holds.clone()
    }

    /// Puts the guards of the pages around routes of your own, such as `/metrics`: allowed host names,
    /// logins, only GET and HEAD, and security headers. `/healthz` and `/readyz` need no login.
    pub fn guard(&self, routes: Router) -> Router {
        security::guard(routes, &self.app, security::PROBES)
    }
}
