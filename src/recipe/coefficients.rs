//! A JPEG file's own integer coefficients, read by libjpeg without decoding any pixel.
//!
//! The only unsafe code of the project's picture reading. It owns one libjpeg decompressor for the length of one call.
//! Fatal errors of the C library unwind as panics, as everywhere in [`crate::decode`], and are contained here.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mozjpeg_sys as ffi;

use crate::decode::{Limits, Unreadable, panic_text, read_header};
use crate::identify::Kind;

/// A thumbnail or preview has no more pixels than this; its coefficients then need 50 MB at most.
pub(super) const PIXELS_MAX: u64 = 4_000_000;

/// One component as the file stores it.
pub(super) struct Stored {
    /// Blocks in a row.
    pub columns: usize,
    /// Rows of blocks.
    pub rows: usize,
    /// Horizontal and vertical sampling factors.
    pub sampling: (usize, usize),
    /// Quantisation steps in natural (row by row) order.
    pub steps: [u16; 64],
    /// Quantised coefficients in natural order, blocks row by row.
    pub blocks: Vec<[i16; 64]>,
}

/// The coefficients of all components.
///
/// # Errors
/// What [`read_header`] refuses, more than [`PIXELS_MAX`] pixels, and what libjpeg cannot read.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Stored>, Unreadable> {
    let header = read_header(bytes, &Limits { pixels_max: PIXELS_MAX, ..Limits::default() })?;
    if header.kind != Kind::Jpeg {
        return Err(Unreadable::NotReadable(header.kind));
    }
    catch_unwind(AssertUnwindSafe(|| Reader::new(bytes).components()))
        .unwrap_or_else(|panic| Err(panic_text(panic.as_ref())))
        .map_err(|detail| Unreadable::Corrupt { kind: Kind::Jpeg, detail })
}

/// A libjpeg decompressor over bytes in memory. Its parts are boxed because C keeps pointers to them.
struct Reader<'bytes> {
    cinfo: Box<ffi::jpeg_decompress_struct>,
    /// `cinfo` points to it.
    _errors: Box<ffi::jpeg_error_mgr>,
    bytes: &'bytes [u8],
}

impl<'bytes> Reader<'bytes> {
    fn new(bytes: &'bytes [u8]) -> Self {
        // SAFETY: both are plain C structs without references, for which all zeros is the state that libjpeg documents
        // before jpeg_create_decompress; the pointer to the error manager stays good because the box outlives `cinfo`.
        unsafe {
            let mut errors: Box<ffi::jpeg_error_mgr> = Box::new(std::mem::zeroed());
            ffi::jpeg_std_error(&mut errors);
            errors.error_exit = Some(unwind);
            errors.emit_message = Some(ignore);
            let mut cinfo: Box<ffi::jpeg_decompress_struct> = Box::new(std::mem::zeroed());
            cinfo.common.err = &raw mut *errors;
            ffi::jpeg_create_decompress(&mut *cinfo);
            Reader { cinfo, _errors: errors, bytes }
        }
    }

    fn components(&mut self) -> Result<Vec<Stored>, String> {
        let length = self.bytes.len().try_into().map_err(|_| "it is too long".to_owned())?;
        // SAFETY: `bytes` lives as long as `self`, so libjpeg reads within it until the drop. The arrays returned belong
        // to `cinfo`, hold one entry for each component, and stay good until it is destroyed.
        unsafe {
            ffi::jpeg_mem_src(&mut self.cinfo, self.bytes.as_ptr(), length);
            if ffi::jpeg_read_header(&mut self.cinfo, 1) != 1 {
                return Err("it has no picture".to_owned());
            }
            let arrays = ffi::jpeg_read_coefficients(&mut self.cinfo);
            if arrays.is_null() {
                return Err("its data ends too early".to_owned());
            }
            let count = usize::try_from(self.cinfo.num_components).unwrap_or(0);
            (0..count).map(|at| self.component(at, *arrays.add(at))).collect()
        }
    }

    /// # Safety
    /// `at` is less than the number of components and `array` is that component's own.
    unsafe fn component(&mut self, at: usize, array: *mut ffi::jvirt_barray_control) -> Result<Stored, String> {
        // SAFETY: libjpeg has filled in `comp_info` for every component, and its quantisation table is either null or
        // set; rows are asked for one by one within the height that libjpeg itself states, and each has at least
        // `width_in_blocks` blocks.
        unsafe {
            let info = &*self.cinfo.comp_info.add(at);
            let table = info.quant_table.as_ref().ok_or("it lacks a quantisation table")?;
            let access = (*self.cinfo.common.mem).access_virt_barray.ok_or("libjpeg gives no coefficients")?;
            let (columns, rows) = (info.width_in_blocks as usize, info.height_in_blocks as usize);
            let mut blocks = Vec::with_capacity(columns * rows);
            for row in 0..info.height_in_blocks {
                let lines = access(&mut self.cinfo.common, array, row, 1, 0);
                blocks.extend_from_slice(std::slice::from_raw_parts(*lines, columns));
            }
            let sampling = (info.h_samp_factor.max(1) as usize, info.v_samp_factor.max(1) as usize);
            Ok(Stored { columns, rows, sampling, steps: table.quantval, blocks })
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        // SAFETY: `cinfo` was created in `new` and is destroyed only here.
        unsafe { ffi::jpeg_destroy_decompress(&mut self.cinfo) }
    }
}

/// libjpeg's fatal error: must not return, so it unwinds to [`read`].
extern "C-unwind" fn unwind(cinfo: &mut ffi::jpeg_common_struct) {
    // SAFETY: libjpeg always sets the error manager before anything can fail.
    let code = unsafe { cinfo.err.as_ref() }.map_or(0, |errors| errors.msg_code);
    resume_unwind(Box::new(format!("libjpeg fatal error: code {code}")));
}

extern "C-unwind" fn ignore(_: &mut ffi::jpeg_common_struct, _: c_int) {}
