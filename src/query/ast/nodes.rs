//! All expressions of one question, and walks over them.
//!
//! **Invariant:** no walk here needs a deep stack, however deep expressions stand in each other.

use super::Shape;
use super::node::Fragment;
use super::node::Node;
use super::node::NodeId;
use super::node::Window;
use super::node::WindowFunction;

/// The expressions of one question, and what is too large to stand in a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Nodes {
    /// Parts before what they are parts of.
    pub(super) list: Vec<Node>,
    pub(super) fragments: Vec<Fragment>,
    pub(super) windows: Vec<Window>,
    pub(super) queries: Vec<Shape>,
}

impl Nodes {
    /// The expression at `id`.
    pub fn get(&self, id: NodeId) -> Node {
        self.list[id.index()]
    }

    /// How many expressions there are.
    #[cfg(feature = "live")]
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// All expressions, parts before what they are parts of.
    pub fn iter(&self) -> impl Iterator<Item = Node> + '_ {
        self.list.iter().copied()
    }

    /// Adds an expression whose parts are there.
    pub(crate) fn push(&mut self, node: Node) -> NodeId {
        self.list.push(node);
        NodeId::at(self.list.len() - 1)
    }

    /// The fragment of [`Node::Fragment`].
    pub fn fragment(&self, number: u16) -> &Fragment {
        &self.fragments[usize::from(number)]
    }

    /// The window of [`Node::Window`].
    pub fn window(&self, number: u16) -> &Window {
        &self.windows[usize::from(number)]
    }

    /// The question of [`Node::Exists`], [`Node::InQuery`] or [`Node::Scalar`].
    pub fn query(&self, number: u16) -> &Shape {
        &self.queries[usize::from(number)]
    }

    /// The questions that stand in expressions.
    pub fn queries(&self) -> &[Shape] {
        &self.queries
    }

    /// The windows that stand in expressions.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    pub(crate) fn windows_mut(&mut self) -> &mut [Window] {
        &mut self.windows
    }

    pub(crate) fn queries_mut(&mut self) -> &mut [Shape] {
        &mut self.queries
    }

    /// The fragments that stand in expressions.
    pub fn fragments(&self) -> &[Fragment] {
        &self.fragments
    }

    /// The parts of an expression, within this question.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others hold their parts themselves")]
    pub fn parts(&self, id: NodeId) -> Vec<NodeId> {
        match self.get(id) {
            Node::Fragment(number) => self.fragment(number).parts.clone(),
            Node::Window(number) => {
                let window = self.window(number);
                let order = window.order_by.iter().map(|order| order.node);
                let part = self.part_of_window(window.function).into_iter();
                part.chain(window.partition_by.iter().copied()).chain(order).collect()
            }
            node => node.parts().into_iter().flatten().collect(),
        }
    }

    /// What a window is a function of; the aggregate itself is none of many rows made one.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a plan refuses all but aggregates")]
    fn part_of_window(&self, function: WindowFunction) -> Option<NodeId> {
        match function {
            WindowFunction::RowNumber | WindowFunction::Rank | WindowFunction::DenseRank => None,
            WindowFunction::Lag(of, _) | WindowFunction::Lead(of, _) => Some(of),
            WindowFunction::Aggregate(aggregate) => match self.get(aggregate) {
                Node::Aggregate(_, of) => of,
                _ => Some(aggregate),
            },
        }
    }

    /// How deep expressions stand in each other; `inner` says it of the questions among them.
    ///
    /// `a or b or c`, which grows to the left, is one level however long it is: every pass walks it
    /// in a loop.
    pub(crate) fn depth(&self, inner: impl Fn(&Shape) -> usize) -> usize {
        let mut depths: Vec<usize> = Vec::with_capacity(self.list.len());
        for (index, &node) in self.list.iter().enumerate() {
            let parts = self.parts(NodeId::at(index));
            let below = parts.iter().map(|part| depths.get(part.index()).copied().unwrap_or(0));
            let flat = self.chained(node).and_then(|left| depths.get(left.index()).copied());
            let depth = match (flat, &*parts) {
                (Some(left), [_, right]) => {
                    left.max(depths.get(right.index()).copied().unwrap_or(0) + 1)
                }
                _ => 1 + below.max().unwrap_or(0),
            };
            depths.push(depth + self.inner(node).map_or(0, &inner));
        }
        depths.into_iter().max().unwrap_or(0)
    }

    /// The left side of a chain of `and` or of `or` that goes on there.
    fn chained(&self, node: Node) -> Option<NodeId> {
        let (Node::And(left, _) | Node::Or(left, _)) = node else { return None };
        let next = self.get(left);
        let is_same =
            matches!((node, next), (Node::And(..), Node::And(..)) | (Node::Or(..), Node::Or(..)));
        is_same.then_some(left)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all others hold no question")]
    fn inner(&self, node: Node) -> Option<&Shape> {
        match node {
            Node::Exists(number) | Node::InQuery(_, number) | Node::Scalar(number) => {
                Some(self.query(number))
            }
            _ => None,
        }
    }

    /// True when two expressions say the same; `is_same` compares parameters by number.
    pub(crate) fn are_same(
        &self,
        left: NodeId,
        right: NodeId,
        is_same: &impl Fn(u32, u32) -> bool,
    ) -> bool {
        let bare = |id: NodeId| self.get(id).map(|_| NodeId::at(0));
        let mut rest = vec![(left, right)];
        while let Some((left, right)) = rest.pop() {
            if left == right {
                continue;
            }
            let agree = match (bare(left), bare(right)) {
                (Node::Param { index: one, kind }, Node::Param { index: other, kind: of }) => {
                    kind == of && is_same(one, other)
                }
                (Node::Fragment(one), Node::Fragment(other)) => {
                    let (one, other) = (self.fragment(one), self.fragment(other));
                    one.text == other.text && one.kind == other.kind
                }
                (one, other) => one == other,
            };
            let (left, right) = (self.parts(left), self.parts(right));
            if !agree || left.len() != right.len() {
                return false;
            }
            rest.extend(left.into_iter().zip(right));
        }
        true
    }

    /// Lets `to` stand wherever an expression says the same.
    pub(crate) fn unify(&mut self, to: NodeId, is_same: &impl Fn(u32, u32) -> bool) {
        let ids = (0..self.list.len()).map(NodeId::at);
        let swapped: Vec<NodeId> =
            ids.map(|id| if self.are_same(id, to, is_same) { to } else { id }).collect();
        let part = |id: NodeId| swapped[id.index()];
        for (index, node) in self.list.iter_mut().enumerate() {
            if index != to.index() {
                *node = node.map(part);
            }
        }
        for id in self.fragments.iter_mut().flat_map(|fragment| &mut fragment.parts) {
            *id = part(*id);
        }
        for window in &mut self.windows {
            window.map(part);
        }
    }

    /// True when `is` holds for an expression or for one inside it; the stack stays flat.
    pub(crate) fn any(&self, id: NodeId, is: impl Fn(Node) -> bool) -> bool {
        let mut rest = vec![id];
        while let Some(id) = rest.pop() {
            if is(self.get(id)) {
                return true;
            }
            rest.extend(self.parts(id));
        }
        false
    }
}
