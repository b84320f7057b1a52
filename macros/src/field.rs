//! What a field and its attributes mean: a column, an association, or neither.

use proc_macro2::TokenTree;
use quote::ToTokens;
use quote::format_ident;
use syn::Error;
use syn::Ident;
use syn::LitStr;
use syn::Result;
use syn::Type;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use crate::attributes::FieldAttributes;
use crate::types;

/// A field of the struct.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) role: Role,
}

/// What a field is in the database.
pub(crate) enum Role {
    Column(Box<Column>),
    HasMany { target: Box<Type>, foreign_key: String },
    Skipped,
}

/// A column.
pub(crate) struct Column {
    /// The name in Rust, which differs from the field's for an association.
    pub(crate) name: Ident,
    /// The name in the database.
    pub(crate) in_database: String,
    /// The type; for an association, that of the field in the struct.
    pub(crate) ty: Type,
    /// The variant of `FilledBy`.
    pub(crate) filled_by: &'static str,
    pub(crate) key: bool,
    pub(crate) belongs_to: Option<BelongsTo>,
}

/// The association a column is the key of.
pub(crate) struct BelongsTo {
    pub(crate) target: Type,
    pub(crate) optional: bool,
    pub(crate) references: String,
}

impl Role {
    pub(crate) fn is_association(&self) -> bool {
        match self {
            Self::Column(column) => column.belongs_to.is_some(),
            Self::HasMany { .. } => true,
            Self::Skipped => false,
        }
    }
}

impl Field {
    pub(crate) fn parse(field: syn::Field, owner: &Ident, timestamps: bool) -> Result<Self> {
        let attributes = FieldAttributes::parse(&field.attrs)?;
        let ident = field.ident.expect("the fields of this struct are named");
        let role = if attributes.skip.is_some() {
            attributes.refuse_others("skip", &[])?;
            Role::Skipped
        } else if attributes.has_many.is_some() {
            has_many(&attributes, &field.ty, owner)?
        } else if attributes.belongs_to.is_some() {
            Role::Column(Box::new(belongs_to(&attributes, &ident, &field.ty, owner)?))
        } else {
            Role::Column(Box::new(plain(&attributes, &ident, field.ty, timestamps)?))
        };
        Ok(Self { ident, role })
    }
}

fn has_many(attributes: &FieldAttributes, ty: &Type, owner: &Ident) -> Result<Role> {
    attributes.refuse_others("has_many", &["foreign_key"])?;
    let Some(target) = types::argument_of(ty, "HasMany") else {
        return Err(Error::new(ty.span(), "a `has_many` field is a `HasMany<…>`"));
    };
    let foreign_key = attributes.foreign_key.as_ref().map_or_else(
        || format!("{}_id", types::snake_case(&owner.unraw().to_string())),
        LitStr::value,
    );
    Ok(Role::HasMany { target: Box::new(without_self(target, owner)), foreign_key })
}

fn belongs_to(
    attributes: &FieldAttributes,
    ident: &Ident,
    ty: &Type,
    owner: &Ident,
) -> Result<Column> {
    let allowed = ["foreign_key", "references", "primary_key", "column"];
    attributes.refuse_others("belongs_to", &allowed)?;
    let optional = types::argument_of(ty, "Option");
    let Some(target) = types::argument_of(optional.unwrap_or(ty), "BelongsTo") else {
        let message = "a `belongs_to` field is a `BelongsTo<…>` or an `Option<BelongsTo<…>>`";
        return Err(Error::new(ty.span(), message));
    };
    let name = match &attributes.foreign_key {
        Some(name) => name.parse()?,
        None => format_ident!("{}_id", ident),
    };
    Ok(Column {
        in_database: column_name(attributes, &name),
        name,
        ty: without_self(ty, owner),
        filled_by: "",
        key: attributes.primary_key.is_some(),
        belongs_to: Some(BelongsTo {
            target: without_self(target, owner),
            optional: optional.is_some(),
            references: attributes.references.as_ref().map_or_else(|| "id".into(), LitStr::value),
        }),
    })
}

fn plain(
    attributes: &FieldAttributes,
    ident: &Ident,
    ty: Type,
    timestamps: bool,
) -> Result<Column> {
    attributes.refuse_others("column", &["primary_key", "generated"])?;
    for (name, attribute) in [("HasMany", "has_many"), ("BelongsTo", "belongs_to")] {
        if types::is(types::argument_of(&ty, "Option").unwrap_or(&ty), name) {
            let message = format!("write `#[schema({attribute})]` above a field of this type");
            return Err(Error::new(ty.span(), message));
        }
    }
    let by_repo = match ident.unraw().to_string().as_str() {
        "inserted_at" if timestamps => Some("InsertTime"),
        "updated_at" if timestamps => Some("UpdateTime"),
        _ => None,
    };
    if by_repo.is_some() && !types::is(&ty, "Timestamp") {
        let message = format!("`timestamps` fills this in: make `{ident}` a `Timestamp`");
        return Err(Error::new(ty.span(), message));
    }
    let filled_by = match (attributes.generated, by_repo) {
        (Some((span, _)), Some(_)) => {
            return Err(Error::new(span, "`timestamps` fills this in already: remove `generated`"));
        }
        (Some((_, true)), None) => "Database",
        (Some((_, false)), None) => "Program",
        (None, by_repo) => by_repo.unwrap_or(""),
    };
    Ok(Column {
        in_database: column_name(attributes, ident),
        name: ident.clone(),
        ty,
        filled_by,
        key: attributes.primary_key.is_some(),
        belongs_to: None,
    })
}

fn column_name(attributes: &FieldAttributes, name: &Ident) -> String {
    attributes.column.as_ref().map_or_else(|| name.unraw().to_string(), LitStr::value)
}

/// `ty` with `Self` spelled out, since the static table is not inside the `impl`.
fn without_self(ty: &Type, owner: &Ident) -> Type {
    let tokens = ty.to_token_stream().into_iter().map(|token| replace(token, owner)).collect();
    syn::parse2(tokens).unwrap_or_else(|_| ty.clone())
}

fn replace(token: TokenTree, owner: &Ident) -> TokenTree {
    if let TokenTree::Ident(ident) = &token
        && ident == "Self"
    {
        return Ident::new(&owner.to_string(), ident.span()).into();
    }
    token
}
