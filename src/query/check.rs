//! What a question must not be, said before a database is asked.

use super::ast::Ast;
use super::ast::MOST_NESTED;
use super::ast::Node;
use super::ast::NodeId;
use super::ast::Scope;
use super::ast::Shape;
use super::ast::WindowFunction;
use super::ast::With;
use crate::error::Error;
use crate::error::Result;
use crate::value::Value;

/// How deep expressions may stand in each other.
///
/// Every pass over a question may recurse this deep; 200 levels of the printer, which needs the
/// most, are about 200 KiB of stack in a debug build, of the 2 MiB that threads have.
pub(crate) const MOST_DEPTH: usize = 200;

fn depth(shape: &Shape) -> usize {
    let withs = shape.withs.iter().flat_map(With::members).map(depth).max().unwrap_or(0);
    withs.max(shape.nodes.depth(depth))
}

/// True when every pass may recurse.
pub(crate) fn is_shallow(shape: &Shape) -> bool {
    depth(shape) <= MOST_DEPTH
}

/// Refuses what no pass may walk into.
pub(super) fn size(shape: &Shape) -> Result<()> {
    let root = shape.root().name;
    if is_cut(shape) {
        return Err(Error::invalid(format!(
            "query on `{root}` has more than {MOST_NESTED} queries inside each other"
        )));
    }
    if !is_shallow(shape) {
        return Err(Error::invalid(format!(
            "query on `{root}` has expressions more than {MOST_DEPTH} deep: write long chains as \
             `a.or(b).or(c)`, or as `in_`"
        )));
    }
    Ok(())
}

fn is_cut(shape: &Shape) -> bool {
    shape.is_cut || shape.inner().any(is_cut)
}

/// Refuses a completed question that means nothing, or what it holds; `reach` is how many questions
/// out its expressions may look.
pub(super) fn meaning(scope: &Scope<'_>, reach: u16) -> Result<()> {
    let shape = scope.shape;
    let root = shape.root().name;
    for node in shape.nodes.iter() {
        names(scope, node, reach)?;
        parts(shape, node)?;
    }
    let conditions = shape.filters.iter().chain(&shape.group_by).chain(&shape.having).copied();
    let joins = shape.sources.iter().filter_map(|source| source.join).map(|join| join.on);
    let is_window = |node| matches!(node, Node::Window(_));
    if conditions.chain(joins).any(|id| shape.nodes.any(id, is_window)) {
        return Err(Error::invalid(format!(
            "query on `{root}` filters or groups by a window function: name its answer with `with`, \
             and filter that"
        )));
    }
    for with in &shape.withs {
        outputs(with)?;
        for member in with.members() {
            meaning(&Scope { shape: member, outer: Some(scope) }, 0)?;
        }
    }
    let mut queries = shape.nodes.queries().iter();
    queries.try_for_each(|query| meaning(&Scope { shape: query, outer: Some(scope) }, reach + 1))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else names a column")]
fn names(scope: &Scope<'_>, node: Node, reach: u16) -> Result<()> {
    let root = scope.shape.root().name;
    let (scope, source, column) = match node {
        Node::Column { source, column } => (Some(scope), source, column),
        Node::Outer { up, source, column } => {
            (scope.up(up).filter(|_| up <= reach), source, column)
        }
        _ => return Ok(()),
    };
    match scope.and_then(|scope| scope.column_kind(source, column)) {
        Some(_) => Ok(()),
        None if matches!(node, Node::Outer { .. }) => Err(Error::invalid(format!(
            "query on `{root}` uses `outer` where no query with that row is around it"
        ))),
        None => Err(Error::invalid(format!("query on `{root}` uses a column of another query"))),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest cannot be wrong in itself")]
fn parts(shape: &Shape, node: Node) -> Result<()> {
    let root = shape.root().name;
    match node {
        Node::Fragment(number) => {
            let fragment = shape.nodes.fragment(number);
            let (holes, parts) = (fragment.pieces().len() - 1, fragment.parts.len());
            if holes == parts {
                return Ok(());
            }
            Err(Error::invalid(format!(
                "fragment `{}` has {holes} holes and {parts} things to fill them",
                fragment.text
            )))
        }
        Node::Window(number) => match shape.nodes.window(number).function {
            WindowFunction::Aggregate(of) if !matches!(shape.node(of), Node::Aggregate(..)) => Err(
                Error::invalid(format!("query on `{root}` says `over` of what is no aggregate")),
            ),
            _ => Ok(()),
        },
        Node::InQuery(_, number) | Node::Scalar(number) => {
            let query = shape.nodes.query(number);
            let is_one_row = query.limit.is_some_and(|limit| limit <= 1)
                || query.is_grouped() && query.group_by.is_empty();
            if query.select.len() != 1 {
                return Err(Error::invalid(format!(
                    "query on `{root}` compares with a query on `{}` that shows {} columns",
                    query.root().name,
                    query.select.len()
                )));
            }
            if is_one_row || matches!(node, Node::InQuery(..)) {
                return Ok(());
            }
            Err(Error::invalid(format!(
                "a `scalar` query on `{}` may have many rows: aggregate without groups, or say \
                 `limit(1)`",
                query.root().name
            )))
        }
        _ => Ok(()),
    }
}

/// Refuses parameters that mean nothing.
pub(super) fn params(shape: &Shape, params: &[Value]) -> Result<()> {
    for node in shape.nodes.iter() {
        if let Node::Like(_, pattern, _) = node {
            check_pattern(shape, params, pattern)?;
        }
    }
    shape.inner().try_for_each(|inner| self::params(inner, params))
}

fn check_pattern(shape: &Shape, params: &[Value], pattern: NodeId) -> Result<()> {
    let Node::Param { index, .. } = shape.node(pattern) else { return Ok(()) };
    let Some(Value::Text(text)) = params.get(index as usize) else { return Ok(()) };
    let escapes = text.bytes().rev().take_while(|&byte| byte == b'\\').count();
    if escapes % 2 == 1 {
        return Err(Error::invalid(format!("pattern `{text}` ends with a lone `\\`: double it")));
    }
    Ok(())
}

/// Refuses answers that do not fit what they are read as.
fn outputs(with: &With) -> Result<()> {
    let kinds = |shape: &Shape| shape.select.iter().map(|item| item.kind).collect::<Vec<_>>();
    let (name, wanted) = match with.table {
        Some(table) => (table.name, table.columns.iter().map(|column| column.kind).collect()),
        None => (with.first.root().name, kinds(&with.first)),
    };
    for member in with.members() {
        let shown = kinds(member);
        if shown.len() != wanted.len() {
            return Err(Error::invalid(format!(
                "an answer read as `{name}` shows {} columns, not {}",
                shown.len(),
                wanted.len()
            )));
        }
        for (place, (shown, wanted)) in shown.iter().zip(&wanted).enumerate() {
            if shown != wanted {
                return Err(Error::invalid(format!(
                    "column {} of an answer read as `{name}` holds {shown}, not {wanted}",
                    place + 1
                )));
            }
        }
    }
    Ok(())
}

/// Refuses groups without something to show for them.
pub(super) fn groups(ast: &Ast) -> Result<()> {
    let shape = &ast.shape;
    let root = shape.root().name;
    if !shape.having.is_empty() && shape.group_by.is_empty() && shape.select.is_empty() {
        return Err(Error::invalid(format!(
            "query on `{root}` has `having` but neither groups nor aggregates"
        )));
    }
    if shape.is_grouped() && shape.select.is_empty() {
        return Err(Error::invalid(format!(
            "query on `{root}` groups rows: say with `select` what it shows"
        )));
    }
    Ok(())
}
