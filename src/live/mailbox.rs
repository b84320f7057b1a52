//! Where the engine puts what one client must hear, and what happens when the client is slow.
//!
//! **Invariant:** memory is bounded: at most [`CAPACITY`] moves wait; when one more comes all are
//! forgotten but *which* queries moved, and the client asks for the way from what it has to what is
//! true. Answers to a client's own requests are as many as the requests it may have open.

use std::collections::HashSet;
use std::fmt::Debug;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::Weak;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

pub use super::event::Event;
pub(crate) use super::event::Move;
pub use super::event::Name;
pub use super::event::Steps;
use super::list::List;
use super::step::Version;

/// How many moves may wait for one client.
///
/// A guess that outlasts a hiccup at a thousand ticks a second; what waits is shared by all clients
/// of a result, so the cost per client is one pointer per query and move.
pub const CAPACITY: usize = 32;

/// A bounded queue of events for one client.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Mailbox {
    /// Whoever sees to it, beside a task that waits: told of everything.
    ear: OnceLock<Weak<dyn Ear>>,
    state: Mutex<State>,
}

/// Somebody who sees to many mailboxes, and is told which one has something in it.
pub(crate) trait Ear: Debug + Send + Sync {
    /// Something was put in; it may have been taken already.
    fn ring(self: Arc<Self>);
}

/// In this order: what every delivery looks at lies together.
#[derive(Debug, Default)]
#[repr(C)]
struct State {
    moves: usize,
    is_closed: bool,
    /// The task that waits.
    task: Option<Waker>,
    events: List<Event>,
    lag: Lag,
}

#[derive(Debug, Default)]
enum Lag {
    #[default]
    None,
    /// Which queries moved since `from`; the client was told, or will be.
    Behind { from: Version, dirty: HashSet<Name>, is_told: bool },
}

impl Mailbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// Puts an event in. While the client is behind, moves only leave word of what moved; anything
    /// else must come after [`Mailbox::take_lag`] and what follows from it.
    pub(crate) fn push(&self, event: Event) {
        let mut state = self.state();
        match (&mut state.lag, event) {
            (Lag::Behind { dirty, .. }, Event::Moved { steps, .. }) => {
                dirty.extend(steps.iter().map(|(name, _)| Arc::clone(name)));
            }
            (Lag::None, event @ Event::Moved { .. }) => {
                state.moves += 1;
                state.events.push_back(event);
                if CAPACITY < state.moves {
                    state.forget_moves();
                }
            }
            (_, event) => state.events.push_back(event),
        }
        self.tell(state);
    }

    /// Tells whoever hears it, when the lock is given back.
    fn tell(&self, mut state: MutexGuard<'_, State>) {
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
        if let Some(ear) = self.ear.get().and_then(Weak::upgrade) {
            ear.ring();
        }
    }

    /// Has `ear` told of everything that is put in from now on, and of what is there; once.
    #[cfg_attr(
        not(feature = "server"),
        expect(dead_code, reason = "only the server's couriers hear mailboxes this way")
    )]
    pub(crate) fn listen(&self, ear: Weak<dyn Ear>) {
        self.ear.get_or_init(|| ear);
        self.tell(self.state());
    }

    /// What the client missed, if it is behind: the version it is at after what waits here, and
    /// the queries that moved since. It is not behind from now on.
    pub(crate) fn take_lag(&self) -> Option<(Version, HashSet<Name>)> {
        match std::mem::take(&mut self.state().lag) {
            Lag::None => None,
            Lag::Behind { from, dirty, .. } => Some((from, dirty)),
        }
    }

    /// Notes that the client asked for what it missed, so that it is not told again.
    pub(crate) fn asked(&self) {
        if let Lag::Behind { is_told, .. } = &mut self.state().lag {
            *is_told = true;
        }
    }

    /// Ends it: the client hears what waits, then [`Event::Closed`].
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        self.tell(state);
    }

    /// The next event, if it is a move; the other way round, whether something else waits.
    #[cfg_attr(
        not(feature = "server"),
        expect(dead_code, reason = "only the server's couriers hear mailboxes this way")
    )]
    pub(crate) fn take_move(&self) -> Result<Move, Waits> {
        let mut state = self.state();
        match state.events.pop_front_if(|event| matches!(event, Event::Moved { .. })) {
            Some(Event::Moved { from, to, steps }) => {
                state.moves -= 1;
                Ok(Move { from, to, steps })
            }
            Some(
                Event::Loaded { .. }
                | Event::Reset { .. }
                | Event::Reached { .. }
                | Event::Lagged
                | Event::Closed,
            )
            | None => Err(if state.is_empty() { Waits::Nothing } else { Waits::Other }),
        }
    }

    /// The next event, if there is one.
    pub(crate) fn take(&self) -> Option<Event> {
        let mut state = self.state();
        if let Some(event) = state.events.pop_front() {
            state.moves -= usize::from(matches!(event, Event::Moved { .. }));
            return Some(event);
        }
        if let Lag::Behind { is_told: false, .. } = &state.lag {
            return Some(Event::Lagged);
        }
        state.is_closed.then_some(Event::Closed)
    }

    /// The next event. Cancel safe.
    pub(crate) async fn next(&self) -> Event {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&self, cx: &Context<'_>) -> Poll<Event> {
        if let Some(event) = self.take() {
            return Poll::Ready(event);
        }
        let mut state = self.state();
        // Something may have been put in between the two locks.
        if !state.is_empty() {
            cx.waker().wake_by_ref();
        }
        state.task = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// What waits in a mailbox behind the moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// Nothing.
    Nothing,
    /// Something that is no move.
    Other,
}

impl State {
    /// True when there is nothing to hear.
    fn is_empty(&self) -> bool {
        let is_told = !matches!(self.lag, Lag::Behind { is_told: false, .. });
        self.events.is_empty() && is_told && !self.is_closed
    }

    /// Forgets the moves at the end, back to the last answer, but for which queries moved. Moves
    /// before an answer stay: the answer speaks of the state after them.
    fn forget_moves(&mut self) {
        let mut dirty = HashSet::new();
        let mut since = None;
        while let Some(Event::Moved { from, steps, .. }) =
            self.events.pop_back_if(|event| matches!(event, Event::Moved { .. }))
        {
            since = Some(from);
            dirty.extend(steps.iter().map(|(name, _)| Arc::clone(name)));
            self.moves -= 1;
        }
        if let Some(from) = since {
            self.lag = Lag::Behind { from, dirty, is_told: false };
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn moved(from: Version) -> Event {
        Event::Moved { from, to: from + 1, steps: Arc::default() }
    }

    fn hear(mailbox: &Mailbox) -> Option<String> {
        let event = mailbox.next().now_or_never()?;
        Some(match event {
            Event::Moved { from, to, .. } => format!("moved {from} {to}"),
            Event::Loaded { version, .. } => format!("loaded {version}"),
            Event::Lagged => "lagged".to_owned(),
            Event::Closed => "closed".to_owned(),
            Event::Reset { version, .. } => format!("reset {version}"),
            Event::Reached { version, .. } => format!("reached {version}"),
        })
    }

    #[test]
    fn a_slow_client_costs_no_more_than_a_mailbox() {
        let mailbox = Mailbox::default();
        for version in 0..1000 {
            mailbox.push(moved(version));
        }
        assert_eq!(hear(&mailbox).unwrap(), "lagged");
        mailbox.asked();
        assert_eq!(hear(&mailbox), None);
        assert_eq!(mailbox.take_lag().unwrap().0, 0);
        mailbox.push(moved(1000));
        assert_eq!(hear(&mailbox).unwrap(), "moved 1000 1001");
    }

    #[test]
    fn answers_and_the_moves_before_them_are_kept() {
        let mailbox = Mailbox::default();
        mailbox.push(moved(1));
        mailbox.push(Event::Loaded { request: 7, version: 2, answers: Vec::new() });
        for version in 2..100 {
            mailbox.push(moved(version));
        }
        assert_eq!(hear(&mailbox).unwrap(), "moved 1 2");
        assert_eq!(hear(&mailbox).unwrap(), "loaded 2");
        assert_eq!(hear(&mailbox).unwrap(), "lagged");
        assert_eq!(mailbox.take_lag().unwrap().0, 2);
    }

    #[derive(Debug, Default)]
    struct Counts(std::sync::atomic::AtomicUsize);

    impl Ear for Counts {
        fn ring(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    #[test]
    fn an_ear_hears_of_everything_and_may_take_the_moves() {
        let (mailbox, ear) = (Mailbox::default(), Arc::<Counts>::default());
        mailbox.push(moved(1));
        let weak: Weak<Counts> = Arc::downgrade(&ear);
        mailbox.listen(weak);
        mailbox.push(Event::Loaded { request: 7, version: 2, answers: Vec::new() });
        mailbox.push(moved(2));
        assert_eq!(ear.0.load(std::sync::atomic::Ordering::Relaxed), 3);
        assert_eq!(mailbox.take_move().unwrap().to, 2);
        assert_eq!(mailbox.take_move().unwrap_err(), Waits::Other);
        assert!(matches!(mailbox.take(), Some(Event::Loaded { .. })));
        assert_eq!(mailbox.take_move().unwrap().to, 3);
        assert_eq!(mailbox.take_move().unwrap_err(), Waits::Nothing);
        drop(ear);
        mailbox.push(moved(3));
        assert_eq!(hear(&mailbox).unwrap(), "moved 3 4");
    }

    #[test]
    fn what_waits_is_heard_before_the_end() {
        let mailbox = Mailbox::default();
        mailbox.push(moved(1));
        mailbox.close();
        assert_eq!(hear(&mailbox).unwrap(), "moved 1 2");
        assert_eq!(hear(&mailbox).unwrap(), "closed");
    }
}
