//! How many files, which sockets are too, this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to `least`, as far as the hard limit lets it. Gives the
/// limit as it is then.
pub fn raise_open_files(least: u64) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(soft) = current.filter(|&soft| soft < least) else {
        return current.unwrap_or(u64::MAX);
    };
    let raised = maximum.unwrap_or(u64::MAX).min(least);
    let limit = Rlimit {
        current: Some(raised),
        maximum,
    };
    if setrlimit(Resource::Nofile, limit).is_ok() {
        raised
    } else {
        soft
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_lowers_the_limit_and_never_passes_the_hard_one() {
        let before = raise_open_files(0);
        assert_eq!(raise_open_files(1), before);
        let raised = raise_open_files(before.saturating_add(1));
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        assert!(raised >= before && raised <= hard.max(before));
        assert_eq!(
            getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            raised
        );
    }
}
