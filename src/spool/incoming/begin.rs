//! Where a transfer begins: in a new file, at the end of a partial, or behind a copy of what is here.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::body::Body;
use super::{Incoming, PAST_CACHE_FROM_BYTES, SPACE_CHECK_BYTES, Start};
use crate::domain::{CustomerId, Micros, PartialId};
use crate::spool::hashing::Hashing;
use crate::spool::open::Open;
use crate::spool::{BLOCK_BYTES, Endpoint, Spool};
use crate::tree::{TreeError, TreePath, place};

impl Incoming {
    pub(in crate::spool) fn begin(
        spool: &Arc<Spool>,
        customer: CustomerId,
        path: &TreePath,
        endpoint: Endpoint,
        start: Start,
    ) -> Result<Incoming, TreeError> {
        let entry = spool.catalogue.read(|tx| place::can_receive(tx, customer, path))?;
        if !spool.space()?.is_enough() {
            return Err(TreeError::NoSpace);
        }
        spool.require_room(customer, endpoint)?;
        let partial = entry.as_ref().and_then(|entry| entry.partial.clone());
        let current = entry.as_ref().and_then(|entry| entry.upload);
        let here = partial.as_ref().map_or(entry.as_ref().map_or(0, |e| e.size), |(_, file)| spool.length_of(file));
        let at = match start {
            Start::New => 0,
            Start::Append => here,
            Start::At(at) if at > here => return Err(TreeError::BeyondEnd { path: path.clone(), at, size: here }),
            Start::At(at) => at,
        };
        let wants_all = start == Start::Append || at == here;
        match (partial, current) {
            (Some((id, file)), _) if wants_all && start != Start::New && start != Start::At(0) => {
                Incoming::resume(spool, customer, path, endpoint, id, file)
            }
            (partial, current) => {
                let mut incoming = Incoming::create(spool, customer, path, endpoint)?;
                let source = match (at, partial, current) {
                    (0, _, _) => None,
                    (_, Some((_, file)), _) => Some(incoming.open_partial(&file)?),
                    (_, None, Some(upload)) => Some(spool.open_upload(upload)?.0),
                    (_, None, None) => None,
                };
                if let Some(source) = source {
                    incoming.copy_prefix(&source, at)?;
                }
                Ok(incoming)
            }
        }
    }

    /// [`Incoming::begin`] with [`Start::New`], if that takes no more than a glance at the catalogue.
    pub(in crate::spool) fn begin_at_once(
        spool: &Arc<Spool>,
        customer: CustomerId,
        path: &TreePath,
        endpoint: Endpoint,
    ) -> Option<Result<Incoming, TreeError>> {
        if !spool.has_no_quota(customer) {
            return None;
        }
        let begun = spool.catalogue.glance(|tx| place::can_receive(tx, customer, path))?.and_then(|_| {
            if !spool.space()?.is_enough() {
                return Err(TreeError::NoSpace);
            }
            Incoming::create(spool, customer, path, endpoint)
        });
        Some(begun)
    }

    pub(in crate::spool) fn resume_file(
        spool: &Arc<Spool>,
        customer: CustomerId,
        spool_file: &str,
        endpoint: Endpoint,
    ) -> Result<Option<Incoming>, TreeError> {
        let partial = spool.catalogue.read(|tx| tx.partial_in_spool(spool_file))?;
        let Some(partial) = partial.filter(|partial| partial.customer == customer) else { return Ok(None) };
        if !spool.space()?.is_enough() {
            return Err(TreeError::NoSpace);
        }
        spool.require_room(customer, endpoint)?;
        let path = spool.catalogue.read(|tx| -> Result<TreePath, TreeError> {
            Ok(match tx.entry_of_partial(partial.id)? {
                Some(entry) => TreePath::from_parts(tx.entry_names(&entry)?),
                None => TreePath::resolve(&TreePath::root(), &partial.path)?,
            })
        })?;
        Incoming::resume(spool, customer, &path, endpoint, partial.id, partial.spool_file).map(Some)
    }

    /// A new transfer, which nothing but the registry of open transfers knows yet.
    fn create(
        spool: &Arc<Spool>,
        customer: CustomerId,
        path: &TreePath,
        endpoint: Endpoint,
    ) -> Result<Incoming, TreeError> {
        let open = Arc::new(Open::new(customer, path.clone(), None, None));
        let registered = spool.register(open.clone()).ok_or_else(|| TreeError::Busy(path.clone()))?;
        let started_at = Micros::now();
        let spool_file = format!("{:015x}-{:x}", started_at.0, registered.number);
        Ok(Incoming {
            spool: spool.clone(),
            open,
            registered,
            customer,
            endpoint,
            started_at,
            body: Body::Memory(Vec::new()),
            past_cache: None,
            past_cache_from: PAST_CACHE_FROM_BYTES,
            spool_file,
            hashing: Hashing::new(),
            size: 0,
            position: 0,
            in_order: true,
            resumed: false,
            name_is_durable: false,
            space_check_at: SPACE_CHECK_BYTES,
            written_out: 0,
            quota_until: 0,
            no_space: false,
            ended: false,
        })
    }

    /// Goes on with a partial, unless another transfer does.
    fn resume(
        spool: &Arc<Spool>,
        customer: CustomerId,
        path: &TreePath,
        endpoint: Endpoint,
        id: PartialId,
        spool_file: String,
    ) -> Result<Incoming, TreeError> {
        let open = Arc::new(Open::new(customer, path.clone(), None, Some(id)));
        let registered = spool.register(open.clone()).ok_or_else(|| TreeError::Busy(path.clone()))?;
        let (file, size, started_at) = Incoming::open_to_resume(spool, id, &spool_file, path)?;
        open.set_size(size);
        Ok(Incoming {
            spool: spool.clone(),
            open,
            registered,
            customer,
            endpoint,
            started_at,
            body: Body::File(Arc::new(file)),
            past_cache: None,
            past_cache_from: PAST_CACHE_FROM_BYTES,
            spool_file,
            hashing: Hashing::new(),
            size,
            position: size,
            in_order: true,
            resumed: true,
            name_is_durable: true,
            space_check_at: size + SPACE_CHECK_BYTES,
            written_out: size,
            quota_until: size,
            no_space: false,
            ended: false,
        })
    }

    /// The partial's file, its length, and when its first transfer began.
    fn open_to_resume(
        spool: &Spool,
        id: PartialId,
        spool_file: &str,
        path: &TreePath,
    ) -> Result<(File, u64, Micros), TreeError> {
        // It was free a moment ago, and may since have been finished by the transfer that held it.
        let row = spool.catalogue.read(|tx| tx.partial(id))?.ok_or_else(|| TreeError::Busy(path.clone()))?;
        let at = spool.folder.join(spool_file);
        let file = File::options().read(true).write(true).open(&at);
        let file = file.map_err(|source| TreeError::io("open", &at, source))?;
        let size = file.metadata().map_err(|source| TreeError::io("look at", &at, source))?.len();
        Ok((file, size, row.started_at))
    }

    fn open_partial(&self, spool_file: &str) -> Result<File, TreeError> {
        let at = self.spool.folder.join(spool_file);
        File::open(&at).map_err(|source| TreeError::io("open", at, source))
    }

    /// Begins as a copy of the first `length` bytes of `source`.
    fn copy_prefix(&mut self, source: &File, length: u64) -> Result<(), TreeError> {
        let mut block = vec![0; BLOCK_BYTES];
        while self.position < length {
            let wanted = block.len().min(usize::try_from(length - self.position).unwrap_or(usize::MAX));
            match source.read_at(&mut block[..wanted], self.position) {
                Ok(0) => {
                    let (path, size) = (self.open.path(), self.position);
                    return Err(TreeError::BeyondEnd { path, at: length, size });
                }
                Ok(read) => self.write(&block[..read])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(TreeError::io("read for", self.file_path(), source)),
            }
        }
        Ok(())
    }
}
