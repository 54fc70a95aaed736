//! A future that is carried to its end whoever drops it.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};
use tokio::task::spawn_local;

/// How much memory of futures that have ended is kept for others.
const SPARE: usize = 64;

/// Memory for a future, which it leaves to the next one.
type Slot<F> = Pin<Box<Option<F>>>;

/// Memory of futures that have ended. They are several kilobytes, and to get and free that anew for each request costs more than
/// the copy of the future into it.
pub(super) struct Slots<F>(RefCell<Vec<Slot<F>>>);

impl<F> Default for Slots<F> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<F> Slots<F> {
    fn put(&self, future: F) -> Slot<F> {
        match self.0.borrow_mut().pop() {
            Some(mut slot) => {
                slot.as_mut().set(Some(future));
                slot
            }
            None => Box::pin(Some(future)),
        }
    }

    /// Takes back the memory of a future that is dropped here.
    fn take_back(&self, mut slot: Slot<F>) {
        slot.as_mut().set(None);
        let mut spare = self.0.borrow_mut();
        if spare.len() < SPARE {
            spare.push(slot);
        }
    }
}

/// A future that goes on in a task of its own when it is dropped unfinished, on its worker's thread.
///
/// hyper drops an HTTP/1.1 request's future with its connection, which ends when a write fails: whoever sends a request and resets the
/// connection chooses when. What was forwarded then must still be heard out and recorded.
pub(super) struct Carried<F: Future<Output: 'static> + 'static, G: Fn() -> bool + 'static + Unpin> {
    slot: Option<Slot<F>>,
    slots: Rc<Slots<F>>,
    /// Whether there is still somebody to carry it.
    goes_on: G,
}

impl<F: Future<Output: 'static> + 'static, G: Fn() -> bool + 'static + Unpin> Carried<F, G> {
    /// Carries `future`, as long as `goes_on` says so.
    pub(super) fn new(future: F, slots: &Rc<Slots<F>>, goes_on: G) -> Self {
        let slot = Some(slots.put(future));
        Self { slot, slots: Rc::clone(slots), goes_on }
    }
}

/// Polls the future that is there.
fn poll<F: Future>(slot: &mut Slot<F>, cx: &mut Context<'_>) -> Poll<F::Output> {
    slot.as_mut().as_pin_mut().map_or(Poll::Pending, |future| future.poll(cx))
}

impl<F: Future<Output: 'static> + 'static, G: Fn() -> bool + 'static + Unpin> Future for Carried<F, G> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(slot) = &mut self.slot else { return Poll::Pending };
        let poll = poll(slot, cx);
        if poll.is_ready()
            && let Some(slot) = self.slot.take()
        {
            self.slots.take_back(slot);
        }
        poll
    }
}

impl<F: Future<Output: 'static> + 'static, G: Fn() -> bool + 'static + Unpin> Drop for Carried<F, G> {
    fn drop(&mut self) {
        if let Some(mut slot) = self.slot.take()
            && (self.goes_on)()
        {
            spawn_local(std::future::poll_fn(move |cx| poll(&mut slot, cx)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tokio::{
        sync::Notify,
        task::{LocalSet, yield_now},
    };

    async fn dropped(goes_on: bool) -> bool {
        let (bell, is_done) = (Rc::new(Notify::new()), Rc::new(Cell::new(false)));
        let carried = {
            let (bell, is_done) = (Rc::clone(&bell), Rc::clone(&is_done));
            let slots = Rc::default();
            Carried::new(
                async move {
                    bell.notified().await;
                    is_done.set(true);
                },
                &slots,
                move || goes_on,
            )
        };
        tokio::select! {
            biased;
            () = carried => panic!("nobody rang"),
            () = yield_now() => {}
        }
        bell.notify_one();
        for _ in 0..10 {
            yield_now().await;
        }
        is_done.get()
    }

    #[tokio::test]
    async fn what_is_dropped_goes_on() {
        LocalSet::new().run_until(async { assert!(dropped(true).await && !dropped(false).await) }).await;
    }

    /// The next one has the memory of the one that has ended, and only that.
    #[tokio::test]
    async fn memory_is_left_to_the_next_one() {
        let slots = Rc::default();
        let ended = Rc::new(());
        for number in 0..100 {
            let held = Rc::clone(&ended);
            let carried = Carried::new(
                async move {
                    yield_now().await;
                    (Rc::strong_count(&held), number)
                },
                &slots,
                || false,
            );
            assert_eq!(carried.await, (2, number));
            assert_eq!((Rc::strong_count(&ended), slots.0.borrow().len()), (1, 1));
        }
    }
}
