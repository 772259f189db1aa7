//! stub
/// stub
pub fn normalise(s: &str) -> std::borrow::Cow<'_, str> {
    s.into()
}
