//! A future that is carried to its end whoever drops it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::task::spawn_local;

/// A future that goes on in a task of its own when it is dropped unfinished, on its worker's thread.
///
/// hyper drops an HTTP/1.1 request's future with its connection, which ends when a write fails: whoever sends a request and resets the
/// connection chooses when. What was forwarded then must still be heard out and recorded.
pub(super) struct Carried<F: Future<Output: 'static> + 'static, G: Fn() -> bool + 'static + Unpin> {
    future: Option<Pin<Box<F>>>,
    /// Whether there is still somebody to carry it.
    goes_on: G,
}

impl<F: Future<Output: 'static> + 'static, G: Fn() -> bool + 'static + Unpin> Carried<F, G> {
    /// Carries `future`, as long as `goes_on` says so.
    pub(super) fn new(future: F, goes_on: G) -> Self {
        Self { future: Some(Box::pin(future)), goes_on }
    }
}

impl<F: Future<Output: 'static> + 'static, G: Fn() -> bool + 'static + Unpin> Future for Carried<F, G> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let poll = future.as_mut().poll(cx);
        if poll.is_ready() {
            self.future = None;
        }
        poll
    }
}

impl<F: Future<Output: 'static> + 'static, G: Fn() -> bool + 'static + Unpin> Drop for Carried<F, G> {
    fn drop(&mut self) {
        if let Some(future) = self.future.take()
            && (self.goes_on)()
        {
            spawn_local(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::Cell, rc::Rc};
    use tokio::{
        sync::Notify,
        task::{LocalSet, yield_now},
    };

    async fn dropped(goes_on: bool) -> bool {
        let (bell, is_done) = (Rc::new(Notify::new()), Rc::new(Cell::new(false)));
        let carried = {
            let (bell, is_done) = (Rc::clone(&bell), Rc::clone(&is_done));
            Carried::new(
                async move {
                    bell.notified().await;
                    is_done.set(true);
                },
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
}
