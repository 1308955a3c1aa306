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
            let (shown, last) =
                decode(token).ok_or_else(|| ApiError::validation("The provided nextToken is not valid."))?;
            // Behind the last one that was shown; where that is gone meanwhile, behind as many as were shown.
            items.iter().position(|item| id(item) == last).map_or(shown.saturating_sub(1), |at| at + 1)
        }
    };
    let mut rest = items.into_iter().skip(start);
    let shown: Vec<T> = rest.by_ref().take(size).collect();
    let next = match (rest.next(), shown.last()) {
        (Some(_), Some(last)) => Some(encode(start.saturating_add(shown.len()), id(last))),
        (None, _) | (_, None) => None,
    };
    Ok((shown, next))
}

const MARK: &str = "v1.";

fn encode(shown: usize, id: &str) -> String {
    id.bytes().fold(format!("{MARK}{shown}."), |token, byte| format!("{token}{byte:02x}"))
}

fn decode(token: &str) -> Option<(usize, String)> {
    let (shown, digits) = token.strip_prefix(MARK)?.split_once('.')?;
    let bytes: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2))
        .map(|pair| pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    let id = String::from_utf8(bytes?).ok().filter(|id| !id.is_empty())?;
    Some((shown.parse().ok()?, id))
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
    fn what_goes_between_pages_takes_nothing_else_with_it() {
        let items: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let (shown, token) = page(items.clone(), |item| item, 2, None).unwrap();
        assert_eq!(shown, ["a", "b"]);
        for gone in ["a", "b"] {
            let rest: Vec<String> = items.iter().filter(|item| *item != gone).cloned().collect();
            let (shown, _) = page(rest, |item| item, 2, token.as_deref()).unwrap();
            assert_eq!(shown, ["c", "d"], "{gone}");
        }
    }

    #[test]
    fn a_token_that_was_not_given_out_is_refused() {
        for token in ["x", "v1.zz", "v1.1.6", "v1.1.", "v1.6e6f", "v1.-1.61"] {
            assert!(page(vec!["a".to_owned()], |item| item, 1, Some(token)).is_err(), "{token}");
        }
    }
}
