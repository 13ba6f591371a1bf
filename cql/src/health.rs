//! How this server and the cluster go together: what `/health/ready` tells of a store over it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use scylla::cluster::Node;
use sistema_ts_model::{Condition, ConditionReport};
use sistema_ts_store::Readiness;
use sistema_ts_store::keys::{KeyError, oldest_live_day};

use crate::core::Core;
use crate::failure::Failure;
use crate::migrations::MigrationError;
use crate::statement::Statement;

/// So long may the cluster take for what is read of it here, and so long for the write after: together less than whoever asks for readiness waits.
const READ_PATIENCE: Duration = Duration::from_millis(2_500);
const WRITE_PATIENCE: Duration = Duration::from_millis(2_300);
/// So often is asked what a node may have failed to answer that was about to go away.
const MOST_TRIES: usize = 2;

/// Looks at the ring of day keys, the nodes and their clocks, the schema, and whether a quorum decides.
pub(crate) async fn readiness(core: &Core) -> Readiness {
    let mut readiness = Readiness::default();
    if core.places.is_closed() {
        readiness.add(Condition::StoreNotWriting, "it is shutting down");
        return readiness;
    }
    let is_in_place = core.keys.is_in_place();
    if !is_in_place {
        readiness.add(Condition::KeysMissing, core.keys.out_of_place());
    }
    let reading = tokio::time::timeout(READ_PATIENCE, look_at_rows(core));
    let (nodes, rows) = tokio::join!(look_at_nodes(core), reading);
    readiness.conditions.extend(nodes.reports);
    let rows = rows.unwrap_or_else(|_| Err(too_late()));
    let is_same = rows.is_ok();
    readiness.conditions.extend(rows.unwrap_or_else(Some));
    // What is written here is the word of this server's clock and ring, and stays: so it waits until both were found to be right.
    if is_in_place && is_same && nodes.confirm_the_clock {
        let brought = tokio::time::timeout(WRITE_PATIENCE, bring_keys(core)).await;
        let brought = brought.map(|brought| brought.map_err(of_failure));
        let brought = brought.unwrap_or_else(|_| Err(too_late()));
        readiness.conditions.extend(brought.err());
    }
    readiness
}

fn too_late() -> ConditionReport {
    let text = "the cluster does not answer in time";
    ConditionReport::new(Condition::StoreNotWriting, text)
}

/// The schema, and the keys of the days from which codes live, which are those of all servers or none. Fails by what stops this server.
async fn look_at_rows(core: &Core) -> Result<Option<ConditionReport>, ConditionReport> {
    let mut checked = core.cluster.check_schema(&core.options.settings).await;
    if let Err(MigrationError::Statement(_)) = checked {
        checked = core.cluster.check_schema(&core.options.settings).await;
    }
    let told = match checked {
        Ok(()) => None,
        Err(error) => {
            let condition = match error {
                // Migrations only add: what this program needs is there still.
                MigrationError::Newer { .. } => Condition::SchemaNewer,
                MigrationError::Older { .. } | MigrationError::Differs { .. } => {
                    Condition::SchemaDiffers
                }
                _ => Condition::StoreNotWriting,
            };
            let text = match error {
                // Without the nodes' own words.
                MigrationError::Statement(_) => {
                    "the cluster does not tell its schema's version".to_owned()
                }
                error => error.to_string(),
            };
            let report = ConditionReport::new(condition, text);
            if condition != Condition::SchemaNewer {
                return Err(report);
            }
            Some(report)
        }
    };
    compare_keys(core).await.map_err(of_failure)?;
    Ok(told)
}

fn of_failure(failure: Failure) -> ConditionReport {
    let condition = match failure {
        Failure::Key(_) => Condition::KeysMissing,
        _ => Condition::StoreNotWriting,
    };
    ConditionReport::new(condition, failure.to_string())
}

/// Compares the ring with what the servers have brought of theirs, once a day: what was brought does not change any more.
async fn compare_keys(core: &Core) -> Result<(), Failure> {
    let now = core.now();
    let today = now.rome_day();
    core.keys.day(today)?;
    let compared_on = core.keys_compared_on.load(Ordering::Acquire);
    if compared_on == today.to_epoch_days() {
        return Ok(());
    }
    let days: Vec<(i32, Vec<u8>)> = core.cluster.read(Statement::ReadDays, ()).await?;
    for (day, check_value) in days {
        let day = crate::test_row::date_of(day);
        if day < oldest_live_day(now) || day > today {
            continue;
        }
        if core.keys.day(day)?.check_value().as_slice() != check_value {
            return Err(KeyError::Differs { day }.into());
        }
    }
    core.keys_compared_on
        .store(today.to_epoch_days(), Ordering::Release);
    Ok(())
}

/// Brings the check value of the present day's key, or compares it, by a conditional write: only a quorum answers it. If the ring is renewed tomorrow that
/// day's is brought as well, so that a server which lacks the renewal cannot be the first to bring its own.
async fn bring_keys(core: &Core) -> Result<(), Failure> {
    let today = core.now().rome_day();
    let tomorrow = today.succ_opt();
    let renewals = core.keys.renewals();
    let renewed = tomorrow.filter(|tomorrow| renewals.contains(tomorrow));
    for day in [today].into_iter().chain(renewed) {
        let key = core.keys.day(day)?;
        let mut brought = Ok(());
        for _ in 0..MOST_TRIES {
            // The same value, where there is none: it may be sent again.
            brought = core.bring_check_value(&key).await;
            if !matches!(brought, Err(Failure::Cluster { .. })) {
                break;
            }
        }
        brought?;
    }
    Ok(())
}

/// What the nodes and their clocks have shown.
struct NodesSeen {
    reports: Vec<ConditionReport>,
    /// Whether most of the nodes show the time that this server's clock does.
    confirm_the_clock: bool,
}

/// Asks every node for its time.
async fn look_at_nodes(core: &Core) -> NodesSeen {
    let nodes = core.cluster.nodes(&core.options.settings);
    let known = nodes.len();
    let asked = nodes.into_iter().map(|node| look_at_node(core, node));
    let mut reports = Vec::new();
    let mut differences = Vec::new();
    for (name, told) in futures_util::future::join_all(asked).await {
        match told {
            Ok(ahead) => differences.push((name, ahead)),
            Err(failure) => reports.push(ConditionReport::of(
                Condition::NodeUnreachable,
                name,
                failure.to_string(),
            )),
        }
    }
    let permitted = core.options.clock_error_millis / 2;
    let near = differences
        .iter()
        .filter(|(_, ahead)| ahead.abs() <= permitted);
    let confirm_the_clock = near.count() * 2 > known;
    reports.extend(judge_clocks(&differences, known, permitted));
    NodesSeen {
        reports,
        confirm_the_clock,
    }
}

/// A node's name, and by how many milliseconds at least this server's clock is ahead of its.
async fn look_at_node(core: &Core, node: Arc<Node>) -> (String, Result<i64, Failure>) {
    let name = node.address.to_string();
    let asked_at = core.clock.now().millis();
    let told = core.cluster.clock_of(node).await;
    let answered_at = core.clock.now().millis();
    (name, told.map(|node| ahead_of(node, asked_at, answered_at)))
}

/// By how much a clock is ahead of a node's at least, if the node looked at its own at some moment between question and answer. Below zero: behind.
fn ahead_of(node: i64, asked_at: i64, answered_at: i64) -> i64 {
    if node < asked_at {
        asked_at - node
    } else {
        (answered_at - node).min(0)
    }
}

/// Two servers that are each within `permitted` milliseconds of one node differ by twice as much at most. If half of all `nodes` or more are farther
/// away it is this server's clock that is wrong; if fewer are, it is theirs. A node that does not answer speaks for nobody.
fn judge_clocks(
    differences: &[(String, i64)],
    nodes: usize,
    permitted: i64,
) -> Vec<ConditionReport> {
    let far: Vec<_> = differences
        .iter()
        .filter(|(_, ahead)| ahead.abs() > permitted)
        .collect();
    let say = |ahead: i64| {
        let way = if ahead > 0 { "ahead of" } else { "behind" };
        format!("{} ms {way}", ahead.abs())
    };
    if far.len() * 2 < nodes {
        let of_node = |(name, ahead): &&(String, i64)| {
            let text = format!("its clock is {} this server's", say(-ahead));
            ConditionReport::of(Condition::NodeClockDiffers, name, text)
        };
        return far.iter().map(of_node).collect();
    }
    let Some((name, ahead)) = far.iter().max_by_key(|(_, ahead)| ahead.abs()) else {
        return Vec::new();
    };
    let text = format!(
        "the clock is {} that of the node {name}, and {permitted} ms are permitted",
        say(*ahead)
    );
    vec![ConditionReport::new(Condition::ClockDiffers, text)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(ahead: &[i64]) -> Vec<(Condition, Option<String>)> {
        judged_of(ahead.len(), ahead)
    }

    fn judged_of(nodes: usize, ahead: &[i64]) -> Vec<(Condition, Option<String>)> {
        let differences: Vec<_> = ahead
            .iter()
            .enumerate()
            .map(|(number, ahead)| (format!("node {number}"), *ahead))
            .collect();
        judge_clocks(&differences, nodes, 500)
            .into_iter()
            .map(|report| (report.condition, report.subject))
            .collect()
    }

    #[test]
    fn a_node_that_looked_at_its_clock_between_question_and_answer_differs_by_nothing() {
        assert_eq!(ahead_of(1_000, 1_000, 1_040), 0);
        assert_eq!(ahead_of(1_040, 1_000, 1_040), 0);
        assert_eq!(ahead_of(999, 1_000, 1_040), 1);
        assert_eq!(ahead_of(1_041, 1_000, 1_040), -1);
    }

    #[test]
    fn a_clock_that_differs_from_half_of_the_nodes_is_wrong_itself() {
        let own = vec![(Condition::ClockDiffers, None)];
        assert_eq!(judged(&[501]), own);
        assert_eq!(judged(&[-501]), own);
        assert_eq!(judged(&[501, 0]), own);
        assert_eq!(judged(&[501, 502, 0]), own);
    }

    #[test]
    fn a_node_that_differs_from_this_server_and_from_most_nodes_is_wrong_itself() {
        let node = (Condition::NodeClockDiffers, Some("node 1".to_owned()));
        assert_eq!(judged(&[0, -501, 500]), vec![node]);
    }

    #[test]
    fn one_node_away_and_one_that_is_wrong_stop_nobody_but_two_that_differ_do() {
        let node = (Condition::NodeClockDiffers, Some("node 1".to_owned()));
        assert_eq!(judged_of(3, &[0, -600]), vec![node]);
        let own = vec![(Condition::ClockDiffers, None)];
        assert_eq!(judged_of(3, &[600, 600]), own);
    }

    #[test]
    fn clocks_within_what_is_permitted_are_not_told() {
        assert_eq!(judged(&[]), Vec::new());
        assert_eq!(judged(&[500]), Vec::new());
        assert_eq!(judged(&[-500, 500, 0]), Vec::new());
    }
}
