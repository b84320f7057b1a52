//! Parameters of a URL, decoded.

/// The pairs of a query string, in order; what is not UTF-8 is replaced, as browsers do.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while let Some(&byte) = bytes.get(place) {
        let escape = || Some(digit(*bytes.get(place + 1)?)? << 4 | digit(*bytes.get(place + 2)?)?);
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => match escape() {
                Some(escaped) => {
                    decoded.push(escaped);
                    place += 2;
                }
                None => decoded.push(byte),
            },
            _ => decoded.push(byte),
        }
        place += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str) -> String {
        let shown = pairs(query).into_iter().map(|(name, value)| format!("{name}={value}"));
        shown.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn pairs_are_decoded() {
        assert_eq!(
            check("user_id=7&tags%5B0%5D=a%20b&o%5Bk%5D=1&vsn=2.0.0"),
            "user_id=7|tags[0]=a b|o[k]=1|vsn=2.0.0"
        );
        assert_eq!(check("a+b=c%2Bd&e&&=f"), "a b=c+d|e=|=f");
        assert_eq!(
            check("broken=%&more=%4&odd=%zz&byte=%ff&u=%C3%A9"),
            "broken=%|more=%4|odd=%zz|byte=\u{fffd}|u=é"
        );
        assert_eq!(check(""), "");
    }
}
