//! The code behind a schema.
//!
//! **Invariant:** one static table, one struct of columns and thin functions; nothing that grows
//! with the square of anything, since forty such tables are compiled in one crate.

use proc_macro2::Literal;
use proc_macro2::TokenStream;
use quote::format_ident;
use quote::quote;
use syn::DeriveInput;
use syn::Ident;
use syn::ext::IdentExt;

use crate::field::Column;
use crate::field::Field;
use crate::field::Role;
use crate::field::Through;
use crate::model::Schema;

/// All that the derive writes.
pub(crate) fn expand(schema: &Schema) -> TokenStream {
    let columns_name = format_ident!("{}Columns", schema.name.unraw(), span = schema.name.span());
    let tokens = tokens(schema);
    let columns_struct = columns_struct(schema, &columns_name);
    let schema_impl = schema_impl(schema, &columns_name);
    quote! {
        #tokens
        #columns_struct
        #schema_impl
    }
}

/// Stands in for the schema of a struct that was refused, so that the compiler's other complaints
/// are not about its absence.
pub(crate) fn stub(input: &DeriveInput) -> TokenStream {
    if !input.generics.params.is_empty() {
        return TokenStream::new();
    }
    let name = &input.ident;
    quote! {
        #[automatically_derived]
        impl ::recto::__private::Schema for #name {
            type Id = i64;
            type Columns<'q, N: ::recto::__private::Nullability> = ();

            fn table() -> &'static ::recto::__private::Table {
                ::core::unreachable!()
            }

            fn columns<'q, N: ::recto::__private::Nullability>(_: u16) -> Self::Columns<'q, N> {}

            fn load(_: &mut ::recto::__private::RowReader<'_>) -> ::recto::__private::Result<Self> {
                ::core::unreachable!()
            }

            fn dump(&self) -> ::recto::__private::Vec<::recto::__private::Value> {
                ::core::unreachable!()
            }
        }
    }
}

/// The type of a column as queries and changesets see it.
fn column_type(column: &Column) -> TokenStream {
    let ty = &column.ty;
    match &column.belongs_to {
        None => quote!(#ty),
        Some(belongs_to) => {
            let target = &belongs_to.target;
            let id = quote!(<#target as ::recto::__private::Schema>::Id);
            if belongs_to.optional { quote!(::core::option::Option<#id>) } else { id }
        }
    }
}

/// `Message::body`, `Message::room_id` and `Message::room`.
fn tokens(schema: &Schema) -> TokenStream {
    let Schema { visibility, name, .. } = schema;
    let fields = schema.columns().enumerate().map(|(index, column)| {
        let ident = &column.name;
        let ty = column_type(column);
        let index = Literal::usize_unsuffixed(index);
        quote! {
            #visibility const #ident: ::recto::__private::Field<#name, #ty> =
                ::recto::__private::Field::new(#index);
        }
    });
    let relations = schema.fields.iter().filter_map(|field| {
        let ident = &field.ident;
        let text = ident.unraw().to_string();
        let (target, set) = relation(field)?;
        let kind = is_far(field).then(|| quote!(, ::recto::__private::Far));
        Some(quote! {
            #visibility const #ident: ::recto::__private::Relation<#name, #target #kind> =
                ::recto::__private::Relation::new(#text, |owner, loaded| #set);
        })
    });
    quote! {
        #[automatically_derived]
        #[allow(
            non_upper_case_globals,
            dead_code,
            missing_docs,
            unreachable_pub,
            private_interfaces
        )]
        impl #name {
            #(#fields)*
            #(#relations)*
        }
    }
}

/// The target of a field's association, and the code that puts loaded rows in place.
fn relation(field: &Field) -> Option<(&syn::Type, TokenStream)> {
    let ident = &field.ident;
    match &field.role {
        Role::Others(others) if others.is_one => {
            Some((&others.target, quote!(owner.#ident.set(loaded.into_iter().next()))))
        }
        Role::Others(others) => Some((&others.target, quote!(owner.#ident.set(loaded)))),
        Role::Column(column) => column.belongs_to.as_ref().map(|belongs_to| {
            let set = if belongs_to.optional {
                quote!(if let ::core::option::Option::Some(one) = &mut owner.#ident {
                    one.set(loaded.into_iter().next());
                })
            } else {
                quote!(owner.#ident.set(loaded.into_iter().next()))
            };
            (&belongs_to.target, set)
        }),
        Role::Skipped => None,
    }
}

/// Whether something stands between the sides of a field's association.
fn is_far(field: &Field) -> bool {
    matches!(&field.role, Role::Others(others) if others.through.is_some())
}

/// The columns as closures see them.
fn columns_struct(schema: &Schema, columns_name: &Ident) -> TokenStream {
    let visibility = &schema.visibility;
    let fields = schema.columns().map(|column| {
        let ident = &column.name;
        let ty = column_type(column);
        quote!(#visibility #ident: ::recto::__private::Col<'q, N::Of<#ty>>)
    });
    quote! {
        #[doc(hidden)]
        #[allow(
            dead_code,
            missing_docs,
            missing_debug_implementations,
            unreachable_pub,
            private_interfaces
        )]
        #visibility struct #columns_name<'q, N: ::recto::__private::Nullability> {
            #(#fields,)*
        }

        #[automatically_derived]
        impl<N: ::recto::__private::Nullability> ::core::clone::Clone for #columns_name<'_, N> {
            fn clone(&self) -> Self {
                *self
            }
        }

        #[automatically_derived]
        impl<N: ::recto::__private::Nullability> ::core::marker::Copy for #columns_name<'_, N> {}
    }
}

fn schema_impl(schema: &Schema, columns_name: &Ident) -> TokenStream {
    let name = &schema.name;
    let id = id_type(schema);
    let table = table(schema);
    let idents = schema.columns().map(|column| &column.name);
    let numbers = (0..schema.columns().count()).map(Literal::usize_unsuffixed);
    let load = load(schema);
    let dump = dump(schema);
    quote! {
        #[automatically_derived]
        impl ::recto::__private::Schema for #name {
            type Id = #id;
            type Columns<'q, N: ::recto::__private::Nullability> = #columns_name<'q, N>;

            fn table() -> &'static ::recto::__private::Table {
                #table
            }

            fn columns<'q, N: ::recto::__private::Nullability>(
                source: u16,
            ) -> Self::Columns<'q, N> {
                #columns_name { #(#idents: ::recto::__private::Col::new(source, #numbers),)* }
            }

            fn load(
                row: &mut ::recto::__private::RowReader<'_>,
            ) -> ::recto::__private::Result<Self> {
                #load
            }

            fn dump(&self) -> ::recto::__private::Vec<::recto::__private::Value> {
                #dump
            }
        }
    }
}

/// The body of `Schema::load`, which reads in the order of the columns.
fn load(schema: &Schema) -> TokenStream {
    let fields = schema.fields.iter().map(|field| {
        let ident = &field.ident;
        match field.role {
            Role::Column(_) => quote!(#ident: row.read()?),
            Role::Others(_) | Role::Skipped => {
                quote!(#ident: ::core::default::Default::default())
            }
        }
    });
    quote!(::core::result::Result::Ok(Self { #(#fields,)* }))
}

/// The body of `Schema::dump`.
fn dump(schema: &Schema) -> TokenStream {
    let columns = schema.fields.iter().filter(|field| matches!(field.role, Role::Column(_)));
    let idents = columns.map(|field| &field.ident);
    quote!(::recto::__private::vec![#(::recto::__private::ToValue::to_value(&self.#idents)),*])
}

fn id_type(schema: &Schema) -> TokenStream {
    let types: Vec<_> = schema.columns().filter(|column| column.key).map(column_type).collect();
    match &*types {
        [only] => only.clone(),
        types => quote!((#(#types),*)),
    }
}

/// The static table, as the body of `Schema::table`.
fn table(schema: &Schema) -> TokenStream {
    let table = &schema.table;
    let columns = schema.columns().map(|column| {
        let field = column.name.unraw().to_string();
        let name = &column.in_database;
        let ty = column_type(column);
        let filled_by = match column.filled_by {
            "" => format_ident!("Program"),
            variant => format_ident!("{variant}"),
        };
        quote! {
            ::recto::__private::Column::new::<#ty>(
                #field, #name, ::recto::__private::FilledBy::#filled_by,
            )
        }
    });
    let keys = schema.columns().enumerate().filter(|(_, column)| column.key);
    let keys = keys.map(|(index, _)| Literal::usize_unsuffixed(index));
    let assocs = schema.fields.iter().filter_map(|field| assoc(schema, field));
    quote! {
        const COLUMNS: &[::recto::__private::Column] = &[#(#columns),*];
        const ASSOCS: &[::recto::__private::Assoc] = &[#(#assocs),*];
        static TABLE: ::recto::__private::Table =
            ::recto::__private::Table::new(#table, COLUMNS, &[#(#keys),*], ASSOCS);
        &TABLE
    }
}

fn assoc(schema: &Schema, field: &Field) -> Option<TokenStream> {
    let name = field.ident.unraw().to_string();
    let mut through = None;
    let (kind, target, mine, theirs) = match &field.role {
        Role::Others(others) => {
            let key = schema.columns().find(|column| column.key)?.name.unraw().to_string();
            through = others.through.as_ref().map(|through| between(through, &others.foreign_key));
            // What a table between points at.
            let theirs = if through.is_some() { "id" } else { &others.foreign_key };
            let kind = if others.is_one { "HasOne" } else { "HasMany" };
            (kind, &others.target, key, theirs)
        }
        Role::Column(column) => {
            let belongs_to = column.belongs_to.as_ref()?;
            let mine = column.name.unraw().to_string();
            ("BelongsTo", &belongs_to.target, mine, &*belongs_to.references)
        }
        Role::Skipped => return None,
    };
    let kind = format_ident!("{kind}");
    Some(quote! {
        ::recto::__private::Assoc::new(
            #name,
            ::recto::__private::AssocKind::#kind,
            <#target as ::recto::__private::Schema>::table,
            #mine,
            #theirs,
        ) #through
    })
}

/// What stands between the sides of an association, whose field `foreign_key` holds our key.
fn between(through: &Through, foreign_key: &str) -> TokenStream {
    match through {
        Through::Schema(schema, other_key) => quote! {
            .through(::recto::__private::Through::Table {
                table: <#schema as ::recto::__private::Schema>::table,
                owner_field: #foreign_key,
                target_field: #other_key,
            })
        },
        Through::Assocs(first, second) => quote! {
            .through(::recto::__private::Through::Assocs { first: #first, second: #second })
        },
    }
}
