//! One element of a compact encoding: an integer or a text, borrowed or owned.
//!
//! Texts that are canonical integers are stored as integers. To a client they are the same element, so comparisons here
//! compare texts, however each side is stored.

use super::ending::Ending;
use crate::base::number::{I64_MAX_CHARS, parse_i64};

/// One element as it is stored.
#[derive(Clone, Copy, Debug)]
pub enum Element<'a> {
    /// An integer; its text is the canonical decimal one.
    Int(i64),
    /// A text.
    Bytes(&'a [u8]),
}

impl Element<'_> {
    /// The element's text, copied.
    pub fn to_vec(self) -> Vec<u8> {
        self.with_text(<[u8]>::to_vec)
    }

    /// Hands the element's text to `f` without allocating.
    pub fn with_text<R>(self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Element::Int(value) => f(itoa::Buffer::new().format(value).as_bytes()),
            Element::Bytes(bytes) => f(bytes),
        }
    }

    /// The length of the element's text in bytes.
    pub fn text_len(self) -> usize {
        self.with_text(<[u8]>::len)
    }
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Element::Int(a), Element::Int(b)) => a == b,
            (Element::Bytes(a), Element::Bytes(b)) => a == b,
            (Element::Int(value), Element::Bytes(text)) | (Element::Bytes(text), Element::Int(value)) => {
                parse_i64(text) == Some(value)
            }
        }
    }
}

impl Eq for Element<'_> {}

/// An element that was removed from its collection.
#[derive(Clone, Debug)]
pub enum OwnedElement {
    /// See [`Element::Int`].
    Int(i64),
    /// See [`Element::Bytes`].
    Bytes(Box<[u8]>),
}

impl OwnedElement {
    /// Copies an element out of its collection.
    pub fn copy_of(element: Element<'_>) -> Self {
        match element {
            Element::Int(value) => OwnedElement::Int(value),
            Element::Bytes(bytes) => OwnedElement::Bytes(bytes.into()),
        }
    }

    /// Borrows it.
    pub fn as_element(&self) -> Element<'_> {
        match self {
            OwnedElement::Int(value) => Element::Int(*value),
            OwnedElement::Bytes(bytes) => Element::Bytes(bytes),
        }
    }
}

impl PartialEq for OwnedElement {
    fn eq(&self, other: &Self) -> bool {
        self.as_element() == other.as_element()
    }
}

impl Eq for OwnedElement {}

/// A text to look for, parsed once: comparing it with many elements then costs one integer or one slice comparison
/// each.
#[derive(Clone, Copy, Debug)]
pub struct Needle<'a> {
    text: Ending<'a>,
    int: Option<i64>,
}

impl<'a> Needle<'a> {
    /// Prepares `text`.
    pub fn new(text: &'a [u8]) -> Self {
        let int = if text.len() <= I64_MAX_CHARS { parse_i64(text) } else { None };
        Needle { text: Ending::of(text), int }
    }

    /// The text.
    #[inline(always)]
    pub(super) fn text(&self) -> Ending<'a> {
        self.text
    }

    /// Whether `element` has this text.
    #[inline]
    pub fn matches(&self, element: Element<'_>) -> bool {
        match element {
            Element::Int(value) => self.int == Some(value),
            Element::Bytes(bytes) => bytes == self.text.text(),
        }
    }
}
