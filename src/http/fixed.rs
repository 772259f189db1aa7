//! Files that change only with the version, compressed once for each coding and not for each request: else anyone could
//! have the service compress a megabyte as often as they ask (CWE-400).
//!
//! **Invariant:** each coding is made once (`each_coding_is_made_once`).
//! **Source:** RFC 9110 §8.4, §12.5.5 (`Vary`).

use actix_http::encoding::Encoder;
use actix_web::body::to_bytes;
use actix_web::http::header::{self, ContentEncoding, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use tokio::sync::OnceCell;

use super::compress::BYTES_MIN;
use super::negotiate;
use super::problem::Problem;

/// Files up to this many bytes are compressed as well as brotli can. 64 KiB: some ten milliseconds.
const BEST_BYTES_MAX: usize = 64 * 1024;

/// A file and what was made of it so far.
#[derive(Debug)]
pub(super) struct Fixed {
    media_type: &'static str,
    bytes: Bytes,
    zstd: OnceCell<Bytes>,
    brotli: OnceCell<Bytes>,
    gzip: OnceCell<Bytes>,
}

impl Fixed {
    /// A file as it is.
    pub(super) fn new(media_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        let [zstd, brotli, gzip] = [const { OnceCell::const_new() }; 3];
        Self { media_type, bytes: bytes.into(), zstd, brotli, gzip }
    }

    /// Ends the answer that was begun with the file, in the coding that the caller likes best.
    ///
    /// # Errors
    /// `internal` where it cannot be compressed.
    pub(super) async fn answer(
        &self,
        request: &HttpRequest,
        mut response: HttpResponseBuilder,
    ) -> Result<HttpResponse, Problem> {
        response.content_type(self.media_type);
        let coding = negotiate::coding(request.headers());
        let made = match coding {
            ContentEncoding::Zstd => &self.zstd,
            ContentEncoding::Brotli => &self.brotli,
            ContentEncoding::Gzip => &self.gzip,
            _ => return Ok(response.body(self.bytes.clone())),
        };
        if (self.bytes.len() as u64) < BYTES_MIN {
            return Ok(response.body(self.bytes.clone()));
        }
        let coded = made.get_or_try_init(|| compressed(coding, self.bytes.clone())).await?.clone();
        response.insert_header((header::CONTENT_ENCODING, HeaderValue::from_static(coding.as_str())));
        response.append_header((header::VARY, HeaderValue::from_static("Accept-Encoding")));
        Ok(response.body(coded))
    }
}

/// The bytes in a coding, made off the worker.
async fn compressed(coding: ContentEncoding, bytes: Bytes) -> Result<Bytes, Problem> {
    if coding == ContentEncoding::Brotli && bytes.len() <= BEST_BYTES_MAX {
        let best = tokio::task::spawn_blocking(move || best(&bytes)).await;
        return best.map_err(|error| Problem::internal(format!("compressing a file: {error}")));
    }
    let answer = HttpResponse::Ok().body(bytes).map_body(|head, body| Encoder::response(coding, head, body));
    to_bytes(answer.into_body()).await.map_err(|error| Problem::internal(format!("compressing a file: {error}")))
}

/// The shortest that brotli can: this takes its time, once.
fn best(bytes: &[u8]) -> Bytes {
    let mut coded = Vec::new();
    let how = brotli::enc::BrotliEncoderParams { size_hint: bytes.len(), ..Default::default() };
    brotli::BrotliCompress(&mut &*bytes, &mut coded, &how).expect("memory takes what is written");
    coded.into()
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody as _;
    use actix_web::http::header::ACCEPT_ENCODING;
    use actix_web::test::TestRequest;

    use super::*;

    async fn sent(file: &Fixed, coding: &str) -> (Option<String>, Bytes) {
        let request = TestRequest::get().insert_header((ACCEPT_ENCODING, coding)).to_http_request();
        let answer = file.answer(&request, HttpResponse::Ok()).await.unwrap();
        let named = answer.headers().get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap().to_owned());
        (named, answer.into_body().try_into_bytes().unwrap())
    }

    #[tokio::test]
    async fn each_coding_is_made_once() {
        let file = Fixed::new("text/plain", "much the same, ".repeat(1000));
        for coding in ["zstd", "br", "gzip"] {
            let (named, first) = sent(&file, coding).await;
            assert_eq!(named.as_deref(), Some(coding));
            assert!(first.len() < file.bytes.len() / 10, "{coding}");
            let (_, second) = sent(&file, coding).await;
            assert_eq!(first.as_ptr(), second.as_ptr(), "{coding} is made anew");
        }
        assert_eq!(sent(&file, "identity").await, (None, file.bytes.clone()));
        assert_eq!(sent(&Fixed::new("text/plain", "short"), "gzip").await.0, None);
    }
}
