//! Independent work on several threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// What `work` makes of each item, in their order, on so many threads; `done` is called on this one
/// after each. The result does not depend on the number of threads.
pub fn each<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> R + Sync,
    done: &mut dyn FnMut(),
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let mut found: Vec<Option<R>> = items.iter().map(|_| None).collect();
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                let take = || next.fetch_add(1, Ordering::Relaxed);
                while let Some((i, item)) = Some(take()).and_then(|i| Some((i, items.get(i)?))) {
                    if sender.send((i, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (i, result) in receiver {
            found[i] = Some(result);
            done();
        }
    });
    found.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let items: Vec<u64> = (0..100).collect();
        let mut count = 0;
        for threads in [0, 1, 3, 200] {
            let squares = each(&items, threads, |i| i * i, &mut || count += 1);
            assert_eq!(squares, items.iter().map(|i| i * i).collect::<Vec<_>>());
        }
        assert_eq!(count, 400);
        assert!(each(&[0; 0], 2, |i: &i32| *i, &mut || ()).is_empty());
    }
}
