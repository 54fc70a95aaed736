//! Waking a task for a connection that the task drives itself.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

/// Wakes the task that waits for a connection, and nobody while the task is busy with it.
///
/// hyper wakes a connection's driver also from within the task that drives it: whenever a piece of a body is taken. With the
/// task's own waker, the task would run once more for nothing with every body. And an unused connection that is closed from the
/// other side would wake the task that used it last.
#[derive(Debug, Default)]
pub(crate) struct Bell(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    task: Option<Waker>,
    /// The task is to be woken. It has not been since it began to wait.
    waits: bool,
    /// How often it rang while no task waited.
    rings: usize,
}

impl Bell {
    /// Polls what has this bell for its waker. While that is pending the task waits: it is woken when the bell rings, and at
    /// once if it rang during the poll.
    pub(crate) fn listen<T>(&self, cx: &Context<'_>, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let mut state = self.lock();
        (state.waits, state.rings) = (false, 0);
        drop(state);
        let ready = poll();
        if ready.is_pending() {
            let mut state = self.lock();
            state.waits = state.rings == 0;
            if !state.waits {
                drop(state);
                cx.waker().wake_by_ref();
            } else if !state.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
                let earlier = state.task.replace(cx.waker().clone());
                drop(state);
                drop(earlier);
            }
        }
        ready
    }

    /// How often it rang during the poll so far.
    pub(crate) fn rings(&self) -> usize {
        self.lock().rings
    }

    /// Takes the one ring back that came after the first `rings`. Where there were more, somebody else rang, too, and they stand.
    pub(crate) fn hush_after(&self, rings: usize) {
        let mut state = self.lock();
        if state.rings == rings + 1 {
            state.rings = rings;
        }
    }

    /// Lets go of the task, which ends or does other things.
    pub(crate) fn leave(&self) {
        let mut state = self.lock();
        state.waits = false;
        let task = state.task.take();
        drop(state);
        drop(task);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.lock();
        if !std::mem::take(&mut state.waits) {
            state.rings += 1;
            return;
        }
        let task = state.task.clone();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    /// A bell, its rope, and a task that counts how often it is woken.
    fn bell() -> (Arc<Bell>, Waker, Arc<Count>, Waker) {
        let (bell, count) = (Arc::<Bell>::default(), Arc::<Count>::default());
        (bell.clone(), bell.into(), count.clone(), count.into())
    }

    #[test]
    fn it_wakes_who_waits_once() {
        let (bell, rope, count, task) = bell();
        let cx = Context::from_waker(&task);
        rope.wake_by_ref();
        assert_eq!(count.0.load(SeqCst), 0, "nobody waits");
        for round in 1..=3 {
            assert_eq!(bell.listen(&cx, || Poll::<()>::Pending), Poll::Pending);
            rope.wake_by_ref();
            rope.wake_by_ref();
            assert_eq!(count.0.load(SeqCst), round);
        }
        assert_eq!(bell.listen(&cx, || Poll::Ready(7)), Poll::Ready(7));
        rope.wake_by_ref();
        assert_eq!(count.0.load(SeqCst), 3, "it has what it waited for");
    }

    #[test]
    fn what_it_rang_for_meanwhile_is_looked_at_again_unless_hushed() {
        let (bell, rope, count, task) = bell();
        let cx = Context::from_waker(&task);
        let ring = || {
            rope.wake_by_ref();
            Poll::<()>::Pending
        };
        assert_eq!(bell.listen(&cx, ring), Poll::Pending);
        assert_eq!(count.0.load(SeqCst), 1, "it rang during the poll");
        let hushed = || {
            rope.wake_by_ref();
            bell.hush_after(bell.rings() - 1);
            Poll::<()>::Pending
        };
        assert_eq!(bell.listen(&cx, hushed), Poll::Pending);
        assert_eq!(count.0.load(SeqCst), 1);
        let twice = || {
            let rings = bell.rings();
            rope.wake_by_ref();
            rope.wake_by_ref();
            bell.hush_after(rings);
            Poll::<()>::Pending
        };
        assert_eq!(bell.listen(&cx, twice), Poll::Pending);
        assert_eq!(count.0.load(SeqCst), 2, "one of them may be another's");
        assert_eq!(bell.listen(&cx, hushed), Poll::Pending);
        rope.wake_by_ref();
        assert_eq!(count.0.load(SeqCst), 3, "it waits all the same");
    }

    #[test]
    fn it_wakes_the_task_that_waits_now_and_none_that_left() {
        let (bell, rope, first, first_task) = bell();
        let second = Arc::<Count>::default();
        let second_task = Waker::from(second.clone());
        for task in [&first_task, &second_task] {
            assert_eq!(bell.listen(&Context::from_waker(task), || Poll::<()>::Pending), Poll::Pending);
        }
        rope.wake_by_ref();
        assert_eq!((first.0.load(SeqCst), second.0.load(SeqCst)), (0, 1));
        assert_eq!(bell.listen(&Context::from_waker(&first_task), || Poll::<()>::Pending), Poll::Pending);
        bell.leave();
        rope.wake_by_ref();
        assert_eq!((first.0.load(SeqCst), second.0.load(SeqCst)), (0, 1));
    }
}
