//! Every committed change of a table, by any writer, as a stream.
//!
//! **Invariant:** a change says what a row *is* at a committed state, not what happened on the way:
//! several changes of one row between two ticks are one.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::Mutex;

use super::feed::Keys;
use super::feed::News;
use super::feed::Tick;
use super::result::Touch;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::pubsub::Heard;
use crate::pubsub::PubSub;
use crate::pubsub::Subscription;
use crate::pubsub::Topic;
use crate::schema::RowReader;
use crate::schema::Schema;
use crate::schema::Table;
use crate::value::Key;

/// How many ticks may wait for one reader of changes.
const CAPACITY: usize = 1024;

#[derive(Clone, Debug)]
enum Message {
    Touched(Arc<Vec<Touch>>),
    /// Any row may have changed.
    Lost,
}

/// Who follows which table.
#[derive(Clone)]
pub(crate) struct Changes {
    pubsub: PubSub<Message>,
    followed: Arc<Mutex<Vec<&'static Table>>>,
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pubsub.fmt(f)
    }
}

fn topic(table: &Table) -> Result<Topic> {
    // Two schemas of one table see different columns, hence the address beside the name.
    format!("changes:{}:{:p}", table.name, table).parse()
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self { pubsub: PubSub::new(CAPACITY), followed: Arc::default() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<&'static Table>> {
        self.followed.lock().expect("no holder of this lock panics")
    }

    pub(crate) fn follow<S: Schema>(&self) -> Result<TableChanges<S>> {
        let table = S::table();
        let mut followed = self.lock();
        if !followed.iter().any(|held| std::ptr::eq(*held, table)) {
            followed.push(table);
        }
        drop(followed);
        let subscription = self.pubsub.subscribe(&topic(table)?);
        Ok(TableChanges { subscription, waiting: Vec::new(), schema: PhantomData })
    }

    /// The tables that somebody follows now.
    pub(crate) fn followed(&self) -> Vec<&'static Table> {
        let is_followed = |table: &&'static Table| {
            topic(table).is_ok_and(|topic| 0 < self.pubsub.subscriber_count(&topic))
        };
        let mut followed = self.lock();
        followed.retain(|table| is_followed(table));
        followed.clone()
    }

    /// Tells everybody who follows a touched table.
    pub(crate) fn publish(&self, tick: &Tick, touched: Vec<(&'static Table, Vec<Touch>)>) {
        let is_lost = |table: &Table| {
            tick.news == News::Lost || tick.touched.get(table.name).is_some_and(Keys::is_all)
        };
        for table in self.followed().into_iter().filter(|table| is_lost(table)) {
            if let Ok(topic) = topic(table) {
                self.pubsub.publish(&topic, &Message::Lost);
            }
        }
        for (table, touches) in touched {
            if let Ok(topic) = topic(table) {
                self.pubsub.publish(&topic, &Message::Touched(Arc::new(touches)));
            }
        }
    }

    pub(crate) fn close(&self) {
        self.pubsub.close();
    }
}

/// A row as it is at a committed state.
#[derive(Clone, Debug)]
pub enum RowChange<S> {
    /// The row is new, or different.
    Put(S),
    /// The row with this key is gone.
    Gone(Key),
}

/// Every committed change of one table; dropping it ends that.
#[derive(Debug)]
#[must_use = "dropping it ends the subscription"]
pub struct TableChanges<S> {
    subscription: Subscription<Message>,
    waiting: Vec<Touch>,
    schema: PhantomData<fn() -> S>,
}

impl<S: Schema> TableChanges<S> {
    /// The next change; `None` when the live engine has stopped.
    ///
    /// # Order
    ///
    /// That of committed states; the changes of one tick come in no particular order.
    ///
    /// # Cancellation
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale) when changes were missed, because this reader was too slow or the
    /// log did not tell them: read the table again. [`Invalid`](ErrorKind::Invalid) when a row
    /// cannot be read.
    pub async fn next(&mut self) -> Result<Option<RowChange<S>>> {
        loop {
            if let Some((key, row)) = self.waiting.pop() {
                return match row {
                    None => Ok(Some(RowChange::Gone(key))),
                    Some(row) => {
                        let loaded = S::load(&mut RowReader::new(S::table(), &row))?;
                        Ok(Some(RowChange::Put(loaded)))
                    }
                };
            }
            let what = match self.subscription.next().await {
                Heard::Message(Message::Touched(touches)) => {
                    self.waiting.extend(touches.iter().cloned());
                    continue;
                }
                Heard::Message(Message::Lost) => "the log did not tell which rows changed",
                Heard::Missed(_) => "changes came faster than they were read",
                Heard::Closed => return Ok(None),
            };
            let name = S::table().name;
            return Err(Error::new(ErrorKind::Stale, format!("{what}: read `{name}` again")));
        }
    }
}
