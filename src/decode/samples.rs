//! Files for tests, made on the spot: one small scene in every format and variant.

use mozjpeg::{ColorSpace, Compress};

/// An RGB scene of smooth shapes with a little texture, told apart by `seed`. No two corners look alike.
pub(crate) fn scene(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let mut rgb = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
            let wave = ((u * 5.0 + seed as f32).sin() + (v * 7.0 * (1.0 + u)).cos()) * 30.0;
            let noise = ((x * 31 + y * 17 + seed).wrapping_mul(2_654_435_761) >> 29) as f32;
            rgb.extend(
                [40.0 + 160.0 * u + wave, 60.0 + 130.0 * v + noise, 200.0 - 150.0 * u * v + wave].map(|l| l as u8),
            );
        }
    }
    rgb
}

/// How to write a JPEG.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Jpeg {
    Baseline,
    Progressive,
}

/// A JPEG of `samples`, whose inks `space` names, with 4:2:0 where there is chroma.
pub(crate) fn jpeg(samples: &[u8], width: u32, height: u32, space: ColorSpace, how: Jpeg) -> Vec<u8> {
    let mut jpeg = Compress::new(space);
    jpeg.set_size(width as usize, height as usize);
    match how {
        Jpeg::Baseline => jpeg.set_fastest_defaults(),
        Jpeg::Progressive => jpeg.set_progressive_mode(),
    }
    jpeg.set_quality(90.0);
    let mut started = jpeg.start_compress(Vec::new()).unwrap();
    started.write_scanlines(samples).unwrap();
    started.finish().unwrap()
}

/// The scene as a JPEG.
pub(crate) fn scene_jpeg(width: u32, height: u32, how: Jpeg) -> Vec<u8> {
    jpeg(&scene(width, height, 1), width, height, ColorSpace::JCS_RGB, how)
}

/// `jpeg` with a segment put in right after its start.
pub(crate) fn with_segment(jpeg: &[u8], marker: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, body, &jpeg[2..]].concat()
}

/// An EXIF block, without the `Exif\0\0` in front: an orientation and the time of the photograph.
pub(crate) fn exif(orientation: u16, taken_at: &str) -> Vec<u8> {
    let text = [taken_at.as_bytes(), b"\0"].concat();
    let mut tiff = Tiff::new();
    tiff.short(274, orientation);
    tiff.directory(34665, |exif| exif.ascii(36867, &text));
    tiff.bytes()
}

/// A PNG; `data` as the colour type and depth say.
pub(crate) fn png(
    width: u32,
    height: u32,
    color: ::png::ColorType,
    depth: ::png::BitDepth,
    data: &[u8],
    more: impl FnOnce(&mut ::png::Encoder<'_, &mut Vec<u8>>),
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    more(&mut encoder);
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    bytes
}

/// The scene as a PNG.
pub(crate) fn scene_png(width: u32, height: u32) -> Vec<u8> {
    png(width, height, ::png::ColorType::Rgb, ::png::BitDepth::Eight, &scene(width, height, 1), |_| {})
}

/// An interlaced 8-bit RGB PNG, not compressed.
pub(crate) fn interlaced_png(width: u32, height: u32, rgb: &[u8]) -> Vec<u8> {
    const PASSES: [(u32, u32, u32, u32); 7] =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
    let mut raw = Vec::new();
    for (left, top, every_x, every_y) in PASSES {
        for y in (top..height).step_by(every_y as usize) {
            if left < width {
                raw.push(0);
            }
            for x in (left..width).step_by(every_x as usize) {
                raw.extend(&rgb[((y * width + x) * 3) as usize..][..3]);
            }
        }
    }
    let mut head = [width.to_be_bytes(), height.to_be_bytes()].concat();
    head.extend([8, 2, 0, 0, 1]);
    let chunks = [png_chunk(b"IHDR", &head), png_chunk(b"IDAT", &zlib_stored(&raw)), png_chunk(b"IEND", b"")];
    [b"\x89PNG\r\n\x1a\n".as_slice(), &chunks.concat()].concat()
}

/// One chunk with its length and checksum.
pub(crate) fn png_chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let named = [name.as_slice(), content].concat();
    let checksum = named.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    [&(content.len() as u32).to_be_bytes()[..], &named, &(!checksum).to_be_bytes()].concat()
}

/// A zlib stream that stores instead of compressing.
fn zlib_stored(raw: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let count = raw.chunks(0xffff).count();
    for (at, block) in raw.chunks(0xffff).enumerate() {
        let length = block.len() as u16;
        stream.push(u8::from(at + 1 == count));
        stream.extend([length.to_le_bytes(), (!length).to_le_bytes()].concat());
        stream.extend(block);
    }
    let (a, b) = raw.iter().fold((1u32, 0u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65521;
        (a, (b + a) % 65521)
    });
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}

/// A GIF of `frames` frames: the scene in 6 x 6 x 6 colours, with its first pixel transparent.
pub(crate) fn scene_gif(width: u16, height: u16, frames: u32) -> Vec<u8> {
    let palette: Vec<u8> = (0..216).flat_map(|at| [at / 36 * 51, at / 6 % 6 * 51, at % 6 * 51]).collect();
    let rgb = scene(width.into(), height.into(), 1);
    let level = |byte: u8| (u16::from(byte) + 25) / 51;
    let mut indices: Vec<u8> =
        rgb.chunks(3).map(|p| (level(p[0]) * 36 + level(p[1]) * 6 + level(p[2])) as u8).collect();
    indices[0] = 216;
    let mut bytes = Vec::new();
    let mut encoder = ::gif::Encoder::new(&mut bytes, width, height, &palette).unwrap();
    for _ in 0..frames {
        let frame = ::gif::Frame {
            width,
            height,
            transparent: Some(216),
            buffer: indices.as_slice().into(),
            ..Default::default()
        };
        encoder.write_frame(&frame).unwrap();
    }
    drop(encoder);
    bytes
}

/// The scene as a lossless WebP.
pub(crate) fn scene_webp(width: u32, height: u32, exif: Option<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = image_webp::WebPEncoder::new(&mut bytes);
    if let Some(exif) = exif {
        encoder.set_exif_metadata(exif);
    }
    encoder.encode(&scene(width, height, 1), width, height, image_webp::ColorType::Rgb8).unwrap();
    bytes
}

/// The scene as a BMP.
pub(crate) fn scene_bmp(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let rgb = scene(width, height, 1);
    image::codecs::bmp::BmpEncoder::new(&mut bytes)
        .encode(&rgb, width, height, image::ExtendedColorType::Rgb8)
        .unwrap();
    bytes
}

/// The scene as a TIFF in strips, with its directory in front and `orientation` in it.
pub(crate) fn scene_tiff(width: u32, height: u32, orientation: u16) -> Vec<u8> {
    let strips: Vec<_> = scene(width, height, 1).chunks((width * 3 * 7) as usize).map(<[u8]>::to_vec).collect();
    tiff_page(width, height, &strips, (273, 279), |tiff| {
        tiff.shorts(258, &[8, 8, 8]);
        tiff.short(262, 2);
        tiff.short(274, orientation);
        tiff.short(277, 3);
        tiff.short(278, 7);
    })
}

/// A TIFF of any colour type that the encoder knows, in strips.
pub(crate) fn tiff<C: ::tiff::encoder::colortype::ColorType>(width: u32, height: u32, data: &[C::Inner]) -> Vec<u8>
where
    [C::Inner]: ::tiff::encoder::TiffValue,
{
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut encoder = ::tiff::encoder::TiffEncoder::new(&mut bytes).unwrap();
    let mut image = encoder.new_image::<C>(width, height).unwrap();
    image.rows_per_strip(7).unwrap();
    image.write_data(data).unwrap();
    bytes.into_inner()
}

/// Writes little-endian TIFF directories by hand, for variants that no encoder offers.
pub(crate) struct Tiff {
    entries: Vec<(u16, u16, u32, Vec<u8>)>,
    at: usize,
}

impl Tiff {
    pub(crate) fn new() -> Self {
        Tiff { entries: Vec::new(), at: 8 }
    }

    pub(crate) fn short(&mut self, tag: u16, value: u16) {
        self.shorts(tag, &[value]);
    }

    pub(crate) fn shorts(&mut self, tag: u16, values: &[u16]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.entries.push((tag, 3, values.len() as u32, bytes));
    }

    pub(crate) fn longs(&mut self, tag: u16, values: &[u32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.entries.push((tag, 4, values.len() as u32, bytes));
    }

    pub(crate) fn ascii(&mut self, tag: u16, text: &[u8]) {
        self.entries.push((tag, 2, text.len() as u32, text.to_vec()));
    }

    /// A directory that `tag` points to. Has to be the last entry added.
    pub(crate) fn directory(&mut self, tag: u16, fill: impl FnOnce(&mut Tiff)) {
        self.longs(tag, &[0]);
        let mut inner = Tiff { entries: Vec::new(), at: self.at + self.directory_bytes() };
        fill(&mut inner);
        let (at, body) = (inner.at as u32, inner.body());
        self.entries.pop();
        self.longs(tag, &[at]);
        self.entries.push((u16::MAX, 0, 0, body));
    }

    fn directory_bytes(&self) -> usize {
        let values = self.entries.iter().map(|entry| entry.3.len().next_multiple_of(2)).filter(|&length| length > 4);
        6 + self.entries.len() * 12 + values.sum::<usize>()
    }

    fn body(&self) -> Vec<u8> {
        let entries: Vec<_> = self.entries.iter().filter(|entry| entry.0 != u16::MAX).collect();
        let mut body = (entries.len() as u16).to_le_bytes().to_vec();
        let mut values = Vec::new();
        let values_at = self.at + 6 + entries.len() * 12;
        for (tag, kind, count, value) in &entries {
            body.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
            body.extend(count.to_le_bytes());
            if value.len() <= 4 {
                body.extend(value);
                body.extend(&[0; 4][value.len()..]);
            } else {
                body.extend(((values_at + values.len()) as u32).to_le_bytes());
                values.extend(value);
                values.resize(values.len().next_multiple_of(2), 0);
            }
        }
        body.extend([0; 4]);
        body.extend(values);
        self.entries.iter().filter(|entry| entry.0 == u16::MAX).for_each(|entry| body.extend(&entry.3));
        body
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [b"II*\0\x08\0\0\0".as_slice(), &self.body()].concat()
    }
}

/// A TIFF of one page: `entries` beside its size, and its strips or tiles, which `offsets` and `counts` will name.
pub(crate) fn tiff_page(
    width: u32,
    height: u32,
    parts: &[Vec<u8>],
    (offsets, counts): (u16, u16),
    entries: impl Fn(&mut Tiff),
) -> Vec<u8> {
    let build = |first: u32| {
        let mut tiff = Tiff::new();
        tiff.longs(256, &[width]);
        tiff.longs(257, &[height]);
        entries(&mut tiff);
        let at = parts.iter().scan(first, |at, part| Some(std::mem::replace(at, *at + part.len() as u32)));
        tiff.longs(offsets, &at.collect::<Vec<_>>());
        tiff.longs(counts, &parts.iter().map(|part| part.len() as u32).collect::<Vec<_>>());
        tiff.entries.sort_by_key(|entry| entry.0);
        tiff.bytes()
    };
    let head = build(0).len() as u32;
    [build(head), parts.concat()].concat()
}
