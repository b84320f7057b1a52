//! What `#[schema(…)]` says, as written.
//!
//! This module refuses to know what the attributes mean together.

use proc_macro2::Span;
use syn::Attribute;
use syn::Error;
use syn::LitBool;
use syn::LitStr;
use syn::Result;
use syn::Token;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;

/// The attributes of a struct.
#[derive(Default)]
pub(crate) struct StructAttributes {
    pub(crate) table: Option<LitStr>,
    pub(crate) timestamps: Option<Span>,
}

/// The attributes of a field.
#[derive(Default)]
pub(crate) struct FieldAttributes {
    pub(crate) primary_key: Option<Span>,
    pub(crate) column: Option<LitStr>,
    pub(crate) generated: Option<(Span, bool)>,
    pub(crate) belongs_to: Option<Span>,
    pub(crate) has_many: Option<Span>,
    pub(crate) has_one: Option<Span>,
    pub(crate) many_to_many: Option<Span>,
    pub(crate) through: Option<LitStr>,
    pub(crate) foreign_key: Option<LitStr>,
    pub(crate) references: Option<LitStr>,
    pub(crate) skip: Option<Span>,
}

const STRUCT: &[&str] = &["table = \"…\"", "timestamps"];

const FIELD: &[&str] = &[
    "primary_key",
    "column = \"…\"",
    "generated",
    "belongs_to",
    "has_many",
    "has_one",
    "many_to_many",
    "through = \"…\"",
    "foreign_key = \"…\"",
    "references = \"…\"",
    "skip",
];

impl StructAttributes {
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut this = Self::default();
        visit(attributes, |meta, name| {
            match name {
                "table" => this.table = Some(text(meta)?),
                "timestamps" => this.timestamps = Some(meta.path.span()),
                _ => return Err(unknown(meta, name, "a struct", STRUCT, ("a field", FIELD))),
            }
            Ok(())
        })?;
        Ok(this)
    }
}

impl FieldAttributes {
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut this = Self::default();
        visit(attributes, |meta, name| {
            let span = meta.path.span();
            match name {
                "primary_key" => this.primary_key = Some(span),
                "column" => this.column = Some(text(meta)?),
                "generated" => this.generated = Some((span, flag(meta)?)),
                "belongs_to" => this.belongs_to = Some(span),
                "has_many" => this.has_many = Some(span),
                "has_one" => this.has_one = Some(span),
                "many_to_many" => this.many_to_many = Some(span),
                "through" => this.through = Some(text(meta)?),
                "foreign_key" => this.foreign_key = Some(text(meta)?),
                "references" => this.references = Some(text(meta)?),
                "skip" => this.skip = Some(span),
                _ => return Err(unknown(meta, name, "a field", FIELD, ("the struct", STRUCT))),
            }
            Ok(())
        })?;
        Ok(this)
    }

    /// Refuses what stands beside `role`, which goes with `allowed` only.
    pub(crate) fn refuse_others(&self, role: &str, allowed: &[&str]) -> Result<()> {
        let literal = |text: &Option<LitStr>| text.as_ref().map(LitStr::span);
        let given = [
            ("primary_key", self.primary_key),
            ("column", literal(&self.column)),
            ("generated", self.generated.map(|(span, _)| span)),
            ("belongs_to", self.belongs_to),
            ("has_many", self.has_many),
            ("has_one", self.has_one),
            ("many_to_many", self.many_to_many),
            ("through", literal(&self.through)),
            ("foreign_key", literal(&self.foreign_key)),
            ("references", literal(&self.references)),
            ("skip", self.skip),
        ];
        for (name, span) in given {
            let Some(span) = span else { continue };
            if name != role && !allowed.contains(&name) {
                let what = if role == "column" {
                    "a plain column".to_owned()
                } else {
                    format!("a `{role}` field")
                };
                let message = format!("`{name}` says nothing about {what}; remove one of them");
                return Err(Error::new(span, message));
            }
        }
        Ok(())
    }
}

/// Calls `take` for each part of each `#[schema(…)]`.
fn visit(
    attributes: &[Attribute],
    mut take: impl FnMut(&ParseNestedMeta<'_>, &str) -> Result<()>,
) -> Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("schema")) {
        attribute.parse_nested_meta(|meta| {
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            take(&meta, &name)
        })?;
    }
    Ok(())
}

fn text(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    let text: LitStr = meta.value()?.parse()?;
    if text.value().is_empty() {
        return Err(Error::new(text.span(), "write a name between the quotes"));
    }
    Ok(text)
}

/// `name` alone is yes.
fn flag(meta: &ParseNestedMeta<'_>) -> Result<bool> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<LitBool>().map(|flag| flag.value)
    } else {
        Ok(true)
    }
}

fn unknown(
    meta: &ParseNestedMeta<'_>,
    name: &str,
    place: &str,
    known: &[&str],
    (other_place, others): (&str, &[&str]),
) -> Error {
    let elsewhere = others.iter().any(|other| other.split(' ').next() == Some(name));
    if elsewhere {
        return meta.error(format!("`{name}` goes on {other_place}, not on {place}"));
    }
    let known = known.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
    meta.error(format!("unknown attribute; on {place}, `#[schema(…)]` takes {known}"))
}
