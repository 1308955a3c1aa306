//! Growth with the number of objects, as an SVG with a panel for each measure; both axes are logarithmic.

use std::fmt::Write as _;

use super::measures::thousands;

const PANEL: f64 = 300.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 56.0;
const TOP: f64 = 40.0;
const GAP: f64 = 84.0;
const BOTTOM: f64 = 56.0;
/// Colours that are told apart on white and on black, and by those who see no red.
const COLOURS: [&str; 2] = ["#0072b2", "#d55e00"];

/// A measure over the number of objects.
#[derive(Debug, Clone)]
pub(super) struct Panel {
    pub(super) title: &'static str,
    /// What stands behind each figure of the axis.
    pub(super) unit: &'static str,
    pub(super) lines: Vec<Line>,
}

/// One line of it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) name: &'static str,
    /// Numbers of objects, and figures in the panel's unit. What is not above zero has no place on the axes.
    pub(super) points: Vec<(f64, f64)>,
}

/// Powers of ten that hold all values between them.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    low: i32,
    high: i32,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (i32::MAX, i32::MIN);
        for value in values.filter(|value| *value > 0.0) {
            #[allow(clippy::cast_possible_truncation, reason = "the exponent of a float fits into an i32")]
            let (floor, ceiling) = (value.log10().floor() as i32, value.log10().ceil() as i32);
            (low, high) = (low.min(floor), high.max(ceiling));
        }
        if low > high { Self { low: 0, high: 1 } } else { Self { low, high: high.max(low + 1) } }
    }

    /// From 0 to 1.
    fn place(self, value: f64) -> f64 {
        (value.log10() - f64::from(self.low)) / f64::from(self.high - self.low)
    }
}

/// The panels beside each other.
pub(super) fn svg(panels: &[Panel]) -> String {
    let count = u32::try_from(panels.len()).map_or(0.0, f64::from);
    let (width, height) = (LEFT + count * (PANEL + GAP), TOP + HEIGHT + BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    let mut left = LEFT;
    for panel in panels {
        draw(&mut svg, panel, left);
        left += PANEL + GAP;
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, panel: &Panel, left: f64) {
    let Panel { title, unit, lines } = panel;
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let (across, up) = (Axis::over(points().map(|point| point.0)), Axis::over(points().map(|point| point.1)));
    let x = |value: f64| left + across.place(value) * PANEL;
    let y = |value: f64| TOP + HEIGHT - up.place(value) * HEIGHT;
    let bottom = TOP + HEIGHT;
    // Writing to a string does not fail.
    let _ = writeln!(svg, "<text x=\"{left}\" y=\"{}\" font-size=\"14\">{title}</text>", TOP - 16.0);
    for power in across.low..=across.high {
        let value = 10_f64.powi(power);
        let at = x(value);
        let _ = writeln!(svg, "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/>");
        let label = 10_usize.checked_pow(power.unsigned_abs()).map(thousands).unwrap_or_default();
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", bottom + 18.0);
    }
    for power in up.low..=up.high {
        let value = 10_f64.powi(power);
        let (at, right, label) = (y(value), left + PANEL, left - 6.0);
        let _ = writeln!(svg, "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#ddd\"/>");
        let _ = writeln!(svg, "<text x=\"{label}\" y=\"{:.1}\" text-anchor=\"end\">{value} {unit}</text>", at + 4.0);
    }
    for ((line, colour), row) in lines.iter().zip(COLOURS).zip([0.0, 16.0]) {
        let places: Vec<(f64, f64)> = line
            .points
            .iter()
            .filter(|point| point.0 > 0.0 && point.1 > 0.0)
            .map(|point| (x(point.0), y(point.1)))
            .collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for (x, y) in &places {
            let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>");
        }
        let (at, text) = (TOP + 16.0 + row, left + 10.0);
        let _ = writeln!(svg, "<text x=\"{text}\" y=\"{at}\" fill=\"{colour}\">{}</text>", line.name);
    }
    let middle = left + PANEL / 2.0;
    let _ = writeln!(svg, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">objects</text>", bottom + 38.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_powers_of_ten() {
        assert_eq!(Axis::over([100.0, 1000.0, 10_000.0].into_iter()), Axis { low: 2, high: 4 });
        assert_eq!(Axis::over([0.3, 80.0].into_iter()), Axis { low: -1, high: 2 });
        assert_eq!(Axis::over([10.0].into_iter()), Axis { low: 1, high: 2 });
        assert_eq!(Axis::over([0.0, -1.0].into_iter()), Axis { low: 0, high: 1 });
    }

    #[test]
    fn a_line_goes_from_corner_to_corner() {
        let line = Line { name: "operator", points: vec![(100.0, 1.0), (10_000.0, 100.0)] };
        let drawn = svg(&[Panel { title: "a start", unit: "s", lines: vec![line] }]);
        let (right, bottom) = (LEFT + PANEL, TOP + HEIGHT);
        assert!(drawn.contains(&format!("points=\"{LEFT:.1},{bottom:.1} {right:.1},{TOP:.1}\"")), "{drawn}");
        assert!(drawn.contains(">10,000<") && drawn.contains(">100 s<"), "{drawn}");
    }
}
