//! What the demo prints: scenes, commands with their output, and what was checked. Colours only in a terminal.

use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};

use crate::progress::human;

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const COMMAND: Style = Style::new().bold();
const NOTE: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();

/// Something that was checked and held.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) scene: String,
    pub(super) duration: Duration,
}

/// The screen.
#[derive(Debug)]
pub(super) struct Screen {
    scene: String,
    begin: Instant,
    pub(super) checks: Vec<Check>,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { scene: String::new(), begin: Instant::now(), checks: Vec::new() }
    }

    /// Begins a scene.
    pub(super) fn scene(&mut self, title: &str) {
        title.clone_into(&mut self.scene);
        self.begin = Instant::now();
        let number = self.checks.len() + 1;
        anstream::println!("\n{TITLE}── {number}. {title}{TITLE:#}");
    }

    /// A sentence for the person who watches.
    pub(super) fn note(text: &str) {
        for line in text.lines() {
            anstream::println!("{NOTE}# {line}{NOTE:#}");
        }
    }

    /// A command as it would be typed.
    pub(super) fn command(line: &str) {
        anstream::println!("{COMMAND}$ {line}{COMMAND:#}");
    }

    /// What a program printed.
    pub(super) fn output(text: &str) {
        let text = text.trim_end();
        if !text.is_empty() {
            anstream::println!("{text}");
        }
    }

    /// Ends the scene: what was to be seen was seen.
    pub(super) fn held(&mut self, what: &str) {
        let duration = self.begin.elapsed();
        anstream::println!("{GOOD}✓ {what} ({}){GOOD:#}", human(duration));
        self.checks.push(Check { scene: std::mem::take(&mut self.scene), duration });
    }

    /// The scenes that held, as a table.
    pub(super) fn summary(&self) {
        for (index, check) in self.checks.iter().enumerate() {
            let Check { scene, duration } = check;
            anstream::println!("{GOOD}✓{GOOD:#} {:>2}. {scene:<62} {:>7}", index + 1, human(*duration));
        }
    }

    /// A heading outside of the scenes.
    pub(super) fn heading(text: &str) {
        anstream::println!("\n{TITLE}── {text}{TITLE:#}");
    }
}
