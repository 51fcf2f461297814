//! The same pixels as libjpeg, for every form of file, and nothing for what is unusual or damaged.

use mozjpeg::{ColorSpace, Decompress};
use mozjpeg_sys as ffi;
use proptest::prelude::*;

use super::super::jpeg_markers::walk;
use super::super::raster::Inks;
use super::super::samples::scene;
use super::*;

/// What a test writes.
#[derive(Clone, Copy, Debug)]
struct Form {
    width: u32,
    height: u32,
    grey: bool,
    stored_as_rgb: bool,
    /// Sampling factors of the first component; those of the others are 1.
    sampling: (i32, i32),
    restart_interval: u32,
    quality: u8,
    optimised: bool,
    grain: u8,
}

const PLAIN: Form = Form {
    width: 203,
    height: 117,
    grey: false,
    stored_as_rgb: false,
    sampling: (2, 2),
    restart_interval: 0,
    quality: 90,
    optimised: false,
    grain: 60,
};

/// The scene with grain on it, as libjpeg writes it when nobody asks for more than the defaults.
fn write(form: Form) -> Vec<u8> {
    let mut state = 1u32;
    let mut grain = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8 % form.grain.max(1)
    };
    let rgb = scene(form.width, form.height, 1).into_iter().map(|level| level.saturating_add(grain()));
    let inks = if form.grey { 1 } else { 3 };
    let mut pixels: Vec<u8> = rgb.step_by(3 / inks).collect();
    // SAFETY: zeros are the state that libjpeg documents before it is told to create; the error manager outlives `cinfo`,
    // whose destination and rows are live for each call; the buffer that libjpeg allocated is copied, then freed once.
    unsafe {
        let mut errors: Box<ffi::jpeg_error_mgr> = Box::new(std::mem::zeroed());
        let mut cinfo: Box<ffi::jpeg_compress_struct> = Box::new(std::mem::zeroed());
        cinfo.common.err = ffi::jpeg_std_error(&mut errors);
        ffi::jpeg_create_compress(&mut *cinfo);
        let (mut buffer, mut length) = (std::ptr::null_mut(), 0);
        ffi::jpeg_mem_dest(&mut cinfo, &mut buffer, &mut length);
        (cinfo.image_width, cinfo.image_height, cinfo.input_components) = (form.width, form.height, inks as i32);
        cinfo.in_color_space = if form.grey { ffi::JCS_GRAYSCALE } else { ffi::JCS_RGB };
        ffi::jpeg_c_set_int_param(&mut cinfo, ffi::JINT_COMPRESS_PROFILE, ffi::JCP_FASTEST as i32);
        ffi::jpeg_set_defaults(&mut cinfo);
        if form.stored_as_rgb {
            ffi::jpeg_set_colorspace(&mut cinfo, ffi::JCS_RGB);
        }
        ffi::jpeg_set_quality(&mut cinfo, form.quality.into(), 1);
        cinfo.optimize_coding = form.optimised.into();
        cinfo.restart_interval = form.restart_interval;
        let luma = &mut *cinfo.comp_info;
        (luma.h_samp_factor, luma.v_samp_factor) = form.sampling;
        ffi::jpeg_start_compress(&mut cinfo, 1);
        for row in pixels.chunks_exact_mut(form.width as usize * inks) {
            assert_eq!(ffi::jpeg_write_scanlines(&mut cinfo, &row.as_mut_ptr().cast_const(), 1), 1);
        }
        ffi::jpeg_finish_compress(&mut cinfo);
        let bytes = std::slice::from_raw_parts(buffer, length as usize).to_vec();
        ffi::jpeg_destroy_compress(&mut cinfo);
        libc::free(buffer.cast());
        bytes
    }
}

fn by_this(bytes: &[u8]) -> Option<Vec<u8>> {
    let markers = walk(bytes);
    let frame = markers.frame.as_ref()?;
    let (columns, rows) = (u32::from(frame.width).div_ceil(8), u32::from(frame.height).div_ceil(8));
    let mut shrink = BoxShrink::new(Inks::Grey, columns, rows, 1);
    push_luma(bytes, &markers, &mut shrink)?;
    Some(shrink.finish().samples)
}

fn by_libjpeg(bytes: &[u8]) -> Option<Vec<u8>> {
    rows_by_libjpeg(bytes, Inks::Grey, 1)
}

fn rows_by_libjpeg(bytes: &[u8], inks: Inks, side: usize) -> Option<Vec<u8>> {
    std::panic::catch_unwind(|| {
        let mut picture = Decompress::new_mem(bytes).ok()?;
        picture.scale(side as u8);
        picture.do_block_smoothing(false);
        let space = if inks == Inks::Grey { ColorSpace::JCS_GRAYSCALE } else { ColorSpace::JCS_RGB };
        let mut picture = picture.to_colorspace(space).ok()?;
        picture.read_scanlines::<u8>().ok()
    })
    .ok()?
}

fn rows_by_this(bytes: &[u8], inks: Inks, side: usize) -> Option<Vec<u8>> {
    let markers = walk(bytes);
    let frame = markers.frame.as_ref()?;
    let size = |length: u16| (u32::from(length) * side as u32).div_ceil(8);
    let mut shrink = BoxShrink::new(inks, size(frame.width), size(frame.height), 1);
    push_rows(bytes, &markers, inks, side, &mut shrink)?;
    Some(shrink.finish().samples)
}

#[test]
fn luma_is_that_of_libjpeg_bit_for_bit() {
    for grey in [false, true] {
        for sampling in [(1, 1), (2, 1), (2, 2), (1, 2), (4, 1), (4, 2)] {
            for quality in [5, 50, 90, 100] {
                for (optimised, grain) in [(false, 0), (true, 0), (false, 60), (true, 250)] {
                    let form = Form { grey, sampling, quality, optimised, grain, ..PLAIN };
                    let bytes = write(form);
                    let ours = by_this(&bytes);
                    assert!(ours.is_some(), "{form:?} was not read");
                    assert_eq!(ours, by_libjpeg(&bytes), "{form:?}");
                }
            }
        }
    }
}

#[test]
fn reduced_colours_are_those_of_libjpeg_bit_for_bit() {
    for (grey, inks) in [(true, Inks::Grey), (false, Inks::Grey), (false, Inks::Rgb)] {
        for sampling in [(1, 1), (2, 2), (2, 1), (4, 2)] {
            for quality in [5, 50, 90, 100] {
                for (optimised, grain) in [(false, 0), (false, 60), (true, 250)] {
                    for side in [1, 2, 4] {
                        let form = Form { grey, sampling, quality, optimised, grain, ..PLAIN };
                        let bytes = write(form);
                        let ours = rows_by_this(&bytes, inks, side);
                        // Colours that would have to be brought to the luma's resolution are left to libjpeg.
                        let ratio = sampling.0 as usize;
                        let read = inks == Inks::Grey || sampling.0 == sampling.1 && side * ratio <= 4;
                        assert_eq!(ours.is_some(), read, "{form:?} at {side} of {inks:?}");
                        if read {
                            assert_eq!(ours, rows_by_libjpeg(&bytes, inks, side), "{form:?} at {side} of {inks:?}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn restart_markers_begin_anew() {
    for restart_interval in [1, 5, 1000] {
        let bytes = write(Form { restart_interval, ..PLAIN });
        assert!(by_this(&bytes).is_some());
        assert_eq!(by_this(&bytes), by_libjpeg(&bytes));
        assert!(rows_by_this(&bytes, Inks::Rgb, 2).is_some());
        assert_eq!(rows_by_this(&bytes, Inks::Rgb, 2), rows_by_libjpeg(&bytes, Inks::Rgb, 2));
    }
}

#[test]
fn red_is_not_luma() {
    let bytes = write(Form { stored_as_rgb: true, ..PLAIN });
    assert_eq!(by_this(&bytes), None);
    assert!(by_libjpeg(&bytes).is_some());
}

#[test]
fn a_missing_end_is_left_to_libjpeg() {
    let whole = write(PLAIN);
    for end in [whole.len() / 2, whole.len() - 20] {
        let cut = [&whole[..end], b"\xff\xd9"].concat();
        assert_eq!(by_this(&cut), None);
        assert_eq!(rows_by_this(&cut, Inks::Rgb, 2), None);
    }
}

proptest! {
    /// Whatever this reader and libjpeg both make of a damaged file is the same.
    #[test]
    fn damage_is_read_as_libjpeg_reads_it(at in 0usize..1 << 20, value: u8, restart_interval in 0u32..9) {
        let mut bytes = write(Form { quality: 60, restart_interval, ..PLAIN });
        // Without its first two bytes it is no JPEG, which is found out before.
        let at = 2 + at % (bytes.len() - 2);
        bytes[at] = value;
        // libjpeg refuses some tables whose length is wrong by a few bytes and that are read here.
        if let (Some(ours), Some(theirs)) = (by_this(&bytes), by_libjpeg(&bytes)) {
            prop_assert_eq!(ours, theirs);
        }
        for side in [1, 2] {
            if let (Some(ours), Some(theirs)) =
                (rows_by_this(&bytes, Inks::Rgb, side), rows_by_libjpeg(&bytes, Inks::Rgb, side))
            {
                prop_assert_eq!(ours, theirs);
            }
        }
    }
}
