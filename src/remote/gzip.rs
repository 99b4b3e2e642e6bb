//! Decodes a gzip answer, with a bound.

use std::io::Read as _;

/// The service's answers end at about 5 MB (microcms-facts 3.1). Anything beyond this is not one.
pub(crate) const MAX_BODY: usize = 32 * 1024 * 1024;

/// Decodes a gzip body; `Err` names what is wrong with it.
pub(crate) fn decode(compressed: &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::with_capacity(compressed.len().saturating_mul(4).min(MAX_BODY));
    let mut decoder = flate2::bufread::MultiGzDecoder::new(compressed).take(MAX_BODY as u64 + 1);
    decoder
        .read_to_end(&mut body)
        .map_err(|err| format!("its gzip body is damaged: {err}"))?;
    if body.len() > MAX_BODY {
        return Err("its gzip body unfolds beyond 32 MiB".to_owned());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_body_comes_back_and_damage_and_bombs_are_named() {
        assert_eq!(decode(&gzip(b"hello")).unwrap(), b"hello");
        let mut cut = gzip(&[7; 5000]);
        cut.truncate(cut.len() - 9);
        assert!(decode(&cut).unwrap_err().contains("damaged"));
        assert!(
            decode(&gzip(&vec![0; MAX_BODY + 1]))
                .unwrap_err()
                .contains("beyond")
        );
    }
}
