//! What a struct and its attributes mean: a table with a primary key.
//!
//! **Invariant:** a [`Schema`] that was parsed can be expanded; what cannot be was refused here, in
//! `field` or in `attributes`.

use proc_macro2::Span;
use syn::Data;
use syn::DeriveInput;
use syn::Error;
use syn::Fields;
use syn::Ident;
use syn::LitStr;
use syn::Result;
use syn::Visibility;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use crate::attributes::StructAttributes;
use crate::field::Column;
use crate::field::Field;
use crate::field::Role;
use crate::types;

/// A struct that is the shape of a table's rows.
pub(crate) struct Schema {
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    pub(crate) table: LitStr,
    pub(crate) fields: Vec<Field>,
}

impl Schema {
    pub(crate) fn parse(input: DeriveInput) -> Result<Self> {
        let attributes = StructAttributes::parse(&input.attrs)?;
        let named = named_fields(&input)?;
        let Some(table) = attributes.table else {
            let message = format!(
                "which table? write `#[schema(table = \"{}s\")]` above the struct",
                types::snake_case(&input.ident.unraw().to_string())
            );
            return Err(Error::new(input.ident.span(), message));
        };
        let mut fields = Vec::with_capacity(named.len());
        let mut errors: Option<Error> = None;
        for field in named {
            match Field::parse(field, &input.ident, attributes.timestamps.is_some()) {
                Ok(field) => fields.push(field),
                Err(error) => match &mut errors {
                    Some(errors) => errors.combine(error),
                    None => errors = Some(error),
                },
            }
        }
        if let Some(errors) = errors {
            return Err(errors);
        }
        let mut this = Self { visibility: input.vis, name: input.ident, table, fields };
        this.settle_key()?;
        this.refuse_twins()?;
        if let Some(span) = attributes.timestamps {
            this.require_timestamps(span)?;
        }
        Ok(this)
    }

    /// The columns, in the order of the fields.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &Column> {
        self.fields.iter().filter_map(|field| match &field.role {
            Role::Column(column) => Some(&**column),
            Role::Others(_) | Role::Skipped => None,
        })
    }

    /// Falls back to `id`, and decides who makes a key of one column.
    fn settle_key(&mut self) -> Result<()> {
        let chosen = self.columns().any(|column| column.key);
        let mut keys: Vec<&mut Column> = Vec::new();
        for field in &mut self.fields {
            if let Role::Column(column) = &mut field.role {
                column.key |= !chosen && column.name == "id";
                if column.key {
                    keys.push(column);
                }
            }
        }
        match &mut *keys {
            [] => {
                let message = "no primary key: name a field `id`, or write `#[schema(primary_key)]` \
                               above the fields that are it";
                Err(Error::new(self.name.span(), message))
            }
            [key] => {
                key.filled_by = match key.filled_by {
                    "" if key.belongs_to.is_some() => "",
                    "" if types::is_integer(&key.ty) => "Database",
                    "" if types::is(&key.ty, "Uuid") => "NewUuid",
                    decided => decided,
                };
                Ok(())
            }
            _ => self.refuse_others(),
        }
    }

    fn refuse_others(&self) -> Result<()> {
        let others = |field: &&Field| matches!(field.role, Role::Others(_));
        self.fields.iter().find(others).map_or(Ok(()), |field| {
            let message = "rows of other tables need a primary key of one column to point at; \
                           remove the field, or give the table such a key";
            Err(Error::new(field.ident.span(), message))
        })
    }

    fn refuse_twins(&self) -> Result<()> {
        let mut seen: Vec<&Ident> = Vec::new();
        let associations = self.fields.iter().filter(|field| field.role.is_association());
        let names = associations.map(|field| &field.ident);
        for name in self.columns().map(|column| &column.name).chain(names) {
            if seen.contains(&name) {
                let message = format!(
                    "two columns or associations are named `{name}`; a `belongs_to` brings its own \
                     column, so remove the other field or give one another name with `foreign_key`"
                );
                return Err(Error::new(name.span(), message));
            }
            seen.push(name);
        }
        Ok(())
    }

    fn require_timestamps(&self, span: Span) -> Result<()> {
        for name in ["inserted_at", "updated_at"] {
            if !self.columns().any(|column| column.name == name) {
                let message = format!(
                    "`timestamps` needs a field `{name}: Timestamp`; add it, or remove `timestamps`"
                );
                return Err(Error::new(span, message));
            }
        }
        Ok(())
    }
}

fn named_fields(input: &DeriveInput) -> Result<Vec<syn::Field>> {
    let refuse = |what| {
        let message = format!("{what} cannot be a row; write a struct with named fields");
        Err(Error::new(input.ident.span(), message))
    };
    if !input.generics.params.is_empty() {
        let message = "a schema has no generics: one struct is one table";
        return Err(Error::new(input.generics.span(), message));
    }
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Ok(fields.named.iter().cloned().collect()),
            Fields::Unnamed(_) => refuse("a tuple struct"),
            Fields::Unit => refuse("a struct without fields"),
        },
        Data::Enum(_) => refuse("an enum"),
        Data::Union(_) => refuse("a union"),
    }
}
