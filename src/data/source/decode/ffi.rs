//! The boundary to libjpeg-turbo, through `jpeg.c`.
#![expect(unsafe_code, reason = "this is where C is called")]

use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::ptr::NonNull;

use turbojpeg_sys as _; // links the library

#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

const COMPLETE: c_int = 0;
const CUT_SHORT: c_int = 1;

unsafe extern "C" {
    fn repsim_jpeg_open(bytes: *const u8, count: usize) -> *mut Opaque;
    fn repsim_jpeg_header(
        jpeg: *mut Opaque,
        width: *mut u32,
        height: *mut u32,
        components: *mut c_int,
        bits: *mut c_int,
    ) -> c_int;
    fn repsim_jpeg_pixels(jpeg: *mut Opaque, pixels: *mut u8) -> c_int;
    fn repsim_jpeg_message(jpeg: *const Opaque) -> *const c_char;
    fn repsim_jpeg_close(jpeg: *mut Opaque);
}

/// A JPEG file of which the header was read.
pub struct Jpeg<'a> {
    decoder: NonNull<Opaque>,
    bytes: PhantomData<&'a [u8]>,
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes a pixel: 1 for grey, 3 for RGB, 4 for CMYK as stored.
    pub components: usize,
    /// Bits a component.
    pub bits: usize,
}

/// Why a JPEG file cannot be decoded.
#[derive(Debug)]
pub enum Refusal {
    /// It ends before its last row.
    CutShort,
    /// What the library said.
    Damaged(String),
}

impl<'a> Jpeg<'a> {
    /// Reads the header.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Refusal> {
        // SAFETY: the bytes outlive the decoder by the lifetime of the result.
        let decoder = unsafe { repsim_jpeg_open(bytes.as_ptr(), bytes.len()) };
        let decoder = NonNull::new(decoder)
            .ok_or_else(|| Refusal::Damaged("there is no memory to decode it".to_owned()))?;
        let mut jpeg =
            Self { decoder, bytes: PhantomData, width: 0, height: 0, components: 0, bits: 0 };
        let (mut width, mut height, mut components, mut bits) = (0, 0, 0, 0);
        // SAFETY: the decoder was opened above, and the numbers live through the call.
        let status = unsafe {
            let decoder = decoder.as_ptr();
            repsim_jpeg_header(decoder, &mut width, &mut height, &mut components, &mut bits)
        };
        jpeg.refused(status)?;
        (jpeg.width, jpeg.height) = (width as usize, height as usize);
        (jpeg.components, jpeg.bits) = (components as usize, bits as usize);
        Ok(jpeg)
    }

    /// Decodes all rows, once.
    ///
    /// # Panics
    ///
    /// Where `pixels` is not `height · width · components` long.
    pub fn read(self, pixels: &mut [u8]) -> Result<(), Refusal> {
        assert_eq!(pixels.len(), self.height * self.width * self.components);
        // SAFETY: the header was read, and the library writes what was just checked to fit.
        let status = unsafe { repsim_jpeg_pixels(self.decoder.as_ptr(), pixels.as_mut_ptr()) };
        self.refused(status)
    }

    fn refused(&self, status: c_int) -> Result<(), Refusal> {
        match status {
            COMPLETE => Ok(()),
            CUT_SHORT => Err(Refusal::CutShort),
            _ => {
                // SAFETY: the message is a string within the decoder, which lives.
                let message = unsafe { CStr::from_ptr(repsim_jpeg_message(self.decoder.as_ptr())) };
                Err(Refusal::Damaged(message.to_string_lossy().into_owned()))
            }
        }
    }
}

impl Drop for Jpeg<'_> {
    fn drop(&mut self) {
        // SAFETY: the decoder was opened and is closed once.
        unsafe { repsim_jpeg_close(self.decoder.as_ptr()) };
    }
}
