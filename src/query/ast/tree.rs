//! Expressions on their own.

use super::Ast;
use super::absorb::absorb;
use super::absorb::small;
use super::node::Fragment;
use super::node::Node;
use super::node::NodeId;
use super::node::Window;
use super::nodes::Nodes;
use crate::value::Kind;
use crate::value::Value;

/// An expression on its own, before a query takes it in. The root is the last node.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub(crate) nodes: Nodes,
    pub(crate) params: Vec<Value>,
}

impl Tree {
    pub(crate) fn leaf(node: Node) -> Self {
        Self { nodes: Nodes { list: vec![node], ..Nodes::default() }, params: Vec::new() }
    }

    pub(crate) fn param(value: Value, kind: Kind) -> Self {
        let mut tree = Self::leaf(Node::Param { index: 0, kind });
        tree.params.push(value);
        tree
    }

    /// A question as part of an expression.
    pub(crate) fn query(ast: Ast, node: impl FnOnce(u16) -> Node) -> Self {
        let mut tree = Self::leaf(node(0));
        tree.nodes.queries.push(ast.shape.nested());
        tree.params = ast.params;
        tree
    }

    /// SQL of the program.
    pub(crate) fn fragment(text: &'static str, kind: Kind, holes: Vec<Self>) -> Self {
        let mut tree = Self::default();
        let parts = holes.into_iter().map(|hole| tree.take(hole)).collect();
        let number = small(tree.nodes.fragments.len());
        tree.nodes.list.push(Node::Fragment(number));
        tree.nodes.fragments.push(Fragment { text, parts, kind });
        tree
    }

    /// The place of the root; of the node that comes first where there is none yet.
    pub(crate) fn root(&self) -> NodeId {
        NodeId::at(self.nodes.list.len().saturating_sub(1))
    }

    /// `node` over the root of this tree.
    pub(crate) fn wrap(mut self, node: impl FnOnce(NodeId) -> Node) -> Self {
        let node = node(self.root());
        self.nodes.list.push(node);
        self
    }

    /// `node` over what this tree holds already.
    pub(crate) fn over(mut self, node: Node) -> Self {
        self.nodes.list.push(node);
        self
    }

    /// Membership of this in the answer of a question.
    pub(crate) fn in_query(mut self, ast: Ast) -> Self {
        let number = small(self.nodes.queries.len());
        let mut shape = ast.shape.nested();
        shape.move_params(self.params.len());
        self.nodes.queries.push(shape);
        self.params.extend(ast.params);
        self.wrap(|item| Node::InQuery(item, number))
    }

    /// `node` over the roots of two trees.
    pub(crate) fn join(mut self, other: Self, node: impl FnOnce(NodeId, NodeId) -> Node) -> Self {
        let left = self.root();
        let right = self.take(other);
        self.nodes.list.push(node(left, right));
        self
    }

    /// A window over what this tree holds already.
    pub(crate) fn push_window(&mut self, window: Window) {
        let number = small(self.nodes.windows.len());
        self.nodes.windows.push(window);
        self.nodes.list.push(Node::Window(number));
    }

    /// Moves another tree in and returns where its root is now.
    pub(crate) fn take(&mut self, other: Self) -> NodeId {
        absorb(&mut self.nodes, &mut self.params, other)
    }
}
