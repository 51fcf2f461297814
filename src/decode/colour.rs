//! Inks to sRGB: grey, RGB and CMYK, with the file's profile and without.
//!
//! Thumbnailers disagree here: some convert by the embedded profile, many ignore it, and CMYK without a profile has no
//! right answer at all. So a picture whose colours differ between the two is rendered both ways.

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use super::Pixels;
use super::raster::{Inks, Raster};

/// A profile longer than this is ignored; press profiles reach about 3 MB.
const PROFILE_BYTES_MAX: usize = 8 << 20;

/// Colours that a profile moves by no more than this many levels do not deserve a second rendering.
const SAME_COLOUR_LEVELS: u8 = 3;

/// The picture in sRGB, the preferred rendering first.
///
/// With a profile: converted by it, then with the profile ignored if that looks different. CMYK without a profile: the
/// plain conversion; where the file does not say whether its values are inverted, the other reading too.
pub(super) fn renderings(raster: Raster, icc: Option<&[u8]>) -> Vec<Pixels> {
    let alpha = alpha(&raster);
    let with = |rgb| Pixels { width: raster.width, height: raster.height, rgb, alpha: alpha.clone() };
    let mut renderings = Vec::new();
    renderings.extend(icc.and_then(|profile| by_profile(&raster, profile)).map(with));
    renderings.push(with(plain(&raster)));
    if raster.polarity_unsure {
        let samples = raster.samples.iter().map(|&sample| 255 - sample).collect();
        renderings.push(with(plain(&Raster { samples, ..raster })));
    }
    renderings
}

fn alpha(raster: &Raster) -> Option<Vec<u8>> {
    let count = raster.inks.count();
    let mut opacities = raster.samples.chunks_exact(count).map(|pixel| pixel[count - 1]);
    let transparent = raster.inks.has_alpha() && opacities.clone().any(|opacity| opacity != 255);
    transparent.then(|| opacities.by_ref().collect())
}

/// The colours with any profile ignored.
fn plain(raster: &Raster) -> Vec<u8> {
    let samples = &raster.samples;
    match raster.inks {
        Inks::Rgb => samples.clone(),
        Inks::Rgba => samples.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
        Inks::Grey => samples.iter().flat_map(|&grey| [grey; 3]).collect(),
        Inks::GreyAlpha => samples.chunks_exact(2).flat_map(|pixel| [pixel[0]; 3]).collect(),
        Inks::Cmyk => samples.chunks_exact(4).flat_map(cmyk_to_rgb).collect(),
    }
}

/// The plain conversion that most programs without colour management use, rounding as Pillow does.
fn cmyk_to_rgb(pixel: &[u8]) -> [u8; 3] {
    let white = 255 - u32::from(pixel[3]);
    [0, 1, 2].map(|ink| {
        let product = u32::from(pixel[ink]) * white + 128;
        // At most 255, because `white` is and the product takes from it.
        (white - (((product >> 8) + product) >> 8)) as u8
    })
}

/// The colours by the embedded profile; nothing when the profile is damaged, is for other inks than the picture has, or
/// changes nothing.
fn by_profile(raster: &Raster, icc: &[u8]) -> Option<Vec<u8>> {
    if icc.len() > PROFILE_BYTES_MAX {
        return None;
    }
    // A damaged profile means colours without one, as every viewer does it.
    let profile = ColorProfile::new_from_slice(icc).ok()?;
    let (space, layout) = match raster.inks {
        Inks::Grey | Inks::GreyAlpha => (DataColorSpace::Gray, Layout::Gray),
        Inks::Rgb | Inks::Rgba => (DataColorSpace::Rgb, Layout::Rgb),
        Inks::Cmyk => (DataColorSpace::Cmyk, Layout::Rgba),
    };
    if profile.color_space != space {
        return None;
    }
    let srgb = ColorProfile::new_srgb();
    // A profile without the tables that the conversion needs is as good as none.
    let transform = profile.create_transform_8bit(layout, &srgb, Layout::Rgb, TransformOptions::default()).ok()?;
    let convert = |samples: &[u8]| {
        let mut rgb = vec![0; samples.len() / layout_count(layout) * 3];
        transform.transform(samples, &mut rgb).ok().map(|()| rgb)
    };
    if raster.inks != Inks::Cmyk && is_identity(layout, convert)? {
        return None;
    }
    match raster.inks {
        Inks::Rgba => convert(&plain(raster)),
        Inks::GreyAlpha => convert(&raster.samples.iter().step_by(2).copied().collect::<Vec<u8>>()),
        _ => convert(&raster.samples),
    }
}

fn layout_count(layout: Layout) -> usize {
    match layout {
        Layout::Gray => 1,
        Layout::Rgb => 3,
        _ => 4,
    }
}

/// Whether a conversion leaves a grid of colours practically alone.
fn is_identity(layout: Layout, convert: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<bool> {
    const LEVELS: [u8; 6] = [0, 51, 102, 153, 204, 255];
    let rgb: Vec<u8> = match layout {
        Layout::Gray => LEVELS.iter().flat_map(|&grey| [grey; 3]).collect(),
        _ => (0..216).flat_map(|at| [LEVELS[at / 36], LEVELS[at / 6 % 6], LEVELS[at % 6]]).collect(),
    };
    let samples: Vec<u8> = if layout == Layout::Gray { LEVELS.to_vec() } else { rgb.clone() };
    let converted = convert(&samples)?;
    Some(rgb.iter().zip(&converted).all(|(before, after)| before.abs_diff(*after) <= SAME_COLOUR_LEVELS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raster(inks: Inks, samples: &[u8]) -> Raster {
        let width = (samples.len() / inks.count()) as u32;
        Raster {
            width,
            height: 1,
            inks,
            samples: samples.to_vec(),
            divisor: 1,
            cut: false,
            altered: false,
            polarity_unsure: false,
        }
    }

    #[test]
    fn plain_cmyk_is_what_pillow_makes_of_it() {
        let samples = [0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255, 30, 60, 90, 40, 200, 10, 128, 77];
        let renderings = renderings(raster(Inks::Cmyk, &samples), None);
        assert_eq!(renderings.len(), 1);
        assert_eq!(renderings[0].rgb, [255, 255, 255, 0, 255, 255, 0, 0, 0, 190, 164, 139, 38, 171, 89]);
    }

    #[test]
    fn an_unsure_polarity_gives_both_readings() {
        let mut raster = raster(Inks::Cmyk, &[0, 0, 0, 0]);
        raster.polarity_unsure = true;
        let renderings = renderings(raster, None);
        assert_eq!([renderings[0].rgb.as_slice(), &renderings[1].rgb], [[255; 3], [0; 3]]);
    }

    #[test]
    fn srgb_needs_no_second_rendering_and_wide_gamut_does() {
        let picture = || raster(Inks::Rgb, &[200, 30, 30, 0, 255, 0]);
        let srgb = ColorProfile::new_srgb().encode().unwrap();
        assert_eq!(renderings(picture(), Some(&srgb)).len(), 1);
        let wide = ColorProfile::new_adobe_rgb().encode().unwrap();
        let both = renderings(picture(), Some(&wide));
        assert_eq!(both.len(), 2);
        assert_eq!(both[1].rgb, [200, 30, 30, 0, 255, 0]);
        assert_ne!(both[0].rgb, both[1].rgb);
    }

    #[test]
    fn a_damaged_profile_is_no_profile() {
        assert_eq!(renderings(raster(Inks::Rgb, &[1, 2, 3]), Some(b"not a profile")).len(), 1);
        let grey_profile_on_rgb = ColorProfile::new_gray_with_gamma(1.8).encode().unwrap();
        assert_eq!(renderings(raster(Inks::Rgb, &[1, 2, 3]), Some(&grey_profile_on_rgb)).len(), 1);
    }

    #[test]
    fn full_opacity_is_no_opacity() {
        assert_eq!(renderings(raster(Inks::Rgba, &[1, 2, 3, 255]), None)[0].alpha, None);
        let half = renderings(raster(Inks::GreyAlpha, &[7, 128]), None);
        assert_eq!((half[0].rgb.as_slice(), half[0].alpha.as_deref()), ([7; 3].as_slice(), Some([128].as_slice())));
    }
}
