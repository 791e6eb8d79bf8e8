//! The embedding artifact: codes, t-SNE maps and partitions of one trial, one row a cell in the order of the data set.
//! Bytes in, value out; reading and writing files is the business of others.
//!
//! Layout: `LSEMB2\n`, length of the header (u32 LE), header (JSON), then the sections, floats before clusters, each as
//! little-endian f32 or u16. `LSEMB1\n` is the same without `latent_leiden` and is still read.

use serde::{Deserialize, Serialize};

const MAGIC: &[u8; 7] = b"LSEMB2\n";

/// The first version: what this version left out of its header is empty.
const FIRST_MAGIC: &[u8; 7] = b"LSEMB1\n";

/// Largest header that is read: it holds a few numbers.
const MAX_HEADER_BYTES: usize = 4096;

/// Codes, maps and partitions of one trial. Empty vectors stand for what was not computed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Embedding {
    /// Cells.
    pub n_cells: usize,
    /// Dimensions of a code.
    pub latent_dim: usize,
    /// Codes, `n_cells × latent_dim`, row-major.
    pub latent: Vec<f32>,
    /// 2-D t-SNE of the codes, `n_cells × 2`.
    pub tsne2d: Vec<f32>,
    /// 3-D t-SNE of the codes, `n_cells × 3`.
    pub tsne3d: Vec<f32>,
    /// Cluster of each cell by k-means on the codes.
    pub latent_kmeans: Vec<u16>,
    /// Cluster of each cell by k-means on the 2-D map.
    pub tsne2d_kmeans: Vec<u16>,
    /// Centroids of `tsne2d_kmeans`, `k × 2`.
    pub tsne2d_centroids: Vec<f32>,
    /// Cluster of each cell by Leiden on the codes' neighbour graph.
    pub latent_leiden: Vec<u16>,
}

/// Bytes that are no embedding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an embedding artifact: {0}")]
pub struct EmbeddingError(&'static str);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    n_cells: usize,
    latent_dim: usize,
    latent: usize,
    tsne2d: usize,
    tsne3d: usize,
    latent_kmeans: usize,
    tsne2d_kmeans: usize,
    tsne2d_centroids: usize,
    #[serde(default)]
    latent_leiden: usize,
}

impl Embedding {
    /// The artifact's bytes; equal embeddings give equal bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let header = Header {
            n_cells: self.n_cells,
            latent_dim: self.latent_dim,
            latent: self.latent.len(),
            tsne2d: self.tsne2d.len(),
            tsne3d: self.tsne3d.len(),
            latent_kmeans: self.latent_kmeans.len(),
            tsne2d_kmeans: self.tsne2d_kmeans.len(),
            tsne2d_centroids: self.tsne2d_centroids.len(),
            latent_leiden: self.latent_leiden.len(),
        };
        let header_text = serde_json::to_vec(&header).expect("a struct of numbers is JSON");
        let header_len = u32::try_from(header_text.len()).expect("a few numbers");
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&header_len.to_le_bytes());
        bytes.extend_from_slice(&header_text);
        for floats in [&self.latent, &self.tsne2d, &self.tsne3d, &self.tsne2d_centroids] {
            floats.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        }
        for clusters in [&self.latent_kmeans, &self.tsne2d_kmeans, &self.latent_leiden] {
            clusters.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        }
        bytes
    }

    /// The embedding in `bytes`.
    ///
    /// # Errors
    /// When the bytes are not a whole embedding whose parts fit together. Never allocates more than `bytes` holds.
    pub fn decode(bytes: &[u8]) -> Result<Self, EmbeddingError> {
        let (magic, rest) =
            bytes.split_first_chunk::<7>().ok_or(EmbeddingError("it ends in its magic bytes"))?;
        if ![MAGIC, FIRST_MAGIC].contains(&magic) {
            return Err(EmbeddingError("it does not start with its magic bytes"));
        }
        let (header_len, rest) =
            rest.split_first_chunk::<4>().ok_or(EmbeddingError("it ends in the header"))?;
        let header_len = u32::from_le_bytes(*header_len) as usize;
        if header_len > MAX_HEADER_BYTES || header_len > rest.len() {
            return Err(EmbeddingError("its header is longer than it may be"));
        }
        let (header, body) = rest.split_at(header_len);
        let header: Header =
            serde_json::from_slice(header).map_err(|_| EmbeddingError("its header cannot be read"))?;
        check_shapes(&header)?;
        if magic == FIRST_MAGIC && header.latent_leiden > 0 {
            return Err(EmbeddingError("its header says more than its version has"));
        }
        let mut body = Body { rest: body };
        let embedding = Self {
            n_cells: header.n_cells,
            latent_dim: header.latent_dim,
            latent: body.floats(header.latent)?,
            tsne2d: body.floats(header.tsne2d)?,
            tsne3d: body.floats(header.tsne3d)?,
            tsne2d_centroids: body.floats(header.tsne2d_centroids)?,
            latent_kmeans: body.clusters(header.latent_kmeans)?,
            tsne2d_kmeans: body.clusters(header.tsne2d_kmeans)?,
            latent_leiden: body.clusters(header.latent_leiden)?,
        };
        if body.rest.is_empty() { Ok(embedding) } else { Err(EmbeddingError("bytes follow its end")) }
    }
}

fn check_shapes(header: &Header) -> Result<(), EmbeddingError> {
    let fits =
        |length: usize, columns: usize| length == 0 || header.n_cells.checked_mul(columns) == Some(length);
    let all_fit = fits(header.latent, header.latent_dim)
        && fits(header.tsne2d, 2)
        && fits(header.tsne3d, 3)
        && fits(header.latent_kmeans, 1)
        && fits(header.tsne2d_kmeans, 1)
        && fits(header.latent_leiden, 1)
        && header.tsne2d_centroids.is_multiple_of(2);
    if all_fit { Ok(()) } else { Err(EmbeddingError("its parts have different numbers of cells")) }
}

struct Body<'a> {
    rest: &'a [u8],
}

impl Body<'_> {
    fn take(&mut self, bytes: Option<usize>) -> Result<&[u8], EmbeddingError> {
        let taken = bytes.and_then(|count| self.rest.split_at_checked(count));
        let (head, tail) = taken.ok_or(EmbeddingError("it ends before its last part"))?;
        self.rest = tail;
        Ok(head)
    }

    fn floats(&mut self, count: usize) -> Result<Vec<f32>, EmbeddingError> {
        let bytes = self.take(count.checked_mul(4))?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect())
    }

    fn clusters(&mut self, count: usize) -> Result<Vec<u16>, EmbeddingError> {
        let bytes = self.take(count.checked_mul(2))?;
        Ok(bytes.as_chunks::<2>().0.iter().map(|value| u16::from_le_bytes(*value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Embedding;
    use proptest::prelude::*;

    fn example() -> Embedding {
        Embedding {
            n_cells: 3,
            latent_dim: 2,
            latent: vec![1.0, -2.5, 0.0, 3.0, 4.0, f32::MIN_POSITIVE],
            tsne2d: vec![0.5; 6],
            tsne3d: vec![],
            latent_kmeans: vec![0, 1, 65535],
            tsne2d_kmeans: vec![2, 2, 0],
            tsne2d_centroids: vec![1.0, 2.0],
            latent_leiden: vec![1, 0, 1],
        }
    }

    /// The example as the first version wrote it.
    const FIRST_VERSION: &[u8] =
        b"LSEMB1\n\x76\0\0\0{\"n_cells\":3,\"latent_dim\":2,\"latent\":6,\"tsne2d\":6,\
        \"tsne3d\":0,\"latent_kmeans\":3,\"tsne2d_kmeans\":3,\"tsne2d_centroids\":2}\
        \0\0\x80\x3f\0\0\x20\xc0\0\0\0\0\0\0\x40\x40\0\0\x80\x40\0\0\x80\0\
        \0\0\0\x3f\0\0\0\x3f\0\0\0\x3f\0\0\0\x3f\0\0\0\x3f\0\0\0\x3f\
        \0\0\x80\x3f\0\0\0\x40\0\0\x01\0\xff\xff\x02\0\x02\0\0\0";

    #[test]
    fn the_first_version_is_still_read() {
        let expected = Embedding { latent_leiden: vec![], ..example() };
        assert_eq!(Embedding::decode(FIRST_VERSION).unwrap(), expected);
        let mut lying = example().encode();
        lying[5] = b'1';
        assert!(Embedding::decode(&lying).is_err());
    }

    #[test]
    fn reads_back_what_it_wrote() {
        assert_eq!(Embedding::decode(&example().encode()).unwrap(), example());
        assert_eq!(Embedding::decode(&Embedding::default().encode()).unwrap(), Embedding::default());
    }

    #[test]
    fn every_cut_and_every_extra_byte_is_noticed() {
        let mut bytes = example().encode();
        for length in 0..bytes.len() {
            assert!(Embedding::decode(&bytes[..length]).is_err(), "cut at {length}");
        }
        bytes.push(0);
        assert!(Embedding::decode(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(flips in proptest::collection::vec((0usize..200, any::<u8>()), 1..8)) {
            let mut bytes = example().encode();
            for (position, value) in flips {
                let length = bytes.len();
                bytes[position % length] = value;
            }
            let _ = Embedding::decode(&bytes);
        }
    }
}
