//! Every format and variant, every orientation, truncations, bombs, and bytes at random.

use ::png::{BitDepth, ColorType};
use mozjpeg::ColorSpace;
use proptest::prelude::*;

use super::samples::*;
use super::*;

fn limits() -> Limits {
    Limits::default()
}

fn full(bytes: &[u8]) -> Decoded {
    decode(bytes, Scale::Full, &limits()).unwrap()
}

/// The mean difference of two pictures of equal size, in levels.
fn difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}

/// The scene shrunk by the box filter, for comparison.
fn shrunk_scene(width: u32, height: u32, divisor: u32) -> Vec<u8> {
    let mut shrink = raster::BoxShrink::new(raster::Inks::Rgb, width, height, divisor);
    scene(width, height, 1).chunks(width as usize * 3).for_each(|row| shrink.push(row));
    shrink.finish().samples
}

/// One whole file of each format, of the scene at 160 x 120, and how far its pixels may be from it on average.
fn wholes() -> Vec<(&'static str, Vec<u8>, f64)> {
    vec![
        ("baseline", scene_jpeg(160, 120, Jpeg::Baseline), 3.0),
        ("progressive", scene_jpeg(160, 120, Jpeg::Progressive), 3.0),
        ("png", scene_png(160, 120), 0.0),
        ("interlaced", interlaced_png(160, 120, &scene(160, 120, 1)), 0.0),
        ("gif", scene_gif(160, 120, 1), 18.0),
        ("webp", scene_webp(160, 120, None), 0.0),
        ("tiff", scene_tiff(160, 120, 1), 0.0),
        ("bmp", scene_bmp(160, 120), 0.0),
    ]
}

#[test]
fn every_format_gives_the_scene_at_full_size_and_shrunk() {
    for (name, bytes, levels_max) in wholes() {
        let decoded = full(&bytes);
        assert_eq!(
            (decoded.header.width, decoded.header.height, decoded.header.truncated),
            (160, 120, false),
            "{name}"
        );
        assert_eq!(decoded.divisor, 1, "{name}");
        let pixels = &decoded.renderings[0];
        assert_eq!((pixels.width, pixels.height), (160, 120), "{name}");
        let levels = difference(&pixels.rgb, &scene(160, 120, 1));
        assert!(levels <= levels_max, "{name}: {levels}");

        let small = decode(&bytes, Scale::AtLeast(40), &limits()).unwrap();
        assert_eq!((small.divisor, small.renderings[0].width, small.renderings[0].height), (4, 40, 30), "{name}");
        let levels = difference(&small.renderings[0].rgb, &shrunk_scene(160, 120, 4));
        assert!(levels <= levels_max + 0.5, "{name} shrunk: {levels}");
        assert_eq!(read_header(&bytes, &limits()).unwrap(), decoded.header, "{name}");
    }
}

/// BT.601 luma, as JPEG stores it.
fn luma(rgb: &[u8]) -> Vec<u8> {
    let weigh = |p: &[u8]| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]);
    rgb.chunks(3).map(|pixel| (weigh(pixel) + 0.5) as u8).collect()
}

#[test]
fn a_sketch_has_the_luma_of_the_whole() {
    for (how, levels_max) in [(Jpeg::Baseline, 0.6), (Jpeg::Progressive, 1.5)] {
        let bytes = scene_jpeg(800, 600, how);
        let sketch = decode(&bytes, Scale::Sketch(100), &limits()).unwrap();
        let exact = decode(&bytes, Scale::AtLeast(100), &limits()).unwrap();
        assert_eq!((sketch.divisor, exact.divisor), (8, 8));
        assert!(!sketch.header.truncated);
        let levels = difference(&luma(&sketch.renderings[0].rgb), &luma(&exact.renderings[0].rgb));
        assert!(levels < levels_max, "{levels}");
        assert!(difference(&exact.renderings[0].rgb, &shrunk_scene(800, 600, 8)) < 3.0);
    }
}

#[test]
fn a_sketch_of_a_progressive_file_needs_its_beginning_only() {
    let bytes = scene_jpeg(800, 600, Jpeg::Progressive);
    let end = jpeg_markers::walk(&bytes).leading_dc_end.unwrap();
    assert!(end < bytes.len() / 2);
    let ruined: Vec<u8> = [&bytes[..end], b"\xff\xda\x00\x02 nonsense \xff\xd9"].concat();
    let sketch = |bytes: &[u8]| decode(bytes, Scale::Sketch(100), &limits()).unwrap().renderings;
    assert_eq!(sketch(&ruined), sketch(&bytes));
}

#[test]
fn a_sketch_keeps_the_colours_that_a_profile_needs() {
    let profile = moxcms::ColorProfile::new_adobe_rgb().encode().unwrap();
    let body = [b"ICC_PROFILE\0\x01\x01".as_slice(), &profile].concat();
    let jpeg = with_segment(&scene_jpeg(160, 120, Jpeg::Baseline), 0xe2, &body);
    assert_eq!(decode(&jpeg, Scale::Sketch(20), &limits()).unwrap().renderings.len(), 2);
}

#[test]
fn a_baseline_file_beyond_an_eighth_is_shrunk_on() {
    let decoded = decode(&scene_jpeg(1600, 1200, Jpeg::Baseline), Scale::AtLeast(100), &limits()).unwrap();
    assert_eq!((decoded.divisor, decoded.renderings[0].width, decoded.renderings[0].height), (16, 100, 75));
    assert!(difference(&decoded.renderings[0].rgb, &shrunk_scene(1600, 1200, 16)) < 3.0);
}

#[test]
fn a_panorama_keeps_some_height() {
    let small = decode(&scene_png(1000, 40), Scale::AtLeast(100), &limits()).unwrap();
    assert_eq!((small.divisor, small.renderings[0].height), (1, 40));
}

#[test]
fn a_grey_jpeg_is_grey() {
    let grey: Vec<u8> = scene(80, 60, 1).iter().step_by(3).copied().collect();
    let decoded = full(&jpeg(&grey, 80, 60, ColorSpace::JCS_GRAYSCALE, Jpeg::Baseline));
    let rgb = &decoded.renderings[0].rgb;
    assert!(rgb.chunks(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    assert!(difference(&rgb.iter().step_by(3).copied().collect::<Vec<_>>(), &grey) < 2.0);
}

#[test]
fn cmyk_and_ycck_are_read_as_adobe_means_them() {
    // Light, as Adobe stores it: the complement of the inks, without black.
    let light: Vec<u8> = scene(80, 60, 1).chunks(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
    let adobe = |transform: u8| [b"Adobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat();
    let cmyk = jpeg(&light, 80, 60, ColorSpace::JCS_CMYK, Jpeg::Baseline);
    for how in [Jpeg::Baseline, Jpeg::Progressive] {
        let cmyk = jpeg(&light, 80, 60, ColorSpace::JCS_CMYK, how);
        let decoded = full(&with_segment(&strip_segment(&cmyk, 0xee), 0xee, &adobe(0)));
        assert_eq!(decoded.renderings.len(), 1);
        assert!(difference(&decoded.renderings[0].rgb, &scene(80, 60, 1)) < 3.0);
    }
    // Without the segment nobody can know; both readings are given.
    let silent = full(&strip_segment(&cmyk, 0xee));
    assert_eq!(silent.renderings.len(), 2);
    assert!(difference(&silent.renderings[0].rgb, &scene(80, 60, 1)) < 3.0);
    // YCCK: the same numbers read as luma and chroma must not look like the plain reading, and must not fail.
    let ycck = full(&with_segment(&strip_segment(&cmyk, 0xee), 0xee, &adobe(2)));
    assert!(difference(&ycck.renderings[0].rgb, &scene(80, 60, 1)) > 10.0);
}

/// The JPEG without its segments of this marker.
fn strip_segment(jpeg: &[u8], marker: u8) -> Vec<u8> {
    let (mut kept, mut at) = (jpeg[..2].to_vec(), 2);
    while jpeg[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] != marker {
            kept.extend(&jpeg[at..end]);
        }
        at = end;
    }
    kept.extend(&jpeg[at..]);
    kept
}

#[test]
fn png_variants_mean_what_they_say() {
    let one = |color, depth, data: &[u8], more: fn(&mut ::png::Encoder<'_, &mut Vec<u8>>)| {
        full(&png(2, 1, color, depth, data, more)).renderings.remove(0)
    };
    let grey16 = one(ColorType::Grayscale, BitDepth::Sixteen, &[0x12, 0x34, 0xff, 0xff], |_| {});
    assert_eq!(grey16.rgb, [0x12, 0x12, 0x12, 255, 255, 255]);
    let palette = one(ColorType::Indexed, BitDepth::Four, &[0x10], |encoder| {
        encoder.set_palette(vec![1, 2, 3, 4, 5, 6]);
        encoder.set_trns(vec![0]);
    });
    assert_eq!(
        (palette.rgb.as_slice(), palette.alpha.as_deref()),
        ([4, 5, 6, 1, 2, 3].as_slice(), Some([255, 0].as_slice()))
    );
    let keyed = one(ColorType::Grayscale, BitDepth::Eight, &[9, 8], |encoder| encoder.set_trns(vec![0, 8]));
    assert_eq!(keyed.alpha.as_deref(), Some([255, 0].as_slice()));
    let rgba16 =
        one(ColorType::Rgba, BitDepth::Sixteen, &[1, 0, 2, 0, 3, 0, 128, 0, 4, 0, 5, 0, 6, 0, 255, 255], |_| {});
    assert_eq!(
        (rgba16.rgb.as_slice(), rgba16.alpha.as_deref()),
        ([1, 2, 3, 4, 5, 6].as_slice(), Some([128, 255].as_slice()))
    );
    let bits = one(ColorType::Grayscale, BitDepth::One, &[0b0100_0000], |_| {});
    assert_eq!(bits.rgb, [0, 0, 0, 255, 255, 255]);
}

#[test]
fn damage_is_told_where_a_picture_is_seen_all_the_same() {
    let fixture = |name: &str| std::fs::read(format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let of = |name: &str, scale| decode(&fixture(name), scale, &limits()).unwrap().header.damage();
    let cut = Some("the file is cut off: its end is missing");
    for scale in [Scale::Full, Scale::Sketch(64)] {
        assert_eq!(of("malformed/truncated-50.jpg", scale), cut);
        assert_eq!(of("malformed/truncated-no-iend.png", scale), cut);
        assert_eq!(of("malformed/bad-crc.png", scale), Some("the file is damaged: a check sum in it is wrong"));
        for whole in ["originals/harbour.jpg", "originals/logo-fox.png", "derived/harbour-to-png.png"] {
            assert_eq!(of(whole, scale), None, "{whole}");
        }
    }
    for (name, bytes, _) in wholes() {
        assert_eq!(full(&bytes).header.damage(), None, "{name}");
    }
}

#[test]
fn gif_frames_are_counted_and_the_first_is_shown() {
    let decoded = full(&scene_gif(40, 30, 3));
    assert_eq!((decoded.header.frames, decoded.header.truncated), (3, false));
    let alpha = decoded.renderings[0].alpha.as_ref().unwrap();
    assert_eq!((alpha[0], alpha[1]), (0, 255));
}

#[test]
fn a_gif_frame_smaller_than_its_canvas_stands_in_its_place() {
    let mut bytes = Vec::new();
    let mut encoder = ::gif::Encoder::new(&mut bytes, 4, 3, &[9, 9, 9, 200, 100, 50]).unwrap();
    let frame =
        ::gif::Frame { left: 2, top: 1, width: 3, height: 1, buffer: vec![1, 1, 1].into(), ..Default::default() };
    encoder.write_frame(&frame).unwrap();
    drop(encoder);
    let pixels = full(&bytes).renderings.remove(0);
    assert_eq!(pixels.alpha.unwrap(), [0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0]);
    assert_eq!(pixels.rgb[6 * 3..7 * 3], [200, 100, 50]);
}

#[test]
fn a_tiff_says_whether_it_is_compressed() {
    use ::tiff::encoder::{Compression, TiffEncoder, colortype::Gray8};
    let compressed = |compression| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut bytes).unwrap().with_compression(compression);
        encoder.write_image::<Gray8>(16, 16, &[7; 256]).unwrap();
        read_header(bytes.get_ref(), &Limits::default()).unwrap().compressed
    };
    assert!(!compressed(Compression::Uncompressed));
    assert!(compressed(Compression::Lzw) && compressed(Compression::Packbits));
}

#[test]
fn tiff_variants_mean_what_they_say() {
    use ::tiff::encoder::colortype as of;
    let rgb = |bytes: &[u8]| full(bytes).renderings.remove(0).rgb;
    assert_eq!(rgb(&tiff::<of::Gray16>(2, 1, &[0x1234, 0xffff])), [0x12, 0x12, 0x12, 255, 255, 255]);
    assert_eq!(rgb(&tiff::<of::RGB16>(1, 1, &[0x1234, 0x5678, 0x9abc])), [0x12, 0x56, 0x9a]);
    assert_eq!(rgb(&tiff::<of::CMYK8>(2, 1, &[0, 0, 0, 255, 255, 0, 0, 0])), [0, 0, 0, 0, 255, 255]);
    assert_eq!(rgb(&tiff::<of::Gray32Float>(2, 1, &[0.0, 1.0])), [0, 0, 0, 255, 255, 255]);
    let rgba = full(&tiff::<of::RGBA8>(1, 1, &[10, 20, 30, 40])).renderings.remove(0);
    assert_eq!((rgba.rgb.as_slice(), rgba.alpha.as_deref()), ([10, 20, 30].as_slice(), Some([40].as_slice())));

    let strips = (273, 279);
    let bilevel = tiff_page(10, 1, &[vec![0b1010_0000, 0b0100_0000]], strips, |tiff| tiff.short(262, 0));
    let white = [0, 255, 0, 255, 255, 255, 255, 255, 255, 0];
    assert_eq!(rgb(&bilevel).iter().step_by(3).copied().collect::<Vec<_>>(), white);
    let palette = tiff_page(2, 1, &[vec![0x10]], strips, |tiff| {
        tiff.short(258, 4);
        tiff.short(262, 3);
        let map: Vec<u16> =
            (0..48).map(|at| if at % 16 < 2 { at / 16 * 0x1100 + at % 16 * 0x8000 } else { 0 }).collect();
        tiff.shorts(320, &map);
    });
    assert_eq!(rgb(&palette), [0x80, 0x91, 0xa2, 0, 0x11, 0x22]);
    let planar = tiff_page(2, 1, &[vec![1, 4], vec![2, 5], vec![3, 6]], strips, |tiff| {
        tiff.shorts(258, &[8, 8, 8]);
        tiff.short(262, 2);
        tiff.short(277, 3);
        tiff.short(284, 2);
    });
    assert_eq!(rgb(&planar), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn tiff_tiles_are_put_together() {
    // 20 x 18 grey pixels in tiles of 16 x 16; each pixel tells its place.
    let place = |x: usize, y: usize| if x < 20 && y < 18 { (y * 12 + x) as u8 } else { 99 };
    let tile =
        |left: usize, top: usize| -> Vec<u8> { (0..256).map(|at| place(left + at % 16, top + at / 16)).collect() };
    let tiles = [tile(0, 0), tile(16, 0), tile(0, 16), tile(16, 16)];
    let tiled = tiff_page(20, 18, &tiles, (324, 325), |tiff| {
        tiff.short(258, 8);
        tiff.short(262, 1);
        tiff.short(322, 16);
        tiff.short(323, 16);
    });
    let grey: Vec<u8> = full(&tiled).renderings[0].rgb.iter().step_by(3).copied().collect();
    let expected: Vec<u8> = (0..18).flat_map(|y| (0..20).map(move |x| place(x, y))).collect();
    assert_eq!(grey, expected);
    let small = decode(&tiled, Scale::AtLeast(10), &limits()).unwrap();
    assert_eq!((small.renderings[0].width, small.renderings[0].rgb[0]), (10, 7));
}

#[test]
fn pages_are_counted_and_camera_raw_is_not_a_tiff() {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut encoder = ::tiff::encoder::TiffEncoder::new(&mut bytes).unwrap();
    for _ in 0..3 {
        encoder.write_image::<::tiff::encoder::colortype::Gray8>(1, 1, &[5]).unwrap();
    }
    assert_eq!(full(bytes.get_ref()).header.frames, 3);
    let raw = tiff_page(1, 1, &[vec![5]], (273, 279), |tiff| tiff.longs(254, &[1]));
    assert_eq!(decode(&raw, Scale::Full, &limits()), Err(Unreadable::NotReadable(Kind::Raw)));
    let dng = tiff_page(1, 1, &[vec![5]], (273, 279), |tiff| tiff.longs(50706, &[0x0401]));
    assert_eq!(decode(&dng, Scale::Full, &limits()), Err(Unreadable::NotReadable(Kind::Raw)));
}

#[test]
fn the_orientation_is_applied_once_whatever_the_container() {
    for orientation in 1..=8 {
        let block = exif(orientation, "2019:07:04 13:05:59");
        let in_jpeg = [b"Exif\0\0".as_slice(), &block].concat();
        let in_png = png_chunk(b"eXIf", &block);
        let plain_png = scene_png(24, 16);
        let files = [
            with_segment(&scene_jpeg(24, 16, Jpeg::Baseline), 0xe1, &in_jpeg),
            [&plain_png[..33], &in_png, &plain_png[33..]].concat(),
            [&plain_png[..plain_png.len() - 12], &in_png, &plain_png[plain_png.len() - 12..]].concat(),
            scene_webp(24, 16, Some(block.clone())),
            scene_tiff(24, 16, orientation),
        ];
        for (at, bytes) in files.iter().enumerate() {
            let decoded = full(bytes);
            let header = &decoded.header;
            assert_eq!(
                (header.width, header.height, u16::from(header.orientation)),
                (24, 16, orientation),
                "file {at}"
            );
            if at < 4 {
                assert_eq!(header.taken_at.as_deref(), Some("2019-07-04T13:05:59"), "file {at}");
            }
            let stored = Pixels { width: 24, height: 16, rgb: scene(24, 16, 1), alpha: None };
            let upright = orient::upright(stored, header.orientation);
            let pixels = &decoded.renderings[0];
            assert_eq!((pixels.width, pixels.height), header.upright_size(), "file {at}");
            assert!(difference(&pixels.rgb, &upright.rgb) < 4.0, "file {at}, orientation {orientation}");
        }
    }
}

#[test]
fn an_embedded_profile_gives_a_second_rendering() {
    let profile = moxcms::ColorProfile::new_adobe_rgb().encode().unwrap();
    let body = [b"ICC_PROFILE\0\x01\x01".as_slice(), &profile].concat();
    let jpeg = scene_jpeg(24, 16, Jpeg::Baseline);
    assert_eq!(full(&jpeg).renderings.len(), 1);
    let decoded = full(&with_segment(&jpeg, 0xe2, &body));
    assert_eq!(decoded.renderings.len(), 2);
    assert_eq!(decoded.renderings[1], full(&jpeg).renderings[0]);
    // A part that is missing makes the profile void, not the picture.
    let half = [b"ICC_PROFILE\0\x01\x02".as_slice(), &profile].concat();
    assert_eq!(full(&with_segment(&jpeg, 0xe2, &half)).renderings.len(), 1);
}

#[test]
fn a_missing_end_is_noticed_at_every_length() {
    for (name, bytes, _) in wholes() {
        let (mut with_pixels, mut steps) = (0, 0);
        for length in (1..bytes.len()).rev().step_by(1.max(bytes.len() / 40)) {
            steps += 1;
            match decode(&bytes[..length], Scale::Full, &limits()) {
                Ok(decoded) => {
                    assert!(decoded.header.truncated, "{name} cut to {length} of {}", bytes.len());
                    with_pixels += 1;
                }
                Err(Unreadable::Corrupt { detail, .. }) => panic!("{name} cut to {length}: {detail}"),
                Err(_) => {}
            }
        }
        // A WebP gives nothing before it is complete.
        assert!(name == "webp" || with_pixels * 2 > steps, "{name}: {with_pixels} of {steps}");
    }
}

#[test]
fn a_cut_picture_keeps_what_came() {
    for (name, bytes, levels_max) in
        wholes().into_iter().filter(|(name, ..)| ["baseline", "png", "tiff"].contains(name))
    {
        let decoded = full(&bytes[..bytes.len() * 3 / 4]);
        let top = 160 * 40 * 3;
        let levels = difference(&decoded.renderings[0].rgb[..top], &scene(160, 120, 1)[..top]);
        assert!(decoded.header.truncated && levels <= levels_max, "{name}: {levels}");
    }
}

#[test]
fn bombs_are_refused_before_they_take_memory() {
    let tight = Limits { pixels_max: 1_000_000, bytes_max: 1 << 20 };
    let mut head = [60_000u32.to_be_bytes(), 60_000u32.to_be_bytes()].concat();
    head.extend([8, 6, 0, 0, 0]);
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &png_chunk(b"IHDR", &head), &png_chunk(b"IDAT", b"")].concat();
    assert_eq!(
        decode(&png, Scale::Full, &limits()),
        Err(Unreadable::TooLarge { width: 60_000, height: 60_000, pixels_max: 400_000_000 })
    );
    for (name, bytes, _) in wholes() {
        let small = Limits { pixels_max: 160 * 120 - 1, ..limits() };
        assert!(matches!(decode(&bytes, Scale::Full, &small), Err(Unreadable::TooLarge { .. })), "{name}");
        let poor = Limits { bytes_max: 1000, ..limits() };
        assert!(matches!(decode(&bytes, Scale::Full, &poor), Err(Unreadable::TooMuchMemory { .. })), "{name}");
    }
    // Coefficients of a progressive file count, whatever the scale.
    let progressive = scene_jpeg(1000, 800, Jpeg::Progressive);
    assert!(matches!(decode(&progressive, Scale::AtLeast(100), &tight), Err(Unreadable::TooMuchMemory { .. })));
    assert!(decode(&scene_jpeg(1000, 800, Jpeg::Baseline), Scale::AtLeast(100), &tight).is_ok());
}

#[test]
fn what_is_no_picture_is_named() {
    assert_eq!(read_header(b"", &limits()), Err(Unreadable::Empty));
    let heic = decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Scale::Full, &limits()).unwrap_err();
    assert_eq!(heic.to_string(), "a HEIC picture cannot be read yet");
    assert_eq!(read_header(b"dear customer", &limits()), Err(Unreadable::NotReadable(Kind::Text)));
    assert_eq!(read_header(b"\xff\xd8\xff\xe0", &limits()), Err(Unreadable::TruncatedBeforePixels(Kind::Jpeg)));
}

#[test]
fn tables_of_a_jpeg_are_found() {
    let tables = jpeg_tables(&scene_jpeg(80, 60, Jpeg::Progressive)).unwrap();
    assert_eq!(tables.sampling, [(2, 2), (1, 1), (1, 1)]);
    assert!(tables.progressive && tables.quantisation.len() == 3);
    assert!(tables.quantisation.iter().all(|table| table.len() == 64 && table.iter().all(|&step| step > 0)));
    assert_eq!(tables.quantisation[1], tables.quantisation[2]);
    assert_eq!(jpeg_tables(&scene_png(8, 8)), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn mutated_files_never_panic(
        which in 0usize..8,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        keep in any::<prop::sample::Index>(),
        cut in any::<bool>(),
        scale in prop_oneof![Just(Scale::Full), Just(Scale::AtLeast(20)), Just(Scale::Sketch(20))],
    ) {
        let mut bytes = wholes_small()[which].clone();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(keep.index(bytes.len()) + 1);
        }
        let limits = Limits { pixels_max: 4_000_000, bytes_max: 64 << 20 };
        if let Ok(decoded) = decode(&bytes, scale, &limits) {
            let pixels = &decoded.renderings[0];
            prop_assert_eq!(pixels.rgb.len(), (pixels.width * pixels.height * 3) as usize);
            prop_assert_eq!(decode(&bytes, scale, &limits), Ok(decoded));
        }
    }
}

/// Small files, so that a random edit is likely to hit something that matters.
fn wholes_small() -> &'static [Vec<u8>] {
    static FILES: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    FILES.get_or_init(|| {
        vec![
            scene_jpeg(40, 30, Jpeg::Baseline),
            scene_jpeg(200, 160, Jpeg::Progressive),
            scene_png(40, 30),
            interlaced_png(20, 15, &scene(20, 15, 1)),
            scene_gif(40, 30, 2),
            scene_webp(40, 30, None),
            scene_tiff(40, 30, 1),
            scene_bmp(40, 30),
        ]
    })
}
