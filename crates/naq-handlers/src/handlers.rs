//! [`Handlers`]: the handlers of a worker that are not Rust.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use naq_core::{Clock, NameError, Payload, SystemClock, TaskName, Timer};
use naq_worker::{Context, Registry, TaskOptions};

use crate::command::{CommandLine, CommandLineError, Pool, says_why};
use crate::config::{HandlersFile, TaskConfig, Words};
use crate::http::{KeyError, Keys, Service, Target, TargetError, Tls};
use crate::list::{ListError, MAX_CONCURRENCY, TaskList};
use crate::protocol::Classes;
use crate::task::{How, TaskHandler};

/// How often a service that does not listen yet is asked for its tasks.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// How long a command may take to list its tasks.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the handlers of a worker are. Empty by default.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct HandlerSources {
    /// A `naq.toml`.
    pub file: Option<PathBuf>,
    /// URLs of services that list their tasks.
    pub http: Vec<String>,
    /// `TASK=COMMAND`: one process an attempt.
    pub exec: Vec<String>,
    /// `TASK=COMMAND`, or a `COMMAND` that lists its tasks with `--describe`: processes that stay.
    pub exec_pool: Vec<String>,
    /// The keys that sign requests, instead of those in the file.
    pub keys: Option<Keys>,
}

/// The handlers of a worker that are not Rust: commands and HTTP services.
///
/// ```
/// use naq_handlers::{HandlerSources, Handlers};
/// use naq_worker::Registry;
///
/// # fn f() -> Result<Registry, Box<dyn std::error::Error>> {
/// let mut sources = HandlerSources::default();
/// sources.exec.push("greet=sh -c 'echo hello'".to_owned());
/// let registry = Handlers::new(&sources)?.register(Registry::new())?;
/// # Ok(registry) }
/// # assert_eq!(f().unwrap().task_names().count(), 1);
/// ```
#[derive(Debug, Default)]
pub struct Handlers {
    tasks: BTreeMap<TaskName, TaskHandler>,
    unlisted: Vec<Unlisted>,
    concurrency: Option<usize>,
}

/// Handlers that list their tasks themselves.
#[derive(Debug)]
enum Unlisted {
    Http(Arc<Service>),
    Pool(CommandLine),
}

/// Handlers that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandlersError {
    /// A file cannot be read.
    #[error("{}: {err}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        err: std::io::Error,
    },
    /// The file has an error.
    #[error("{}: {err}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where, and why.
        #[source]
        err: Box<toml::de::Error>,
    },
    /// A task has no handler, or several.
    #[error("task {task}: give it exactly one of exec, exec_pool and http")]
    OneHandler {
        /// The task.
        task: TaskName,
    },
    /// Two handlers have the same task.
    #[error("task {task} has two handlers: remove one of them")]
    Twice {
        /// The task.
        task: TaskName,
    },
    /// `--exec` without a task.
    #[error("{0:?}: use TASK=COMMAND, such as email.send='python3 send_email.py'")]
    NoTask(String),
    /// A name is not one of a task.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A command.
    #[error(transparent)]
    Command(#[from] CommandLineError),
    /// A URL.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificates for https.
    #[error("https: {0}")]
    Tls(#[source] std::io::Error),
    /// A handler does not list its tasks.
    #[error(
        "the handlers at {place} do not list their tasks: {reason}; or name the tasks in naq.toml"
    )]
    List {
        /// The URL, or the command.
        place: String,
        /// Why.
        reason: String,
    },
}

impl Handlers {
    /// Reads the configuration and checks it. Nothing is called yet.
    ///
    /// # Errors
    /// [`HandlersError`]: the configuration is wrong.
    pub fn new(sources: &HandlerSources) -> Result<Self, HandlersError> {
        let file = match &sources.file {
            Some(path) => read_file(path)?,
            None => HandlersFile::default(),
        };
        let mut services = Services::new(&file, sources.keys.clone())?;
        let mut handlers = Self::default();
        for (name, task) in file.tasks {
            handlers.add_configured(TaskName::new(name)?, task, &mut services)?;
        }
        for url in file.http.iter().chain(&sources.http) {
            handlers.unlisted.push(Unlisted::Http(services.get(url)?));
        }
        for text in &sources.exec {
            let (task, command) = split_task(text);
            let task = task.ok_or_else(|| HandlersError::NoTask(text.clone()))?;
            handlers.add_how(task, How::Exec(checked(CommandLine::split(command)?)?))?;
        }
        for text in file.exec_pool.iter().chain(&sources.exec_pool) {
            let (task, command) = split_task(text);
            let command = checked(CommandLine::split(command)?)?;
            match task {
                Some(task) => handlers.add_how(task, How::Pool(Pool::new(command)))?,
                None => handlers.unlisted.push(Unlisted::Pool(command)),
            }
        }
        Ok(handlers)
    }

    /// Whether there is no handler.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.unlisted.is_empty()
    }

    /// Asks services and commands for their tasks. Waits for a service that does not listen yet.
    ///
    /// # Errors
    /// [`HandlersError::List`]: one answers with something else.
    pub async fn ask_for_tasks(mut self) -> Result<Self, HandlersError> {
        for unlisted in std::mem::take(&mut self.unlisted) {
            match unlisted {
                Unlisted::Http(service) => {
                    let list = list_of_service(&service).await?;
                    self.add_listed(list, || How::Http(service.clone()))?;
                }
                Unlisted::Pool(command) => {
                    let list = list_of_command(&command).await?;
                    // One pool for all tasks of the command.
                    let pool = Arc::new(Pool::new(command));
                    self.add_listed(list, || How::SharedPool(pool.clone()))?;
                }
            }
        }
        Ok(self)
    }

    /// How many attempts the handlers run at once, if they say so.
    pub fn concurrency(&self) -> Option<usize> {
        self.concurrency
    }

    /// Adds the handlers to a registry.
    ///
    /// # Errors
    /// [`HandlersError::Twice`]: the registry has one of the tasks.
    pub fn register<S>(self, mut registry: Registry<S>) -> Result<Registry<S>, HandlersError>
    where
        S: Clone + Send + Sync + 'static,
    {
        for (task, handler) in self.tasks {
            if registry.task_names().any(|known| *known == task) {
                return Err(HandlersError::Twice { task });
            }
            let handler = Arc::new(handler);
            let call = move |args: Payload, cx: Context<S>| {
                let handler = handler.clone();
                async move { handler.run(args, cx).await }
            };
            registry = registry.raw_with(task.as_str(), call, TaskOptions::new());
        }
        Ok(registry)
    }

    fn add_configured(
        &mut self,
        task: TaskName,
        config: TaskConfig,
        services: &mut Services,
    ) -> Result<(), HandlersError> {
        let TaskConfig { exec, exec_pool, http, timeout, .. } = config;
        let command = |words| {
            let command = match words {
                Words::Text(text) => CommandLine::split(&text),
                Words::List(argv) => CommandLine::new(argv),
            };
            checked(command?.with_env(config.env, config.pass_env).in_dir(config.dir))
        };
        let (how, classes) = match (exec, exec_pool, http) {
            (Some(words), None, None) => (How::Exec(command(words)?), config.exit_codes),
            (None, Some(words), None) => (How::Pool(Pool::new(command(words)?)), config.exit_codes),
            (None, None, Some(url)) => (How::Http(services.get(&url)?), config.statuses),
            _ => return Err(HandlersError::OneHandler { task }),
        };
        self.add(task, TaskHandler { how, timeout, classes })
    }

    fn add_listed(&mut self, list: TaskList, how: impl Fn() -> How) -> Result<(), HandlersError> {
        self.concurrency = match (self.concurrency, list.concurrency) {
            (Some(a), Some(b)) => Some((a + b).min(MAX_CONCURRENCY)),
            (a, b) => a.or(b),
        };
        for (task, timeout) in list.tasks {
            self.add(task, TaskHandler { how: how(), timeout, classes: Classes::default() })?;
        }
        Ok(())
    }

    fn add_how(&mut self, task: TaskName, how: How) -> Result<(), HandlersError> {
        let classes = Classes::default();
        self.add(task, TaskHandler { how, timeout: None, classes })
    }

    fn add(&mut self, task: TaskName, handler: TaskHandler) -> Result<(), HandlersError> {
        if self.tasks.contains_key(&task) {
            return Err(HandlersError::Twice { task });
        }
        self.tasks.insert(task, handler);
        Ok(())
    }
}

/// The services by URL, so that tasks of one service share it.
struct Services {
    by_url: BTreeMap<String, Arc<Service>>,
    keys: Option<Keys>,
    ca_file: Option<PathBuf>,
}

impl Services {
    fn new(file: &HandlersFile, keys: Option<Keys>) -> Result<Self, HandlersError> {
        let keys = match (keys, &file.keys_file) {
            (Some(keys), _) => Some(keys),
            (None, Some(path)) => Some(Keys::new(&read(path)?)?),
            (None, None) => None,
        };
        Ok(Self { by_url: BTreeMap::new(), keys, ca_file: file.ca_file.clone() })
    }

    fn get(&mut self, url: &str) -> Result<Arc<Service>, HandlersError> {
        if let Some(service) = self.by_url.get(url) {
            return Ok(service.clone());
        }
        let target: Target = url.parse()?;
        let tls = match (target.is_remote(), &self.keys) {
            (false, _) => Tls::default(),
            (true, Some(_)) => Tls::new(self.ca_file.as_deref()).map_err(HandlersError::Tls)?,
            (true, None) => return Err(TargetError::NoKeys(url.into()).into()),
        };
        let service = Arc::new(Service::new(target, self.keys.clone(), tls));
        self.by_url.insert(url.into(), service.clone());
        Ok(service)
    }
}

/// `TASK=COMMAND`, or only a command. A command with a variable before it (`A=1 cmd`) is no form of
/// either: no shell reads it.
fn split_task(text: &str) -> (Option<TaskName>, &str) {
    let split = text.split_once('=');
    match split.and_then(|(task, command)| Some((TaskName::new(task).ok()?, command))) {
        Some((task, command)) => (Some(task), command),
        None => (None, text),
    }
}

fn checked(command: CommandLine) -> Result<CommandLine, HandlersError> {
    command.check()?;
    Ok(command)
}

async fn list_of_service(service: &Service) -> Result<TaskList, HandlersError> {
    let place = service.target().to_string();
    let failed = |reason: String| HandlersError::List { place: place.clone(), reason };
    let mut is_told = false;
    let body = loop {
        match service.list().await {
            Ok(body) => break body,
            Err(err) if err.kind() == std::io::ErrorKind::Other => {
                return Err(failed(err.to_string()));
            }
            Err(err) if is_told => tracing::debug!("the handlers at {place}: {err}"),
            Err(err) => {
                tracing::warn!("waiting for the handlers at {place}: {err}");
                is_told = true;
            }
        }
        SystemClock.sleep_until(SystemClock.now() + ASK_AGAIN).await;
    };
    TaskList::parse(&body).map_err(|err| failed(err.to_string()))
}

async fn list_of_command(command: &CommandLine) -> Result<TaskList, HandlersError> {
    let failed = |reason: String| HandlersError::List { place: command.to_string(), reason };
    let mut describe = command.with_arg("--describe").command([]);
    describe.stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(DESCRIBE_TIMEOUT, describe.output()).await;
    let output = output.map_err(|_| failed("--describe took more than 30 s".to_owned()))?;
    let output = output.map_err(|err| failed(err.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last =
            said.lines().rfind(|line| !line.is_empty() && says_why(line)).unwrap_or_default();
        return Err(failed(format!("--describe ended with {}: {last}", output.status)));
    }
    let list = TaskList::parse(&output.stdout);
    list.map_err(|err: ListError| failed(format!("--describe: {err}")))
}

fn read_file(path: &Path) -> Result<HandlersFile, HandlersError> {
    let parse = |err| HandlersError::Parse { path: path.into(), err: Box::new(err) };
    HandlersFile::parse(&read(path)?).map_err(parse)
}

fn read(path: &Path) -> Result<String, HandlersError> {
    std::fs::read_to_string(path).map_err(|err| HandlersError::Read { path: path.into(), err })
}
