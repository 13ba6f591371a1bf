//! Room for the store's files beside the connections: a flood of these must never be what a day's new file fails for.

use crate::front::ListenerSettings;

/// Files that the process may open besides connections: the store's (of each live day up to two, of each reader up to three), the register's,
/// the libraries'.
const OTHER_FILES: usize = 256;

/// Raises the process's limit of open files as far as it may itself, and lets the listeners have no more connections than fit under it.
pub(super) fn make_room(listeners: &mut [ListenerSettings]) {
    let Some(limit) = raise_limit() else { return };
    let connections: usize = listeners
        .iter()
        .map(|listener| listener.max_connections)
        .sum();
    let wanted = connections.saturating_add(OTHER_FILES);
    if wanted <= limit {
        return;
    }
    let most = connections_each(limit, listeners.len());
    for listener in listeners {
        listener.max_connections = listener.max_connections.min(most);
    }
    tracing::warn!(
        limit,
        wanted,
        connections_each = most,
        "the limit of open files (ulimit -n) is too low for limits.maximum_connections: listeners take fewer"
    );
}

/// Connections that each of so many listeners may have under a limit of open files.
fn connections_each(limit: usize, listeners: usize) -> usize {
    let others = OTHER_FILES.min(limit / 2);
    ((limit - others) / listeners.max(1)).max(1)
}

/// The limit of open files after it was raised; `None` where there is none.
fn raise_limit() -> Option<usize> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a live `rlimit`, which the call fills.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return None;
    }
    let raised = libc::rlimit {
        rlim_cur: limit.rlim_max,
        rlim_max: limit.rlim_max,
    };
    // SAFETY: the pointer is to a live `rlimit`, which the call reads.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } == 0 {
        limit = raised;
    }
    if limit.rlim_cur == libc::RLIM_INFINITY {
        return None;
    }
    Some(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    //! A failure means that connections leave no room for the store's files, or that a listener takes none at all.
    use super::*;

    #[test]
    fn the_listeners_share_what_the_other_files_leave() {
        assert_eq!(connections_each(1_024, 3), 256);
        assert_eq!(connections_each(1_048_576, 3), 349_440);
        assert_eq!(connections_each(100, 3), 16);
        assert_eq!(connections_each(0, 3), 1);
    }
}
