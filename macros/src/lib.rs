//! The derive macro of `recto`: parsing and expansion, nothing else.
//!
//! It refuses to look at anything but the tokens of one struct: no files, no environment, no
//! database, so that it costs little and always gives the same answer.
//!
//! **Invariants:** every path it writes goes through `::recto::__private`, and every error points
//! at what is to be changed and says how.

mod attributes;
mod expand;
mod field;
mod model;
mod types;

use proc_macro::TokenStream;

/// Makes a struct the shape of a table's rows: implements `recto::schema::Schema`, and names every
/// column and association, as in `Message::body` and `Message::room`.
///
/// # Shape
///
/// A struct with named fields and no generics; it also derives `Clone` and `Debug`. Each field is a
/// column of the same name unless an attribute says otherwise.
///
/// | on the struct | |
/// |---|---|
/// | `table = "messages"` | the table; required |
/// | `timestamps` | `inserted_at` and `updated_at`, both of type `Timestamp`, are filled in by the repo |
///
/// | on a field | |
/// |---|---|
/// | `primary_key` | part of the primary key; without it that is the field `id` |
/// | `column = "…"` | the column has another name than the field |
/// | `generated` | the database fills it in; so it is for a single integer key, and a single `Uuid` key is made by the repo, unless `generated = false` |
/// | `belongs_to` | the field is a `BelongsTo<T>` or an `Option` of it; its column is `<field>_id` |
/// | `has_many` | the field is a `HasMany<T>`; the other table's field is `<this struct>_id` |
/// | `has_one` | the same for at most one row; the field is a `HasOne<T>` |
/// | `many_to_many` | the field is a `HasMany<T>`; rows of another schema, named by `through`, have the fields `<this struct>_id` and `<other struct>_id` |
/// | `through = "…"` | with `many_to_many`: the schema between, as in `"Membership"`; with `has_many` or `has_one`: an association of this struct and one of the struct it leads to, as in `"messages.author"` |
/// | `foreign_key = "…"` | with any association: another name for the field with the key; with `many_to_many`, the key of this row |
/// | `references = "…"` | with `belongs_to`: the other table's primary key, if it is not `id`; with `many_to_many`: another name for the field with the key of the other row |
/// | `skip` | not a column; loaded as `Default::default()` |
///
/// # Cost
///
/// One static table and four functions; no trait implementation per column.
///
/// # Examples
///
/// ```text
/// #[derive(Schema, Clone, Debug)]
/// #[schema(table = "messages", timestamps)]
/// pub struct Message {
///     pub id: i64,
///     #[schema(belongs_to)]
///     pub room: BelongsTo<Room>,
///     pub body: String,
///     pub inserted_at: Timestamp,
///     pub updated_at: Timestamp,
/// }
/// ```
#[proc_macro_derive(Schema, attributes(schema))]
pub fn derive_schema(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    let stub = expand::stub(&input);
    match model::Schema::parse(input) {
        Ok(schema) => expand::expand(&schema).into(),
        Err(error) => {
            let error = error.into_compile_error();
            quote::quote!(#error #stub).into()
        }
    }
}
