//! [`Access`]: who sends a request, and what they may do.

use std::collections::BTreeSet;
use std::sync::Arc;

use naq_client::{BatchAction, BatchScope};
use naq_core::QueueName;

use crate::user::{Role, User};

/// A visitor whose request has passed the guards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Access {
    /// The login; `local` if the dashboard has no logins.
    pub(crate) who: String,
    role: Role,
    /// The queues to which the role applies; all if none is named.
    queues: Option<Arc<BTreeSet<QueueName>>>,
    /// Whether the visitor has a login to log out of.
    pub(crate) has_login: bool,
}

/// The queues that an action touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Touched {
    These(BTreeSet<QueueName>),
    /// Any queue, also one that comes later.
    All,
}

impl Access {
    /// The visitor of a dashboard without logins.
    pub(crate) fn local() -> Self {
        Self { who: "local".into(), role: Role::Admin, queues: None, has_login: false }
    }

    /// A visitor of a path that needs no login.
    pub(crate) fn stranger() -> Self {
        Self { who: String::new(), role: Role::View, ..Self::local() }
    }

    pub(crate) fn of(user: &User) -> Self {
        let queues = user.only_queues().cloned().map(Arc::new);
        Self { who: user.name().to_owned(), role: user.role(), queues, has_login: true }
    }

    /// Whether the visitor has a login to log out of.
    pub(crate) fn with_login(self, has_login: bool) -> Self {
        Self { has_login, ..self }
    }

    /// The same visitor, who may only look.
    pub(crate) fn read_only(self) -> Self {
        Self { role: Role::View, ..self }
    }

    /// Whether there may be something that the visitor may change.
    pub(crate) fn may_act(&self) -> bool {
        self.role >= Role::Operate && self.queues.as_ref().is_none_or(|queues| !queues.is_empty())
    }

    /// Whether the visitor may purge in some queue.
    pub(crate) fn may_purge(&self) -> bool {
        self.role >= Role::Admin && self.may_act()
    }

    /// Whether the visitor may do to the queues what needs this role.
    pub(crate) fn may(&self, needed: Role, touched: &Touched) -> bool {
        let has_queues = match (&self.queues, touched) {
            (None, _) => true,
            (Some(_), Touched::All) => false,
            (Some(own), Touched::These(queues)) => queues.is_subset(own),
        };
        self.role >= needed && has_queues
    }

    /// Whether the visitor may operate the queue.
    pub(crate) fn may_operate(&self, queue: &QueueName) -> bool {
        self.may(Role::Operate, &Touched::from(queue))
    }

    /// What the visitor may do, in words.
    pub(crate) fn words(&self) -> String {
        let role = self.role;
        match &self.queues {
            None => format!("the role {role}"),
            Some(queues) if queues.is_empty() => format!("the role {role} for no queue"),
            Some(queues) => {
                let names: Vec<_> = queues.iter().map(QueueName::as_str).collect();
                format!("the role {role} for {}", names.join(", "))
            }
        }
    }

    /// Equal for visitors who see the same buttons.
    pub(crate) fn view_key(&self) -> String {
        format!("{} {:?} ", self.role, self.queues)
    }
}

/// The role that a batch needs.
pub(crate) fn role_for(action: &BatchAction) -> Role {
    match action {
        BatchAction::PurgeDead => Role::Admin,
        _ => Role::Operate,
    }
}

impl From<&QueueName> for Touched {
    fn from(queue: &QueueName) -> Self {
        Self::These(BTreeSet::from([queue.clone()]))
    }
}

/// No queue at all counts as all queues: what is not known to be allowed is refused.
impl<'a> FromIterator<&'a QueueName> for Touched {
    fn from_iter<T: IntoIterator<Item = &'a QueueName>>(queues: T) -> Self {
        let queues: BTreeSet<_> = queues.into_iter().cloned().collect();
        if queues.is_empty() { Self::All } else { Self::These(queues) }
    }
}

impl From<&BatchScope> for Touched {
    fn from(scope: &BatchScope) -> Self {
        match scope {
            BatchScope::Letters(items) | BatchScope::Jobs(items) => {
                items.iter().map(|item| &item.job.queue).collect()
            }
            BatchScope::Dead(filter) => filter.queue.iter().collect(),
            BatchScope::Waiting(filter) => filter.queue.iter().collect(),
            BatchScope::Live(filter) => filter.queue.iter().collect(),
            _ => Self::All,
        }
    }
}
