//! Work that is spread over threads and comes back in its order.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope};

/// How many items may wait before a thread, and how many results after it.
const WAITING: usize = 2;

/// Takes items in one thread, `tc-read`, and does the work on each in one of `workers` threads,
/// `tc-work-0` and so on. The results come in the order of the items, and no more items are taken
/// ahead than a few a worker. When the results are dropped, or the items end, the threads end too.
///
/// Should the work panic, the results end early: they are to be trusted once the scope has ended,
/// which hands the panic on.
///
/// # Errors
/// When a thread cannot be started.
pub fn in_order<'scope, T, R>(
    scope: &'scope Scope<'scope, '_>,
    workers: usize,
    items: impl Iterator<Item = T> + Send + 'scope,
    work: impl Fn(T) -> R + Clone + Send + 'scope,
) -> io::Result<InOrder<R>>
where
    T: Send + 'scope,
    R: Send + 'scope,
{
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for at in 0..workers.max(1) {
        let (input, items) = sync_channel::<T>(WAITING);
        let (results, output) = sync_channel(WAITING);
        let work = work.clone();
        Builder::new()
            .name(format!("tc-work-{at}"))
            .spawn_scoped(scope, move || {
                let _ = items.iter().try_for_each(|item| results.send(work(item)));
            })?;
        inputs.push(input);
        outputs.push(output);
    }
    Builder::new()
        .name("tc-read".into())
        .spawn_scoped(scope, move || deal(items, &inputs))?;
    Ok(InOrder { outputs, next: 0 })
}

/// Gives each worker an item in turn, until the items end or nobody wants the results.
fn deal<T>(items: impl Iterator<Item = T>, workers: &[SyncSender<T>]) {
    for (item, worker) in items.zip(workers.iter().cycle()) {
        if worker.send(item).is_err() {
            return;
        }
    }
}

/// The results of [`in_order`].
pub struct InOrder<R> {
    /// Of each worker: as the items are dealt in turn, so are the results.
    outputs: Vec<Receiver<R>>,
    next: usize,
}

impl<R> Iterator for InOrder<R> {
    type Item = R;

    fn next(&mut self) -> Option<R> {
        let result = self.outputs[self.next].recv().ok()?;
        self.next = (self.next + 1) % self.outputs.len();
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::scope;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        for workers in [0, 1, 2, 3, 8] {
            for count in [0, 1, 2, 100] {
                let results: Vec<u64> = scope(|scope| {
                    // The later ones are done sooner.
                    let work = |item: u64| {
                        (0..(100 - item) * 50).for_each(|_| std::hint::spin_loop());
                        item * 2
                    };
                    in_order(scope, workers, 0..count, work).unwrap().collect()
                });
                assert_eq!(results, (0..count).map(|item| item * 2).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn no_more_is_taken_than_a_few_a_worker() {
        let taken = AtomicUsize::new(0);
        let most = scope(|scope| {
            let items = (0..10_000).inspect(|_| {
                taken.fetch_add(1, Ordering::Relaxed);
            });
            let results = in_order(scope, 2, items, |item: usize| item).unwrap();
            let ahead = |result| taken.load(Ordering::Relaxed) - result;
            results.map(ahead).max()
        });
        // Those waiting before and after each worker, and those in the hands of the threads.
        assert!(most.unwrap() <= 2 * (2 * WAITING + 1) + 2, "{most:?}");
    }

    #[test]
    fn dropping_the_results_ends_the_threads() {
        scope(|scope| {
            let mut results = in_order(scope, 2, 0.., |item: u64| item).unwrap();
            assert_eq!(results.next(), Some(0));
        });
    }

    #[test]
    fn a_panic_is_handed_on() {
        let result = std::panic::catch_unwind(|| {
            scope(|scope| {
                let work = |item: u64| assert!(item < 10, "this test panics on purpose");
                in_order(scope, 2, 0..100, work).unwrap().count()
            })
        });
        assert!(result.is_err());
    }
}
