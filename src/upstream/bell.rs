//! Waking a task for a connection that the task drives itself.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicUsize,
            Ordering::{AcqRel, Acquire},
        },
    },
    task::{Context, Poll, Wake, Waker},
};

/// Wakes the task that waits for a connection, and nobody while the task is busy with it.
///
/// hyper wakes a connection's driver also from within the task that drives it: whenever a piece of a body is taken. With the
/// task's own waker, the task would run once more for nothing with every body. And an unused connection that is closed from the
/// other side would wake the task that used it last.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    /// [`WAITS`], or how often it rang while no task waited.
    rings: AtomicUsize,
    /// Whom to wake. It is only replaced while nobody waits.
    task: Mutex<Option<Waker>>,
}

/// The task is to be woken. It has not been since it began to wait.
const WAITS: usize = usize::MAX / 2;

impl Bell {
    /// How often it rang during the poll so far.
    pub(crate) fn rings(&self) -> usize {
        self.rings.load(Acquire)
    }

    /// Takes the one ring back that came after the first `rings`. Where there were more, somebody else rang, too, and they stand.
    pub(crate) fn hush_after(&self, rings: usize) {
        let _ = self.rings.compare_exchange(rings + 1, rings, AcqRel, Acquire);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let ring = |rings| if rings == WAITS { 0 } else { rings + 1 };
        if self.rings.fetch_update(AcqRel, Acquire, |rings| Some(ring(rings))) == Ok(WAITS)
            && let Some(task) = &*self.lock()
        {
            task.wake_by_ref();
        }
    }
}

/// Who is woken by a bell: whoever drives the connection has it.
#[derive(Debug)]
pub(crate) struct Listener {
    bell: Arc<Bell>,
    /// The bell as a waker, for what is polled.
    rope: Waker,
    /// The same as the bell has.
    task: Option<Waker>,
}

impl Listener {
    pub(crate) fn new(bell: Arc<Bell>) -> Self {
        let rope = Waker::from(Arc::clone(&bell));
        Self { bell, rope, task: None }
    }

    /// Polls, with the bell for a waker. While that is pending the task waits: it is woken when the bell rings, and at once if it
    /// rang during the poll.
    pub(crate) fn listen<T>(&mut self, cx: &Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        // Whatever it rang for until now, the poll sees.
        self.bell.rings.swap(0, AcqRel);
        let ready = poll(&mut Context::from_waker(&self.rope));
        if ready.is_pending() {
            if !self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
                self.wake(Some(cx.waker().clone()));
            }
            if self.bell.rings.compare_exchange(0, WAITS, AcqRel, Acquire).is_err() {
                cx.waker().wake_by_ref();
            }
        }
        ready
    }

    /// Wakes nobody until somebody listens again. The waker of the last task stays, as it is mostly that of the next one, too.
    pub(crate) fn leave(&self) {
        self.bell.rings.swap(0, AcqRel);
    }

    fn wake(&mut self, task: Option<Waker>) {
        self.task.clone_from(&task);
        let earlier = std::mem::replace(&mut *self.bell.lock(), task);
        // Not under the lock: it may be the last of its task, which is dropped with all that it has.
        drop(earlier);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.leave();
        self.wake(None);
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

    /// A bell with who listens to it, its rope, and a task that counts how often it is woken.
    fn bell() -> (Listener, Waker, Arc<Count>, Waker) {
        let (bell, count) = (Arc::<Bell>::default(), Arc::<Count>::default());
        (Listener::new(bell.clone()), bell.into(), count.clone(), count.into())
    }

    #[test]
    fn it_wakes_who_waits_once() {
        let (mut listener, rope, count, task) = bell();
        let cx = Context::from_waker(&task);
        rope.wake_by_ref();
        assert_eq!(count.0.load(SeqCst), 0, "nobody waits");
        for round in 1..=3 {
            assert_eq!(listener.listen(&cx, |_| Poll::<()>::Pending), Poll::Pending);
            rope.wake_by_ref();
            rope.wake_by_ref();
            assert_eq!(count.0.load(SeqCst), round);
        }
        assert_eq!(listener.listen(&cx, |_| Poll::Ready(7)), Poll::Ready(7));
        rope.wake_by_ref();
        assert_eq!(count.0.load(SeqCst), 3, "it has what it waited for");
    }

    #[test]
    fn what_it_rang_for_meanwhile_is_looked_at_again_unless_hushed() {
        let (mut listener, rope, count, task) = bell();
        let bell = listener.bell.clone();
        let cx = Context::from_waker(&task);
        let ring = |_: &mut Context<'_>| {
            rope.wake_by_ref();
            Poll::<()>::Pending
        };
        assert_eq!(listener.listen(&cx, ring), Poll::Pending);
        assert_eq!(count.0.load(SeqCst), 1, "it rang during the poll");
        let hushed = |_: &mut Context<'_>| {
            rope.wake_by_ref();
            bell.hush_after(bell.rings() - 1);
            Poll::<()>::Pending
        };
        assert_eq!(listener.listen(&cx, hushed), Poll::Pending);
        assert_eq!(count.0.load(SeqCst), 1);
        let twice = |_: &mut Context<'_>| {
            let rings = bell.rings();
            rope.wake_by_ref();
            rope.wake_by_ref();
            bell.hush_after(rings);
            Poll::<()>::Pending
        };
        assert_eq!(listener.listen(&cx, twice), Poll::Pending);
        assert_eq!(count.0.load(SeqCst), 2, "one of them may be another's");
        assert_eq!(listener.listen(&cx, hushed), Poll::Pending);
        rope.wake_by_ref();
        assert_eq!(count.0.load(SeqCst), 3, "it waits all the same");
    }

    #[test]
    fn it_wakes_the_task_that_waits_now_and_none_that_left() {
        let (mut listener, rope, first, first_task) = bell();
        let second = Arc::<Count>::default();
        let second_task = Waker::from(second.clone());
        for task in [&first_task, &second_task] {
            assert_eq!(listener.listen(&Context::from_waker(task), |_| Poll::<()>::Pending), Poll::Pending);
        }
        rope.wake_by_ref();
        assert_eq!((first.0.load(SeqCst), second.0.load(SeqCst)), (0, 1));
        assert_eq!(listener.listen(&Context::from_waker(&first_task), |_| Poll::<()>::Pending), Poll::Pending);
        listener.leave();
        rope.wake_by_ref();
        assert_eq!((first.0.load(SeqCst), second.0.load(SeqCst)), (0, 1));
    }
}
