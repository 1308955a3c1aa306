//! How far a build of Go programs is.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// How far the build is, counted from the lines of its log.
#[derive(Debug, Default)]
pub(super) struct Count {
    offset: u64,
    downloads: usize,
    packages: usize,
    last: String,
}

impl Count {
    /// Reads the lines that have come since the last time.
    pub(super) fn read(&mut self, log: &Path) {
        let Ok(mut file) = File::open(log) else { return };
        if file.seek(SeekFrom::Start(self.offset)).is_err() {
            return;
        }
        let mut lines = BufReader::new(file.take(1 << 20));
        let mut line = String::new();
        while let Ok(length @ 1..) = lines.read_line(&mut line) {
            if !line.ends_with('\n') {
                break;
            }
            self.offset += u64::try_from(length).unwrap_or_default();
            self.line(line.trim());
            line.clear();
        }
    }

    fn line(&mut self, line: &str) {
        if let Some(module) = line.strip_prefix("go: downloading ") {
            self.downloads += 1;
            module.clone_into(&mut self.last);
        } else if !line.starts_with("go: ") {
            self.packages += 1;
            line.clone_into(&mut self.last);
        }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.downloads, self.packages) {
            (0, 0) => write!(f, "go looks at what is there"),
            (modules, 0) => write!(f, "{modules} modules downloaded, last {}", self.last),
            (modules, packages) => {
                write!(f, "{modules} modules downloaded, {packages} packages compiled, last {}", self.last)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn progress_is_counted_from_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut count = Count::default();
        count.read(&log);
        assert_eq!(count.to_string(), "go looks at what is there");
        fs::write(&log, "go: downloading a v1\ngo: downloading b v2\ninternal/cpu\nruntime\nunfin").unwrap();
        count.read(&log);
        assert_eq!(count.to_string(), "2 modules downloaded, 2 packages compiled, last runtime");
        fs::write(&log, "go: downloading a v1\ngo: downloading b v2\ninternal/cpu\nruntime\nunfinished\n").unwrap();
        count.read(&log);
        assert_eq!((count.packages, count.last.as_str()), (3, "unfinished"));
    }
}
