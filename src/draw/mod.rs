//! What every picture and page is made with: a pen for SVG, colours, words that stay text, and the frame of a page or a file.

pub(crate) mod frame;
pub(crate) mod palette;
pub(crate) mod pen;
pub(crate) mod words;
