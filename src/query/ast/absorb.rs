//! How questions and expressions take others in.
//!
//! **Invariant:** whatever is taken in keeps its meaning: the numbers of nodes, parameters,
//! fragments, windows and questions are moved together.

use super::Shape;
use super::node::Node;
use super::node::NodeId;
use super::nodes::Nodes;
use super::tree::Tree;
use crate::value::Value;

pub(super) fn small(number: usize) -> u16 {
    u16::try_from(number).expect("a query has fewer than 65,536 fragments, windows or subqueries")
}

/// Moves `tree` behind `nodes` and returns where its root is now.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others hold nothing but parts")]
pub(super) fn absorb(nodes: &mut Nodes, params: &mut Vec<Value>, tree: Tree) -> NodeId {
    let (shift, first_param) = (nodes.list.len(), params.len());
    let by_number = |number: u16, before: usize| small(usize::from(number) + before);
    let (fragments, windows, queries) =
        (nodes.fragments.len(), nodes.windows.len(), nodes.queries.len());
    let part = |id: NodeId| id.shifted(shift);
    params.extend(tree.params);
    nodes.list.extend(tree.nodes.list.into_iter().map(|node| match node.map(part) {
        Node::Param { index, kind } => Node::Param { index: moved(index, first_param), kind },
        Node::Fragment(number) => Node::Fragment(by_number(number, fragments)),
        Node::Window(number) => Node::Window(by_number(number, windows)),
        Node::Exists(number) => Node::Exists(by_number(number, queries)),
        Node::InQuery(of, number) => Node::InQuery(of, by_number(number, queries)),
        Node::Scalar(number) => Node::Scalar(by_number(number, queries)),
        node => node,
    }));
    nodes.fragments.extend(tree.nodes.fragments.into_iter().map(|mut fragment| {
        for of in &mut fragment.parts {
            *of = part(*of);
        }
        fragment
    }));
    nodes.windows.extend(tree.nodes.windows.into_iter().map(|mut window| {
        window.map(part);
        window
    }));
    nodes.queries.extend(tree.nodes.queries.into_iter().map(|mut query| {
        query.move_params(first_param);
        query
    }));
    NodeId::at(nodes.list.len() - 1)
}

fn moved(index: u32, by: usize) -> u32 {
    u32::try_from(index as usize + by).expect("fewer than 2^32 parameters")
}

impl Shape {
    /// Lets its parameters begin `by` places later, as those of a question that takes it in.
    pub(super) fn move_params(&mut self, by: usize) {
        for node in &mut self.nodes.list {
            if let Node::Param { index, .. } = node {
                *index = moved(*index, by);
            }
        }
        for shape in self.inner_mut() {
            shape.move_params(by);
        }
    }
}
