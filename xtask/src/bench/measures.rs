//! What is measured, what each figure must not exceed, and how figures are written.

use std::fmt::Write as _;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use super::aws::PAGE;

const MIB: f64 = 1024.0 * 1024.0;

/// A part of the benchmark that can be run by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum Scenario {
    /// Objects that all need a rename: until all are ready; and requests to the API server for each
    Renames,
    /// A start with objects that are as they should be: until all are checked; and the memory that they take
    Start,
    /// One edit on an idle fleet: until AWS receives the Update
    Edit,
    /// An interval in which nothing happens: calls, writes, processor time
    Steady,
    /// AWS takes two changes a second, and a thousand are due in one namespace when one comes in another
    Throttle,
}

/// A figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Measure {
    FirstStart,
    Renames,
    RenameGrowth,
    RenameRequests,
    Start,
    Resident,
    Peak,
    Scraped,
    EditMedian,
    EditTail,
    ListPages,
    OtherCalls,
    Writes,
    Processor,
    ResidentLater,
    SingleServed,
    ThrottledShare,
}

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Unit {
    Seconds,
    Bytes,
    Percent,
    Number,
    Times,
}

/// What must not be exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "of", content = "value")]
pub(super) enum Limit {
    /// The figure.
    Figure(f64),
    /// The figure, as a multiple of the floor, or of what the measure says.
    Ratio(f64),
}

impl Measure {
    /// What it is, in words.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::FirstStart => "first start with new objects, until all are ready",
            Self::Renames => "start with a rename due for each object, until all are ready",
            Self::RenameGrowth => "the same, as a multiple of a tenth of the objects",
            Self::RenameRequests => "requests to the API server for each rename",
            Self::Start => "start with settled objects, until all are checked",
            Self::Resident => "resident memory after the start",
            Self::Peak => "peak of the resident memory while starting; ratio to the above",
            Self::Scraped => "resident memory after /metrics was read",
            Self::EditMedian => "one edit on an idle fleet, until AWS receives the Update: median",
            Self::EditTail => "the same: 99th percentile",
            Self::ListPages => "an idle interval: pages of ListProvisionedModelThroughputs",
            Self::OtherCalls => "an idle interval: other calls to AWS than the hourly lists of models",
            Self::Writes => "an idle interval: writes to Kubernetes apart from the Lease",
            Self::Processor => "an idle interval: processor time, of one core",
            Self::ResidentLater => "resident memory after an idle interval",
            Self::SingleServed => "AWS takes 2 changes/s, many are due in another namespace: until one is accepted",
            Self::ThrottledShare => "the same: calls that AWS throttled",
        }
    }

    pub(super) fn unit(self) -> Unit {
        match self {
            Self::FirstStart | Self::Renames | Self::Start | Self::EditMedian | Self::EditTail | Self::SingleServed => {
                Unit::Seconds
            }
            Self::Resident | Self::Peak | Self::Scraped | Self::ResidentLater => Unit::Bytes,
            Self::Processor | Self::ThrottledShare => Unit::Percent,
            Self::RenameRequests | Self::ListPages | Self::OtherCalls | Self::Writes => Unit::Number,
            Self::RenameGrowth => Unit::Times,
        }
    }

    /// What must not be exceeded with so many objects. Start-up takes most of the time of a small fleet, so that times have no limit there.
    #[allow(clippy::cast_precision_loss, reason = "a number of pages")]
    pub(super) fn limit(self, objects: usize) -> Option<Limit> {
        match self {
            Self::FirstStart | Self::Scraped => None,
            Self::Renames => (objects >= 1000).then_some(Limit::Ratio(1.3)),
            Self::RenameGrowth => Some(Limit::Figure(11.0)),
            Self::RenameRequests => Some(Limit::Figure(4.0)),
            Self::Start => (objects >= 10_000).then_some(Limit::Ratio(1.5)),
            Self::Resident | Self::ResidentLater => match objects {
                0 => Some(Limit::Figure(15.0 * MIB)),
                1..=1000 => Some(Limit::Figure(20.0 * MIB)),
                1001..=10_000 => Some(Limit::Figure(60.0 * MIB)),
                _ => None,
            },
            Self::Peak => Some(Limit::Ratio(1.5)),
            Self::EditMedian => Some(Limit::Ratio(1.5)),
            Self::EditTail => Some(Limit::Ratio(3.0)),
            Self::ListPages => Some(Limit::Figure(objects.div_ceil(PAGE).max(1) as f64)),
            Self::OtherCalls | Self::Writes => Some(Limit::Figure(0.0)),
            Self::Processor => Some(Limit::Figure(1.0)),
            Self::SingleServed => Some(Limit::Figure(5.0)),
            Self::ThrottledShare => Some(Limit::Figure(5.0)),
        }
    }
}

/// A figure that was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) measure: Measure,
    pub(super) objects: usize,
    unit: Unit,
    /// The operator's: the median, where it was measured several times.
    pub(super) operator: f64,
    /// The bare program's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) floor: Option<f64>,
    /// Of the two; where they were measured several times in turn, the median of the ratios.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    within_limit: Option<bool>,
    /// Each measurement, where there were several: the operator's and the floor's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    samples: Vec<(f64, f64)>,
    /// What else is to be known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
}

impl Row {
    /// A figure without a floor.
    pub(super) fn of(measure: Measure, objects: usize, operator: f64) -> Self {
        let (unit, limit) = (measure.unit(), measure.limit(objects));
        let row = Self {
            measure,
            objects,
            unit,
            operator,
            floor: None,
            ratio: None,
            limit,
            within_limit: None,
            samples: Vec::new(),
            note: String::new(),
        };
        row.judged()
    }

    /// A time against the floor's, measured in turn so many times.
    pub(super) fn against(measure: Measure, objects: usize, pairs: &[(Duration, Duration)]) -> Self {
        let pairs: Vec<(f64, f64)> =
            pairs.iter().map(|(operator, floor)| (operator.as_secs_f64(), floor.as_secs_f64())).collect();
        let of = |value: fn(&(f64, f64)) -> f64| median(pairs.iter().map(value).collect());
        let row = Self {
            floor: Some(of(|pair| pair.1)),
            ratio: Some(of(|pair| pair.0 / pair.1)),
            samples: if pairs.len() > 1 { pairs.clone() } else { Vec::new() },
            ..Self::of(measure, objects, of(|pair| pair.0))
        };
        row.judged()
    }

    /// With a ratio to something else than a floor.
    pub(super) fn ratio(self, ratio: f64) -> Self {
        Self { ratio: Some(ratio), ..self }.judged()
    }

    pub(super) fn note(self, note: String) -> Self {
        Self { note, ..self }
    }

    fn judged(self) -> Self {
        let within_limit = match self.limit {
            None => None,
            Some(Limit::Figure(limit)) => Some(self.operator <= limit),
            Some(Limit::Ratio(limit)) => self.ratio.map(|ratio| ratio <= limit),
        };
        Self { within_limit, ..self }
    }

    /// Whether a limit is exceeded.
    pub(super) fn is_over(&self) -> bool {
        self.within_limit == Some(false)
    }

    /// The cells of the table.
    fn cells(&self) -> [String; 7] {
        let limit = match self.limit {
            None => String::new(),
            Some(Limit::Figure(limit)) => format!("≤ {}", written(self.unit, limit)),
            Some(Limit::Ratio(limit)) => format!("≤ {limit} ×"),
        };
        let verdict = match self.within_limit {
            None => "",
            Some(true) => "ok",
            Some(false) => "over",
        };
        [
            self.measure.title().to_owned(),
            thousands(self.objects),
            written(self.unit, self.operator),
            self.floor.map_or_else(String::new, |floor| written(self.unit, floor)),
            self.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2} ×")),
            limit,
            verdict.to_owned(),
        ]
    }
}

const HEADINGS: [&str; 7] = ["measure", "objects", "operator", "floor", "ratio", "limit", ""];

/// The figures as a table of GitHub's Markdown, which is readable as it is.
pub(super) fn table(rows: &[Row]) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let mut widths = [2; 7];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
            // Writing to a string does not fail.
            let _ = if column == 0 { write!(text, "| {cell:<width$} ") } else { write!(text, "| {cell:>width$} ") };
        }
        text.push_str("|\n");
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let _ = write!(text, "|{}{}", "-".repeat(width + 1), if column == 0 { "-" } else { ":" });
            }
            text.push_str("|\n");
        }
    }
    text
}

/// The notes on figures, one a line.
pub(super) fn notes(rows: &[Row]) -> String {
    let noted = rows.iter().filter(|row| !row.note.is_empty());
    noted.fold(String::new(), |mut text, row| {
        let _ = writeln!(text, "- {} ({} objects): {}", row.measure.title(), thousands(row.objects), row.note);
        text
    })
}

/// A figure for people.
fn written(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Seconds if value < 1.0 => format!("{:.1} ms", value * 1e3),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::Bytes => format!("{:.1} MiB", value / MIB),
        Unit::Percent => format!("{value:.2} %"),
        Unit::Number if value.fract() == 0.0 => format!("{value}"),
        Unit::Number => format!("{value:.2}"),
        Unit::Times => format!("{value:.2} ×"),
    }
}

/// A number with a comma at each thousand.
pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The value in the middle; of an even number, the lower one of the two. Not a number where there is none.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or(f64::NAN)
}

/// The smallest value that at least this share of them does not exceed (nearest rank); zero of none.
pub(super) fn quantile(values: &[Duration], share: f64) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index of a list in memory"
    )]
    let rank = (share.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(values: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        values.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values = milliseconds((1..=100).rev());
        assert_eq!(quantile(&values, 0.5), Duration::from_millis(50));
        assert_eq!(quantile(&values, 0.99), Duration::from_millis(99));
        assert_eq!(quantile(&milliseconds([7]), 0.99), Duration::from_millis(7));
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        let pair = |operator, floor| (Duration::from_secs(operator), Duration::from_secs(floor));
        // The machine was twice as slow during the second pair.
        let row = Row::against(Measure::Renames, 1000, &[pair(12, 10), pair(24, 20), pair(13, 10)]);
        assert_eq!((row.operator, row.floor, row.ratio), (13.0, Some(10.0), Some(1.2)));
        assert!(!row.is_over());
        assert!(Row::against(Measure::Renames, 1000, &[pair(14, 10)]).is_over());
        assert!(!Row::against(Measure::Renames, 100, &[pair(14, 10)]).is_over(), "no limit for so few");
    }

    #[test]
    fn a_limit_may_be_of_the_figure_itself() {
        assert!(!Row::of(Measure::ListPages, 10_000, 10.0).is_over());
        assert!(Row::of(Measure::ListPages, 10_000, 11.0).is_over());
        assert!(Row::of(Measure::Writes, 10, 1.0).is_over());
        assert!(Row::of(Measure::Peak, 10, 10.0).ratio(1.6).is_over());
    }

    #[test]
    fn the_table_is_readable_as_it_is() {
        let rows = [Row::of(Measure::Resident, 10_000, 61.0 * MIB), Row::of(Measure::Writes, 10_000, 0.0)];
        let text = table(&rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()), "{text}");
        assert!(lines[2].contains("10,000") && lines[2].contains("61.0 MiB") && lines[2].ends_with("over |"), "{text}");
    }

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(written(Unit::Seconds, 0.0123), "12.3 ms");
        assert_eq!(written(Unit::Seconds, 12.3), "12.30 s");
        assert_eq!(written(Unit::Number, 4.0), "4");
        assert_eq!(
            (thousands(100), thousands(10_000), thousands(1_234_567)),
            ("100".into(), "10,000".into(), "1,234,567".into())
        );
    }
}
