//! Patterns with `*` (any characters, or none) and `?` (any one).

/// A pattern, ready to be held against a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pattern(Vec<Token>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Token {
    Literal(char),
    One { colon: bool },
    Many { colon: bool },
}

/// The colons that part an ARN into its six segments.
const ARN_COLONS: usize = 5;

impl Pattern {
    /// A pattern whose wildcards stand for everything.
    pub(super) fn text(pattern: &str) -> Self {
        let token = |character| match character {
            '*' => Token::Many { colon: true },
            '?' => Token::One { colon: true },
            literal => Token::Literal(literal),
        };
        Self(pattern.chars().map(token).collect())
    }

    /// A pattern of an ARN: a wildcard stays in its segment, except a `*` at the end of one (IAM user guide, "IAM JSON policy
    /// elements: Resource"). Colons in the last segment part nothing.
    pub(super) fn arn(pattern: &str) -> Self {
        let mut colons = 0;
        let mut rest = pattern.chars().peekable();
        let mut tokens = Vec::new();
        while let Some(character) = rest.next() {
            let last_segment = colons >= ARN_COLONS;
            tokens.push(match character {
                '*' => Token::Many { colon: last_segment || rest.peek().is_none_or(|next| *next == ':') },
                '?' => Token::One { colon: last_segment },
                literal => {
                    colons += usize::from(literal == ':');
                    Token::Literal(literal)
                }
            });
        }
        Self(tokens)
    }

    /// Whether the whole text fits. The work is bounded by the product of the lengths, whatever the pattern.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut here = true;
        // For each place in the pattern, whether what was read so far leads to it.
        let mut reached: Vec<bool> = Vec::with_capacity(self.0.len() + 1);
        for token in &self.0 {
            reached.push(here);
            here = here && token.may_be_empty();
        }
        reached.push(here);
        for character in text.chars() {
            reached = self.step(&reached, character);
        }
        reached.last().copied().unwrap_or_default()
    }

    fn step(&self, reached: &[bool], character: char) -> Vec<bool> {
        let mut next = Vec::with_capacity(reached.len());
        let mut arrives = false;
        for (token, was_here) in self.0.iter().zip(reached) {
            let takes = *was_here && token.takes(character);
            let here = arrives || (takes && token.may_be_empty());
            next.push(here);
            arrives = (takes && !token.may_be_empty()) || (here && token.may_be_empty());
        }
        next.push(arrives);
        next
    }
}

impl Token {
    fn takes(self, character: char) -> bool {
        match self {
            Self::Literal(literal) => literal == character,
            Self::One { colon } | Self::Many { colon } => colon || character != ':',
        }
    }

    fn may_be_empty(self) -> bool {
        match self {
            Self::Many { .. } => true,
            Self::Literal(_) | Self::One { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_any_characters_and_for_any_one() {
        for (pattern, fits, does_not) in [
            ("a", &["a"][..], &["", "b", "aa"][..]),
            ("*", &["", "a", "a:b/c"], &[]),
            ("?", &["a", "ä"], &["", "aa"]),
            ("a*c", &["ac", "abc", "abcbc"], &["acb", "bac"]),
            ("a*b*c", &["abc", "aXbYc", "abbcc"], &["acb", "ab"]),
            ("*a?", &["ab", "aab", "xay"], &["a", "b"]),
            ("**", &["", "a"], &[]),
            ("", &[""], &["a"]),
        ] {
            let compiled = Pattern::text(pattern);
            for text in fits {
                assert!(compiled.matches(text), "{pattern} {text}");
            }
            for text in does_not {
                assert!(!compiled.matches(text), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn a_wildcard_in_an_arn_stays_in_its_segment_except_at_its_end() {
        let arn = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/summarizer01";
        for pattern in [
            "*",
            "arn:aws:bedrock:*",
            "arn:aws:bedrock:us-*-1:123456789012:custom-model/*",
            "arn:aws:bedrock:*:*:custom-model/*/summarizer01",
            "arn:aws:bedrock:us-east-?:123456789012:custom-model/amazon.nova-lite-v1?0?24k/summarizer0?",
        ] {
            assert!(Pattern::arn(pattern).matches(arn), "{pattern}");
        }
        for pattern in [
            "arn:aws:bedrock:us-*12:custom-model/*",
            "arn:aws:bedrock:us-east-1?123456789012:custom-model/*",
            "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/*",
            "arn:aws:bedrock:us-east-1:123456789012:Custom-model/*",
        ] {
            assert!(!Pattern::arn(pattern).matches(arn), "{pattern}");
        }
    }

    #[test]
    fn many_wildcards_take_no_time_that_grows_without_bound() {
        assert!(!Pattern::text(&"*a".repeat(500)).matches(&"a".repeat(499)));
    }
}
