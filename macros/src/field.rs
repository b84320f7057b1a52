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
    Others(Box<Others>),
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

/// Rows of another table that lead to this one.
pub(crate) struct Others {
    pub(crate) target: Type,
    /// There is at most one.
    pub(crate) is_one: bool,
    /// The field that leads to this one: of the other table, or of the table between.
    pub(crate) foreign_key: String,
    pub(crate) through: Option<Through>,
}

/// What stands between this table and another.
pub(crate) enum Through {
    /// Rows with the keys of both: their type, and the field with the other table's key.
    Schema(Box<Type>, String),
    /// An association of this table, and one of the table it leads to.
    Assocs(String, String),
}

impl Role {
    pub(crate) fn is_association(&self) -> bool {
        match self {
            Self::Column(column) => column.belongs_to.is_some(),
            Self::Others(_) => true,
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
            others(&attributes, ("has_many", "HasMany"), &field.ty, owner)?
        } else if attributes.has_one.is_some() {
            others(&attributes, ("has_one", "HasOne"), &field.ty, owner)?
        } else if attributes.many_to_many.is_some() {
            many_to_many(&attributes, &field.ty, owner)?
        } else if attributes.belongs_to.is_some() {
            Role::Column(Box::new(belongs_to(&attributes, &ident, &field.ty, owner)?))
        } else {
            Role::Column(Box::new(plain(&attributes, &ident, field.ty, timestamps)?))
        };
        Ok(Self { ident, role })
    }
}

fn others(
    attributes: &FieldAttributes,
    (role, holder): (&str, &str),
    ty: &Type,
    owner: &Ident,
) -> Result<Role> {
    attributes.refuse_others(role, &["foreign_key", "through"])?;
    let Some(target) = types::argument_of(ty, holder) else {
        let message = format!("a `{role}` field is a `{holder}<…>`");
        return Err(Error::new(ty.span(), message));
    };
    let through = attributes.through.as_ref().map(|path| {
        if let Some(key) = &attributes.foreign_key {
            let message =
                "`foreign_key` says nothing here: the associations on the way have theirs";
            return Err(Error::new(key.span(), message));
        }
        match path.value().split_once('.') {
            Some((first, second)) if !first.is_empty() && !second.is_empty() => {
                Ok(Through::Assocs(first.to_owned(), second.to_owned()))
            }
            _ => {
                let message =
                    "write the associations on the way, as in `through = \"messages.author\"`";
                Err(Error::new(path.span(), message))
            }
        }
    });
    Ok(Role::Others(Box::new(Others {
        target: without_self(target, owner),
        is_one: role == "has_one",
        foreign_key: key_of(attributes.foreign_key.as_ref(), owner),
        through: through.transpose()?,
    })))
}

fn many_to_many(attributes: &FieldAttributes, ty: &Type, owner: &Ident) -> Result<Role> {
    attributes.refuse_others("many_to_many", &["foreign_key", "references", "through"])?;
    let Some(target) = types::argument_of(ty, "HasMany") else {
        return Err(Error::new(ty.span(), "a `many_to_many` field is a `HasMany<…>`"));
    };
    let Some(between) = &attributes.through else {
        let message = "through which schema? write `through = \"Membership\"`, whose rows hold the \
                       keys of both sides";
        return Err(Error::new(ty.span(), message));
    };
    let between: Type = between.parse()?;
    let target = without_self(target, owner);
    let other = types::name(&target).unwrap_or(owner);
    Ok(Role::Others(Box::new(Others {
        is_one: false,
        foreign_key: key_of(attributes.foreign_key.as_ref(), owner),
        through: Some(Through::Schema(
            Box::new(without_self(&between, owner)),
            key_of(attributes.references.as_ref(), other),
        )),
        target,
    })))
}

/// The field with the key of a row of `of`.
fn key_of(said: Option<&LitStr>, of: &Ident) -> String {
    said.map_or_else(|| format!("{}_id", types::snake_case(&of.unraw().to_string())), LitStr::value)
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
    let holders = [("HasMany", "has_many"), ("HasOne", "has_one"), ("BelongsTo", "belongs_to")];
    for (name, attribute) in holders {
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
