//! The two text formats in which Prometheus takes metrics, and which of them a request is answered in.

use std::fmt::{self, Write};

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `OpenMetrics` 1.0, which Prometheus asks for first.
    OpenMetrics,
    /// Prometheus' own, version 0.0.4: for `promtool check metrics`, people and everything that does not ask.
    Text,
}

impl Format {
    /// The value of `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The format that a request prefers by its `Accept` headers (RFC 9110, section 12.5.1). [`Format::Text`] where it names neither.
    pub fn accepted<'a>(accept: impl Iterator<Item = &'a str>) -> Self {
        let (mut open_metrics, mut text) = (0.0_f32, 0.0_f32);
        for range in accept.flat_map(|header| header.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut version, mut quality) = (None, 1.0_f32);
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match name.trim().to_ascii_lowercase().as_str() {
                    "version" => version = Some(value.trim().trim_matches('"')),
                    // What is no number is not asked for.
                    "q" => quality = value.trim().parse().unwrap_or(0.0),
                    _ => {}
                }
            }
            match (kind.as_str(), version) {
                ("application/openmetrics-text", None | Some("1.0.0" | "0.0.1")) => {
                    open_metrics = open_metrics.max(quality);
                }
                ("text/plain", None | Some("0.0.4")) => text = text.max(quality),
                _ => {}
            }
        }
        if open_metrics > 0.0 && open_metrics >= text { Self::OpenMetrics } else { Self::Text }
    }
}

/// Turns `OpenMetrics`, as prometheus-client writes it, into the format 0.0.4 while it is written, so that there is never a second copy of the
/// whole.
///
/// The formats have the same lines for series. They differ in the name of a counter's family (which has no `_total` there), in what an
/// info is, and in `# UNIT` and `# EOF`, which 0.0.4 does not know.
#[derive(Debug)]
pub(super) struct TextWriter<'a> {
    into: &'a mut String,
    /// What has been written of the line that is not whole yet.
    line: String,
    /// The help of the family whose type has not come yet.
    help: String,
}

impl<'a> TextWriter<'a> {
    pub(super) fn new(into: &'a mut String) -> Self {
        Self { into, line: String::new(), help: String::new() }
    }

    fn end_line(&mut self) {
        if let Some(help) = self.line.strip_prefix("# HELP ") {
            self.help.clear();
            self.help.push_str(help);
        } else if let Some((family, kind)) =
            self.line.strip_prefix("# TYPE ").and_then(|of_type| of_type.rsplit_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some(help) = self.help.strip_prefix(family) {
                self.into.extend(["# HELP ", family, suffix, help, "\n"]);
            }
            self.into.extend(["# TYPE ", family, suffix, " ", kind, "\n"]);
            self.help.clear();
        } else if !self.line.starts_with("# ") {
            self.into.push_str(&self.line);
            self.into.push('\n');
        }
        self.line.clear();
    }
}

impl Write for TextWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((end, next)) = rest.split_once('\n') {
            self.line.push_str(end);
            self.end_line();
            rest = next;
        }
        self.line.push_str(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// As Prometheus 3 asks.
    const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

    #[rstest]
    #[case(&[], Format::Text)]
    #[case(&["*/*"], Format::Text)]
    #[case(&["text/html, */*"], Format::Text)]
    #[case(&["text/plain"], Format::Text)]
    #[case(&["text/plain; version=0.0.4"], Format::Text)]
    #[case(&["text/plain; version=0.0.4, application/openmetrics-text;q=0.5"], Format::Text)]
    #[case(&["application/openmetrics-text"], Format::OpenMetrics)]
    #[case(&["Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8"], Format::OpenMetrics)]
    #[case(&["application/openmetrics-text; version=2.0.0"], Format::Text)]
    #[case(&["application/openmetrics-text; q=0"], Format::Text)]
    #[case(&["application/openmetrics-text; q=much"], Format::Text)]
    #[case(&["text/plain;q=0.3", "application/openmetrics-text;q=0.4"], Format::OpenMetrics)]
    #[case(&[PROMETHEUS], Format::OpenMetrics)]
    fn the_format_is_the_one_that_is_asked_for(#[case] accept: &[&str], #[case] format: Format) {
        assert_eq!(Format::accepted(accept.iter().copied()), format);
    }

    #[test]
    fn the_older_format_names_counters_and_infos_after_their_series() {
        let open_metrics = "# HELP a Counts.\n# TYPE a counter\na_total{x=\"# TYPE y z\"} 1\n\
            # HELP b_seconds Times.\n# TYPE b_seconds histogram\n# UNIT b_seconds seconds\nb_seconds_sum 1.0\n\
            # HELP c Tells.\n# TYPE c info\nc_info{v=\"1\"} 1\n# HELP d Goes.\n# TYPE d gauge\nd 2\n# EOF\n";
        let wanted = "# HELP a_total Counts.\n# TYPE a_total counter\na_total{x=\"# TYPE y z\"} 1\n\
            # HELP b_seconds Times.\n# TYPE b_seconds histogram\nb_seconds_sum 1.0\n\
            # HELP c_info Tells.\n# TYPE c_info gauge\nc_info{v=\"1\"} 1\n# HELP d Goes.\n# TYPE d gauge\nd 2\n";
        let mut text = String::new();
        let mut writer = TextWriter::new(&mut text);
        // In pieces, as it is written.
        for piece in open_metrics.split_inclusive(' ') {
            writer.write_str(piece).unwrap();
        }
        assert_eq!(text, wanted);
    }
}
