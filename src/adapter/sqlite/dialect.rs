//! How SQLite spells SQL.
//!
//! A list of values is one parameter that holds a JSON array; kinds that JSON has no word for
//! travel as text in it and are turned back by a function.

use std::fmt::Write;

use crate::adapter::sql::Begin;
use crate::adapter::sql::Capability;
use crate::adapter::sql::Dialect;
use crate::adapter::sql::cannot;
use crate::error::Error;
use crate::error::Result;
use crate::query::ast::Case;
use crate::query::ast::Function;
use crate::query::ast::Lock;
use crate::query::ast::Operator;
use crate::query::ast::TextFunction;
use crate::value::Kind;

/// The SQL of the SQLite that is compiled in.
#[derive(Clone, Copy, Debug)]
pub struct SqliteDialect;

impl Dialect for SqliteDialect {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn max_identifier_bytes(&self) -> Option<usize> {
        None
    }

    /// `SQLITE_MAX_VARIABLE_NUMBER` as it is compiled in.
    fn max_params(&self) -> usize {
        32_766
    }

    fn placeholder(&self, number: usize, out: &mut String) {
        write!(out, "?{number}").expect("writing to a `String` cannot fail");
    }

    fn type_name(&self, _kind: Kind) -> Option<String> {
        None
    }

    fn membership(&self, number: usize, kind: Kind, _typed: bool) -> Result<String> {
        Ok(format!("in (select {} from json_each(?{number}))", item("value", kind)?))
    }

    fn key_membership(&self, columns: &[(String, Kind)], first: usize) -> Result<String> {
        if let [(name, kind)] = columns {
            return Ok(format!("{name} {}", self.membership(first, *kind, false)?));
        }
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let parts = columns.iter().enumerate();
        let parts: Result<Vec<String>> = parts
            .map(|(index, &(_, kind))| item(&format!("json_extract(value, '$[{index}]')"), kind))
            .collect();
        let (names, parts) = (names.join(", "), parts?.join(", "));
        Ok(format!("({names}) in (select {parts} from json_each(?{first}))"))
    }

    fn keys_in_one_list(&self) -> bool {
        true
    }

    fn like(&self, _case: Case) -> &'static str {
        "like"
    }

    fn aggregate(
        &self,
        function: Function,
        kind: Kind,
        argument: &str,
        over: &str,
    ) -> Result<String> {
        let is_decimal = kind == Kind::Decimal;
        match function {
            Function::Count => Ok(format!("count({argument}){over}")),
            Function::CountDistinct if !over.is_empty() => {
                Err(cannot(self, "count, each once and over a window,", kind))
            }
            Function::CountDistinct => Ok(format!("count(distinct {argument})")),
            Function::Sum | Function::Avg if !adds_up(kind) => Err(cannot(self, "add up", kind)),
            Function::Sum | Function::Avg if is_decimal && !over.is_empty() => {
                Err(cannot(self, "add up, over a window,", kind))
            }
            Function::Sum if is_decimal => Ok(format!("recto_decimal_sum({argument})")),
            Function::Avg if is_decimal => Ok(format!("recto_decimal_avg({argument})")),
            Function::Sum => Ok(format!("sum({argument}){over}")),
            Function::Avg => Ok(format!("avg({argument}){over}")),
            Function::Min | Function::Max if matches!(kind, Kind::Json | Kind::Array(_)) => {
                Err(cannot(self, "put in order", kind))
            }
            Function::Min | Function::Max => {
                let name = if function == Function::Min { "min" } else { "max" };
                let collation = self.collation(kind).map(|name| format!(" collate {name}"));
                Ok(format!("{name}({argument}{}){over}", collation.unwrap_or_default()))
            }
        }
    }

    /// SQLite would go on with a float where an integer is too wide; a function says that it is.
    fn arithmetic(
        &self,
        operator: Operator,
        kind: Kind,
        left: &str,
        right: &str,
    ) -> Result<String> {
        let sign = operator.sign();
        match kind {
            Kind::I16 => Ok(format!("recto_integer({left} {sign} {right}, 16)")),
            Kind::I32 => Ok(format!("recto_integer({left} {sign} {right}, 32)")),
            Kind::I64 => Ok(format!("recto_integer({left} {sign} {right}, 64)")),
            Kind::F32 | Kind::F64 => Ok(format!("({left} {sign} {right})")),
            Kind::Decimal => Ok(format!("recto_decimal({left}, '{sign}', {right})")),
            Kind::Bool
            | Kind::Text
            | Kind::Bytes
            | Kind::Uuid
            | Kind::Date
            | Kind::Time
            | Kind::Timestamp
            | Kind::Json
            | Kind::Array(_) => Err(cannot(self, "calculate with", kind)),
        }
    }

    fn text(&self, function: TextFunction, argument: &str) -> String {
        match function {
            TextFunction::Lower => format!("lower({argument})"),
            TextFunction::Upper => format!("upper({argument})"),
            TextFunction::Length => format!("length({argument})"),
        }
    }

    /// The canonical form of a timestamp; the clock has milliseconds.
    fn now(&self) -> &'static str {
        "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"
    }

    fn lock(&self, _lock: Lock, _source: &str) -> Result<String> {
        Err(Error::invalid("SQLite has no locks of rows: whoever writes in a transaction is alone"))
    }

    /// Decimals are text; everything else sorts as it is stored.
    fn collation(&self, kind: Kind) -> Option<&'static str> {
        (kind == Kind::Decimal).then_some("recto_decimal")
    }

    /// `case when a collate x > b then …` as a whole sorts by `x`.
    fn collation_of_choice(&self, kind: Kind) -> Option<&'static str> {
        (kind == Kind::Text).then_some("binary")
    }

    /// A transaction that will write says so at once: the lock cannot be had later if another
    /// connection wrote in between.
    fn begin(&self, begin: Begin) -> &'static str {
        match begin {
            Begin::Write | Begin::RepeatableRead | Begin::Serializable => "begin immediate",
            Begin::Snapshot => "begin",
        }
    }

    fn set_setting(&self) -> Option<&'static str> {
        None
    }

    fn no_limit(&self) -> Option<&'static str> {
        Some("-1")
    }

    fn supports(&self, capability: Capability) -> bool {
        match capability {
            Capability::Arrays | Capability::Listen | Capability::Lateral => false,
            Capability::GoesOnAfterFailure => true,
        }
    }
}

fn adds_up(kind: Kind) -> bool {
    matches!(kind, Kind::I16 | Kind::I32 | Kind::I64 | Kind::F32 | Kind::F64 | Kind::Decimal)
}

/// One item of a list, turned from JSON into what a column of `kind` stores.
fn item(json: &str, kind: Kind) -> Result<String> {
    match kind {
        Kind::Bytes => Ok(format!("unhex({json})")),
        // SQLite's own reading of a decimal fraction may miss the nearest double.
        Kind::F32 | Kind::F64 => Ok(format!("recto_float({json})")),
        Kind::Json | Kind::Array(_) => Err(cannot(&SqliteDialect, "search a list for", kind)),
        Kind::Bool
        | Kind::I16
        | Kind::I32
        | Kind::I64
        | Kind::Text
        | Kind::Uuid
        | Kind::Decimal
        | Kind::Date
        | Kind::Time
        | Kind::Timestamp => Ok(json.to_owned()),
    }
}
