//! What can be told of a type from its tokens.
//!
//! A macro sees names, not types: an alias of `i64` is not recognised, and the attributes can say
//! what was not.

use syn::GenericArgument;
use syn::Ident;
use syn::PathArguments;
use syn::PathSegment;
use syn::Type;

fn last(ty: &Type) -> Option<&PathSegment> {
    let Type::Path(path) = ty else { return None };
    path.path.segments.last()
}

/// True when the last part of the path is `name`.
pub(crate) fn is(ty: &Type, name: &str) -> bool {
    last(ty).is_some_and(|segment| segment.ident == name)
}

/// The last part of the path.
pub(crate) fn name(ty: &Type) -> Option<&Ident> {
    last(ty).map(|segment| &segment.ident)
}

/// The `T` of a `name<T>`.
pub(crate) fn argument_of<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let segment = last(ty).filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) if arguments.args.len() == 1 => Some(inner),
        _ => None,
    }
}

/// True for the integers a database counts up by itself.
pub(crate) fn is_integer(ty: &Type) -> bool {
    ["i16", "i32", "i64"].iter().any(|name| is(ty, name))
}

/// `RoomMember` as `room_member`.
pub(crate) fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 4);
    for (index, &char) in chars.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| chars[before]);
        let word_ended = before.is_some_and(|before| before.is_lowercase() || before.is_numeric());
        let word_begins = before.is_some_and(char::is_uppercase)
            && chars.get(index + 1).is_some_and(|next| next.is_lowercase());
        if char.is_uppercase() && (word_ended || word_begins) {
            snake.push('_');
        }
        snake.extend(char.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snake_case() {
        let snake = ["Room", "RoomMember", "HTTPServer", "Sha256Sum"].map(snake_case);
        assert_eq!(snake, ["room", "room_member", "http_server", "sha256_sum"]);
    }
}
