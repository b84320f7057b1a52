//! Mutations that were sent already: the same one again is not run again.
//!
//! Generic over what is kept for each: the server keeps a future that everybody may wait for, the
//! tests a number.
//!
//! **Invariant:** memory is bounded by clients, by mutations of one client, and by the bytes of the
//! answers; what was used longest ago is forgotten first.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many mutations of one client are remembered.
///
/// More than a client sends before it hears an answer: ours lets 100 wait.
const PER_CLIENT: usize = 128;

/// How many clients are remembered: a server's worth of sockets.
const CLIENTS: usize = 16_384;

/// How many bytes of answers are remembered; a guess, generous for answers of a row each.
const BYTES: usize = 64 << 20;

/// Whose mutations: who is logged in, and what the client calls itself.
pub(crate) type Author = Arc<str>;

/// What was sent lately.
#[derive(Debug)]
pub(crate) struct Ledger<T> {
    clients: HashMap<Author, Client<T>>,
    /// Clients by when they last sent something.
    order: BTreeMap<u64, Author>,
    clock: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Client<T> {
    used: u64,
    entries: VecDeque<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    id: Box<str>,
    kept: T,
    bytes: usize,
}

impl<T> Default for Ledger<T> {
    fn default() -> Self {
        Self { clients: HashMap::new(), order: BTreeMap::new(), clock: 0, bytes: 0 }
    }
}

impl<T: Clone> Ledger<T> {
    /// What is kept for a mutation that came before, or `None` and a note that it came.
    pub(crate) fn begin(
        &mut self,
        author: &Author,
        id: &str,
        new: impl FnOnce() -> T,
    ) -> Option<T> {
        self.touch(author);
        let client = self.clients.get_mut(author)?;
        if let Some(entry) = client.entries.iter().find(|entry| &*entry.id == id) {
            return Some(entry.kept.clone());
        }
        client.entries.push_back(Entry { id: id.into(), kept: new(), bytes: 0 });
        if PER_CLIENT < client.entries.len()
            && let Some(oldest) = client.entries.pop_front()
        {
            self.bytes -= oldest.bytes;
        }
        None
    }

    /// Notes how large the answer is.
    pub(crate) fn settle(&mut self, author: &Author, id: &str, bytes: usize) {
        if let Some(entry) = self.entry(author, id) {
            let before = std::mem::replace(&mut entry.bytes, bytes);
            self.bytes = self.bytes - before + bytes;
        }
        while BYTES < self.bytes && self.drop_oldest() {}
    }

    /// Lets the same mutation run again: nothing was done.
    pub(crate) fn forget(&mut self, author: &Author, id: &str) {
        if let Some(client) = self.clients.get_mut(author)
            && let Some(place) = client.entries.iter().position(|entry| &*entry.id == id)
            && let Some(entry) = client.entries.remove(place)
        {
            self.bytes -= entry.bytes;
        }
    }

    fn entry(&mut self, author: &Author, id: &str) -> Option<&mut Entry<T>> {
        let client = self.clients.get_mut(author)?;
        client.entries.iter_mut().find(|entry| &*entry.id == id)
    }

    fn touch(&mut self, author: &Author) {
        self.clock += 1;
        let used = self.clock;
        if let Some(client) = self.clients.get_mut(author) {
            self.order.remove(&client.used);
            client.used = used;
        } else {
            let client = Client { used, entries: VecDeque::new() };
            self.clients.insert(Arc::clone(author), client);
        }
        self.order.insert(used, Arc::clone(author));
        if CLIENTS < self.clients.len() {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((_, author)) = self.order.pop_first() else { return false };
        if let Some(client) = self.clients.remove(&author) {
            self.bytes -= client.entries.iter().map(|entry| entry.bytes).sum::<usize>();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(name: &str) -> Author {
        name.into()
    }

    #[test]
    fn the_same_mutation_is_known_again() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.begin(&author("a"), "1", || 10), None);
        assert_eq!(ledger.begin(&author("a"), "1", || 11), Some(10));
        assert_eq!(ledger.begin(&author("a"), "2", || 12), None);
        assert_eq!(ledger.begin(&author("b"), "1", || 13), None);
    }

    #[test]
    fn what_did_nothing_may_run_again() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.begin(&author("a"), "1", || 10), None);
        ledger.forget(&author("a"), "1");
        assert_eq!(ledger.begin(&author("a"), "1", || 11), None);
    }

    #[test]
    fn a_client_has_so_many_and_the_oldest_goes() {
        let mut ledger = Ledger::default();
        for id in 0..=PER_CLIENT {
            assert_eq!(ledger.begin(&author("a"), &id.to_string(), || id), None);
        }
        assert_eq!(ledger.begin(&author("a"), "1", || 0), Some(1));
        assert_eq!(ledger.begin(&author("a"), "0", || 7), None);
    }

    #[test]
    fn large_answers_push_out_who_was_silent_longest() {
        let mut ledger = Ledger::default();
        for name in ["a", "b", "c"] {
            assert_eq!(ledger.begin(&author(name), "1", || 1), None);
            ledger.settle(&author(name), "1", BYTES / 2);
        }
        assert_eq!(ledger.begin(&author("a"), "1", || 2), None);
        assert_eq!(ledger.begin(&author("c"), "1", || 2), Some(1));
        assert_eq!(ledger.bytes, BYTES);
    }

    #[test]
    fn clients_are_bounded() {
        let mut ledger = Ledger::default();
        for name in 0..=CLIENTS {
            ledger.begin(&author(&name.to_string()), "1", || 1);
        }
        assert_eq!(ledger.clients.len(), CLIENTS);
        assert_eq!(ledger.begin(&author("0"), "1", || 2), None);
    }
}
