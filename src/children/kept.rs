//! What was made of the files seen last, for those that are asked about again and again: in a burst every frame is compared
//! with all the others.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};

/// Which file it is, and in which state: device, number, length, and the time of its last change with its nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(u64, u64, u64, i64, i64);

impl Identity {
    pub fn of(file: &File) -> io::Result<Self> {
        let of = file.metadata()?;
        Ok(Identity(of.dev(), of.ino(), of.len(), of.ctime(), of.ctime_nsec()))
    }
}

/// The last things made, newest last.
pub(super) struct Kept<T> {
    most: usize,
    last: Mutex<VecDeque<(Identity, Arc<T>)>>,
}

impl<T> Kept<T> {
    /// Keeps so many.
    pub fn new(most: usize) -> Self {
        Kept { most, last: Mutex::default() }
    }

    /// What was made of a file, or is made of it now. Two threads that ask at once may both make it.
    pub fn get<E>(&self, of: Identity, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some(known) = self.take(of) {
            self.put(of, Arc::clone(&known));
            return Ok(known);
        }
        let made = Arc::new(make()?);
        self.put(of, Arc::clone(&made));
        Ok(made)
    }

    fn take(&self, of: Identity) -> Option<Arc<T>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let at = last.iter().position(|(identity, _)| *identity == of)?;
        last.remove(at).map(|(_, known)| known)
    }

    fn put(&self, of: Identity, made: Arc<T>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.push_back((of, made));
        if last.len() > self.most {
            last.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_is_read_once_until_it_changes_or_others_push_it_out() {
        let files: Vec<File> = (0..3).map(|_| tempfile::tempfile().unwrap()).collect();
        let kept = Kept::new(2);
        let mut made = 0;
        let mut get = |at: usize| {
            let identity = Identity::of(&files[at]).unwrap();
            *kept
                .get(identity, || {
                    made += 1;
                    Ok::<_, ()>(made)
                })
                .unwrap()
        };
        assert_eq!([get(0), get(1), get(0), get(1)], [1, 2, 1, 2]);
        (&files[1]).write_all(b"more").unwrap();
        assert_eq!([get(1), get(1)], [3, 3]);
        assert_eq!([get(2), get(1), get(0)], [4, 3, 5]);
    }

    #[test]
    fn what_failed_is_tried_again() {
        let kept = Kept::new(2);
        let identity = Identity::of(&tempfile::tempfile().unwrap()).unwrap();
        assert_eq!(kept.get(identity, || Err::<(), _>("damaged")), Err("damaged"));
        assert_eq!(kept.get(identity, || Ok::<_, ()>(())), Ok(Arc::new(())));
    }
}
