//! The file of a checkpoint: what a trial needs to go on, written so that nothing but the same trial on the same kind of
//! processor can be made of it. Knows bytes, not disks or calls.
//!
//! ```text
//! LSCKPT01                                   the last two digits are the version of this layout
//! length of the header (u32 LE), header      JSON: trial, rng_version, engine, isa, epochs, steps,
//!                                            tensors (name, len, has_moments), kept (epoch, loss_per_cell, tensors) or null
//! epochs × 7 × f64 LE                        loss, reconstruction, KL, KL of the spike, held-out reconstruction, held-out
//!                                            loss, seconds; NaN for what a model does not have
//! tensors × 1 or 3 × len × f32 LE            values, and where there are: first moments, second moments
//! kept tensors × len × f32 LE                values of the best epoch so far
//! BLAKE3 of all that                         32 bytes
//! ```
//!
//! Bits of two instruction sets or engines differ, so a checkpoint of another one is refused: the trial then begins
//! anew and ends with the bits that it always has there.

use domain::outcome::MAX_CHECKPOINT_BYTES;
use domain::{EpochRecord, TrialId};
use models::{KeptEpoch, KeptTensor, TensorState, TrainState};
use serde::{Deserialize, Serialize};

const MAGIC: &[u8; 8] = b"LSCKPT01";
/// What the files of every version begin with.
const FAMILY: &[u8; 6] = b"LSCKPT";
/// Largest header: a net has dozens of tensors.
const MAX_HEADER_BYTES: usize = 1 << 20;
const RECORD_VALUES: usize = 7;
const RECORD_BYTES: usize = RECORD_VALUES * size_of::<f64>();
const HASH_BYTES: usize = blake3::OUT_LEN;

/// Whose state it is and what made its bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) trial: TrialId,
    pub(crate) rng_version: u32,
    pub(crate) engine: &'static str,
    pub(crate) isa: &'static str,
}

/// Why a checkpoint is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CheckpointError {
    /// Its bytes are not those that were written.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// It is no checkpoint, or one of another release.
    #[error("it is written in another layout than this worker's")]
    Layout,
    /// It is another trial's, or other bits would come of it.
    #[error("its {what} is {found}, {expected} is needed")]
    Foreign {
        /// What differs.
        what: &'static str,
        /// As it says.
        found: String,
        /// As needed.
        expected: String,
    },
    /// The state is larger than a checkpoint may be.
    #[error("it would have {0} bytes, more than a checkpoint may")]
    TooLarge(u64),
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    trial: TrialId,
    rng_version: u32,
    engine: String,
    isa: String,
    epochs: usize,
    steps: u64,
    tensors: Vec<TensorHead>,
    kept: Option<KeptHead>,
}

#[derive(Debug, Serialize, Deserialize)]
struct TensorHead {
    name: String,
    len: usize,
    /// Running statistics have none.
    has_moments: bool,
}

impl TensorHead {
    /// Values of this tensor in the body, in all; `None` when no memory could hold them.
    fn values(&self) -> Option<usize> {
        self.len.checked_mul(if self.has_moments { 3 } else { 1 })
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptHead {
    epoch: u32,
    loss_per_cell: f64,
    tensors: Vec<TensorHead>,
}

/// The file of `state`.
///
/// # Errors
/// When it would be larger than a checkpoint may be.
pub(crate) fn encode(identity: &Identity, state: &TrainState) -> Result<Vec<u8>, CheckpointError> {
    let head =
        |name: &str, len: usize, has_moments: bool| TensorHead { name: name.to_owned(), len, has_moments };
    let kept = state.kept.as_ref().map(|kept| KeptHead {
        epoch: kept.epoch,
        loss_per_cell: kept.loss_per_cell,
        tensors: kept.weights.iter().map(|tensor| head(&tensor.name, tensor.weight.len(), false)).collect(),
    });
    let tensors = state.tensors.iter();
    let header = Header {
        trial: identity.trial,
        rng_version: identity.rng_version,
        engine: identity.engine.to_owned(),
        isa: identity.isa.to_owned(),
        epochs: state.records.len(),
        steps: state.steps,
        tensors: tensors
            .map(|tensor| head(&tensor.name, tensor.weight.len(), !tensor.first_moment.is_empty()))
            .collect(),
        kept,
    };
    let body_bytes = body_bytes(&header).unwrap_or(usize::MAX);
    let header =
        serde_json::to_vec(&header).map_err(|_| CheckpointError::Damaged("its header cannot be written"))?;
    let head_bytes = MAGIC.len() + size_of::<u32>() + header.len();
    let total = body_bytes.saturating_add(head_bytes + HASH_BYTES);
    if total as u64 > MAX_CHECKPOINT_BYTES || header.len() > MAX_HEADER_BYTES {
        return Err(CheckpointError::TooLarge(total as u64));
    }
    let mut file = Vec::with_capacity(total);
    file.extend_from_slice(MAGIC);
    // At most `MAX_HEADER_BYTES`.
    file.extend_from_slice(&(header.len() as u32).to_le_bytes());
    file.extend_from_slice(&header);
    for record in &state.records {
        for value in record_values(record) {
            file.extend_from_slice(&value.to_le_bytes());
        }
    }
    let tensors = state.tensors.iter();
    let trained = tensors.flat_map(|tensor| [&tensor.weight, &tensor.first_moment, &tensor.second_moment]);
    let kept = state.kept.iter().flat_map(|kept| kept.weights.iter().map(|tensor| &tensor.weight));
    for values in trained.chain(kept) {
        values.iter().for_each(|value| file.extend_from_slice(&value.to_le_bytes()));
    }
    let hash = blake3::hash(&file);
    file.extend_from_slice(hash.as_bytes());
    Ok(file)
}

fn record_values(record: &EpochRecord) -> [f64; RECORD_VALUES] {
    let if_any = |value: Option<f64>| value.unwrap_or(f64::NAN);
    [
        record.loss_per_cell,
        record.sse_per_cell,
        record.kl_per_cell,
        if_any(record.kl_spike_per_cell),
        if_any(record.validation_sse_per_cell),
        if_any(record.validation_loss_per_cell),
        record.seconds,
    ]
}

fn record_of(epoch: u32, values: [f64; RECORD_VALUES]) -> EpochRecord {
    let some = |value: f64| Some(value).filter(|value| !value.is_nan());
    let [loss, reconstruction, kl, spike, held_out, held_out_loss, seconds] = values;
    EpochRecord {
        epoch,
        loss_per_cell: loss,
        sse_per_cell: reconstruction,
        kl_per_cell: kl,
        kl_spike_per_cell: some(spike),
        validation_sse_per_cell: some(held_out),
        validation_loss_per_cell: some(held_out_loss),
        seconds,
    }
}

/// Bytes between header and hash; `None` when no memory could hold them.
fn body_bytes(header: &Header) -> Option<usize> {
    let mut total = header.epochs.checked_mul(RECORD_BYTES)?;
    let kept = header.kept.iter().flat_map(|kept| &kept.tensors);
    for tensor in header.tensors.iter().chain(kept) {
        total = total.checked_add(tensor.values()?.checked_mul(size_of::<f32>())?)?;
    }
    Some(total)
}

/// The state in a file, if it is `identity`'s.
///
/// # Errors
/// When the file is damaged, of another layout, trial, engine, instruction set or version of the random streams.
pub(crate) fn decode(identity: &Identity, file: &[u8]) -> Result<TrainState, CheckpointError> {
    let damaged = CheckpointError::Damaged;
    let Some(rest) = file.strip_prefix(MAGIC) else {
        let is_ours = file.starts_with(FAMILY) || file.len() < MAGIC.len();
        return Err(if is_ours {
            CheckpointError::Layout
        } else {
            damaged("it does not begin as a checkpoint")
        });
    };
    let (content, hash) = file
        .len()
        .checked_sub(HASH_BYTES)
        .and_then(|length| file.split_at_checked(length))
        .ok_or(damaged("it ends before its hash"))?;
    if blake3::hash(content).as_bytes().as_slice() != hash {
        return Err(damaged("its bytes are not those that were written"));
    }
    let rest = rest.get(..rest.len().saturating_sub(HASH_BYTES)).unwrap_or_default();
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(damaged("it ends before its header"))?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_HEADER_BYTES {
        return Err(damaged("its header is too long"));
    }
    let (header, body) = rest.split_at_checked(length).ok_or(damaged("it ends in its header"))?;
    let header: Header = serde_json::from_slice(header).map_err(|_| damaged("its header cannot be read"))?;
    check(identity, &header)?;
    if header.kept.iter().flat_map(|kept| &kept.tensors).any(|tensor| tensor.has_moments) {
        return Err(damaged("it keeps moments of an epoch that nothing goes on from"));
    }
    if body_bytes(&header) != Some(body.len()) {
        return Err(damaged("it has more or less values than its header says"));
    }
    Ok(read_body(header, body))
}

fn check(identity: &Identity, header: &Header) -> Result<(), CheckpointError> {
    let foreign = |what, found: &dyn ToString, expected: &dyn ToString| {
        Err(CheckpointError::Foreign { what, found: found.to_string(), expected: expected.to_string() })
    };
    if header.trial != identity.trial {
        return foreign("trial", &header.trial, &identity.trial);
    }
    if header.rng_version != identity.rng_version {
        return foreign("version of the random streams", &header.rng_version, &identity.rng_version);
    }
    if header.engine != identity.engine {
        return foreign("engine", &header.engine, &identity.engine);
    }
    if header.isa != identity.isa {
        return foreign("instruction set", &header.isa, &identity.isa);
    }
    Ok(())
}

/// Reads a body of exactly the length that its header asks for.
fn read_body(header: Header, body: &[u8]) -> TrainState {
    let (records, mut values) = body.split_at(header.epochs * RECORD_BYTES);
    let records = records.as_chunks::<RECORD_BYTES>().0.iter().zip(1..).map(|(bytes, epoch)| {
        let value = |at: usize| f64::from_le_bytes(std::array::from_fn(|byte| bytes[8 * at + byte]));
        record_of(epoch, std::array::from_fn(value))
    });
    let records = records.collect();
    let mut take = |len: usize| -> Vec<f32> {
        let (mine, rest) = values.split_at(len * size_of::<f32>());
        values = rest;
        mine.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    let tensors = header.tensors.into_iter().map(|TensorHead { name, len, has_moments }| {
        let moments = if has_moments { len } else { 0 };
        TensorState { name, weight: take(len), first_moment: take(moments), second_moment: take(moments) }
    });
    let tensors = tensors.collect();
    let kept = header.kept.map(|KeptHead { epoch, loss_per_cell, tensors }| {
        let tensor = |TensorHead { name, len, .. }| KeptTensor { name, weight: take(len) };
        KeptEpoch { epoch, loss_per_cell, weights: tensors.into_iter().map(tensor).collect() }
    });
    TrainState { records, steps: header.steps, tensors, kept }
}

#[cfg(test)]
mod tests {
    use super::{CheckpointError, Identity, decode, encode};
    use domain::{EpochRecord, TrialId};
    use models::{KeptEpoch, KeptTensor, TensorState, TrainState};
    use proptest::prelude::*;

    /// Made by `golden/checkpoint_v1.py`, which knows the layout from its description alone.
    const GOLDEN: &[u8] = include_bytes!("../tests/golden/checkpoint_v1.lsckpt");

    fn identity() -> Identity {
        Identity { trial: TrialId::of(b"abc"), rng_version: 1, engine: "sparse", isa: "avx512" }
    }

    fn state() -> TrainState {
        let record = |epoch: u32| EpochRecord {
            epoch,
            loss_per_cell: 1758.25 / f64::from(epoch),
            sse_per_cell: 0.1,
            kl_per_cell: 0.0,
            kl_spike_per_cell: Some(0.5),
            validation_sse_per_cell: None,
            validation_loss_per_cell: Some(2.0 * f64::from(epoch)),
            seconds: 0.125,
        };
        let tensor = |name: &str, len: usize, start: f32| TensorState {
            name: name.to_owned(),
            weight: (0..len).map(|at| start + at as f32).collect(),
            first_moment: (0..len).map(|at| -0.5 * at as f32).collect(),
            second_moment: vec![0.25; len],
        };
        TrainState {
            records: (1..=3).map(record).collect(),
            steps: 33,
            tensors: vec![
                tensor("encoder.0.weight", 6, 1.5),
                tensor("decoder.bias", 1, -2.0),
                TensorState {
                    name: "norm.mean".to_owned(),
                    weight: vec![3.0, 4.0],
                    first_moment: vec![],
                    second_moment: vec![],
                },
            ],
            kept: Some(KeptEpoch {
                epoch: 2,
                loss_per_cell: 4.0,
                weights: vec![KeptTensor { name: "decoder.bias".to_owned(), weight: vec![-7.5] }],
            }),
        }
    }

    #[test]
    fn the_layout_is_the_promised_one() {
        assert_eq!(decode(&identity(), GOLDEN), Ok(state()));
        assert_eq!(encode(&identity(), &state()).unwrap(), GOLDEN);
    }

    #[test]
    fn a_state_comes_back_to_the_bit() {
        let mut state = state();
        state.records[0].loss_per_cell = 0.1 + 0.2;
        state.tensors[0].weight[0] = f32::from_bits(1);
        let file = encode(&identity(), &state).unwrap();
        assert_eq!(decode(&identity(), &file), Ok(state));
        let empty = TrainState { records: vec![], steps: 0, tensors: vec![], kept: None };
        assert_eq!(decode(&identity(), &encode(&identity(), &empty).unwrap()), Ok(empty));
    }

    #[test]
    fn what_would_give_other_bits_is_refused_by_name() {
        type Change = (&'static str, fn(&mut Identity));
        let changes: [Change; 4] = [
            ("trial", |identity| identity.trial = TrialId::of(b"other")),
            ("version of the random streams", |identity| identity.rng_version = 2),
            ("engine", |identity| identity.engine = "dense"),
            ("instruction set", |identity| identity.isa = "avx2"),
        ];
        for (expected, change) in changes {
            let mut other = identity();
            change(&mut other);
            match decode(&other, GOLDEN) {
                Err(CheckpointError::Foreign { what, .. }) => assert_eq!(what, expected),
                wrong => panic!("{wrong:?}"),
            }
        }
    }

    #[test]
    fn a_file_cut_anywhere_or_of_another_layout_is_refused() {
        for length in 0..GOLDEN.len() {
            assert!(decode(&identity(), &GOLDEN[..length]).is_err(), "cut at {length}");
        }
        let mut later = GOLDEN.to_vec();
        later[7] = b'2';
        assert_eq!(decode(&identity(), &later), Err(CheckpointError::Layout));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), flips in 0usize..400) {
            prop_assert!(decode(&identity(), &bytes).is_err());
            let mut changed = GOLDEN.to_vec();
            let at = flips % changed.len();
            changed[at] ^= 1 + (flips % 255) as u8;
            prop_assert!(decode(&identity(), &changed).is_err());
            // With a hash that fits, what is inside must be looked at as well.
            let mut forged = [&b"LSCKPT01"[..], &bytes].concat();
            let hash = blake3::hash(&forged);
            forged.extend_from_slice(hash.as_bytes());
            prop_assert!(decode(&identity(), &forged).is_err());
        }
    }
}
