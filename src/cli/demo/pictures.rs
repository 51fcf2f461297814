//! The pictures of the demo: the fixtures that travel inside the program, or a folder of somebody's own; and the small
//! renditions that a shop would have made of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use mozjpeg::{ColorSpace, Compress};

use crate::decode::{self, Limits, Pixels, Scale};
use crate::fingerprint::resample::{Kernel, resample};

/// As many pictures of a folder are taken, so that the demo takes seconds.
const PICTURES_MAX: usize = 60;

/// As many bytes of a folder are taken, since they are held in memory.
const BYTES_MAX: u64 = 300 << 20;

/// Long side of a thumbnail in pixels.
const THUMBNAIL_PX: u32 = 200;

/// One picture, before it gets lost.
pub(super) struct Picture {
    /// Its file name.
    pub name: String,
    /// The file.
    pub bytes: Arc<[u8]>,
    /// Width and height in pixels, upright.
    pub size: (u32, u32),
    /// When it was taken, where the file says so.
    pub taken_at: Option<String>,
}

/// All pictures of one demo.
pub(super) struct Album {
    /// In the order of their names.
    pub pictures: Vec<Picture>,
    /// Whether they are the fixtures, whose names tell what they show.
    pub fixtures: bool,
    /// Files of the folder that were left out.
    pub left_out: usize,
}

macro_rules! fixture {
    ($path:literal) => {
        ($path, include_bytes!(concat!("../../../fixtures/", $path)))
    };
}

const ORIGINALS: &[(&str, &[u8])] = &[
    fixture!("originals/alps-dawn.jpg"),
    fixture!("originals/aurora.jpg"),
    fixture!("originals/autumn-lake.jpg"),
    fixture!("originals/balloons.jpg"),
    fixture!("originals/beach-palm.jpg"),
    fixture!("originals/birthday-cake.jpg"),
    fixture!("originals/blossom-alley.jpg"),
    fixture!("originals/butterfly.jpg"),
    fixture!("originals/canal-houses.jpg"),
    fixture!("originals/canyon.jpg"),
    fixture!("originals/card-1.jpg"),
    fixture!("originals/card-2.jpg"),
    fixture!("originals/card-3.jpg"),
    fixture!("originals/card-4.jpg"),
    fixture!("originals/card-5.jpg"),
    fixture!("originals/card-6.jpg"),
    fixture!("originals/coffee.jpg"),
    fixture!("originals/coral-reef.jpg"),
    fixture!("originals/desert-caravan.jpg"),
    fixture!("originals/dog-run-1.jpg"),
    fixture!("originals/dog-run-2.jpg"),
    fixture!("originals/dog-run-3.jpg"),
    fixture!("originals/dog-run-4.jpg"),
    fixture!("originals/fair-wheel.jpg"),
    fixture!("originals/forest-mist.jpg"),
    fixture!("originals/harbour.jpg"),
    fixture!("originals/ivy-door.jpg"),
    fixture!("originals/lavender.jpg"),
    fixture!("originals/lemons.jpg"),
    fixture!("originals/lighthouse.jpg"),
    fixture!("originals/logo-fox.png"),
    fixture!("originals/logo-gear.webp"),
    fixture!("originals/logo-petals.png"),
    fixture!("originals/logo-wave.png"),
    fixture!("originals/night-city.jpg"),
    fixture!("originals/pebbles.jpg"),
    fixture!("originals/portrait-bubbles.jpg"),
    fixture!("originals/portrait-garden.jpg"),
    fixture!("originals/portrait-hat.jpg"),
    fixture!("originals/rain-umbrella.jpg"),
    fixture!("originals/regatta-1.jpg"),
    fixture!("originals/regatta-2.jpg"),
    fixture!("originals/regatta-3.jpg"),
    fixture!("originals/regatta-4.jpg"),
    fixture!("originals/smile-1.jpg"),
    fixture!("originals/smile-2.jpg"),
    fixture!("originals/smile-3.jpg"),
    fixture!("originals/smile-4.jpg"),
    fixture!("originals/stag.jpg"),
    fixture!("originals/sunset-sail.jpg"),
    fixture!("originals/tulips.jpg"),
    fixture!("originals/window-cat.jpg"),
    fixture!("originals/winter-cabin.jpg"),
];

/// Files that hold no usable picture, as they lie about in every folder.
pub(super) const MALFORMED: &[(&str, &[u8])] = &[
    fixture!("malformed/bomb-60000x60000.png"),
    fixture!("malformed/garbage-middle.jpg"),
    fixture!("malformed/text-named.jpg"),
    fixture!("malformed/truncated-header.jpg"),
    fixture!("malformed/truncated-50.png"),
    fixture!("malformed/empty.jpg"),
];

/// The fixtures.
pub(super) fn fixtures() -> anyhow::Result<Album> {
    let pictures = ORIGINALS.iter().map(|(path, bytes)| {
        let name = path.rsplit('/').next().unwrap_or(path);
        picture(name.to_owned(), Arc::from(*bytes)).with_context(|| format!("the fixture `{path}`"))
    });
    Ok(Album { pictures: pictures.collect::<anyhow::Result<_>>()?, fixtures: true, left_out: 0 })
}

/// The pictures below `folder`, in the order of their paths, as far as they can be read and fit.
///
/// # Errors
/// When the folder cannot be read or holds no picture.
pub(super) fn of_folder(folder: &Path) -> anyhow::Result<Album> {
    let mut files = Vec::new();
    list(folder, &mut files).with_context(|| format!("cannot read the folder `{}`", folder.display()))?;
    files.sort();
    let mut album = Album { pictures: Vec::new(), fixtures: false, left_out: 0 };
    let mut room = BYTES_MAX;
    for file in files {
        let taken = || -> anyhow::Result<Option<Picture>> {
            let length = fs::metadata(&file)?.len();
            if album.pictures.len() == PICTURES_MAX || length > room {
                return Ok(None);
            }
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(picture(name, Arc::from(fs::read(&file)?)).ok())
        };
        match taken().with_context(|| format!("cannot read `{}`", file.display()))? {
            Some(picture) => {
                room -= picture.bytes.len() as u64;
                album.pictures.push(picture);
            }
            None => album.left_out += 1,
        }
    }
    if album.pictures.is_empty() {
        bail!(
            "there is no picture in `{}` that this demo can shrink; name a folder with JPEG, PNG, GIF, WebP, TIFF or BMP files",
            folder.display()
        );
    }
    Ok(album)
}

/// Every file below `folder`; links are not followed.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn picture(name: String, bytes: Arc<[u8]>) -> anyhow::Result<Picture> {
    let header = decode::read_header(&bytes, &Limits::default())?;
    if header.truncated {
        bail!("it is not whole");
    }
    Ok(Picture { name, size: header.upright_size(), taken_at: header.taken_at, bytes })
}

impl Picture {
    /// The thumbnail that the shop made of it, a JPEG.
    pub(super) fn thumbnail(&self) -> anyhow::Result<Vec<u8>> {
        self.shrunk(THUMBNAIL_PX, (0.0, 1.0), 82)
    }

    /// A copy at half its size, as messengers and mail programs make them, a JPEG.
    pub(super) fn smaller_copy(&self) -> anyhow::Result<Vec<u8>> {
        self.shrunk((self.size.0.max(self.size.1) / 2).max(64), (0.0, 1.0), 70)
    }

    /// What a burst's next frame might look like, the camera having moved a little, a JPEG of about the same size.
    pub(super) fn neighbour(&self) -> anyhow::Result<Vec<u8>> {
        self.shrunk(self.size.0.max(self.size.1), (0.03, 0.97), 90)
    }

    /// A part of it, from one share of its width and height to another, so that the long side has `long_px`, on white.
    fn shrunk(&self, long_px: u32, (from, to): (f64, f64), quality: u8) -> anyhow::Result<Vec<u8>> {
        let decoded = decode::decode(&self.bytes, Scale::AtLeast(long_px.saturating_mul(2)), &Limits::default())?;
        let pixels = decoded.renderings.first().context("there is no rendering")?;
        let longest = pixels.width.max(pixels.height).max(1);
        let side = |length: u32| {
            ((u64::from(length) * u64::from(long_px.min(longest))).div_ceil(u64::from(longest)) as u32).max(1)
        };
        let (width, height) = (side(pixels.width), side(pixels.height));
        let rgb = on_white(pixels);
        let (across, down) = (f64::from(pixels.width), f64::from(pixels.height));
        let part = (across * from, down * from, across * (to - from), down * (to - from));
        let small = resample(&rgb, (pixels.width, pixels.height), part, (width, height), Kernel::Lanczos3);
        let small = small.context("the picture is empty")?;
        jpeg(&small, width as usize, height as usize, quality)
    }
}

fn on_white(pixels: &Pixels) -> Vec<u8> {
    let Some(alpha) = &pixels.alpha else { return pixels.rgb.clone() };
    let white = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    pixels.rgb.chunks_exact(3).zip(alpha).flat_map(|(rgb, &alpha)| [0, 1, 2].map(|at| white(rgb[at], alpha))).collect()
}

fn jpeg(rgb: &[u8], width: usize, height: usize, quality: u8) -> anyhow::Result<Vec<u8>> {
    let mut compress = Compress::new(ColorSpace::JCS_RGB);
    compress.set_fastest_defaults();
    compress.set_size(width, height);
    compress.set_quality(f32::from(quality));
    let mut started = compress.start_compress(Vec::new()).context("cannot begin a JPEG")?;
    started.write_scanlines(rgb).context("cannot write the lines of a JPEG")?;
    started.finish().context("cannot finish a JPEG")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fixture_gives_a_thumbnail() {
        for picture in fixtures().unwrap().pictures {
            let thumbnail = picture.thumbnail().unwrap();
            let header = decode::read_header(&thumbnail, &Limits::default()).unwrap();
            assert_eq!(header.width.max(header.height), THUMBNAIL_PX, "{}", picture.name);
        }
    }

    #[test]
    fn a_folder_without_pictures_says_so() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "nothing to see").unwrap();
        let error = of_folder(folder.path()).err().unwrap().to_string();
        assert!(error.contains("there is no picture in"), "{error}");
    }
}
