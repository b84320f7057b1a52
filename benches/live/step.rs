//! One step of a measurement: messages at a rate, and how they reach those who watch.

use std::time::Duration;

use crate::live::crowd::Crowd;
use crate::live::crowd::Heard;
use crate::live::figures::Spread;
use crate::live::figures::rate;
use crate::live::fixture::ROOMS;
use crate::live::machine;
use crate::live::machine::Meter;
use crate::live::systems::By;
use crate::live::systems::Place;
use crate::live::writer;
use crate::live::writer::Insert;
use crate::live::writer::Pace;

/// How soon after the last insert everything must have arrived for a rate to count as sustained.
const SOON: Duration = Duration::from_secs(1);

/// How long what has not arrived by then is waited for all the same.
const PATIENCE: Duration = Duration::from_secs(8);

/// The share of the asked rate below which it was the writers who could do no more.
const ENOUGH: f64 = 0.98;

/// What became of it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) asked: u32,
    /// Inserts a second that were done.
    pub(crate) done: f64,
    /// From when the insert call returned to whoever made it to when the client had read the frame;
    /// one sample is one message at one client. News that overtook the writer's answer is no delay.
    pub(crate) from_commit: Spread,
    /// The same from when the insert was sent.
    pub(crate) from_send: Spread,
    /// Deliveries that never came.
    pub(crate) lost: usize,
    /// How often a client was sent everything anew instead of what changed.
    pub(crate) resets: usize,
    /// Clients that the server hung up on.
    pub(crate) gone: usize,
    is_soon: bool,
    /// Hundredths of a processor that the system had, without its database.
    pub(crate) cpu: f64,
    /// MiB that it held afterwards.
    pub(crate) memory: usize,
    /// Hundredths of a processor that went to programs that have nothing to do with this.
    pub(crate) others: f64,
}

impl Step {
    /// Writes at a rate for so long, and waits for what arrives. The first half second finds
    /// connections and statements cold, and is not counted.
    pub(crate) async fn take(
        place: &mut Place,
        crowd: &Crowd,
        by: By,
        asked: u32,
        each: Duration,
    ) -> Self {
        let cold = u64::from(asked.div_ceil(2));
        let count = (f64::from(asked) * each.as_secs_f64()).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "few, positive"
        )]
        let order = Pace { first: place.next_id, count: cold + count as u64, per_second: asked };
        place.next_id += order.count;
        let mut writers = place.writers(by, asked).await;
        crowd.take();
        let listeners: Vec<usize> = (1..=ROOMS).map(|room| crowd.listeners(room)).collect();
        let pid = place.serving.pid;
        let (meter, before, heard) = (Meter::start(), machine::ours(pid), crowd.count());
        let (mut inserts, took) = writer::write(&mut writers, order).await;
        let expected = expected(&inserts, &listeners) as u64;
        let is_soon = crowd.reaches(heard + expected, SOON).await;
        let (others, cpu) = (meter.others(), rate(machine::ours(pid) - before, meter.elapsed()));
        crowd.reaches(heard + expected, PATIENCE).await;
        let done = rate(inserts.len(), took);
        inserts.retain(|insert| order.first + cold <= insert.id);
        let heard = crowd.take();
        let (from_commit, from_send) = arrivals(&inserts, &heard);
        let lost = self::expected(&inserts, &listeners).saturating_sub(from_commit.len());
        Self {
            asked,
            done,
            from_commit,
            from_send,
            lost,
            resets: heard.iter().map(|heard| heard.resets).sum(),
            gone: heard.iter().filter(|heard| heard.is_gone).count(),
            is_soon,
            cpu,
            memory: machine::resident_tree(pid) / 1024,
            others,
        }
    }

    /// Every difference was delivered, and in time.
    pub(crate) fn kept_up(&self) -> bool {
        self.is_soon && self.lost == 0 && self.resets == 0 && self.gone == 0
    }

    /// The rate was not reached for want of writers.
    pub(crate) fn lacks_writers(&self) -> bool {
        self.done < ENOUGH * f64::from(self.asked)
    }

    /// What is wrong with it, in words; nothing where it kept up.
    pub(crate) fn remarks(&self) -> String {
        let counted = [(self.lost, "lost"), (self.resets, "resets"), (self.gone, "hung up on")];
        let some = counted.into_iter().filter(|(count, _)| 0 < *count);
        let remarks: Vec<String> = some.map(|(count, what)| format!(", {count} {what}")).collect();
        if remarks.is_empty() && !self.is_soon { ", late".to_owned() } else { remarks.concat() }
    }
}

fn expected(inserts: &[Insert], listeners: &[usize]) -> usize {
    let place = |room: i64| usize::try_from(room - 1).expect("rooms are counted from one");
    inserts.iter().map(|insert| listeners[place(insert.room)]).sum()
}

/// Matches what was heard with what was written, which is in order.
fn arrivals(inserts: &[Insert], heard: &[Heard]) -> (Spread, Spread) {
    let first = inserts.first().map_or(0, |insert| insert.id);
    let (mut from_commit, mut from_send) = (Vec::new(), Vec::new());
    for Heard { rooms, arrivals, .. } in heard {
        for (id, at) in arrivals {
            let place = id.checked_sub(first).and_then(|place| usize::try_from(place).ok());
            let Some(insert) = place.and_then(|place| inserts.get(place)) else { continue };
            assert!(rooms.contains(&insert.room), "message {id} came to another room");
            from_commit.push((at - insert.committed).max(0));
            from_send.push(at - insert.sent);
        }
    }
    (Spread::of(from_commit), Spread::of(from_send))
}
