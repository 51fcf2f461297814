//! The limit of open files, which must be large enough for the connections that the settings allow.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What one connection may have open: itself, a listener and a data connection of FTP, the file that is written and the one
/// that is read.
const PER_CONNECTION: u64 = 5;

/// What the rest of the server may have open: catalogue, decode children, listeners, files on their way.
const BESIDE: u64 = 500;

/// Raises this process's limit of open files as far as `connections` may need, or as far as the system lets it; warns when that
/// is too little. Systems that start services are careful with this limit, because old programs fail beyond 1,024; this one
/// does not.
pub(super) fn raise_limit(connections: usize) {
    let needed = needed(connections);
    let now = getrlimit(Resource::Nofile);
    let Some(raised) = raised(now, needed) else { return };
    let set = setrlimit(Resource::Nofile, raised);
    // Only the superuser may go beyond the hard limit; up to it, everybody may.
    let set = set.or_else(|_| setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum }));
    if let Err(error) = set {
        tracing::warn!("the limit of open files cannot be raised: {error}");
    }
    if let Some(limit) = getrlimit(Resource::Nofile).current.filter(|limit| *limit < needed) {
        tracing::warn!("{}", too_few(limit, connections));
    }
}

fn needed(connections: usize) -> u64 {
    (connections as u64).saturating_mul(PER_CONNECTION).saturating_add(BESIDE)
}

/// The limit to ask for, unless the one `now` is enough.
fn raised(now: Rlimit, needed: u64) -> Option<Rlimit> {
    let is_enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    (!is_enough(now.current)).then(|| Rlimit {
        current: Some(needed),
        maximum: if is_enough(now.maximum) { now.maximum } else { Some(needed) },
    })
}

fn too_few(limit: u64, connections: usize) -> String {
    format!(
        "this process may open {limit} files, and `limits.connections = {connections}` may need {}: beyond that, \
         connections and transfers fail; raise the limit (`LimitNOFILE=` of the service, `ulimit -n` in a shell) or lower \
         `limits.connections` to {}",
        needed(connections),
        limit.saturating_sub(BESIDE) / PER_CONNECTION
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_raised_only_where_it_is_too_small_and_the_hard_one_only_where_it_must() {
        let limit = |current, maximum| Rlimit { current, maximum };
        assert_eq!(raised(limit(None, None), 5_500), None);
        assert_eq!(raised(limit(Some(5_500), Some(5_500)), 5_500), None);
        assert_eq!(raised(limit(Some(1_024), Some(524_288)), 5_500), Some(limit(Some(5_500), Some(524_288))));
        assert_eq!(raised(limit(Some(1_024), None), 5_500), Some(limit(Some(5_500), None)));
        assert_eq!(raised(limit(Some(1_024), Some(4_096)), 5_500), Some(limit(Some(5_500), Some(5_500))));
    }

    #[test]
    fn what_is_too_little_is_said_with_what_would_do() {
        let said = too_few(1_024, 1_000);
        assert!(
            said.contains("may open 1024 files") && said.contains("may need 5500") && said.contains("to 104"),
            "{said}"
        );
    }
}
