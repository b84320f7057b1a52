//! One question asked for many lists of parameters in one statement.
//!
//! **Invariant:** the rows of each list come together, in the order of the question, with the number
//! of the list, counted from one, behind them.

use std::sync::Arc;

use super::Begin;
use super::Capability;
use super::Dialect;
use super::read::select;
use crate::error::Result;
use crate::query::Plan;
use crate::query::ast::Case;
use crate::query::ast::Function;
use crate::query::ast::Lock;
use crate::query::ast::Node;
use crate::query::ast::Operator;
use crate::query::ast::Shape;
use crate::query::ast::TextFunction;
use crate::value::Kind;

/// The statement that answers a plan for many lists of parameters; parameter `i` of it is the list
/// of all values of parameter `i` of the question. `None` where the database cannot, or the question
/// has no parameters.
///
/// # Errors
///
/// [`Invalid`](crate::ErrorKind::Invalid) where the database cannot express the question.
pub(crate) fn select_many(plan: &Plan, dialect: &'static dyn Dialect) -> Result<Option<Arc<str>>> {
    let mut kinds = vec![None; plan.ast.params.len()];
    let has_fragments = !note(&plan.ast.shape, &mut kinds);
    if plan.ast.params.is_empty() || has_fragments || !dialect.supports(Capability::Lateral) {
        return Ok(None);
    }
    let types =
        kinds.into_iter().map(|kind| dialect.type_name(kind.filter(|&kind| is_plain(kind))?));
    let Some(types) = types.collect::<Option<Vec<String>>>() else { return Ok(None) };
    let inner = select(plan, &Lateral(dialect))?;
    let numbered = |letter: char, count: usize| -> Vec<String> {
        (1..=count).map(|number| format!("{letter}{number}")).collect()
    };
    let lists = types.iter().zip(1..).map(|(name, number)| format!("${number}::{name}[]"));
    let lists = lists.collect::<Vec<_>>().join(", ");
    let (params, columns) =
        (numbered('a', types.len()).join(", "), numbered('c', plan.items.len()).join(", "));
    Ok(Some(
        format!(
            "select {columns}, n from unnest({lists}) with ordinality as p({params}, n) \
             cross join lateral (select row_number() over (), r.* from ({inner}) as r) \
             as q(place, {columns}) order by n, place"
        )
        .into(),
    ))
}

/// Notes what parameters hold, those of questions inside it too; false where there is a fragment:
/// what that makes of a parameter may depend on how the database takes it.
fn note(shape: &Shape, kinds: &mut [Option<Kind>]) -> bool {
    for node in shape.nodes.iter() {
        if let Node::Param { index, kind } = node {
            kinds[index as usize] = Some(kind);
        }
    }
    shape.nodes.fragments().is_empty() && shape.inner().all(|inner| note(inner, kinds))
}

/// True when a value of `kind` compares the same whatever type the column has. A text may stand for an
/// enumeration or a type that folds case, which a list of texts would not be taken for.
fn is_plain(kind: Kind) -> bool {
    match kind {
        Kind::Bool
        | Kind::I16
        | Kind::I32
        | Kind::I64
        | Kind::Bytes
        | Kind::Uuid
        | Kind::Decimal
        | Kind::Date => true,
        Kind::F32
        | Kind::F64
        | Kind::Text
        | Kind::Time
        | Kind::Timestamp
        | Kind::Json
        | Kind::Array(_) => false,
    }
}

/// The same dialect, where a parameter is a column of the list of parameters.
#[derive(Debug)]
struct Lateral(&'static dyn Dialect);

impl Dialect for Lateral {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn max_identifier_bytes(&self) -> Option<usize> {
        self.0.max_identifier_bytes()
    }

    fn max_params(&self) -> usize {
        self.0.max_params()
    }

    fn placeholder(&self, number: usize, out: &mut String) {
        out.push_str("p.a");
        out.push_str(&number.to_string());
    }

    fn type_name(&self, kind: Kind) -> Option<String> {
        self.0.type_name(kind)
    }

    fn membership(&self, number: usize, kind: Kind, typed: bool) -> Result<String> {
        // A list of lists is no parameter: such questions are asked one by one.
        self.0.membership(number, kind, typed)
    }

    fn key_membership(&self, columns: &[(String, Kind)], first: usize) -> Result<String> {
        self.0.key_membership(columns, first)
    }

    fn keys_in_one_list(&self) -> bool {
        self.0.keys_in_one_list()
    }

    fn like(&self, case: Case) -> &'static str {
        self.0.like(case)
    }

    fn aggregate(
        &self,
        function: Function,
        kind: Kind,
        argument: &str,
        over: &str,
    ) -> Result<String> {
        self.0.aggregate(function, kind, argument, over)
    }

    fn arithmetic(
        &self,
        operator: Operator,
        kind: Kind,
        left: &str,
        right: &str,
    ) -> Result<String> {
        self.0.arithmetic(operator, kind, left, right)
    }

    fn text(&self, function: TextFunction, argument: &str) -> String {
        self.0.text(function, argument)
    }

    fn now(&self) -> &'static str {
        self.0.now()
    }

    fn lock(&self, lock: Lock, source: &str) -> Result<String> {
        self.0.lock(lock, source)
    }

    fn collation(&self, kind: Kind) -> Option<&'static str> {
        self.0.collation(kind)
    }

    fn collation_of_choice(&self, kind: Kind) -> Option<&'static str> {
        self.0.collation_of_choice(kind)
    }

    fn begin(&self, begin: Begin) -> &'static str {
        self.0.begin(begin)
    }

    fn set_setting(&self) -> Option<&'static str> {
        self.0.set_setting()
    }

    fn no_limit(&self) -> Option<&'static str> {
        self.0.no_limit()
    }

    fn supports(&self, capability: Capability) -> bool {
        self.0.supports(capability)
    }
}
