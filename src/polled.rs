//! Files that change under a running process, as Kubernetes changes those of mounted Secrets and ConfigMaps.

use std::{fs, io, path::PathBuf, time::Duration};

/// How often they are read. They are small, and a mounted volume follows its source within a minute or two at best.
pub const EVERY: Duration = Duration::from_secs(5);

/// Files that belong together.
#[derive(Debug)]
pub struct Polled<const N: usize> {
    paths: [PathBuf; N],
    known: Option<[Vec<u8>; N]>,
}

impl<const N: usize> Polled<N> {
    /// Files that have not been read yet.
    #[must_use]
    pub fn new(paths: [PathBuf; N]) -> Self {
        Self { paths, known: None }
    }

    /// What is in the files, where it is something else than the last time.
    ///
    /// # Errors
    /// When one cannot be read; the error names it.
    pub fn changed(&mut self) -> io::Result<Option<&[Vec<u8>; N]>> {
        let mut contents = [const { Vec::new() }; N];
        for (path, content) in self.paths.iter().zip(&mut contents) {
            *content = fs::read(path)
                .map_err(|error| io::Error::new(error.kind(), format!("reading {}: {error}", path.display())))?;
        }
        if self.known.as_ref() == Some(&contents) {
            return Ok(None);
        }
        Ok(Some(self.known.insert(contents)))
    }

    /// Forgets what was read: whatever is there is news.
    pub fn forget(&mut self) {
        self.known = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| folder.path().join(name));
        let mut polled = Polled::new(paths.clone());
        let error = polled.changed().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("/a: "), "{error}");
        for path in &paths {
            fs::write(path, "1").unwrap();
        }
        assert_eq!(polled.changed().unwrap(), Some(&[b"1".to_vec(), b"1".to_vec()]));
        assert_eq!(polled.changed().unwrap(), None);
        fs::write(&paths[1], "2").unwrap();
        assert_eq!(polled.changed().unwrap(), Some(&[b"1".to_vec(), b"2".to_vec()]));
    }
}
