//! `LIKE` in memory: `%` is any text, `_` any character, `\` takes the next one as it is.
//!
//! **Invariant:** the answer is that of the databases, for text of any alphabet.

/// One step of a pattern.
#[derive(Clone, Copy)]
enum Step {
    Any,
    One,
    Exactly(char),
}

fn steps(pattern: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = pattern.chars();
    while let Some(next) = rest.next() {
        steps.push(match next {
            '%' => Step::Any,
            '_' => Step::One,
            '\\' => Step::Exactly(rest.next().unwrap_or('\\')),
            other => Step::Exactly(other),
        });
    }
    steps
}

/// Matches the whole of `text`; on a mismatch goes back to the last `%` and gives it one character
/// more, so the cost is at most the product of both lengths and the stack stays flat.
pub(super) fn like(text: &str, pattern: &str, fold_ascii: bool) -> bool {
    let text: Vec<char> = text.chars().collect();
    let steps = steps(pattern);
    let same =
        |left: char, right: char| left == right || fold_ascii && left.eq_ignore_ascii_case(&right);
    let (mut at, mut step) = (0, 0);
    let mut last_any: Option<(usize, usize)> = None;
    loop {
        match steps.get(step) {
            Some(Step::Any) => {
                last_any = Some((step, at));
                step += 1;
                continue;
            }
            Some(Step::One) if at < text.len() => {
                (at, step) = (at + 1, step + 1);
                continue;
            }
            Some(Step::Exactly(wanted)) if at < text.len() && same(text[at], *wanted) => {
                (at, step) = (at + 1, step + 1);
                continue;
            }
            None if at == text.len() => return true,
            _ => {}
        }
        match &mut last_any {
            Some((any, from)) if *from < text.len() => {
                *from += 1;
                (at, step) = (*from, *any + 1);
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns_match_as_the_databases_do() {
        for (text, pattern, expected) in [
            ("", "", true),
            ("", "%", true),
            ("abc", "a%c", true),
            ("abc", "a_c", true),
            ("abc", "a_", false),
            ("a%c", "a\\%c", true),
            ("abc", "a\\%c", false),
            ("aXbXc", "%b%c", true),
            ("mississippi", "%iss%ip%", true),
            ("mississippi", "%iss%ix%", false),
            ("é", "_", true),
            ("ABC", "abc", false),
        ] {
            assert_eq!(like(text, pattern, false), expected, "{text:?} like {pattern:?}");
        }
        assert!(like("ABC", "abc", true));
        assert!(!like("É", "é", true));
    }
}
