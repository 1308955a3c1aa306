//! Pages of a list. A token holds the place and what was asked for, and means nothing to anybody else.

use crate::error::ApiError;

/// Cuts a page out of `items`, which must come in the same order each time.
pub(super) fn page<T>(
    items: Vec<T>,
    id: impl Fn(&T) -> &str,
    size: u32,
    token: Option<&str>,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = usize::try_from(size).unwrap_or(usize::MAX).max(1);
    let start = match token {
        None => 0,
        Some(token) => {
            let last = decode(token).ok_or_else(|| ApiError::validation("The provided nextToken is not valid."))?;
            // Behind the last one that was shown; where that is gone meanwhile, the place cannot be found again.
            items
                .iter()
                .position(|item| id(item) == last)
                .map(|at| at + 1)
                .ok_or_else(|| ApiError::validation("The provided nextToken has expired."))?
        }
    };
    let mut rest = items.into_iter().skip(start);
    let shown: Vec<T> = rest.by_ref().take(size).collect();
    let next = match (rest.next(), shown.last()) {
        (Some(_), Some(last)) => Some(encode(id(last))),
        (None, _) | (_, None) => None,
    };
    Ok((shown, next))
}

const MARK: &str = "v1.";

fn encode(id: &str) -> String {
    id.bytes().fold(MARK.to_owned(), |token, byte| format!("{token}{byte:02x}"))
}

fn decode(token: &str) -> Option<String> {
    let digits = token.strip_prefix(MARK)?.as_bytes();
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| {
            std::str::from_utf8(pair)
                .ok()
                .filter(|pair| pair.len() == 2)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        })
        .collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(count: usize, size: u32) -> Vec<usize> {
        let items: Vec<String> = (0..count).map(|number| format!("item-{number:03}")).collect();
        let (mut pages, mut token, mut seen) = (Vec::new(), None, Vec::new());
        loop {
            let (shown, next) = page(items.clone(), |item| item, size, token.as_deref()).unwrap();
            pages.push(shown.len());
            seen.extend(shown);
            token = next;
            if token.is_none() {
                assert_eq!(seen, items);
                return pages;
            }
        }
    }

    #[test]
    fn pages_hold_every_item_once() {
        assert_eq!(walk(0, 2), [0]);
        assert_eq!(walk(4, 2), [2, 2]);
        assert_eq!(walk(5, 2), [2, 2, 1]);
        assert_eq!(walk(5, 1000), [5]);
    }

    #[test]
    fn a_token_that_was_not_given_out_is_refused() {
        for token in ["x", "v1.zz", "v1.6", "v1.", "v1.6e6f"] {
            assert!(page(vec!["a".to_owned()], |item| item, 1, Some(token)).is_err(), "{token}");
        }
    }
}
