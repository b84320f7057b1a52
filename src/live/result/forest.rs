//! What hangs on the rows of all trees of one shape, held once for all of them.
//!
//! At one edge the rows below a value are the same whoever has that value: so each edge has a grove of
//! branches by value, and a row touched by anybody is looked up by its key and by its values, however
//! many results there are.
//!
//! **Invariant:** a branch is held exactly as long as a row above it, or a root of some result, has the
//! value that leads to it; between ticks it is what the database answers.

use std::collections::HashMap;
use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::super::plan::Level;
use super::super::plan::TreeEdge;
use super::super::plan::rows_of;
use super::super::plan::with_branches;
use super::super::router::ResultId;
use super::few::Few;
use super::ordered::Touch;
use crate::value::Key;
use crate::value::Row;
use crate::value::Value;

type Map<K, V> = HashMap<K, V, RandomState>;
type Set<T> = HashSet<T, RandomState>;

/// Who has a value that leads to a branch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// A root of a result.
    Result(ResultId),
    /// A row of the branch at this value, at the edge above.
    Branch(Value),
}

/// The rows that a value leads to at an edge.
#[derive(Debug)]
struct Branch {
    owners: Few<Owner>,
    /// The rows, with what hangs on them.
    rows: Value,
    /// Of the rows between, by which it is led to: their keys, and what they lead on with.
    between: Vec<(Key, Value)>,
}

impl Default for Branch {
    fn default() -> Self {
        Self { owners: Few::None, rows: Value::Array([].into()), between: Vec::new() }
    }
}

/// The branches of one edge.
#[derive(Debug, Default)]
struct Grove {
    branches: Map<Value, Branch>,
    /// The branches that a row stands in, by its key.
    by_key: Map<Key, Few<Value>>,
    /// The branch that a row between leads to, by its key.
    by_between: Map<Key, Value>,
    /// The branches that rows with a value belong to, by way of rows between.
    by_target: Map<Value, Few<Value>>,
}

/// What was read for one edge, by the values that lead there.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// The rows.
    pub(crate) rows: Map<Value, Vec<Row>>,
    /// The rows between: their keys, and what they lead on with.
    pub(crate) between: Map<Value, Vec<(Key, Value)>>,
}

/// What new rows meant for results.
#[derive(Debug)]
pub(crate) struct Moved {
    /// The results that show them.
    pub(crate) results: Set<ResultId>,
    /// For each edge the values that now lead to something else.
    changed: Vec<Set<Value>>,
}

/// All branches of the trees of one shape.
#[derive(Debug)]
pub(crate) struct Forest {
    groves: Vec<Grove>,
    /// Branches that lost an owner, and may have none left.
    loose: Vec<(usize, Value)>,
}

/// The values of rows that lead to an edge.
fn values<'r>(edge: &TreeEdge, rows: impl Iterator<Item = &'r Row>) -> Set<Value> {
    let values = rows.map(|row| &row.values()[edge.owner_column]);
    values.filter(|value| !value.is_null()).cloned().collect()
}

impl Grove {
    /// Replaces what is held of the rows between that lead to a branch.
    fn put_between(&mut self, link: &Value, new: Vec<(Key, Value)>) {
        let Some(branch) = self.branches.get_mut(link) else { return };
        let old = std::mem::replace(&mut branch.between, new.clone());
        for (key, target) in old {
            if self.by_between.get(&key) == Some(link) {
                self.by_between.remove(&key);
            }
            if self.by_target.get_mut(&target).is_some_and(|links| links.remove(link)) {
                self.by_target.remove(&target);
            }
        }
        for (key, target) in new {
            self.by_between.insert(key, link.clone());
            self.by_target.entry(target).or_default().add(link.clone());
        }
    }

    /// Keeps the index by key true when other rows stand in a branch.
    fn index(&mut self, edge: &TreeEdge, link: &Value, old: &[Row], new: &[Row]) {
        let keys =
            |rows: &[Row]| -> Set<Key> { rows.iter().map(|row| edge.table.key_of(row)).collect() };
        let (old, new) = (keys(old), keys(new));
        for key in old.difference(&new) {
            if self.by_key.get_mut(key).is_some_and(|links| links.remove(link)) {
                self.by_key.remove(key);
            }
        }
        for key in new.difference(&old) {
            self.by_key.entry(key.clone()).or_default().add(link.clone());
        }
    }
}

impl Forest {
    /// A forest without trees.
    pub(crate) fn new(tree: &Level) -> Self {
        let groves = tree.all_edges().iter().map(|_| Grove::default()).collect();
        Self { groves, loose: Vec::new() }
    }

    /// True when what `link` leads to is held.
    pub(crate) fn holds(&self, edge: usize, link: &Value) -> bool {
        self.groves[edge].branches.contains_key(link)
    }

    /// All values that lead to something at an edge.
    pub(crate) fn links(&self, edge: usize) -> impl Iterator<Item = &Value> + '_ {
        self.groves[edge].branches.keys()
    }

    /// Adds to `found` the values that led, or lead, to a touched row.
    pub(crate) fn led_to(&self, edge: &TreeEdge, (key, row): &Touch, found: &mut Set<Value>) {
        let grove = &self.groves[edge.number];
        found.extend(grove.by_key.get(key).into_iter().flat_map(Few::iter).cloned());
        let Some(row) = row.as_ref().filter(|row| edge.may_hang(row)) else { return };
        let value = &row.values()[edge.target_column];
        if edge.between.is_some() {
            found.extend(grove.by_target.get(value).into_iter().flat_map(Few::iter).cloned());
        } else if grove.branches.contains_key(value) {
            found.insert(value.clone());
        }
    }

    /// Adds to `found` the values that led, or lead, to an edge by way of a touched row between.
    pub(crate) fn led_by(&self, edge: &TreeEdge, (key, row): &Touch, found: &mut Set<Value>) {
        let grove = &self.groves[edge.number];
        found.extend(grove.by_between.get(key).cloned());
        let from = edge.between.as_ref().zip(row.as_ref());
        if let Some(value) = from.map(|(via, row)| &row.values()[via.from])
            && grove.branches.contains_key(value)
        {
            found.insert(value.clone());
        }
    }

    /// Adds to `found` the results in whose trees the values lead to something at an edge.
    pub(crate) fn results_above<'v>(
        &self,
        edges: &[&TreeEdge],
        edge: usize,
        links: impl Iterator<Item = &'v Value>,
        found: &mut Set<ResultId>,
    ) {
        let (mut links, mut edge): (Set<&Value>, _) = (links.collect(), Some(edge));
        while let Some(number) = edge {
            let branches = links.iter().filter_map(|link| self.groves[number].branches.get(*link));
            let mut above = Set::default();
            for owner in branches.flat_map(|branch| branch.owners.iter()) {
                match owner {
                    Owner::Result(id) => _ = found.insert(*id),
                    Owner::Branch(link) => _ = above.insert(link),
                }
            }
            (links, edge) = (above, edges[number].above);
        }
    }

    /// Notes that a result has other roots.
    pub(crate) fn set_roots<'r>(
        &mut self,
        tree: &Level,
        id: ResultId,
        old: &(impl Iterator<Item = &'r Row> + Clone),
        new: &(impl Iterator<Item = &'r Row> + Clone),
    ) {
        for edge in &tree.edges {
            let (old, new) = (values(edge, old.clone()), values(edge, new.clone()));
            self.own(edge.number, &Owner::Result(id), &old, &new);
        }
    }

    /// Notes that an owner has other values that lead to an edge.
    fn own(&mut self, edge: usize, owner: &Owner, old: &Set<Value>, new: &Set<Value>) {
        let branches = &mut self.groves[edge].branches;
        for link in new.difference(old) {
            branches.entry(link.clone()).or_default().owners.add(owner.clone());
        }
        for link in old.difference(new) {
            if branches.get_mut(link).is_some_and(|branch| branch.owners.remove(owner)) {
                self.loose.push((edge, link.clone()));
            }
        }
    }

    /// Puts other rows in a branch, bare for now.
    fn put(&mut self, edge: &TreeEdge, link: &Value, new: &[Row]) {
        let grove = &mut self.groves[edge.number];
        let Some(branch) = grove.branches.get_mut(link) else { return };
        let rows = Value::Array(new.iter().cloned().map(Value::from).collect());
        let old: Vec<Row> = rows_of(&std::mem::replace(&mut branch.rows, rows)).collect();
        grove.index(edge, link, &old, new);
        for below in &edge.below.edges {
            let (old, new) = (values(below, old.iter()), values(below, new.iter()));
            self.own(below.number, &Owner::Branch(link.clone()), &old, &new);
        }
    }

    /// Lets go what nothing leads to any more.
    pub(crate) fn sweep(&mut self, edges: &[&TreeEdge]) {
        while let Some((number, link)) = self.loose.pop() {
            let branches = &self.groves[number].branches;
            if branches.get(&link).is_some_and(|branch| branch.owners.is_empty()) {
                self.put(edges[number], &link, &[]);
                self.groves[number].put_between(&link, Vec::new());
                self.groves[number].branches.remove(&link);
            }
        }
    }

    /// Takes what was read for each edge; the roots that lead there were set before.
    pub(crate) fn take(&mut self, edges: &[&TreeEdge], read: Vec<Read>) -> Moved {
        let mut before: Vec<Map<Value, Value>> = Vec::with_capacity(edges.len());
        for (edge, read) in edges.iter().zip(read) {
            let mut replaced = Map::default();
            for (link, rows) in read.rows {
                let held = self.groves[edge.number].branches.get(&link);
                let Some(held) = held.map(|branch| branch.rows.clone()) else { continue };
                self.put(edge, &link, &rows);
                replaced.insert(link, held);
            }
            for (link, between) in read.between {
                self.groves[edge.number].put_between(&link, between);
            }
            before.push(replaced);
        }
        self.sweep(edges);
        self.settle(edges, before)
    }

    /// Hangs everything where it belongs, from the leaves to the roots; `before` holds the replaced
    /// branches.
    fn settle(&mut self, edges: &[&TreeEdge], mut before: Vec<Map<Value, Value>>) -> Moved {
        let mut stirred: Vec<Set<Value>> = edges.iter().map(|_| Set::default()).collect();
        let mut moved = Moved { results: Set::default(), changed: stirred.clone() };
        for edge in edges.iter().rev() {
            let number = edge.number;
            let replaced = std::mem::take(&mut before[number]);
            let stirred_here = std::mem::take(&mut stirred[number]);
            for link in stirred_here.iter().chain(replaced.keys()) {
                let Some(branch) = self.groves[number].branches.get(link) else { continue };
                let old = replaced.get(link);
                let rows = rows_of(&branch.rows);
                let rows = if old.is_some() {
                    rows.map(|row| self.hang(&edge.below, &row).into()).collect()
                } else {
                    rows.map(|row| self.hang_again(&edge.below, row, &moved).into()).collect()
                };
                let rows = Value::Array(rows);
                let Some(branch) = self.groves[number].branches.get_mut(link) else { continue };
                if let Some(old) = old.filter(|old| old.is_identical(&rows)) {
                    branch.rows = old.clone();
                    continue;
                }
                branch.rows = rows;
                for owner in branch.owners.iter() {
                    match (owner, edge.above) {
                        (Owner::Branch(above), Some(edge)) => {
                            stirred[edge].insert(above.clone());
                        }
                        (Owner::Result(id), _) => _ = moved.results.insert(*id),
                        (Owner::Branch(_), None) => {}
                    }
                }
                moved.changed[number].insert(link.clone());
            }
        }
        moved
    }

    /// A row with everything that hangs on it.
    pub(crate) fn hang(&self, level: &Level, row: &Row) -> Row {
        let branches = level.edges.iter().map(|edge| {
            let value = &row.values()[edge.owner_column];
            let branch = self.groves[edge.number].branches.get(value);
            branch.map_or_else(|| Value::Array([].into()), |branch| branch.rows.clone())
        });
        with_branches(row, level.start, branches)
    }

    /// The same of a row on which everything hung before: itself where nothing moved.
    pub(crate) fn hang_again(&self, level: &Level, row: Row, moved: &Moved) -> Row {
        let has_moved =
            |edge: &TreeEdge| moved.changed[edge.number].contains(&row.values()[edge.owner_column]);
        if level.edges.iter().any(has_moved) { self.hang(level, &row) } else { row }
    }
}
