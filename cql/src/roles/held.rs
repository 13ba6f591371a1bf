//! What a role may do already, as the nodes list it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::session::Session;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::response::query_result::QueryResult;
use scylla::statement::unprepared::Statement;
use scylla::value::{CqlValue, Row};

use super::{Role, RoleError};
use crate::connect_error::ConnectError;
use crate::failure;
use crate::settings::CqlSettings;

/// A role of the cluster.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) is_superuser: bool,
    pub(super) may_sign_in: bool,
}

/// A right as the nodes list it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Held {
    /// `<table keyspace.name>`, or another of their forms.
    pub(super) resource: String,
    pub(super) permission: String,
}

impl Held {
    /// The resource as a statement names it; none if its form is not known here.
    pub(super) fn resource_of_statement(&self) -> Option<String> {
        let listed = self.resource.strip_prefix('<')?.strip_suffix('>')?;
        let words: Vec<&str> = listed.split(' ').collect();
        let quoted = |name: &str| match name.contains('"') {
            true => None,
            false => Some(format!("\"{name}\"")),
        };
        Some(match *words.as_slice() {
            ["all", "keyspaces"] => "ALL KEYSPACES".to_owned(),
            ["all", "roles"] => "ALL ROLES".to_owned(),
            ["all", "functions"] => "ALL FUNCTIONS".to_owned(),
            ["all", "mbeans"] => "ALL MBEANS".to_owned(),
            ["all", "tables", "in", name] => format!("ALL TABLES IN KEYSPACE {}", quoted(name)?),
            ["all", "functions", "in", name] => {
                format!("ALL FUNCTIONS IN KEYSPACE {}", quoted(name)?)
            }
            ["keyspace", name] => format!("KEYSPACE {}", quoted(name)?),
            ["role", name] => format!("ROLE {}", quoted(name)?),
            ["table", name] => {
                let (keyspace, table) = name.split_once('.')?;
                format!("TABLE {}.{}", quoted(keyspace)?, quoted(table)?)
            }
            _ => return None,
        })
    }
}

/// How often a statement is sent at most, and how long is waited before the second time; then twice as long, and so on. Together that is more than the
/// five seconds for which Cassandra takes no second change of a role's password, and says that it is overloaded.
const TRIES: u32 = 7;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Sends a statement about roles, which may be repeated: that of a node that was too busy is. What a node says against it is not told: it may quote
/// the statement, and with it a password.
pub(super) async fn send(
    session: &Session,
    what: &str,
    text: String,
) -> Result<QueryResult, RoleError> {
    let mut statement = Statement::new(text);
    statement.set_retry_policy(Some(Arc::new(FallthroughRetryPolicy::new())));
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match session.query_unpaged(statement.clone(), ()).await {
            Err(error) if is_passing(&error) => tokio::time::sleep(pause).await,
            other => return other.map_err(|error| refused(what, &error)),
        }
        pause *= 2;
    }
    let last = session.query_unpaged(statement, ()).await;
    last.map_err(|error| refused(what, &error))
}

/// Whether the nodes were too busy.
fn is_passing(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::RequestTimeout(_) => true,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, _)) => matches!(
            error,
            DbError::Overloaded
                | DbError::Unavailable { .. }
                | DbError::ReadTimeout { .. }
                | DbError::WriteTimeout { .. }
        ),
        _ => false,
    }
}

fn refused(what: &str, error: &ExecutionError) -> RoleError {
    RoleError::Refused {
        what: what.to_owned(),
        reason: reason(error),
    }
}

fn reason(error: &ExecutionError) -> &'static str {
    match error {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(
            DbError::Invalid | DbError::ServerError,
            _,
        )) => {
            "the nodes do not take it: do they check what a role may do (docs/administration.md)?"
        }
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Overloaded, _)) => {
            "a node is too busy, or wants some seconds between two changes of a role's password"
        }
        error => failure::reason(error),
    }
}

/// The columns of a list, by their names: each row with what stands in them, empty where nothing does.
fn columns<const N: usize>(
    result: QueryResult,
    names: [&str; N],
) -> Result<Vec<[Option<CqlValue>; N]>, RoleError> {
    let unreadable = || RoleError::Refused {
        what: "reading the roles".to_owned(),
        reason: "the nodes list them in another form than is known here",
    };
    // Cassandra answers an empty list with nothing at all.
    if !result.is_rows() {
        return Ok(Vec::new());
    }
    let rows = result.into_rows_result().map_err(|_| unreadable())?;
    let specs = rows.column_specs();
    let mut places = [0; N];
    for (place, name) in places.iter_mut().zip(names) {
        let found = specs.iter().position(|column| column.name() == name);
        *place = found.ok_or_else(unreadable)?;
    }
    let rows = rows.rows::<Row>().map_err(|_| unreadable())?;
    rows.map(|row| {
        let row = row.map_err(|_| unreadable())?;
        Ok(places.map(|place| row.columns.get(place).cloned().flatten()))
    })
    .collect()
}

fn text(value: Option<&CqlValue>) -> String {
    value
        .and_then(CqlValue::as_text)
        .cloned()
        .unwrap_or_default()
}

fn is_true(value: Option<&CqlValue>) -> bool {
    value.and_then(CqlValue::as_boolean) == Some(true)
}

/// The roles of the cluster.
pub(super) async fn known(session: &Session) -> Result<Vec<Known>, RoleError> {
    list_roles(session, "LIST ROLES".to_owned()).await
}

/// A role, and those that were granted to it; with those that were granted to these in turn, if `inherited` says so.
pub(super) async fn granted(
    session: &Session,
    name: &str,
    inherited: bool,
) -> Result<Vec<Known>, RoleError> {
    let end = if inherited { "" } else { " NORECURSIVE" };
    list_roles(session, format!("LIST ROLES OF \"{name}\"{end}")).await
}

async fn list_roles(session: &Session, statement: String) -> Result<Vec<Known>, RoleError> {
    let listed = send(session, "listing the roles", statement).await?;
    let rows = columns(listed, ["role", "super", "login"])?;
    let known = rows.iter().map(|[name, is_superuser, may_sign_in]| Known {
        name: text(name.as_ref()),
        is_superuser: is_true(is_superuser.as_ref()),
        may_sign_in: is_true(may_sign_in.as_ref()),
    });
    Ok(known.collect())
}

/// What a role may do; with what roles that were granted to it may do, if `inherited` says so.
pub(super) async fn rights(
    session: &Session,
    name: &str,
    inherited: bool,
) -> Result<BTreeSet<Held>, RoleError> {
    let statement = format!("LIST ALL PERMISSIONS OF \"{name}\"");
    let listed = send(session, "listing what a role may do", statement).await?;
    let rows = columns(listed, ["role", "resource", "permission"])?;
    let held = rows
        .iter()
        .filter(|[role, ..]| inherited || text(role.as_ref()) == name)
        .map(|[_, resource, permission]| Held {
            resource: text(resource.as_ref()),
            permission: text(permission.as_ref()),
        });
    Ok(held.collect())
}

/// Whether the role of the settings may do what `role` must be able to, as far as the nodes say: those that check no rights say nothing.
///
/// # Errors
/// [`ConnectError::Rights`] with the first right that is missing.
pub(crate) async fn check_own(
    session: &Session,
    settings: &CqlSettings,
    role: Role,
) -> Result<(), ConnectError> {
    let name = settings.role.as_str();
    if name.is_empty() || name.contains('"') {
        return Ok(());
    }
    let (Ok(own), Ok(held)) =
        futures_util::join!(granted(session, name, true), rights(session, name, true))
    else {
        return Ok(());
    };
    if own.iter().any(|role| role.is_superuser) {
        return Ok(());
    }
    let prefix = &settings.keyspace_prefix;
    let lacks = role.rights().into_iter().find(|right| {
        let resource = right.resource.listed(prefix);
        let keyspace = resource
            .strip_prefix("<table ")
            .and_then(|table| table.split_once('.'))
            .map(|(keyspace, _)| keyspace.to_owned())
            .unwrap_or_default();
        // A right to all tables of a keyspace, or to all keyspaces, is one to each table.
        let covering = [
            resource,
            format!("<all tables in {keyspace}>"),
            format!("<keyspace {keyspace}>"),
            "<all keyspaces>".to_owned(),
        ];
        let permission = right.permission.to_string();
        !held
            .iter()
            .any(|held| held.permission == permission && covering.contains(&held.resource))
    });
    match lacks {
        None => Ok(()),
        Some(right) => Err(ConnectError::Rights {
            role: name.to_owned(),
            permission: right.permission.to_string(),
            resource: right.resource.listed(prefix),
        }),
    }
}
